"""Random networks for tests."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from lava_ssm.network import (
    GELU,
    GLU,
    MLGRU,
    S4D,
    S5,
    Activation,
    Conv1d,
    FixedConv1d,
    FixedGate,
    FixedGLU,
    FixedLayer,
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
    FloatLayer,
    Gate,
    LayerNorm,
    Linear,
    MinGRU,
    Network,
    Positive,
    Readout,
    ReLU,
    Residual,
    RMSNorm,
    Scale,
    SelectiveSSM,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from lava_ssm.network.activation import Elementwise
from lava_ssm.numerics import CHIP, Arithmetic, Overflow, Rounding


def random_fixed_s4d(
    rng: Generator, d_model: int, d_state: int, p: int = 12, per_channel: bool = False
) -> FixedS4D:
    radius = np.floor(0.7 * 2**p)
    a = rng.integers(-radius, radius + 1, (d_model, d_state, 2))
    b, c = rng.integers(-(2**p), 2**p + 1, (2, d_model, d_state, 2))
    if not per_channel:
        return FixedS4D(a, b, c, param_exponent=p)
    p_of_channel = rng.integers(p, p + 3, d_model)
    return FixedS4D(a, b, c, p_of_channel, state_exponent=rng.integers(0, 7, d_model))


def random_fixed_linear(
    rng: Generator, d_input: int, d_output: int, per_channel: bool = False
) -> FixedLinear:
    weights = rng.integers(-128, 128, (d_output, d_input))
    base = 7 + int(np.ceil(np.log2(d_input)))
    exponent = base + rng.integers(-2, 3, d_output) if per_channel else base
    return FixedLinear(weights, exponent)


def random_fixed_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
    per_channel: bool = False,
    arithmetic: Arithmetic = CHIP,
    d_input: int = 2,
    d_output: int = 4,
) -> FixedNetwork:
    layers: list[FixedS4D | FixedLinear | ReLU] = [
        random_fixed_linear(rng, d_input, d_model, per_channel)
    ]
    for _ in range(n_layers):
        layers.append(random_fixed_s4d(rng, d_model, d_state, per_channel=per_channel))
        if rng.random() < 0.7:
            layers.append(ReLU())
        layers.append(random_fixed_linear(rng, d_model, d_model, per_channel))
        if rng.random() < 0.7:
            layers.append(ReLU())
    layers.append(random_fixed_linear(rng, d_model, d_output, per_channel))
    return FixedNetwork(tuple(layers), readout, input_exponent=8, arithmetic=arithmetic)


def random_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
) -> Network:
    layers: list[S4D | Linear | ReLU] = [Linear(rng.normal(size=(d_model, 2)))]
    for _ in range(n_layers):
        size = (d_model, d_state)
        a = rng.uniform(0.1, 0.95, size) * np.exp(1j * rng.uniform(-np.pi, np.pi, size))
        b, c = (rng.normal(size=size) + 1j * rng.normal(size=size) for _ in range(2))
        layers += [
            S4D(a, b, c / d_state),
            ReLU(),
            Linear(rng.normal(size=(d_model, d_model)) / d_model),
            ReLU(),
        ]
    layers.append(Linear(rng.normal(size=(4, d_model))))
    return Network(tuple(layers), readout)


def random_fixed_s5(
    rng: Generator,
    d_model: int,
    d_state: int,
    input_exponent: int,
    output_exponent: int,
    per_channel: bool = False,
    relu: bool = True,
    density: float = 1.0,
) -> FixedS5:
    p = 15
    radius = rng.uniform(0.2, 0.98, d_state) * 2**p
    angle = rng.uniform(-np.pi, np.pi, d_state)
    a = np.trunc(np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)).astype(int)
    b = rng.integers(-127, 128, (d_state, d_model, 2))
    c = rng.integers(-127, 128, (d_model, d_state, 2))
    b[rng.random(b.shape) >= density] = 0
    c[rng.random(c.shape) >= density] = 0
    state_exponent = input_exponent + int(rng.integers(0, 5))
    return FixedS5(
        a,
        b,
        c,
        d=rng.integers(-(2**14), 2**14, d_model),
        drive_bias=rng.integers(-500, 500, (d_state, 2)),
        bias=rng.integers(-50, 50, d_model),
        param_exponent=p,
        b_exponent=7 + rng.integers(0, 4, d_state) if per_channel else 8,
        c_exponent=7 + rng.integers(0, 4, d_model) if per_channel else 8,
        d_exponent=int(rng.integers(13, 16)),
        state_exponent=state_exponent,
        state_shift=int(rng.integers(0, 6)),
        output_exponent=output_exponent,
        relu=relu,
    )


def random_fixed_s5_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
    per_channel: bool = False,
    arithmetic: Arithmetic = CHIP,
    d_input: int = 5,
    d_output: int = 4,
    density: float = 1.0,
) -> FixedNetwork:
    """encoder, blocks of S5, gate and residual, decoder, with biases; exponents vary."""

    def linear(d_in: int, d_out: int, e_out: int) -> FixedLinear:
        plain = random_fixed_linear(rng, d_in, d_out, per_channel)
        weights = plain.weights * (rng.random(plain.weights.shape) < density)
        return FixedLinear(weights, plain.exponent, e_out, rng.integers(-100, 100, d_out))

    e = 8
    layers: list[FixedLinear | FixedS5 | FixedGate | Residual | ReLU] = [
        linear(d_input, d_model, e),
        ReLU(),
    ]
    for _ in range(n_layers):
        e_y, e_next = (int(v) for v in e + rng.integers(-2, 3, 2))
        relu = bool(rng.random() < 0.7)
        layers.append(random_fixed_s5(rng, d_model, d_state, e, e_y, per_channel, relu, density))
        if rng.random() < 0.7:
            layers.append(ReLU())
        gate = linear(d_model, d_model, e_y)
        bias = rng.integers(-5000, 5000, d_model)
        layers.append(FixedGate(gate.weights, gate.exponent, bias, e_next))
        layers.append(Residual(2))
        if rng.random() < 0.7:
            layers.append(ReLU())
        e = e_next
    layers.append(linear(d_model, d_output, e))
    return FixedNetwork(tuple(layers), readout, input_exponent=8, arithmetic=arithmetic)


def random_s5(rng: Generator, d_model: int, d_state: int, relu: bool = True) -> S5:
    a = rng.uniform(0.1, 0.99, d_state) * np.exp(1j * rng.uniform(-np.pi, np.pi, d_state))
    b, c = rng.normal(size=(2, d_state, d_model)) + 1j * rng.normal(size=(2, d_state, d_model))
    return S5(
        a,
        b / d_model,
        c.T / d_state,
        rng.normal(size=d_model),
        rng.normal(size=d_state) * (0.1 + 0.2j),
        rng.normal(size=d_model) / 10,
        relu,
    )


def random_s5_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
    relu: bool = True,
    d_input: int = 5,
    d_output: int = 4,
) -> Network:
    layers: list[S5 | Linear | Gate | Residual | ReLU | GELU] = [
        Linear(rng.normal(size=(d_model, d_input)) / d_input, rng.normal(size=d_model) / 10)
    ]
    for _ in range(n_layers):
        layers += [
            random_s5(rng, d_model, d_state, relu),
            ReLU() if relu else GELU(),
            Gate(rng.normal(size=(d_model, d_model)) / d_model, rng.normal(size=d_model)),
            Residual(2),
        ]
        if relu:
            layers.append(ReLU())
    layers.append(Linear(rng.normal(size=(d_output, d_model)) / d_model, rng.normal(size=d_output)))
    return Network(tuple(layers), readout)


WIDTHS = (1, 1, 2, 3, 5, 6, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 200, 257, 300)
KINDS = ("linear", "s4d", "s5", "gate", "glu", "norm", "conv1d", "scale", "gru", "selective")
BARE = ("linear", "s4d")


def random_chain(
    rng: Generator,
    widest: int = 300,
    longest: int = 8,
    arithmetic: Arithmetic | None = None,
    kinds: Sequence[str] = KINDS,
    bare: bool = False,
) -> FixedNetwork:
    """Any legal fixed network: all layers in any order, with all that may stand behind them.

    Most exponents are such that messages stay of a size, some are anywhere they may be.

    Parameters
    ----------
    widest, longest
        Most channels, most stages.
    arithmetic
        None: any.
    bare
        No biases, no residual paths.
    """
    return _Chain(rng, widest, arithmetic or random_arithmetic(rng), bare).network(
        int(rng.integers(1, longest + 1)), kinds
    )


def random_arithmetic(rng: Generator) -> Arithmetic:
    state_bits = int(rng.choice([24, 24, 24, int(rng.integers(2, 33)), 32, 25, 16]))
    message_bits = int(rng.choice([24, 24, 16, int(rng.integers(2, 33)), 32, 8]))
    overflow = rng.choice([Overflow.WRAP, Overflow.WRAP, Overflow.SATURATE, Overflow.RAISE])
    return Arithmetic(rng.choice(list(Rounding)), overflow, state_bits, message_bits)


def random_mantissas(rng: Generator, net: FixedNetwork, shape: tuple[int, ...]) -> np.ndarray:
    """Tokens (*shape, d_input) of any size that the input's format holds, its ends among them."""
    low, high = net.input_format.min_mantissa, net.input_format.max_mantissa
    size = 2.0 ** rng.uniform(0, net.input_format.bits - 1)
    values = np.rint(rng.uniform(-size, size, (*shape, net.d_input))).astype(np.int64)
    ends = rng.choice([low, low + 1, high, 0, 1, -1], values.shape)
    return np.clip(
        np.where(rng.random(values.shape) < rng.choice([0, 0, 0.1]), ends, values), low, high
    )


