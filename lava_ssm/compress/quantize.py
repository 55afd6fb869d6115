"""Post-training quantisation: a float network to the integers of the chip."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.formats import Formats
from lava_ssm.compress.parameters import balanced, fixed_linear, fixed_s4d
from lava_ssm.compress.ranges import (
    Interval,
    Observed,
    limit,
    linear_interval,
    s4d_interval,
    sum_scale,
)
from lava_ssm.network import (
    S4D,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Linear,
    Network,
    Readout,
    ReLU,
    Stage,
)
from lava_ssm.network.fixed_network import FixedLayer
from lava_ssm.numerics import (
    CHIP,
    SYNAPSE_BITS,
    Arithmetic,
    RealArray,
    fitting_exponent,
    word_range,
)

_SPARE = 2
"""One spare bit: what calibration data reach, twice over, still fits."""


def quantize(
    network: Network,
    calibration: ArrayLike,
    formats: Formats | None = None,
    bound: Literal["calibrated", "certified"] = "calibrated",
    arithmetic: Arithmetic = CHIP,
) -> FixedNetwork:
    """Quantise a trained network: 8-bit weights, 24-bit states and messages, integer exponents.

    Exponents are chosen here, once; they never depend on the data that is processed later.

    Parameters
    ----------
    network
        Float network.
    calibration
        Representative input, real values, (..., time, d_input).
    formats
        Of the parameters; None: the defaults of `Formats`. `PAPER` is the published choice.
    bound
        "calibrated": every message, state and sum that the calibration data cause fits with one
        spare bit. "certified": no input within the input format can make any of them overflow
        (proven from the weights; costs bits), and no running sum over as many tokens as the
        calibration sequences have.
    arithmetic
        Rules of the fixed network; the chip's by default.

    Returns
    -------
    FixedNetwork

    Raises
    ------
    TypeError
        Not a float network.
    ValueError
        Empty or misshapen calibration data, or formats that cannot hold the parameters.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a float Network, got {type(network).__name__}")
    if bound not in ("calibrated", "certified"):
        raise ValueError(f"bound must be 'calibrated' or 'certified', got {bound!r}")
    x = np.asarray(calibration)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(
            f"calibration must have shape (..., time, {network.d_input}) and not be empty, got "
            f"shape {x.shape}"
        )
    x = engine.as_tokens(network, x, "calibration")
    if not x.any():
        raise ValueError("calibration: all values are zero, so they say nothing about ranges")
    formats = Formats() if formats is None else formats

    layers = [_fixed(layer, formats, f"layers[{i}]") for i, layer in enumerate(network.layers)]
    values = Network(
        tuple(la if isinstance(la, ReLU) else la.dequantize() for la in layers), network.readout
    )
    # the rules of choice need the fixed layers in stages, their exponents yet to come
    stages = FixedNetwork(tuple(layers), network.readout).stages
    input_bits: int | None = None
    if bound == "calibrated":
        exponents = _calibrated(stages, Observed(values, x), network.readout, arithmetic)
    else:
        exponents, input_bits = _certified(stages, x, network.readout, arithmetic)

    stage = iter(exponents[1:])
    final: list[FixedS4D | FixedLinear | ReLU] = []
    for layer in layers:
        if isinstance(layer, ReLU):
            final.append(layer)
            continue
        e = next(stage)
        is_linear = isinstance(layer, FixedLinear)
        final.append(replace(layer, output_exponent=e) if is_linear else layer)
    made_by = {**network.made_by, "quantize": f"{formats}, bound={bound!r}"}
    return FixedNetwork(
        tuple(final), network.readout, exponents[0], input_bits, arithmetic, made_by
    )


def _fixed(layer: S4D | Linear | ReLU, formats: Formats, name: str) -> Any:
    match layer:
        case S4D():
            return fixed_s4d(balanced(layer) if formats.balance else layer, formats, name)
        case Linear():
            return fixed_linear(layer, formats)
        case _:
            return layer


def _segments(layers: Sequence[FixedLayer]) -> list[range]:
    """Group the edges 0 ... n (edge i enters stage i, edge n is the output) by common exponent.

    An S4D layer hands its input's exponent on, a linear one begins a new segment.
    """
    starts = [0] + [i + 1 for i, layer in enumerate(layers) if isinstance(layer, FixedLinear)]
    ends = [*starts[1:], len(layers) + 1]
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]


def _calibrated(
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


def _certified(
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
