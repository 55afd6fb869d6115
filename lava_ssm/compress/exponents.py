"""Which exponents the messages of a network get.

An S4D layer hands its input's exponent on, all others choose their own, so exponents are chosen
segment by segment: a segment is the edges from one layer that chooses to the next. Edge i enters
stage i; the last is the output.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lava_ssm.compress.ranges import (
    SPARE,
    Interval,
    Observed,
    limit,
    linear_interval,
    s4d_interval,
    sum_scale,
)
from lava_ssm.network import (
    Activation,
    FixedGate,
    FixedGLU,
    FixedLinear,
    FixedS4D,
    FixedS5,
    Readout,
    Stage,
)
from lava_ssm.network.description import BIAS_BITS
from lava_ssm.network.layer import FixedLayer
from lava_ssm.numerics import (
    SIGMOID_EXPONENT,
    SYNAPSE_BITS,
    Arithmetic,
    IntArray,
    RealArray,
    fitting_exponent,
    word_range,
)

_MOST_LEFT = 8
"""Bits that a product or a residual message is shifted to the left at most."""


def _segments(layers: Sequence[FixedLayer]) -> list[range]:
    """Group the edges by common exponent: a layer that chooses its own begins a new segment."""
    starts = [0] + [i + 1 for i, layer in enumerate(layers) if not isinstance(layer, FixedS4D)]
    ends = [*starts[1:], len(layers) + 1]
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]


_SPARE_OF_A_CHANNEL = 4
"""Two spare bits: the peaks of a channel are less certain than those of a whole layer."""
_COMMON_STATE_EXPONENT = 6
"""The chip's neuron takes its input times 64; where each channel has its own, a first guess."""
_LARGEST_STATE_EXPONENT = 16


@dataclass(frozen=True)
class Room:
    """What calibration data leave room for, a spare bit apart, edge by edge.

    Parameters
    ----------
    edges
        Largest exponent at which the messages of each edge, what a linear layer sums of them,
        and at the network's end the running sum fit their words.
    states
        For each stage with states: for each channel the largest sum of its input's exponent and
        its state exponent at which inputs and states fit the state's word, (d_model,); else None.
    """

    edges: tuple[int, ...]
    states: tuple[IntArray | None, ...]

    def state_exponents(self, stage: int, edge_exponent: int) -> IntArray:
        """For each channel of a stage with states, all bits that are left, (d_model,)."""
        room = self.states[stage]
        assert room is not None
        return np.clip(room - edge_exponent, 0, _LARGEST_STATE_EXPONENT)


def room(
    stages: Sequence[Stage[FixedLayer]],
    seen: Observed,
    readout: Readout,
    rules: Arithmetic,
    by_channel: bool,
    input_range: float | None = None,
) -> Room:
    """See how far exponents may go; those of states with two spare bits, if chosen by channel.

    Parameters
    ----------
    input_range
        Where the input's format ends; None: a spare bit beyond what was seen.
    """
    edges: list[int] = []
    states: list[IntArray | None] = []
    layers = [stage.layer for stage in stages]
    for edge in range(len(layers) + 1):
        if edge == 0 and input_range is not None:
            # one unit more would be the range itself
            fits = [int(np.floor(np.log2((limit(rules.message_bits) + 1) / input_range)))]
        else:
            message = seen.input if edge == 0 else float(seen.messages(edge - 1).max())
            fits = [_fit(message, rules.message_bits)]
        if edge > 0:
            if isinstance(layers[edge - 1], FixedLinear | FixedS4D):
                # what is rectified need not fit the message, but what it is made from the neuron
                register = max(rules.message_bits, rules.state_bits)
                fits.append(_fit(float(seen.sums(edge - 1).max()), register))
            fits.append(_fit(seen.bias(edge - 1), BIAS_BITS))
        if edge == len(layers):
            if readout is Readout.MEAN_OVER_TIME:
                fits.append(_fit(seen.total, SYNAPSE_BITS))
        elif isinstance(layer := layers[edge], FixedS4D):
            largest = seen.input if input_range is None else input_range
            u = np.full(layer.d_model, largest) if edge == 0 else seen.messages(edge - 1)
            peaks = np.maximum(u, seen.state(edge))
            spare = _SPARE_OF_A_CHANNEL if by_channel else SPARE
            states.append(np.array([_fit(peak, rules.state_bits, spare) for peak in peaks]))
        else:
            fits.append(_fit(float(_sums(layer, seen, edge).max()), SYNAPSE_BITS))
            states.append(None)
        edges.append(min(fits))
    return Room(tuple(edges), tuple(states))


