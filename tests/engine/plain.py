"""The arithmetic of a fixed network in Python's own integers, written from docs/design.md alone:
what the reference engine is compared with."""

from collections.abc import Callable

import numpy as np

from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Readout, ReLU
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


def plain_linear(layer: FixedLinear, input_exponent: int) -> Callable[[list[int]], list[int]]:
    d_output, d_input = layer.weights.shape
    e = np.broadcast_to(layer.exponent, d_output).tolist()
    e_out = input_exponent if layer.output_exponent is None else layer.output_exponent
    shifts = [input_exponent + e[i] + 1 - e_out for i in range(d_output)]
    common = min(shifts)

    def apply(u: list[int]) -> list[int]:
        y = []
        for i in range(d_output):
            acc = sum(2 * int(layer.weights[i, j]) * u[j] for j in range(d_input))
            acc = word(acc, 32, Overflow.WRAP)
            acc = word(shift(acc, common, Rounding.FLOOR), 32, Overflow.WRAP)
            y.append(shift(acc, shifts[i] - common, Rounding.FLOOR))
        return y

    return apply


def run(net: FixedNetwork, tokens: list[list[int]]) -> list[list[int]]:
    """Outputs of each token, from the zero state."""
    rules = net.arithmetic
    chain: list[tuple[Callable[[list[int]], list[int]], bool]] = []
    e = net.input_exponent
    for i, layer in enumerate(net.layers):
        if isinstance(layer, ReLU):
            continue
        relu = i + 1 < len(net.layers) and isinstance(net.layers[i + 1], ReLU)
        if isinstance(layer, FixedS4D):
            chain.append((PlainS4D(layer, net), relu))
        else:
            chain.append((plain_linear(layer, e), relu))
            e = e if layer.output_exponent is None else layer.output_exponent
    outputs, total = [], [0] * net.d_output
    for token in tokens:
        u = token
        for layer_map, relu in chain:
            u = [max(0, v) if relu else v for v in layer_map(u)]
            u = [word(v, rules.message_bits, rules.overflow) for v in u]
        if net.readout is Readout.MEAN_OVER_TIME:
            total = [word(t + v, 32, rules.overflow) for t, v in zip(total, u, strict=True)]
            u = total
        outputs.append(u)
    return outputs
