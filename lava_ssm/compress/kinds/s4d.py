"""S4D layers."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.balance import between
from lava_ssm.compress.formats import FormatError, Formats
from lava_ssm.compress.headroom import (
    ANY,
    LARGEST_STATE_EXPONENT,
    NONE,
    headroom,
    neuron_headroom,
)
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import (
    direct_mantissas,
    fitting,
    fixed_bias,
    largest_exponents,
    parts,
    parts_of,
    stable,
)
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.network import S4D, FixedS4D
from lava_ssm.network.description import DIAGONAL_BITS, WEIGHT_BITS, Exponent
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.numerics import ComplexArray, IntArray, RealArray, Rounding, dequantize, quantize


class S4DKind(Kind[S4D, FixedS4D], of=S4D):
    """x' = a x + b u, y = 2 Re(sum c x') + d u + bias."""

    tensors = (
        Tensor("a", "param_bits", "param_exponent"),
        Tensor("b", "param_bits", "param_exponent"),
        Tensor("c", "param_bits", "param_exponent"),
        Tensor("d", DIAGONAL_BITS, "d_exponent"),
        Tensor("bias"),
    )
    hands_on = True

    scales = Scales.ANY

    def rescaled(self, layer: S4D, before: RealArray, behind: RealArray) -> S4D:
        d = None if layer.d is None else layer.d * behind / before
        bias = None if layer.bias is None else layer.bias * behind
        b, c = layer.b / before[:, np.newaxis], layer.c * behind[:, np.newaxis]
        return S4D(layer.a, b, c, d, bias)

    def scaled(self, layer: S4D, k: RealArray) -> S4D:
        return replace(layer, b=layer.b * k, c=layer.c / k)

    def of_states(self, layer: S4D) -> tuple[np.ndarray, np.ndarray]:
        return layer.b[..., np.newaxis], layer.c[..., np.newaxis]

    def prepared(self, layer: S4D, moments: Moments, formats: Formats) -> S4D:
        """See `Kind`: a rounded, and c that makes up for it."""
        if not formats.compensate or formats.param_exponent != "auto":
            return layer
        p = largest_exponents({"a": parts(layer.a)}, formats.param_width)
        rounded = dequantize(stable(parts(layer.a), p, formats.rounding), p[:, None, None])
        return with_poles(layer, rounded[..., 0] + 1j * rounded[..., 1], moments)

    def parameters(self, layer: S4D, moments: Moments, rules: Rules) -> tuple[FixedS4D, S4D]:
        # |b| and |c| of each state alike
        k = between(np.abs(layer.b), np.abs(layer.c))
        alike = self.scaled(layer, k) if rules.formats.balance else layer
        fixed = fixed_s4d(alike, rules.formats)
        return fixed, replace(fixed.dequantize(), bias=layer.bias)

    def state_headroom(self, fixed: FixedS4D, ranges: Ranges, rules: Rules) -> IntArray:
        bits = rules.arithmetic.state_bits
        by_channel = rules.formats.state_exponent == "auto"
        # of two spare bits: the peaks of a channel are less certain than those of a whole layer
        spare = 2 * rules.spare if by_channel and rules.spare > 1 else rules.spare
        peaks = np.maximum(ranges.inputs, ranges.states)
        return np.array([headroom(peak, bits, spare) for peak in peaks])

    def output_headroom(self, layer: S4D, ranges: Ranges, rules: Rules) -> int:
        """What is rectified need not fit the message, but the neuron."""
        return neuron_headroom(ranges.sums, layer.bias, rules.arithmetic, rules.spare)

    def output_limit(
        self, fixed: FixedS4D, layer: S4D, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        """See `Kind`: the product with d has the exponent of both ends."""
        fits = fixed.d_exponent is None or fixed.d_exponent >= -MOST_LEFT
        return ANY if fits else NONE

    def finish(
        self, fixed: FixedS4D, layer: S4D, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedS4D:
        """States take all bits that are left of their word."""
        states = rules.formats.state_exponent
        exponents: int | IntArray
        if states == "auto":
            left = self.state_headroom(fixed, ranges, rules) - ends[0]
            exponents = np.clip(left, 0, LARGEST_STATE_EXPONENT)
            exponents = int(exponents[0]) if np.ptp(exponents) == 0 else exponents
        else:
            exponents = states
        bias = None if layer.bias is None else fixed_bias(layer.bias, ends[1])
        return replace(fixed, state_exponent=exponents, bias=bias)

    def state_exponents(self, fixed: FixedS4D, input_exponent: int) -> Exponent:
        return fixed.state_exponent + input_exponent

    def bias_exponents(self, fixed: FixedS4D, input_exponent: int) -> dict[str, int]:
        return {} if fixed.bias is None else {"bias": input_exponent}

    def fitted(self, fixed: FixedS4D, layer: S4D, width: int = WEIGHT_BITS) -> dict[str, Exponent]:
        """See `Kind`: that of a, b and c."""
        largest = largest_exponents(parts_of(layer), fixed.param_bits)
        one = isinstance(fixed.param_exponent, int)
        return {"param_exponent": int(largest.min()) if one else largest}

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        if name == "a":
            return stable(parts(values), np.broadcast_to(exponent, len(values)), Rounding.NEAREST)
        return super().mantissas(name, values, bits, exponent)


_MOST_TOKENS = 2048
"""Of an impulse response that are looked at."""
_CLOSE = 3e-5
"""Squared error of a channel's impulse response, of 1, that is left as it is."""
_SLOW = 0.3
"""Share of an input's variance that is taken to move more slowly than states forget."""
_RIDGE = 1e-8
"""What is added to the normal equations, of their largest diagonal entry."""


