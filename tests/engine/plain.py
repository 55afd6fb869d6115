"""Fixed networks in Python's own integers, written from docs/design.md alone.

All executors are compared with this. It shares nothing with `lava_ssm.numerics` but names.
"""

import math
from collections import Counter
from fractions import Fraction
from operator import mul
from typing import Any, Protocol

import numpy as np

from lava_ssm.network import (
    GELU,
    FixedConv1d,
    FixedGate,
    FixedGLU,
    FixedLayerNorm,
    FixedLinear,
    FixedMinGRU,
    FixedMLGRU,
    FixedNetwork,
    FixedRMSNorm,
    FixedS4D,
    FixedS5,
    FixedScale,
    FixedSelectiveSSM,
    Positive,
    Readout,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from lava_ssm.numerics import Arithmetic, Overflow, Rounding

Tally = Counter[str]


class PlainOverflow(Exception):
    """A word overflowed, and the rule is to raise."""


def shift(v: int, n: int, rounding: Rounding) -> int:
    if n <= 0:
        return v << -n
    floor = v >> n  # Python's own: as if there were infinitely many bits of the sign
    match rounding:
        case Rounding.FLOOR:
            return floor
        case Rounding.TOWARD_ZERO:
            return floor if v >= 0 else -(-v >> n)
        case Rounding.NEAREST:
            rest = 2 * (v - (floor << n)) - (1 << n)
            return floor + (rest > 0 or (rest == 0 and floor % 2 == 1))


def word(v: int, bits: int, overflow: Overflow, what: str, tally: Tally) -> int:
    half = 1 << (bits - 1)
    if -half <= v < half:
        return v
    tally[what] += 1
    match overflow:
        case Overflow.WRAP:
            return (v + half) % (2 * half) - half
        case Overflow.SATURATE:
            return half - 1 if v > 0 else -half
        case Overflow.RAISE:
            raise PlainOverflow(what)


def each(exponent: Any, channels: int) -> list[int]:
    """One exponent, or one a channel, as one a channel."""
    return [int(e) for e in np.broadcast_to(exponent, channels)]


def synapse(weights: list[list[int]], shifts: list[int], u: list[int], tally: Tally) -> list[int]:
    common = min(shifts)
    y = []
    for row, amount in zip(weights, shifts, strict=True):
        acc = 2 * sum(map(mul, row, u))
        acc = word(acc, 32, Overflow.WRAP, "synapse", tally)
        acc = word(shift(acc, common, Rounding.FLOOR), 32, Overflow.WRAP, "synapse", tally)
        y.append(shift(acc, amount - common, Rounding.FLOOR))
    return y


def recurrence(
    a: list[int], p: int, x: list[int], drive: list[int], rules: Arithmetic, tally: Tally
) -> list[int]:
    """One complex state: real, imaginary."""

    def times(m: int, v: int) -> int:
        return shift(m * v, p, rules.rounding)

    new = (
        times(a[0], x[0]) - times(a[1], x[1]) + drive[0],
        times(a[0], x[1]) + times(a[1], x[0]) + drive[1],
    )
    return [word(part, rules.state_bits, rules.overflow, "state", tally) for part in new]


class Layer(Protocol):
    x: Any
    """State, nested lists in the shape of the engine's; None where there is none."""

    def __call__(self, u: list[int], tally: Tally) -> list[int]: ...


class PlainS4D:
    def __init__(self, layer: FixedS4D, rules: Arithmetic) -> None:
        self.rules, self.d_state = rules, layer.d_state
        self.a, self.b, self.c = layer.a.tolist(), layer.b.tolist(), layer.c.tolist()
        self.p = each(layer.param_exponent, layer.d_model)
        self.s = each(layer.state_exponent, layer.d_model)
        none = [0] * layer.d_model
        self.d = none if layer.d is None else layer.d.tolist()
        self.bias = none if layer.bias is None else layer.bias.tolist()
        self.direct_shift = 0 if layer.d is None else layer.d_exponent
        self.x = np.zeros(layer.a.shape, int).tolist()

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        y = [self.channel(h, v, tally) for h, v in enumerate(u)]
        amount, rounding = self.direct_shift, self.rules.rounding
        direct = [shift(d * v, amount, rounding) for d, v in zip(self.d, u, strict=True)]
        return [s + d + b for s, d, b in zip(y, direct, self.bias, strict=True)]

    def channel(self, h: int, u: int, tally: Tally) -> int:
        rules, p, s = self.rules, self.p[h], self.s[h]
        total = 0
        for n in range(self.d_state):
            v = word(u << s, rules.state_bits, rules.overflow, "input", tally)
            drive = [shift(b * v, p, rules.rounding) for b in self.b[h][n]]
            x = recurrence(self.a[h][n], p, self.x[h][n], drive, rules, tally)
            self.x[h][n] = x
            re, im = (shift(c * v, p, rules.rounding) for c, v in zip(self.c[h][n], x, strict=True))
            total += shift(2 * (re - im), s, rules.rounding)
        return word(total, 32, Overflow.WRAP, "synapse", tally)


class PlainLinear:
    x = None

    def __init__(self, layer: FixedLinear, e_in: int, e_out: int) -> None:
        self.weights = layer.weights.tolist()
        d_output = len(self.weights)
        self.shifts = [e_in + e + 1 - e_out for e in each(layer.exponent, d_output)]
        self.bias = [0] * d_output if layer.bias is None else layer.bias.tolist()

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        y = synapse(self.weights, self.shifts, u, tally)
        return [v + b for v, b in zip(y, self.bias, strict=True)]


def sigmoid(v: int) -> int:
    step = max(-2048, min(2047, v >> 4))
    return round(2**15 / (1 + math.exp(-(step + 0.5) / 256)))


def entry(y: int, exponent: int, step_exponent: int, function: Any) -> int:
    """Of a table of 4096 steps of 2^-step_exponent around zero: 2^15 f in the middle of y's."""
    step = math.floor(Fraction(y) * Fraction(2) ** (step_exponent - exponent))
    step = max(-2048, min(2047, step))
    return round(2**15 * function((step + 0.5) / 2**step_exponent))


def normal(v: float) -> float:
    return (1 + math.erf(v / math.sqrt(2))) / 2


def logistic(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def activated(y: int, kind: type, exponent: int, rules: Arithmetic, tally: Tally) -> int:
    """The message of a sum with what follows it."""

    def message(v: int) -> int:
        return word(v, rules.message_bits, rules.overflow, "message", tally)

    if kind is ReLU:
        return message(max(0, y))
    if kind is GELU:
        y = message(y)
        return shift(y * entry(y, exponent, 8, normal), 15, rules.rounding)
    if kind is SiLU:
        y = message(y)
        return shift(y * entry(y, exponent, 7, logistic), 15, rules.rounding)
    if kind is Sigmoid:
        return message(shift(entry(y, exponent, 8, logistic), 15 - exponent, rules.rounding))
    if kind is Tanh:
        return message(shift(entry(y, exponent, 9, math.tanh), 15 - exponent, rules.rounding))
    if kind is Softplus:
        more = entry(y, exponent, 7, lambda v: 2 * math.log(1 + math.exp(-abs(v))))
        return message(max(0, y) + shift(more, 16 - exponent, rules.rounding))
    if kind is Positive:
        more = entry(y, exponent, 8, lambda v: 2 * logistic(v) if v < 0 else 1)
        return message(max(0, y) + shift(more, 16 - exponent, rules.rounding))
    return message(y)


def inverse_sqrt(v: int) -> int:
    """Lava's `InvSqrt`: 12 fraction bits in and out, at most 24 bits in."""
    bit = v.bit_length() - 1
    factor = 2 * int(4096 / (2 ** ((bit - 12) / 2) * 1.238982962))
    y = factor // 2
    for _ in range(5):
        v = ((v * factor >> 13) * factor) >> 13
        factor = 3 * 4096 - v
        y = y * factor >> 13
    return y


class PlainScale:
    x = None

    def __init__(self, layer: FixedScale, rules: Arithmetic, e_in: int) -> None:
        self.weights, self.bias = layer.weights.tolist(), layer.bias.tolist()
        self.amount = e_in + layer.weight_exponent - layer.output_exponent
        self.rounding = rules.rounding

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        each = zip(self.weights, u, self.bias, strict=True)
        return [shift(w * v, self.amount, self.rounding) + b for w, v, b in each]


class PlainNorm:
    x = None

    def __init__(self, layer: FixedLayerNorm | FixedRMSNorm, rules: Arithmetic) -> None:
        self.layer, self.rules = layer, rules
        self.weights, self.bias = layer.weights.tolist(), layer.bias.tolist()

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        layer, rules = self.layer, self.rules
        mode = rules.rounding

        def message(v: int) -> int:
            return word(v, rules.message_bits, rules.overflow, "message", tally)

        def wrapped(v: int) -> int:
            return word(v, 32, Overflow.WRAP, "synapse", tally)

        inner = rules.message_bits if layer.inner_bits is None else layer.inner_bits
        c = u
        if isinstance(layer, FixedLayerNorm):
            n, k = len(u), layer.mean_shift
            mean = message(wrapped(2 * sum(u)) >> (1 + k))
            s = 14 + (n - 1).bit_length() - k
            factor = round(2 ** (14 + (n - 1).bit_length()) / n)
            c = [message(v + shift(-factor * (wrapped(2 * mean) >> 1), s, mode)) for v in u]
        squares = []
        for v in c:
            square = word(
                shift(v * v, layer.square_shift, mode), 32, rules.overflow, "message", tally
            )
            squares.append(word(square, inner, rules.overflow, "message", tally))
        total = max(1, (wrapped(2 * sum(squares)) >> 1) + layer.epsilon)
        j = (total.bit_length() - 12) // 2
        root = inverse_sqrt(total >> 2 * j if j >= 0 else total << -2 * j)
        r = shift(root, 18 + j - layer.scale_exponent, mode)
        r = min(r, (1 << (inner - 1)) - 1)
        e_v = layer.scale_exponent + layer.square_shift // 2 - layer.product_shift
        amount = e_v + layer.weight_exponent - layer.output_exponent
        y = []
        for v, w, b in zip(c, self.weights, self.bias, strict=True):
            t = shift(v * (wrapped(2 * r) >> 1), layer.product_shift, mode)
            limit = 2 ** max(0, min(30, e_v))
            t = max(-limit, min(limit, t))
            y.append(shift(t * w, amount, mode) + b)
        return y


class PlainConv1d:
    def __init__(self, layer: FixedConv1d, e_in: int, e_out: int) -> None:
        self.weights, d_output = layer.weights.tolist(), layer.d_output
        self.of_group = layer.weights.shape[1]
        self.rows_of_group = d_output // layer.groups
        self.shifts = [e_in + e + 1 - e_out for e in each(layer.exponent, d_output)]
        self.bias = [0] * d_output if layer.bias is None else layer.bias.tolist()
        length = layer.weights.shape[2]
        self.x: Any = None  # of each channel earlier messages, oldest first
        if length > 1:
            self.x = [[0] * (length - 1) for _ in range(layer.d_input)]

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        earlier: list[list[int]] = [[] for _ in u] if self.x is None else self.x
        taps = [[*line, v] for line, v in zip(earlier, u, strict=True)]
        if self.x is not None:
            self.x = [line[1:] for line in taps]
        flat = []
        for i, rows in enumerate(self.weights):
            first = i // self.rows_of_group * self.of_group
            row = [0] * sum(map(len, taps))
            for j, weights in enumerate(rows, first):
                row[j * len(weights) : (j + 1) * len(weights)] = weights
            flat.append(row)
        y = synapse(flat, self.shifts, [v for line in taps for v in line], tally)
        return [v + b for v, b in zip(y, self.bias, strict=True)]


class PlainGate:
    x = None

    def __init__(self, layer: FixedGate, rules: Arithmetic, e_in: int, e_out: int) -> None:
        self.weights, self.bias = layer.weights.tolist(), layer.bias.tolist()
        self.shifts = [e_in + e + 1 - 12 for e in each(layer.exponent, len(self.weights))]
        self.amount, self.rounding = e_in + 15 - e_out, rules.rounding

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        sums = synapse(self.weights, self.shifts, u, tally)
        opened = [sigmoid(v + b) for v, b in zip(sums, self.bias, strict=True)]
        return [shift(z * g, self.amount, self.rounding) for z, g in zip(u, opened, strict=True)]


FUNCTIONS = {"none": object, "relu": ReLU, "gelu": GELU, "silu": SiLU, "tanh": Tanh}
FUNCTIONS |= {"softplus": Softplus, "positive": Positive, "sigmoid": Sigmoid}


class PlainGLU:
    x = None

    def __init__(self, layer: FixedGLU, rules: Arithmetic, e_in: int) -> None:
        size, e_s, self.e_v = layer.d_output, layer.value_exponent, layer.gate_sum_exponent
        is_sigmoid = layer.activation.value == "sigmoid"
        self.rules, self.kind = rules, None if is_sigmoid else FUNCTIONS[layer.activation.value]
        self.weights, self.gate = layer.weights.tolist(), layer.gate.tolist()
        self.bias, self.gate_bias = layer.bias.tolist(), layer.gate_bias.tolist()
        self.shifts = [e_in + e + 1 - e_s for e in each(layer.exponent, size)]
        self.gate_shifts = [e_in + e + 1 - self.e_v for e in each(layer.gate_exponent, size)]
        factor = 15 if self.kind is None else self.e_v
        self.amount, self.rounding = e_s + factor - layer.output_exponent, rules.rounding

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        values = synapse(self.weights, self.shifts, u, tally)
        gates = synapse(self.gate, self.gate_shifts, u, tally)
        values = [v + b for v, b in zip(values, self.bias, strict=True)]
        gates = [v + b for v, b in zip(gates, self.gate_bias, strict=True)]
        if self.kind is None:
            pairs = zip(values, map(sigmoid, gates), strict=True)
            return [shift(s * g, self.amount, self.rounding) for s, g in pairs]
        given = [self.product(s, v, tally) for s, v in zip(values, gates, strict=True)]
        return given

    def product(self, s: int, v: int, tally: Tally) -> int:
        assert self.kind is not None
        g = activated(v, self.kind, self.e_v, self.rules, tally)
        s = word(s, self.rules.message_bits, self.rules.overflow, "message", tally)
        y = shift(s * g, max(self.amount, 0), self.rounding)
        y = word(y, 32, self.rules.overflow, "message", tally)
        return shift(y, min(self.amount, 0), self.rounding)


def mixed(h: int, c: int, opening: int, rules: Arithmetic) -> int:
    """A state and what enters it, by a gate."""
    return c + shift(sigmoid(opening) * (h - c), 15, rules.rounding)


class PlainMinGRU:
    def __init__(self, layer: FixedMinGRU, rules: Arithmetic, e_in: int) -> None:
        size, e_h = layer.d_output, layer.state_exponent
        self.weights, self.gate = layer.weights.tolist(), (-layer.gate).tolist()
        self.bias, self.gate_bias = layer.bias.tolist(), layer.gate_bias.tolist()
        self.kind = FUNCTIONS[layer.activation.value]
        self.e_c = e_h if self.kind is object else layer.value_exponent
        self.finer = e_h - self.e_c
        self.shifts = [e_in + e + 1 - self.e_c for e in each(layer.exponent, size)]
        self.gate_shifts = [e_in + e + 1 - 12 for e in each(layer.gate_exponent, size)]
        self.amount, self.rules = e_h - layer.output_exponent, rules
        self.x = [0] * size

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        rules, y = self.rules, []
        values = synapse(self.weights, self.shifts, u, tally)
        gates = synapse(self.gate, self.gate_shifts, u, tally)
        for i, (value, gate) in enumerate(zip(values, gates, strict=True)):
            c = value + self.bias[i]
            if self.kind is not object:
                c = activated(c, self.kind, self.e_c, rules, tally) << self.finer
            c = word(c, rules.state_bits, rules.overflow, "input", tally)
            self.x[i] = mixed(self.x[i], c, gate - self.gate_bias[i], rules)
            sent = shift(self.x[i], self.amount, rules.rounding)
            y.append(word(sent, rules.message_bits, rules.overflow, "message", tally))
        return y


class PlainMLGRU:
    def __init__(self, layer: FixedMLGRU, rules: Arithmetic, e_in: int) -> None:
        size, self.e_c, self.rules = layer.d_output, layer.value_exponent, rules
        self.maps = [m.tolist() for m in (layer.weights, layer.forget, layer.gate)]
        self.biases = [b.tolist() for b in (layer.bias, layer.forget_bias, layer.gate_bias)]
        exponents = (layer.exponent, layer.forget_exponent, layer.gate_exponent)
        self.shifts = [
            [e_in + e + 1 - to for e in each(of_map, size)]
            for of_map, to in zip(exponents, (self.e_c, 12, 12), strict=True)
        ]
        self.k, self.amount = layer.state_shift, self.e_c + 15 - layer.output_exponent
        self.x = [0] * size

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        rules, y = self.rules, []
        sums = [
            [v + b for v, b in zip(synapse(m, s, u, tally), bias, strict=True)]
            for m, s, bias in zip(self.maps, self.shifts, self.biases, strict=True)
        ]
        for i, (value, forget, gate) in enumerate(zip(*sums, strict=True)):
            c = activated(value, SiLU, self.e_c, rules, tally) << self.k
            c = word(c, rules.state_bits, rules.overflow, "input", tally)
            self.x[i] = mixed(self.x[i], c, forget, rules)
            h = shift(self.x[i], self.k, rules.rounding)
            h = word(h, rules.message_bits, rules.overflow, "message", tally)
            y.append(shift(h * sigmoid(gate), self.amount, rules.rounding))
        return y


def decay(w: int, rules: Arithmetic) -> int:
    """exp(-w), of 20 fraction bits, in 23."""
    w = max(0, min(2**23 - 1, w))
    middle = ((w >> 12) + 0.5) / 256
    lost = shift(w * round(2**15 * (1 - math.exp(-middle)) / middle), 12, rules.rounding)
    return min(2**23 - lost, 2**23 - 1)


class PlainSelectiveSSM:
    def __init__(self, layer: FixedSelectiveSSM, rules: Arithmetic, e_in: int) -> None:
        self.layer, self.rules, self.e_in = layer, rules, e_in
        self.x = [0] * layer.a.size

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        layer, rules, e_x = self.layer, self.rules, self.e_in
        d_model, d_state = layer.a.shape

        def message(v: int) -> int:
            return word(v, rules.message_bits, rules.overflow, "message", tally)

        def product(v: int, w: int, amount: int) -> int:
            y = shift(v * w, max(amount, 0), rules.rounding)
            return word(y, 32, rules.overflow, "message", tally) << max(-amount, 0)

        def mapped(name: str, v: list[int], e: int, to: int) -> list[int]:
            weights = getattr(layer, name).tolist()
            rows = each(getattr(layer, f"{name}_exponent"), len(weights))
            return synapse(weights, [e + row + 1 - to for row in rows], v, tally)

        x = u[:d_model]
        if layer.gated:  # relayed
            x = [message(v) for v in x]
        low = [message(v) for v in mapped("down", x, e_x, layer.down_sent)]
        opening = mapped("up", low, layer.down_sent, layer.step_sent)
        steps = [
            activated(v + b, Softplus, layer.step_sent, rules, tally)
            for v, b in zip(opening, layer.bias.tolist(), strict=True)
        ]
        b = [message(v) for v in mapped("b", x, e_x, layer.b_sent)]
        c = [message(v) for v in mapped("c", x, e_x, layer.c_sent)]
        e_s, e_h, y = layer.sum_sent, layer.state_exponent, []
        for i, (step, v) in enumerate(zip(steps, x, strict=True)):
            scaled = message(product(step, v, layer.step_sent + e_x - layer.scaled_sent))
            total = 0
            for n in range(d_state):
                amount = layer.scaled_sent + layer.b_sent - layer.drive_sent
                drive = message(product(scaled, b[n], amount))
                amount = layer.a_exponent + layer.step_sent - 20
                w = shift(-int(layer.a[i, n]) * step, amount, rules.rounding)
                h = shift(decay(w, rules) * self.x[i * d_state + n], 23, rules.rounding)
                h += drive << (e_h - layer.drive_sent)
                h = word(h, rules.state_bits, rules.overflow, "state", tally)
                self.x[i * d_state + n] = h
                h = message(shift(h, e_h - layer.state_sent, rules.rounding))
                total += message(product(h, c[n], layer.state_sent + layer.c_sent - e_s))
            total = word(total, 32, Overflow.WRAP, "synapse", tally)
            direct = shift(int(layer.d[i]) * v, e_x + layer.d_exponent - e_s, rules.rounding)
            y.append(total + direct)
        if not layer.gated:
            return y
        pairs = zip(map(message, y), u[d_model:], strict=True)
        return [product(s, z, e_s + e_x - layer.output_exponent) for s, z in pairs]


class PlainS5:
    def __init__(self, layer: FixedS5, rules: Arithmetic, e_in: int) -> None:
        self.rules, self.relu = rules, layer.relu
        self.p, self.k = layer.param_exponent, layer.state_shift
        d_state, d_model = len(layer.a), len(layer.d)
        e_x, e_y = layer.state_exponent, layer.output_exponent
        self.a, self.drive_bias = layer.a.tolist(), layer.drive_bias.tolist()
        self.d, self.bias = layer.d.tolist(), layer.bias.tolist()
        self.b = [layer.b[n, :, part].tolist() for part in (0, 1) for n in range(d_state)]
        self.c = [
            layer.c[i, :, 0].tolist() + [-m for m in layer.c[i, :, 1].tolist()]
            for i in range(d_model)
        ]
        self.drive_shifts = [e_in + e + 1 - e_x for e in 2 * each(layer.b_exponent, d_state)]
        # 2 Re(C x): one fraction bit less than a synapse's sum has
        self.output_shifts = [e_x - self.k + e - e_y for e in each(layer.c_exponent, d_model)]
        self.direct_shift = e_in + layer.d_exponent - e_y
        self.x = np.zeros((d_state, 2), int).tolist()

    def __call__(self, u: list[int], tally: Tally) -> list[int]:
        rules, size = self.rules, len(self.a)
        sums = synapse(self.b, self.drive_shifts, u, tally)
        sent: list[int] = [0] * (2 * size)
        for n in range(size):
            drive = [sums[n + size * part] + self.drive_bias[n][part] for part in (0, 1)]
            x = recurrence(self.a[n], self.p, self.x[n], drive, rules, tally)
            self.x[n] = x
            passes = not self.relu or x[0] > 0 or (x[0] == 0 and x[1] > 0)
            for part in (0, 1):
                m = shift(x[part], self.k, rules.rounding) if passes else 0
                m = word(m, rules.message_bits, rules.overflow, "message", tally)
                sent[n + size * part] = m
        y = synapse(self.c, self.output_shifts, sent, tally)
        amount, rounding = self.direct_shift, rules.rounding
        direct = [shift(d * v, amount, rounding) for d, v in zip(self.d, u, strict=True)]
        return [s + d + b for s, d, b in zip(y, direct, self.bias, strict=True)]


class Plain:
    """A network on tokens as they come.

    Attributes
    ----------
    overflows
        A tally a stage, by what overflowed.
    """

    def __init__(self, net: FixedNetwork) -> None:
        self.rules, self.readout = net.arithmetic, net.readout
        self.layers: list[Layer] = []
        self.activations: list[type] = []  # object: none
        self.begins: list[int | None] = []  # with whose input a stage's residual path begins
        self.e = [net.input_exponent]  # of the messages that enter each stage, and of the outputs
        for layer in net.layers:
            match layer:
                case ReLU() | GELU() | SiLU() | Sigmoid() | Tanh() | Softplus() | Positive():
                    self.activations[-1] = type(layer)
                case Residual():
                    self.begins[-1] = len(self.layers) - layer.span
                case _:
                    self._add(layer)
        self.overflows = [Tally() for _ in self.layers]
        self.total = [0] * net.d_output

    def _add(self, layer: Any) -> None:
        given = getattr(layer, "output_exponent", None)
        before, after = self.e[-1], self.e[-1] if given is None else given
        made: Layer
        match layer:
            case FixedS4D():
                made = PlainS4D(layer, self.rules)
            case FixedS5():
                made = PlainS5(layer, self.rules, before)
            case FixedGate():
                made = PlainGate(layer, self.rules, before, after)
            case FixedGLU():
                made = PlainGLU(layer, self.rules, before)
            case FixedLayerNorm() | FixedRMSNorm():
                made = PlainNorm(layer, self.rules)
            case FixedScale():
                made = PlainScale(layer, self.rules, before)
            case FixedMinGRU():
                made = PlainMinGRU(layer, self.rules, before)
            case FixedMLGRU():
                made = PlainMLGRU(layer, self.rules, before)
            case FixedSelectiveSSM():
                made = PlainSelectiveSSM(layer, self.rules, before)
            case FixedConv1d():
                made = PlainConv1d(layer, before, after)
            case FixedLinear():
                made = PlainLinear(layer, before, after)
        self.layers.append(made)
        self.activations.append(object)
        self.begins.append(None)
        self.e.append(after)

    @property
    def state(self) -> list[Any]:
        """State of each layer that has one, nested lists; may be set."""
        return [np.array(layer.x).tolist() for layer in self.layers if layer.x is not None]

    @state.setter
    def state(self, states: Any) -> None:
        given = iter(states)
        for layer in self.layers:
            if layer.x is not None:
                layer.x = np.array(next(given)).tolist()

    def step(self, token: list[int]) -> list[int]:
        """Output of a token. If a word overflows and the rule is to raise, nothing has changed."""
        before = self.state
        try:
            return self._step(token)
        except PlainOverflow:
            self.state = before
            raise

    def _step(self, token: list[int]) -> list[int]:
        rules = self.rules
        messages = [token]
        for i, (layer, tally) in enumerate(zip(self.layers, self.overflows, strict=True)):
            y = layer(messages[i], tally)
            begin = self.begins[i]
            if begin is not None:
                amount = self.e[begin] - self.e[i + 1]
                earlier = [shift(v, amount, Rounding.FLOOR) for v in messages[begin]]
                y = [v + w for v, w in zip(y, earlier, strict=True)]
            kind, e = self.activations[i], self.e[i + 1]
            messages.append([activated(v, kind, e, rules, tally) for v in y])
        if self.readout is not Readout.MEAN_OVER_TIME:
            return messages[-1]
        self.total = [
            word(t + v, 32, rules.overflow, "sum", self.overflows[-1])
            for t, v in zip(self.total, messages[-1], strict=True)
        ]
        return self.total

    def run(self, tokens: list[list[int]]) -> list[list[int]]:
        """Outputs of each token, from the state that it is in."""
        return [self.step(token) for token in tokens]


def run(net: FixedNetwork, tokens: list[list[int]]) -> list[list[int]]:
    """Outputs of each token, from the zero state."""
    return Plain(net).run(tokens)


def mantissa(value: float, exponent: int) -> int:
    """The integer nearest to value * 2**exponent, the even one of two."""
    return round(Fraction(value) * Fraction(2) ** exponent)
