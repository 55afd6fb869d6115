"""S5 layers."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.balance import between
from lava_ssm.compress.drift import Drift
from lava_ssm.compress.formats import Formats
from lava_ssm.compress.headroom import bias_headroom, headroom, synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import (
    direct_mantissas,
    fixed_bias,
    parts,
    stable,
    weight_mantissas,
)
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import compensated
from lava_ssm.network import S5, FixedS5
from lava_ssm.network.description import BIAS_BITS, DIAGONAL_BITS, WEIGHT_BITS, Exponent
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.numerics import SYNAPSE_BITS, IntArray, RealArray, Rounding, dequantize, word_range

_LEAST_OF_C = 1 - (1 << (WEIGHT_BITS - 1))
"""Of 8 bits. A synapse has the negative of its imaginary parts too."""


class S5Kind(Kind[S5, FixedS5], of=S5):
    """x' = a x + B u + drive_bias, y = 2 Re(C r(x')) + d u + bias."""

    tensors = (
        Tensor("a", DIAGONAL_BITS, "param_exponent"),
        Tensor("b", WEIGHT_BITS, "b_exponent", ("drive_bias",)),
        Tensor("c", WEIGHT_BITS, "c_exponent", ("bias",)),
        Tensor("d", DIAGONAL_BITS, "d_exponent"),
    )

    scales = Scales.ANY
    together = frozenset(("b", "c"))
    message_bits = 16

    def rescaled(self, layer: S5, before: RealArray, behind: RealArray) -> S5:
        b, c = layer.b / before, layer.c * behind[:, np.newaxis]
        return replace(layer, b=b, c=c, d=layer.d * behind / before, bias=layer.bias * behind)

    def scaled(self, layer: S5, k: RealArray) -> S5:
        b, c = layer.b * k[:, np.newaxis], layer.c / k
        return replace(layer, b=b, c=c, drive_bias=layer.drive_bias * k)

    def of_states(self, layer: S5) -> tuple[np.ndarray, np.ndarray]:
        return layer.b, layer.c.T

    def matrices(self, layer: S5) -> tuple[np.ndarray, ...]:
        return (layer.b,)

    def following(self, layer: S5, drift: Drift) -> tuple[S5, Moments]:
        re, drive_re = drift.followed(layer.b.real, layer.drive_bias.real)
        im, drive_im = drift.followed(layer.b.imag, layer.drive_bias.imag)
        layer = replace(layer, b=re + 1j * im, drive_bias=drive_re + 1j * drive_im)
        return layer, drift.moments

    def parameters(self, layer: S5, moments: Moments, rules: Rules) -> tuple[FixedS5, S5]:
        """The biases make up for what rounding took from B times the mean input, and from C times
        what states send on the average: a normalisation that was folded into the weights subtracts
        a mean; without this, rounded weights and exact biases would disagree about it.
        """
        assert moments.sent is not None
        k = np.ones(layer.d_state)
        if rules.formats.balance and not rules.formats.per_channel:
            k = balance_rows(layer, moments.std)
        elif rules.level:
            k = level_states(moments.sent)
        re, im = np.split(moments.sent.mean, 2)
        mean_sent = re + 1j * im
        layer = self.scaled(layer, k)
        fixed = fixed_s5(layer, rules.formats, moments.std)
        if rules.formats.compensate:
            sent = moments.sent.scaled(np.tile(k, 2))
            fixed = _together(layer, fixed, moments.centred, sent.centred, rules.formats.width)
        values = fixed.dequantize()
        drive = layer.drive_bias + (layer.b - values.b) @ moments.mean
        read = 2 * ((layer.c - values.c) @ (k * mean_sent)).real
        bias = layer.bias + (layer.d - values.d) * moments.mean + read
        return fixed, replace(values, drive_bias=drive, bias=bias)

    def input_headroom(self, fixed: FixedS5, ranges: Ranges, rules: Rules) -> int:
        rows = np.broadcast_to(fixed.b_exponent, fixed.d_state)
        return synapse_headroom(ranges.drive, np.tile(rows, 2), rules.spare)

    def output_headroom(self, layer: S5, ranges: Ranges, rules: Rules) -> int:
        return bias_headroom(layer.bias, rules.spare)

    def finest(self, fixed: FixedS5, input_exponent: int, residual: bool) -> int:
        return input_exponent + fixed.d_exponent + MOST_LEFT // 2

    def output_limit(
        self, fixed: FixedS5, layer: S5, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        return input_exponent + fixed.d_exponent + MOST_LEFT

    def finish(
        self, fixed: FixedS5, layer: S5, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedS5:
        """States are as fine as leaves a spare bit in their words, and are shifted as little as
        leaves one in their messages and in the 32-bit sums C m.
        """
        state = float(ranges.states.max())
        peak = max(state, float(np.abs(parts(layer.drive_bias)).max()))
        driven = float(ranges.drive.max())
        e_x = min(
            _finest(peak, rules.arithmetic.state_bits, rules),
            _finest(driven, SYNAPSE_BITS, rules),
            _finest(peak, BIAS_BITS, rules),
        )
        sums = ranges.sums * dequantize(
            np.ones(fixed.d_model, int), -np.broadcast_to(fixed.c_exponent, fixed.d_model)
        )
        e_m = min(
            e_x,
            _finest(state, rules.arithmetic.message_bits, rules),
            _finest(float(sums.max()), SYNAPSE_BITS, rules),
        )
        return replace(
            fixed,
            state_exponent=e_x,
            state_shift=min(max(e_x - e_m, 0), 31),
            output_exponent=ends[1],
            drive_bias=fixed_bias(parts(layer.drive_bias), e_x),
            bias=fixed_bias(layer.bias, ends[1]),
        )

    def state_exponents(self, fixed: FixedS5, input_exponent: int) -> int:
        return fixed.state_exponent

    def bias_exponents(self, fixed: FixedS5, input_exponent: int) -> dict[str, int]:
        return {"drive_bias": fixed.state_exponent, "bias": fixed.output_exponent}

    def fitted(self, fixed: FixedS5, layer: S5, width: int = WEIGHT_BITS) -> dict[str, Exponent]:
        """See `Kind`: none, they stay."""
        return {}

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        if name == "a":
            return diagonal_mantissas(values, int(exponent), Rounding.NEAREST)
        nearest = super().mantissas(name, values, bits, exponent)
        return np.maximum(nearest, _LEAST_OF_C) if name == "c" else nearest


def balance_rows(layer: S5, std: RealArray) -> RealArray:
    """Powers of two that make B's rows as large as C's columns, (d_state,).

    With one exponent a matrix the largest row or column leaves the others few bits. Scaled so that
    all rows of B are alike, C would have what they differed in, and the other way round; half of it
    each is where both lose least.

    Parameters
    ----------
    std
        Standard deviation of the inputs, (d_model,): a row is as large as what it makes of them.
    """
    row = np.sqrt((np.abs(layer.b) ** 2) @ std**2)
    return between(row, np.abs(layer.c).max(axis=0))


def level_states(sent: Moments) -> RealArray:
    """Powers of two that make all states of an S5 as large as the largest, (d_state,).

    They share the exponents of their words and messages.
    """
    re, im = np.split(np.diag(sent.gram), 2)
    size = np.sqrt(re + im)
    return np.exp2(
        np.rint(np.log2(np.where(size > 0, size.max() / np.where(size > 0, size, 1), 1)))
    )


def _together(layer: S5, fixed: FixedS5, gram: RealArray, sent: RealArray, bits: int) -> FixedS5:
    """Give the layer with B and C rounded with regard to each other, see `compensated`.

    Parameters
    ----------
    gram, sent
        Of what enters, and of real and imaginary parts of what the states send, less their means.
    """
    rows = np.tile(np.broadcast_to(fixed.b_exponent, layer.d_state), 2)
    drive = compensated(np.concatenate([layer.b.real, layer.b.imag]), bits, rows, gram)
    read = np.concatenate([layer.c.real, -layer.c.imag], axis=1)
    c = compensated(read, bits, np.asarray(fixed.c_exponent), sent)
    c_re, c_im = np.split(np.maximum(c, _LEAST_OF_C), 2, axis=1)
    b = np.stack(np.split(drive, 2), axis=-1)
    return replace(fixed, b=b, c=np.stack([c_re, -c_im], axis=-1))


def _finest(peak: float, bits: int, rules: Rules) -> int:
    return headroom(peak, bits, rules.spare) if peak > 0 else 0


def fixed_s5(layer: S5, formats: Formats, std: RealArray | None = None) -> FixedS5:
    """Quantise the parameters of an S5 layer; biases and exponents of messages come later.

    The diagonals have 16 bits, a 15 of them behind the point (|a| < 1); B and C 8, with one
    exponent a matrix or, `per_channel`, one a row.
    """
    b, b_exponent = weight_mantissas(parts(layer.b), formats, std)
    c, c_exponent = weight_mantissas(parts(layer.c), formats)
    p = DIAGONAL_BITS - 1
    d, d_exponent = direct_mantissas(layer.d, formats)
    return FixedS5(
        a=diagonal_mantissas(layer.a, p, formats.rounding),
        b=b,
        c=np.maximum(c, _LEAST_OF_C),
        d=d,
        param_exponent=p,
        b_exponent=b_exponent,
        c_exponent=c_exponent,
        d_exponent=d_exponent,
        relu=layer.relu,
    )


def diagonal_mantissas(a: np.ndarray, p: int, rounding: Rounding) -> IntArray:
    """Mantissas of a complex diagonal a (d_state,), (d_state, 2); |a| < 1."""
    rounded = stable(parts(a)[:, np.newaxis], np.full(len(a), p), rounding)[:, 0]
    return np.clip(rounded, *word_range(DIAGONAL_BITS))
