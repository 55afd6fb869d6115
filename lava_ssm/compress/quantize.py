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
    Observed,
    limit,
    linear_bound,
    s4d_bound,
    shifted,
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
)
from lava_ssm.numerics import CHIP, SYNAPSE_BITS, Arithmetic, RealArray, fitting_exponent

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
    chosen = [la for la in layers if not isinstance(la, ReLU)]
    if bound == "calibrated":
        exponents = _calibrated(chosen, Observed(values, x), network.readout, arithmetic)
        input_bits = None
    else:
        exponents, input_bits = _certified(chosen, x, network.readout, arithmetic)

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


def _segments(layers: Sequence[FixedS4D | FixedLinear]) -> list[range]:
    """Group the edges 0 ... n (edge i enters stage i, edge n is the output) by common exponent.

    An S4D layer hands its input's exponent on, a linear one begins a new segment.
    """
    starts = [0] + [i + 1 for i, layer in enumerate(layers) if isinstance(layer, FixedLinear)]
    ends = [*starts[1:], len(layers) + 1]
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]


def _calibrated(
    layers: Sequence[FixedS4D | FixedLinear], seen: Observed, readout: Readout, rules: Arithmetic
) -> list[int]:
    """Exponent of each edge: the largest that leaves all that was seen a spare bit."""
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


def _finest(
    layers: Sequence[FixedS4D | FixedLinear], segment: range, exponents: Sequence[int]
) -> list[int]:
    """Exponent beyond which a segment's linear layer would only append zeros to its sums."""
    if segment.start == 0:
        return []
    before = layers[segment.start - 1]
    assert isinstance(before, FixedLinear)
    return [exponents[-1] + int(np.min(before.exponent)) + 1]


def _certified(
    layers: Sequence[FixedS4D | FixedLinear], x: RealArray, readout: Readout, rules: Arithmetic
) -> tuple[list[int], int]:
    """Exponent of each edge, and the input's bits: the most that no input can make overflow."""
    tokens = x.shape[-2]
    exponents: list[int] = []
    input_bits = 0
    sums = np.zeros(0)
    for segment in _segments(layers):
        within: RealArray | None = None
        if segment.start == 0:
            for input_bits in range(rules.message_bits, 1, -1):
                full = np.full(layers[0].d_input, 2.0 ** (input_bits - 1))
                within = _through(layers, segment, full, tokens, readout, rules)
                if within is not None:
                    break
            e = int(fitting_exponent(np.abs(x).max(), input_bits))
        else:
            before = layers[segment.start - 1]
            (highest,) = _finest(layers, segment, exponents)
            for e in range(highest, highest - 64, -1):
                amount = np.asarray(before.exponent) + exponents[-1] + 1 - e  # type: ignore[union-attr]
                message = shifted(sums, amount)
                within = _through(layers, segment, message, tokens, readout, rules)
                if within is not None:
                    break
        if within is None:
            raise ValueError(
                f"bound: no exponent certifies what enters layer {segment.start} "
                f"({'input' if segment.start == 0 else 'messages'}); use 'calibrated', or fewer "
                "state_exponent bits"
            )
        exponents += [e] * len(segment)
        sums = within
    return exponents, input_bits


def _through(
    layers: Sequence[FixedS4D | FixedLinear],
    segment: range,
    message: RealArray,
    tokens: int,
    readout: Readout,
    rules: Arithmetic,
) -> RealArray | None:
    """Follow the bound of a segment's first message to the sums of the linear layer behind it.

    Returns
    -------
    ndarray or None
        The sums' bound (the messages', at the network's end), or None where something can
        overflow on the way.
    """
    for edge in segment:
        # a two's complement word reaches one further down than up
        if message.max() > limit(rules.message_bits) + (edge == 0):
            return None
        if edge == len(layers):
            mean = readout is Readout.MEAN_OVER_TIME
            return None if mean and message.max() * tokens > limit(SYNAPSE_BITS) else message
        layer = layers[edge]
        if isinstance(layer, FixedLinear):
            sums = linear_bound(layer, message)
            return sums if sums.max() <= limit(SYNAPSE_BITS) else None
        fits, message = s4d_bound(layer, rules, message)
        if not fits or message.max() > limit(SYNAPSE_BITS):
            return None
    raise AssertionError("a segment ends at a linear layer or at the output")
