"""Exponents at which no input within its format can make an integer overflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_ssm.compress.headroom import limit
from lava_ssm.network import S4D, Activation, FixedLayer, FixedLinear, FixedS4D, Readout, Stage
from lava_ssm.numerics import (
    SYNAPSE_BITS,
    Arithmetic,
    RealArray,
    fitting_exponent,
    state_bound,
    word_range,
)


@dataclass(frozen=True)
class Interval:
    """Integers of each channel lie in [low, high], whatever the input; shapes (channels,)."""

    low: RealArray
    high: RealArray

    @property
    def magnitude(self) -> RealArray:
        """Largest magnitude of each channel."""
        return np.maximum(-self.low, self.high)

    def rectified(self) -> "Interval":
        """What a ReLU leaves of it."""
        return Interval(np.maximum(self.low, 0), np.maximum(self.high, 0))

    def fits(self, bits: int) -> bool:
        """Whether none of it can leave a signed word."""
        low, high = word_range(bits)
        return bool(self.low.min() >= low and self.high.max() <= high)

    def shifted(self, amount: Any) -> "Interval":
        """After a shift to the right that rounds down."""
        scale = np.exp2(-np.asarray(amount, float))
        return Interval(np.floor(self.low * scale), np.floor(self.high * scale))


def linear_interval(layer: FixedLinear, u: Interval) -> Interval:
    """32-bit sums that messages within `u` can cause."""
    positive, negative = (2.0 * np.clip(layer.weights, *sign) for sign in ((0, 127), (-128, 0)))
    return Interval(
        positive @ u.low + negative @ u.high,
        positive @ u.high + negative @ u.low,
    )


def s4d_interval(layer: FixedS4D, rules: Arithmetic, u: Interval) -> Interval | None:
    """Outputs that messages within `u`, in whatever order, can cause.

    The output is that of the exact linear system, whose impulse response k bounds it by
    sum_t k_t u_t, plus what rounding adds: the state is off by at most that of `state_bound`
    without input, and each of two products and the final shift by less than one.

    Returns
    -------
    Interval or None
        None where the input inside the neurons or a state could leave its word.
    """
    s = np.exp2(np.reshape(layer.state_exponent, (-1, 1)).astype(float))
    values = layer.dequantize()
    v = u.magnitude[:, np.newaxis] * s
    top = limit(rules.state_bits)
    if max(v.max(), state_bound(values.a, values.b, v).max()) > top:
        return None
    off = state_bound(values.a, values.b, 0)  # (d_model, d_state)
    noise = (2 * (np.abs(values.c) * off + 2) / s + 1).sum(axis=-1)
    positive, negative = response_sums(values)
    return Interval(
        positive * np.minimum(u.low, 0) - negative * np.maximum(u.high, 0) - noise,
        positive * np.maximum(u.high, 0) - negative * np.minimum(u.low, 0) + noise,
    )


def response_sums(layer: S4D, precision: float = 0.01) -> tuple[RealArray, RealArray]:
    """Sums over all time of the positive and of the negative part of each impulse response.

    k_t = 2 Re(sum_n c_n b_n a_n^t), summed until what is left of it, at most
    sum_n 2 |c_n b_n| |a_n|^t / (1 - |a_n|), is below `precision` of the sum (or a millionth of
    what it was, where the states cancel), and added to both.

    Returns
    -------
    tuple
        Two arrays (d_model,), not negative.
    """
    block = 256
    powers = layer.a[..., np.newaxis] ** np.arange(block)  # (d_model, d_state, block)
    weight = 2 * layer.c * layer.b
    positive = negative = np.zeros(layer.d_model)
    enough = 1e-6 * (np.abs(weight) / (1 - np.abs(layer.a))).sum(axis=-1)
    while True:
        k = np.einsum("hn,hnt->ht", weight, powers).real
        positive = positive + np.maximum(k, 0).sum(axis=-1)
        negative = negative + np.maximum(-k, 0).sum(axis=-1)
        weight = weight * layer.a**block
        left = (np.abs(weight) / (1 - np.abs(layer.a))).sum(axis=-1)
        if (left <= np.maximum(precision * (positive + negative), enough)).all():
            return positive + left, negative + left


def _segments(layers: Sequence[FixedLayer]) -> list[range]:
    starts = [0] + [i + 1 for i, layer in enumerate(layers) if not isinstance(layer, FixedS4D)]
    ends = [*starts[1:], len(layers) + 1]
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]


def certified(
    stages: Sequence[Stage[FixedLayer]], x: RealArray, readout: Readout, rules: Arithmetic
) -> tuple[list[int], int]:
    """Exponent of each edge, and the input's bits: the most that no input can make overflow."""
    tokens = x.shape[-2]
    layers = [stage.layer for stage in stages]
    exponents: list[int] = []
    input_bits = 0
    sums: Interval | None = None
    for segment in _segments(layers):
        if segment.start == 0:
            for input_bits in range(rules.message_bits, 1, -1):
                ends = (np.full(layers[0].d_input, float(end)) for end in word_range(input_bits))
                sums = _through(stages, segment, Interval(*ends), tokens, readout, rules)
                if sums is not None:
                    break
            e = int(fitting_exponent(np.abs(x).max(), input_bits))
        else:
            before, behind = stages[segment.start - 1], sums
            assert isinstance(before.layer, FixedLinear)
            assert behind is not None
            highest = exponents[-1] + int(np.min(before.layer.exponent)) + 1
            for e in range(highest, highest - 64, -1):
                amount = np.asarray(before.layer.exponent) + exponents[-1] + 1 - e
                message = behind.shifted(amount)
                message = message.rectified() if before.activation is Activation.RELU else message
                sums = _through(stages, segment, message, tokens, readout, rules)
                if sums is not None:
                    break
        if sums is None:
            raise ValueError(
                f"bound: no exponent certifies the messages into layer {segment.start}; use "
                "'calibrated', or a smaller state_exponent"
            )
        exponents += [e] * len(segment)
    return exponents, input_bits


def _through(
    stages: Sequence[Stage[FixedLayer]],
    segment: range,
    message: Interval,
    tokens: int,
    readout: Readout,
    rules: Arithmetic,
) -> Interval | None:
    """Follow a segment's first message to the sums of the linear layer behind it.

    Returns
    -------
    Interval or None
        Of those sums (of the messages, at the network's end); None where something on the way
        can overflow.
    """
    for edge in segment:
        if not message.fits(rules.message_bits):
            return None
        if edge == len(stages):
            total = Interval(message.low * tokens, message.high * tokens)
            mean = readout is Readout.MEAN_OVER_TIME
            return message if not mean or total.fits(SYNAPSE_BITS) else None
        stage = stages[edge]
        if isinstance(stage.layer, FixedLinear):
            sums = linear_interval(stage.layer, message)
            return sums if sums.fits(SYNAPSE_BITS) else None
        assert isinstance(stage.layer, FixedS4D)
        out = s4d_interval(stage.layer, rules, message)
        if out is None or not out.fits(SYNAPSE_BITS):
            return None
        message = out.rectified() if stage.activation is Activation.RELU else out
    raise AssertionError("a segment ends at a linear layer or at the output")
