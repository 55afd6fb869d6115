"""Which exponents the messages of a network get.

An S4D layer hands its input's exponent on, so exponents are chosen segment by segment: a segment
is the edges from one linear layer to the next. Edge i enters stage i; the last is the output.
"""

from collections.abc import Sequence

import numpy as np

from lava_ssm.compress.ranges import (
    Interval,
    Observed,
    limit,
    linear_interval,
    s4d_interval,
    sum_scale,
)
from lava_ssm.network import FixedLinear, Readout, Stage
from lava_ssm.network.fixed_network import FixedLayer
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, RealArray, fitting_exponent, word_range

_SPARE = 2
"""One spare bit: what calibration data reach, twice over, still fits."""


def _segments(layers: Sequence[FixedLayer]) -> list[range]:
    """Group the edges by common exponent: a linear layer begins a new segment."""
    starts = [0] + [i + 1 for i, layer in enumerate(layers) if isinstance(layer, FixedLinear)]
    ends = [*starts[1:], len(layers) + 1]
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]


def calibrated(
    stages: Sequence[Stage[FixedLayer]], seen: Observed, readout: Readout, rules: Arithmetic
) -> list[int]:
    """Exponent of each edge: the largest that leaves all that was seen a spare bit."""
    layers = [stage.layer for stage in stages]
    exponents: list[int] = []
    for segment in _segments(layers):
        # (largest value, largest integer it may become): value * 2**e * spare <= integer
        room: list[tuple[float, int]] = []
        for edge in segment:
            message = seen.input if edge == 0 else float(seen.sums(edge - 1).max())
            room.append((message, limit(rules.message_bits)))
            if edge == len(layers):
                if readout is Readout.MEAN_OVER_TIME:
                    room.append((seen.total, limit(SYNAPSE_BITS)))
                break
            layer = layers[edge]
            if isinstance(layer, FixedLinear):
                sums = seen.sums(edge) * sum_scale(layer)
                room.append((float(sums.max()), limit(SYNAPSE_BITS)))
            else:
                inside = max(message, seen.state(edge)) * 2.0 ** int(np.max(layer.state_exponent))
                room.append((inside, limit(rules.state_bits)))
        fits = [int(np.floor(np.log2(top / (_SPARE * peak)))) for peak, top in room if peak > 0]
        finest = _finest(layers, segment, exponents)
        exponents += [min([*fits, *finest], default=0)] * len(segment)
    return exponents


def _finest(layers: Sequence[FixedLayer], segment: range, exponents: Sequence[int]) -> list[int]:
    """Exponent beyond which a segment's linear layer would only append zeros to its sums."""
    if segment.start == 0:
        return []
    before = layers[segment.start - 1]
    assert isinstance(before, FixedLinear)
    return [exponents[-1] + int(np.min(before.exponent)) + 1]


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
            (highest,) = _finest(layers, segment, exponents)
            for e in range(highest, highest - 64, -1):
                amount = np.asarray(before.layer.exponent) + exponents[-1] + 1 - e
                message = behind.shifted(amount)
                message = message.rectified() if before.relu else message
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
        out = s4d_interval(stage.layer, rules, message)
        if out is None or not out.fits(SYNAPSE_BITS):
            return None
        message = out.rectified() if stage.relu else out
    raise AssertionError("a segment ends at a linear layer or at the output")
