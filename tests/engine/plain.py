"""The arithmetic of a fixed network in Python's own integers, written from docs/design.md alone:
what the reference engine is compared with."""

import math
from collections.abc import Callable

import numpy as np

from lava_ssm.network import (
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Readout,
    ReLU,
    Residual,
)
from lava_ssm.numerics import Overflow, Rounding


def shift(v: int, n: int, rounding: Rounding) -> int:
    if n <= 0:
        return v * 2**-n
    floor = v // 2**n
    match rounding:
        case Rounding.FLOOR:
            return floor
        case Rounding.TOWARD_ZERO:
            return floor if v >= 0 else -(-v // 2**n)
        case Rounding.NEAREST:
            rest = 2 * (v - floor * 2**n) - 2**n
            return floor + (rest > 0 or (rest == 0 and floor % 2 == 1))


def word(v: int, bits: int, overflow: Overflow) -> int:
    half = 2 ** (bits - 1)
    if overflow is Overflow.WRAP:
        return (v + half) % (2 * half) - half
    return max(-half, min(half - 1, v))


class PlainS4D:
    def __init__(self, layer: FixedS4D, net: FixedNetwork) -> None:
        self.layer, self.rules = layer, net.arithmetic
        self.x = [[(0, 0)] * layer.d_state for _ in range(layer.d_model)]

    def __call__(self, u: list[int]) -> list[int]:
        return [self.channel(h, u[h]) for h in range(self.layer.d_model)]

    def channel(self, h: int, u: int) -> int:
        layer, rules = self.layer, self.rules
        p = int(np.broadcast_to(layer.param_exponent, layer.d_model)[h])
        s = int(np.broadcast_to(layer.state_exponent, layer.d_model)[h])
        total = 0
        for n in range(layer.d_state):
            a_re, a_im = map(int, layer.a[h, n])
            b_re, b_im = map(int, layer.b[h, n])
            c_re, c_im = map(int, layer.c[h, n])
            x_re, x_im = self.x[h][n]

            def times(m: int, v: int) -> int:
                return shift(m * v, p, rules.rounding)

            v = word(u * 2**s, rules.state_bits, rules.overflow)
            new = (
                times(a_re, x_re) - times(a_im, x_im) + times(b_re, v),
                times(a_re, x_im) + times(a_im, x_re) + times(b_im, v),
            )
            re, im = (word(part, rules.state_bits, rules.overflow) for part in new)
            self.x[h][n] = (re, im)
            total += shift(2 * (times(c_re, re) - times(c_im, im)), s, rules.rounding)
        return word(total, 32, Overflow.WRAP)


def plain_synapse(weights: list[list[int]], shifts: list[int], u: list[int]) -> list[int]:
    common = min(shifts)
    y = []
    for row, amount in zip(weights, shifts, strict=True):
        acc = word(sum(2 * m * v for m, v in zip(row, u, strict=True)), 32, Overflow.WRAP)
        acc = word(shift(acc, common, Rounding.FLOOR), 32, Overflow.WRAP)
        y.append(shift(acc, amount - common, Rounding.FLOOR))
    return y


class PlainLinear:
    def __init__(self, layer: FixedLinear, e_in: int, e_out: int) -> None:
        d_output = layer.weights.shape[0]
        self.weights = layer.weights.tolist()
        e = np.broadcast_to(layer.exponent, d_output).tolist()
        self.shifts = [e_in + e[i] + 1 - e_out for i in range(d_output)]
        self.bias = [0] * d_output if layer.bias is None else layer.bias.tolist()

    def __call__(self, u: list[int]) -> list[int]:
        y = plain_synapse(self.weights, self.shifts, u)
        return [v + b for v, b in zip(y, self.bias, strict=True)]


def plain_sigmoid(v: int) -> int:
    step = max(-2048, min(2047, v // 16))
    return round(2**15 / (1 + math.exp(-(step + 0.5) / 256)))


class PlainGate:
    def __init__(self, layer: FixedGate, net: FixedNetwork, e_in: int, e_out: int) -> None:
        e = np.broadcast_to(layer.exponent, layer.d_output).tolist()
        self.weights, self.bias = layer.weights.tolist(), layer.bias.tolist()
        self.shifts = [e_in + e_i + 1 - 12 for e_i in e]
        self.amount, self.rounding = e_in + 15 - e_out, net.arithmetic.rounding

    def __call__(self, u: list[int]) -> list[int]:
        v = plain_synapse(self.weights, self.shifts, u)
        sigmas = [plain_sigmoid(a + b) for a, b in zip(v, self.bias, strict=True)]
        return [shift(z * s, self.amount, self.rounding) for z, s in zip(u, sigmas, strict=True)]


class PlainS5:
    def __init__(self, layer: FixedS5, net: FixedNetwork, e_in: int) -> None:
        self.layer, self.rules, self.e_in = layer, net.arithmetic, e_in
        self.x = [(0, 0)] * layer.d_state

    def __call__(self, u: list[int]) -> list[int]:
        layer, rules = self.layer, self.rules
        e_x, e_y, k = layer.state_exponent, layer.output_exponent, layer.state_shift
        e_b = np.broadcast_to(layer.b_exponent, layer.d_state).tolist()
        e_c = np.broadcast_to(layer.c_exponent, layer.d_model).tolist()
        rows = [layer.b[n, :, part].tolist() for part in (0, 1) for n in range(layer.d_state)]
        drive = plain_synapse(rows, [self.e_in + e + 1 - e_x for e in e_b + e_b], u)
        sent_re, sent_im = [], []
        for n in range(layer.d_state):
            a_re, a_im = map(int, layer.a[n])
            x_re, x_im = self.x[n]

            def times(m: int, v: int) -> int:
                return shift(m * v, layer.param_exponent, rules.rounding)

            v_re = drive[n] + int(layer.drive_bias[n, 0])
            v_im = drive[layer.d_state + n] + int(layer.drive_bias[n, 1])
            re = word(
                times(a_re, x_re) - times(a_im, x_im) + v_re, rules.state_bits, rules.overflow
            )
            im = word(
                times(a_re, x_im) + times(a_im, x_re) + v_im, rules.state_bits, rules.overflow
            )
            self.x[n] = (re, im)
            if layer.relu and not (re > 0 or (re == 0 and im > 0)):
                re, im = 0, 0
            for sent, part in ((sent_re, re), (sent_im, im)):
                sent.append(
                    word(shift(part, k, rules.rounding), rules.message_bits, rules.overflow)
                )
        c_rows = [
            layer.c[i, :, 0].tolist() + [-m for m in layer.c[i, :, 1].tolist()]
            for i in range(layer.d_model)
        ]
        # 2 Re(C x): one fraction bit less than a synapse's sum has
        sums = plain_synapse(c_rows, [e_x - k + e - e_y for e in e_c], sent_re + sent_im)
        direct = [
            shift(int(d) * v, self.e_in + layer.d_exponent - e_y, rules.rounding)
            for d, v in zip(layer.d, u, strict=True)
        ]
        return [s + d + int(b) for s, d, b in zip(sums, direct, layer.bias, strict=True)]


def run(net: FixedNetwork, tokens: list[list[int]]) -> list[list[int]]:
    """Outputs of each token, from the zero state."""
    rules = net.arithmetic
    chain: list[dict] = []  # a layer, what follows it
    e = [net.input_exponent]  # of each message
    for layer in net.layers:
        if isinstance(layer, ReLU):
            chain[-1]["relu"] = True
            continue
        if isinstance(layer, Residual):
            chain[-1]["from"] = len(chain) - layer.span
            continue
        given = getattr(layer, "output_exponent", None)
        e.append(e[-1] if given is None else given)
        made: Callable[[list[int]], list[int]]
        match layer:
            case FixedS4D():
                made = PlainS4D(layer, net)
            case FixedS5():
                made = PlainS5(layer, net, e[-2])
            case FixedGate():
                made = PlainGate(layer, net, e[-2], e[-1])
            case FixedLinear():
                made = PlainLinear(layer, e[-2], e[-1])
        chain.append({"map": made, "relu": False, "from": None})
    outputs, total = [], [0] * net.d_output
    for token in tokens:
        messages = [token]
        for i, stage in enumerate(chain):
            u = stage["map"](messages[-1])
            start = stage["from"]
            if start is not None:
                skip = [shift(v, e[start] - e[i + 1], Rounding.FLOOR) for v in messages[start]]
                u = [v + w for v, w in zip(u, skip, strict=True)]
            u = [max(0, v) if stage["relu"] else v for v in u]
            messages.append([word(v, rules.message_bits, rules.overflow) for v in u])
        u = messages[-1]
        if net.readout is Readout.MEAN_OVER_TIME:
            total = [word(t + v, 32, rules.overflow) for t, v in zip(total, u, strict=True)]
            u = total
        outputs.append(u)
    return outputs