def with_poles(layer: S4D, poles: ComplexArray, moments: Moments) -> S4D:
    """Give a layer other poles a, and the c with which its impulse responses change least.

    Least squares, channel by channel, of what the change makes of a sequence as long as those of
    the calibration data: of white noise of the input's variance, and of its mean.
    """
    tokens = min(moments.tokens, _MOST_TOKENS)
    noise = np.sqrt(np.arange(tokens, 0, -1.0))  # as many tokens hear it
    slow = np.sqrt(moments.mean**2 + _SLOW * moments.std**2)
    a, c = layer.a.copy(), layer.c.copy()

    def powers(a: ComplexArray, b: ComplexArray) -> ComplexArray:
        steps = np.broadcast_to(a, (tokens, len(a))).copy()
        steps[0] = 2 * b
        return np.multiply.accumulate(steps, axis=0)

    for i, (std, low) in enumerate(zip(moments.std, slow, strict=True)):

        def heard(response: RealArray) -> RealArray:
            weights = noise.reshape(-1, *[1] * (response.ndim - 1))
            return np.concatenate([std * weights * response, low * np.cumsum(response, axis=0)])  # noqa: B023

        wanted = (powers(layer.a[i], layer.b[i]) @ c[i]).real
        of_state = powers(poles[i], layer.b[i])
        error = heard(wanted - (of_state @ c[i]).real)
        if (error**2).sum() <= _CLOSE * (heard(wanted) ** 2).sum():
            continue
        basis = heard(np.concatenate([of_state.real, -of_state.imag], axis=1))
        gram = basis.T @ basis
        gram += _RIDGE * gram.diagonal().max() * np.eye(len(gram))
        re, im = np.split(np.linalg.solve(gram, basis.T @ error), 2)
        a[i], c[i] = poles[i], c[i] + re + 1j * im
    return replace(layer, a=a, c=c)


def fixed_s4d(layer: S4D, formats: Formats) -> FixedS4D:
    """Quantise the parameters; bias and exponents of states come later.

    Raises
    ------
    FormatError
        The exponent that is asked for leaves a parameter more bits than it may have.
    """
    of, bits = parts_of(layer), formats.param_width
    if formats.param_exponent == "auto":
        p = largest_exponents(of, bits)
    else:
        p = np.full(layer.d_model, formats.param_exponent)
    for key, values in of.items():
        fits = fitting(values, bits)
        missing = int((p - fits)[values.any(axis=(1, 2))].max(initial=0))
        if missing > 0:
            raise FormatError(
                f"param_exponent: {key} reaches {np.abs(values).max():.4g}; {bits} bits "
                f"allow an exponent of at most {int(fits.min())} for it, not {int(p.max())}: it "
                f"needs {bits + missing} bits"
            )
    b, c = (quantize(of[key], bits, p[:, None, None], formats.rounding, name=key) for key in "bc")
    exponent = p if formats.param_exponent == "auto" else int(formats.param_exponent)
    d, d_exponent = (None, None) if layer.d is None else direct_mantissas(layer.d, formats)
    return FixedS4D(
        a=stable(of["a"], p, formats.rounding),
        b=b,
        c=c,
        param_exponent=exponent,
        state_exponent=0 if formats.state_exponent == "auto" else formats.state_exponent,
        param_bits=bits,
        d=d,
        d_exponent=d_exponent,
    )