def _sums(layer: FixedLayer, seen: Observed, stage: int) -> RealArray:
    """Largest 32-bit sums of a stage's first synapse, as its input's mantissas have exponent 0."""
    if isinstance(layer, FixedS5):
        e_b = np.broadcast_to(layer.b_exponent, layer.d_state)
        return seen.drive(stage) * np.tile(np.exp2(e_b + 1.0), 2)
    if isinstance(layer, FixedGLU):
        gates = seen.sums(stage) * sum_scale(layer.gate_exponent, layer.d_output)
        values = seen.second(stage) * sum_scale(layer.exponent, layer.d_output)
        return np.maximum(gates, values)
    assert isinstance(layer, FixedLinear | FixedGate)
    return seen.sums(stage) * sum_scale(layer.exponent, layer.d_output)


def _fit(peak: float, bits: int, spare: int = SPARE) -> int:
    """Largest exponent at which so many times a peak fits its word."""
    return int(np.floor(np.log2(limit(bits) / (spare * peak)))) if peak > 0 else _ANY


_ANY = 1000
"""Of a channel that is always zero."""


@dataclass(frozen=True)
class Choice:
    """Exponent of each segment's messages, and the range in which others may be tried."""

    segments: tuple[range, ...]
    chosen: tuple[int, ...]
    highest: tuple[int, ...]

    @property
    def edges(self) -> list[int]:
        """Exponent of each edge."""
        pairs = zip(self.chosen, self.segments, strict=True)
        return [e for e, segment in pairs for _ in segment]

    def moved(self, segment: int, by: int) -> "Choice":
        """Give the same, with another exponent for one segment."""
        chosen = list(self.chosen)
        chosen[segment] += by
        return replace(self, chosen=tuple(chosen))


def calibrated(
    stages: Sequence[Stage[FixedLayer]], space: Room, state_exponent: int | None, rules: Arithmetic
) -> Choice:
    """Largest exponents that leave all that was seen a spare bit.

    Parameters
    ----------
    state_exponent
        Of all states; None: each channel takes what is left, and about 6 are asked for.

    Raises
    ------
    ValueError
        The given state exponent leaves next to nothing of the messages.
    """
    layers = [stage.layer for stage in stages]
    segments = _segments(layers)
    edges: list[int] = []
    chosen: list[int] = []
    highest: list[int] = []
    for segment in segments:
        top = [space.edges[edge] for edge in segment]
        states = [space.states[edge] for edge in segment if edge < len(layers)]
        inside = [int(room.min()) for room in states if room is not None]
        finest = _finest(stages, segment, edges)
        asked = _COMMON_STATE_EXPONENT if state_exponent is None else state_exponent
        least = 0 if state_exponent is None else state_exponent
        e = min([*top, *finest, *(bits - asked for bits in inside)])
        if state_exponent is not None:
            for edge in segment:
                if edge < len(layers) and space.states[edge] is not None:
                    lost = space.edges[edge] - e
                    _check_kept(edge, rules.message_bits - 1 - lost, state_exponent, rules)
        chosen.append(0 if e >= _ANY - _LARGEST_STATE_EXPONENT else e)
        edges += [chosen[-1]] * len(segment)
        highest.append(max(chosen[-1], min([*top, *(bits - least for bits in inside)])))
    return Choice(tuple(segments), tuple(chosen), tuple(highest))


_LEAST_KEPT = 4
"""Bits of the largest message below which a network computes nothing of use."""


def _check_kept(stage: int, kept: int, state_exponent: int, rules: Arithmetic) -> None:
    missing = _LEAST_KEPT - kept
    if missing > 0:
        raise ValueError(
            f"state_exponent: with {state_exponent} the states of stage {stage} need "
            f"{rules.state_bits + missing} bits to take in messages of {_LEAST_KEPT}; they have "
            f"{rules.state_bits}: at most {max(0, state_exponent - missing)} can be met"
        )


CLEARLY = 0.98
"""Share of a squared error that another choice must fall below: chance decides nothing."""


def least_error(choice: Choice, error: Callable[[Choice], float]) -> Choice:
    """Try exponents around those chosen, segment by segment; keep those with the least error."""
    best = error(choice)
    for segment, highest in enumerate(choice.highest):
        for direction in (1, -1):
            moved = False
            while direction < 0 or choice.chosen[segment] < highest:
                trial = choice.moved(segment, direction)
                found = error(trial)
                if not found < CLEARLY * best:
                    break
                choice, best, moved = trial, found, True
            if moved:
                break
    return choice


def _finest(
    stages: Sequence[Stage[FixedLayer]], segment: range, exponents: Sequence[int]
) -> list[int]:
    """Exponents beyond which the layer before a segment would only append zeros."""
    if segment.start == 0:
        return []
    before = stages[segment.start - 1]
    e_u = exponents[-1]
    finest = []
    if before.residual is not None:
        finest.append(exponents[before.residual] + _MOST_LEFT)
    match before.layer:
        case FixedLinear() as layer if layer.bias is None and before.residual is None:
            finest.append(e_u + int(np.min(layer.exponent)) + 1)
        case FixedGate():
            finest.append(e_u + SIGMOID_EXPONENT)
        case FixedS5() as layer:
            finest.append(e_u + layer.d_exponent + _MOST_LEFT)
    return finest


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
            (highest,) = _finest(stages, segment, exponents)
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