class _Chain:
    """Puts a network together, layer by layer."""

    def __init__(self, rng: Generator, widest: int, rules: Arithmetic, bare: bool) -> None:
        self.rng, self.rules, self.bare = rng, rules, bare
        self.widths = [w for w in WIDTHS if w <= widest]
        self.wild = float(rng.choice([0, 0, 0.02, 0.1, 0.4]))  # exponents that are anywhere
        self.layers: list[FixedLayer | Residual | Elementwise] = []

    def network(self, n_stages: int, kinds: Sequence[str]) -> FixedNetwork:
        rng = self.rng
        self.entries = [(self.width(), self.near(8, -1000, 1000))]  # widths and exponents
        first = int(self.entries[0][1])
        for i in range(n_stages):
            kind = rng.choice(kinds)
            self.layers.append(getattr(self, kind)(*self.entries[-1], first=i == 0))
            layer = self.layers[-1]
            given = getattr(layer, "output_exponent", None)
            e = self.entries[-1][1] if given is None else given
            self.entries.append((layer.d_output, e))  # type: ignore[union-attr]
            self.behind()
        top = self.rules.message_bits
        s4d = self.layers[0]
        if isinstance(s4d, FixedS4D):
            top = min(top, self.rules.state_bits - int(np.max(s4d.state_exponent)))
        bits = None if rng.random() < 0.7 else int(rng.integers(2, top + 1))
        readout = rng.choice(list(Readout))
        return FixedNetwork(tuple(self.layers), readout, first, bits, self.rules)

    def width(self) -> int:
        return int(min(self.rng.choice(self.widths, 2)))

    def near(self, wanted: int, low: int, high: int) -> int:
        """An exponent, in most cases near one that makes sense."""
        rng = self.rng
        if rng.random() < self.wild:
            far = rng.choice([40, 1000])
            return int(np.clip(wanted + rng.integers(-far, far + 1), low, high))
        return int(np.clip(wanted + rng.integers(-2, 3), low, high))

    def each(
        self, wanted: int, channels: int, low: int = -1000, high: int = 1000
    ) -> int | np.ndarray:
        if self.rng.random() < 0.5:
            return self.near(wanted, low, high)
        return np.array([self.near(wanted, low, high) for _ in range(channels)])

    def integers(self, bits: int, shape: tuple[int, ...], lowest: int = 0) -> np.ndarray:
        """Mantissas of all sizes; `lowest` leaves out the least of them."""
        rng = self.rng
        low, high = -(1 << (bits - 1)) + lowest, (1 << (bits - 1)) - 1
        size = int(2.0 ** rng.uniform(max(bits - 4, 1), bits - 1))
        values = np.clip(rng.integers(-size, size + 1, shape), low, high)
        ends = rng.choice([low, high, high - 1, 0, 1], shape)
        return np.where(
            rng.random(shape) < rng.choice([0, 0, 0.3]), np.clip(ends, low, high), values
        )

    def matrix(self, shape: tuple[int, ...], lowest: int = 0) -> np.ndarray:
        density = self.rng.choice([self.rng.random() ** 4, 0.1, 0.3, 0.6, 1, 1, self.rng.random()])
        weights = self.integers(8, shape, lowest) * (self.rng.random(shape) < density)
        rows = self.rng.random(shape[0])
        weights[rows < self.rng.choice([0, 0.1])] = 0
        return weights

    def biases(self, shape: tuple[int, ...]) -> np.ndarray | None:
        if self.rng.random() < 0.4:
            return None
        return self.integers(24 if self.rng.random() < 0.1 else 10, shape)

    def diagonal(self, bits: int, p: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """|a| < 1 strictly, (*shape, 2), with p of shape (*shape,): near 1 and anywhere."""
        rng = self.rng
        one = np.exp2(np.minimum(p, bits - 1))
        radius = rng.choice([rng.uniform(0, 1, shape), 1 - rng.uniform(0, 0.01, shape)])
        angle = np.where(
            rng.random(shape) < 0.2,
            rng.choice([0, 0.5, 1, -0.5], shape) * np.pi,
            rng.uniform(-np.pi, np.pi, shape),
        )
        a = np.trunc(np.stack([np.cos(angle), np.sin(angle)], -1) * (radius * (one - 1))[..., None])
        return a.astype(np.int64)

    def linear(self, width: int, e: int, first: bool) -> FixedLinear:
        d_output = self.width()
        e_y = None if self.rng.random() < 0.4 else self.near(e, -1000, 1000)
        gain = 8 + int(np.log2(width) / 2)
        exponent = self.each(gain - 1 - e + (e if e_y is None else e_y), d_output)
        weights, bias = self.matrix((d_output, width)), self.biases((d_output,))
        return FixedLinear(weights, exponent, e_y, None if self.bare else bias)

    def gate(self, width: int, e: int, first: bool) -> FixedGate:
        e_y = None if self.rng.random() < 0.4 else self.near(e, -1000, min(1000, e + 31))
        weights = self.matrix((width, width))
        exponent = self.each(11 + int(np.log2(width) / 2), width)
        return FixedGate(weights, exponent, self.biases((width,)), e_y)

    def s4d(self, width: int, e: int, first: bool) -> FixedS4D:
        rng = self.rng
        d_state = int(min(rng.choice([1, 2, 3, 15, 16, 17, 32, 40], 2)))
        shape = (width, d_state)
        bits = int(rng.choice([16, 16, 12, 8, rng.integers(2, 25)]))
        p = self.each(bits - 1, width, 0, 31)
        a = self.diagonal(bits, np.broadcast_to(np.reshape(p, (-1, 1)), shape), shape)
        b, c = (self.integers(bits, (*shape, 2)) for _ in "bc")
        most = min(31, self.rules.state_bits - 2) if first else 31
        s = self.each(4, width, 0, most)
        return FixedS4D(a, b, c, p, s, bits)

    def s5(self, width: int, e: int, first: bool) -> FixedS5:
        rng = self.rng
        d_state = self.width()
        e_x, k = self.near(e + 2, -1000, 1000), self.near(2, 0, 31)
        e_y = self.near(e, -1000, min(1000, e + 1016))
        p = self.near(15, 0, 31)
        return FixedS5(
            self.diagonal(16, np.full(d_state, p), (d_state,)),
            self.matrix((d_state, width, 2)),
            self.matrix((width, d_state, 2), lowest=1),
            None if rng.random() < 0.2 else self.integers(16, (width,)),
            self.biases((d_state, 2)),
            self.biases((width,)),
            p,
            self.each(7 + int(np.log2(width) / 2) + e_x - e, d_state),
            self.each(8 + int(np.log2(d_state) / 2) + e_y + k - e_x, width),
            max(self.near(15, -1000, 1000), e_y - e - 16),
            e_x,
            k,
            e_y,
            bool(rng.random() < 0.5),
        )

    def glu(self, width: int, e: int, first: bool) -> FixedGLU:
        d_output = self.width()
        e_s = self.near(e, -1000, 1000)
        e_y = self.near(e_s, -1000, min(1000, e_s + 31))
        gain = 8 + int(np.log2(width) / 2)
        f, e_v = self.rng.choice(list(Activation)), 12
        if f is not Activation.SIGMOID:
            e_v = self.near(12, -1000, _most(f))
            e_y = int(np.clip(np.clip(e_y, e_s + e_v - 62, e_s + e_v + 16), -1000, 1000))
            e_v = int(np.clip(e_v, e_y - e_s - 16, e_y - e_s + 62))  # of exponents that are far
        return FixedGLU(
            *(self.matrix((d_output, width)) for _ in "wv"),
            self.each(gain - 1 - e + e_s, d_output),
            self.each(gain - 9 + e_v, d_output),
            *(self.biases((d_output,)) for _ in "bc"),
            e_s,
            e_y,
            f,
            e_v,
        )

    def gru(self, width: int, e: int, first: bool) -> FixedMinGRU | FixedMLGRU:
        rng, d_output, gain = self.rng, self.width(), 8 + int(np.log2(width) / 2)
        e_c, k = self.near(e, -980, 980), int(np.clip(self.near(2, 0, 16), 0, 16))
        n = int(rng.integers(2, 4))
        maps = [self.matrix((d_output, width), lowest=1) for _ in range(n)]
        of_value = self.each(gain - 1 - e + e_c, d_output)
        exponents = [of_value, *(self.each(gain + 3, d_output) for _ in range(n - 1))]
        biases = [self.biases((d_output,)) for _ in range(n)]
        if n == 2:
            f = rng.choice(list(Activation)) if rng.random() < 0.5 else Activation.NONE
            if f is Activation.NONE:
                return FixedMinGRU(*maps, *exponents, *biases, e_c, e_c - k)
            e_v = min(e_c, _most(f))
            e_h = e_v + int(np.clip(self.near(2, 0, 16), 0, 16))
            exponents[0] = self.each(gain - 1 - e + e_v, d_output)
            return FixedMinGRU(*maps, *exponents, *biases, e_h, e_h - k, f, e_v)
        e_y = self.near(e_c, -1000, min(1000, e_c + 31))
        return FixedMLGRU(*maps, *exponents, *biases, e_c, k, e_y)

    def selective(self, width: int, e: int, first: bool) -> FixedSelectiveSSM | FixedLinear:
        if abs(e) > 200:  # a product's exponent would leave the allowed ones
            return self.linear(width, e, first)
        rng, gain = self.rng, 7 + int(np.log2(width) / 2)
        gated = width % 2 == 0 and bool(rng.random() < 0.5)
        d, n, rank = width >> gated, int(min(rng.choice([1, 2, 3, 8, 16, 17], 2))), self.rank()
        e_r, e_b, e_c = (self.near(8, -100, 100) for _ in "rbc")
        e_d = self.near(12, -100, 31)
        e_a = int(np.clip(self.near(10, -1000, 1000), 4 - e_d, 1000))
        e_v = min(self.near(e + 2, -300, 300), e_d + e + 16)  # at most 16 bits to the left
        e_h, e_s, e_y = (self.near(wanted, -900, 900) for wanted in (e + 4, e, e))
        k, m = (int(np.clip(self.near(2, 0, 16), 0, 16)) for _ in "km")
        e_h = int(np.clip(e_h, e_v + e_b - 62 + k, e_v + e_b + 16 + k))
        e_s = int(np.clip(e_s, e_h - m + e_c - 62, e_h - m + e_c + 16))
        e_y = min(e_y, e_s + e + 16) if gated else e_s
        return FixedSelectiveSSM(
            -np.abs(self.integers(16, (d, n), lowest=1)),
            self.matrix((rank, d)),
            self.matrix((d, rank)),
            *(self.matrix((n, d)) for _ in "bc"),
            None if rng.random() < 0.2 else self.integers(16, (d,)),
            self.biases((d,)),
            gated,
            e_a,
            self.each(gain - 1 - e + e_r, rank),
            self.each(8 - e_r + e_d, d),
            *(self.each(gain - 1 - e + to, n) for to in (e_b, e_c)),
            max(self.near(15, -1000, 1000), e_s - e - 16),
            e_r,
            e_d,
            e_v,
            e_b,
            e_c,
            e_h - k,
            e_h,
            e_h - m,
            e_s,
            e_y,
        )

    def rank(self) -> int:
        return int(self.rng.choice([1, 2, 3, 8]))

    def norm(self, width: int, e: int, first: bool) -> FixedLayerNorm | FixedRMSNorm:
        rng = self.rng
        e_w, e_y = self.near(14, -1000, 1000), self.near(e, -1000, 1000)
        k, e_r, p = (
            int(rng.choice([0, 0, 2, 6, 10, 20])),
            self.near(16, -1000, 1000),
            self.near(4, 0, 62),
        )
        e_v = e_r + k // 2 - p
        e_y = min(e_y, max(-1000, e_v + e_w + 16))  # at most 16 bits to the left
        e_w = max(e_w, e_y - 16 - e_v)
        weights, bias = self.integers(16, (width,)), self.biases((width,))
        epsilon = int(2.0 ** rng.uniform(0, 23.9))
        rest = (k, epsilon, e_r, p, e_y, None if rng.random() < 0.5 else int(rng.integers(12, 33)))
        if rng.random() < 0.4:
            return FixedRMSNorm(weights, bias, e_w, *rest)
        return FixedLayerNorm(weights, bias, e_w, int(rng.integers(0, 10)), *rest)

    def scale(self, width: int, e: int, first: bool) -> FixedScale:
        e_y = self.near(e, -1000, 1000)
        e_w = max(self.near(14, -1000, 1000), e_y - e - 16)
        return FixedScale(self.integers(16, (width,)), self.biases((width,)), min(e_w, 1000), e_y)

    def conv1d(self, width: int, e: int, first: bool) -> FixedConv1d:
        rng = self.rng
        divisors = [g for g in range(1, width + 1) if width % g == 0]
        groups = int(rng.choice([1, width, rng.choice(divisors)]))
        d_output = groups * max(1, self.width() // groups)
        length = int(min(rng.choice([1, 2, 3, 4, 5, 16, 33], 2)))
        e_y = None if rng.random() < 0.4 else self.near(e, -1000, 1000)
        gain = 8 + int(np.log2(width // groups * length) / 2)
        exponent = self.each(gain - 1 - e + (e if e_y is None else e_y), d_output)
        shape = (d_output, width // groups, length)
        weights = self.matrix((d_output, width // groups * length)).reshape(shape)
        bias = self.biases((d_output,))
        return FixedConv1d(weights, exponent, e_y, None if self.bare else bias, groups)

    def behind(self) -> None:
        """What stands behind a layer: a residual path of any span, a rectifier."""
        width, e_y = self.entries[-1]
        spans = [
            span
            for span, (w, e) in enumerate(self.entries[-2::-1], 1)
            if w == width and e - e_y >= -16
        ]
        if spans and not self.bare and self.rng.random() < 0.5:
            self.layers.append(Residual(int(self.rng.choice(spans))))
        if self.rng.random() < 0.5:
            by_entry = [Sigmoid, Tanh, Softplus, Positive] if e_y <= 31 else []
            kinds = [ReLU, ReLU, ReLU, GELU, SiLU, *by_entry]
            chosen = kinds[int(self.rng.integers(len(kinds)))]
            self.layers.append(ReLU() if self.bare else chosen())


def _most(f: Activation) -> int:
    """The largest exponent that messages may have which f is taken of."""
    return 1000 if f.table is None or f.table.multiplies else 31


def random_float_chain(rng: Generator, kinds: Sequence[str] = KINDS) -> Network:
    """Any kinds of layers in any order, with biases, direct paths, residual paths, rectifiers."""
    widths = [int(rng.choice([2, 3, 5, 8]))]
    layers: list[FloatLayer | Residual | Elementwise] = []
    for _ in range(int(rng.integers(1, 6))):
        d = widths[-1]
        layers.append(_float_layer(rng, str(rng.choice(kinds)), d))
        widths.append(layers[-1].d_output)  # type: ignore[union-attr]
        spans = [i for i in range(1, len(widths)) if widths[-1 - i] == widths[-1]]
        if spans and rng.random() < 0.4:
            layers.append(Residual(int(rng.choice(spans))))
        if rng.random() < 0.6:
            activations = [ReLU, ReLU, ReLU, GELU, SiLU, Sigmoid, Tanh, Softplus, Positive]
            layers.append(activations[int(rng.integers(len(activations)))]())
    return Network(tuple(layers), rng.choice(list(Readout)))


def _float_layer(rng: Generator, kind: str, d: int) -> FloatLayer:
    d_output, n = int(rng.choice([2, 3, 5, 8])), int(rng.choice([1, 2, 8]))

    def some(*shape: int) -> np.ndarray | None:
        return None if rng.random() < 0.5 else rng.normal(size=shape) / 3

    match kind:
        case "linear":
            return Linear(rng.normal(size=(d_output, d)) / np.sqrt(d), some(d_output))
        case "s4d":
            a = rng.uniform(0.1, 0.99, (d, n)) * np.exp(1j * rng.uniform(-3, 3, (d, n)))
            b, c = rng.normal(size=(2, d, n)) + 1j * rng.normal(size=(2, d, n))
            return S4D(a, b * (1 - np.abs(a)), c / n, some(d), some(d))
        case "s5":
            return random_s5(rng, d, n, bool(rng.random() < 0.5))
        case "gate":
            return Gate(rng.normal(size=(d, d)) / np.sqrt(d), some(d))
        case "norm":
            norm = LayerNorm if rng.random() < 0.5 else RMSNorm
            return norm(rng.normal(size=d), some(d), 10.0 ** rng.uniform(-6, -1))
        case "scale":
            return Scale(rng.normal(size=d), some(d))
        case "gru":
            maps = rng.normal(size=(3, d_output, d)) / np.sqrt(d)
            bias = [some(d_output) for _ in maps]
            if rng.random() < 0.5:
                return MLGRU(*maps, *bias)
            return MinGRU(*maps[:2], *bias[:2], rng.choice(list(Activation)))
        case "selective":
            gated = d % 2 == 0 and bool(rng.random() < 0.5)
            m, rank = d >> gated, int(rng.integers(1, 4))
            maps = (rng.normal(size=s) / np.sqrt(d) for s in ((rank, m), (m, rank), (n, m), (n, m)))
            return SelectiveSSM(-rng.uniform(0.1, 5, (m, n)), *maps, some(m), some(m), gated)
        case "conv1d":
            groups, length = int(rng.choice([1, d])), int(rng.choice([1, 2, 4]))
            d_output = d if groups == d else d_output
            shape = d_output, d // groups, length
            return Conv1d(rng.normal(size=shape) / np.sqrt(d), some(d_output), groups)
    value, gate = rng.normal(size=(2, d_output, d)) / np.sqrt(d)
    f = rng.choice(list(Activation))
    return GLU(value, gate, some(d_output), some(d_output), f)
