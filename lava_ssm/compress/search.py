"""Which exponents the messages of a network get.

Some layers hand their input's exponent on, all others choose their own, so exponents are chosen
segment by segment: a segment is the edges from one layer that chooses to the next. Edge i enters
stage i; the last is the output.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lava_ssm.compress.headroom import ANY, LARGEST_STATE_EXPONENT, headroom, limit
from lava_ssm.compress.kinds import Rules, kind_of
from lava_ssm.compress.ranges import Observed
from lava_ssm.network import FixedLayer, FloatLayer, Network, Readout
from lava_ssm.network.description import MESSAGE_EXPONENTS
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic

STATE_EXPONENT = 6
"""The chip's neuron takes its input times 64; where each channel has its own, a first guess."""


def segments_of(layers: Sequence[FloatLayer]) -> list[range]:
    """Group the edges by common exponent: a layer that chooses its own begins a new segment."""
    starts = [0] + [i + 1 for i, layer in enumerate(layers) if not kind_of(layer).hands_on]
    ends = [*starts[1:], len(layers) + 1]
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]


class ExponentError(ValueError):
    """There are no exponents at which all integers of a network fit their words."""


@dataclass(frozen=True)
class Choice:
    """Exponent of each segment's messages, and the range in which others may be tried.

    Parameters
    ----------
    segments
        Edges of one exponent, in order.
    chosen, highest
        Of each segment.
    limit
        Largest exponent that a segment can take behind edges of others, see `Kind.output_limit`.
    """

    segments: tuple[range, ...]
    chosen: tuple[int, ...]
    highest: tuple[int, ...]
    limit: Callable[[range, Sequence[int]], int]

    @property
    def edges(self) -> list[int]:
        """Exponent of each edge: what is chosen, as far as layers can take it."""
        edges: list[int] = []
        for e, segment in zip(self.chosen, self.segments, strict=True):
            edges += [min(e, self.limit(segment, edges))] * len(segment)
        return edges

    def moved(self, segment: int, by: int) -> "Choice":
        """Give the same, with another exponent for one segment."""
        chosen = list(self.chosen)
        chosen[segment] += by
        return replace(self, chosen=tuple(chosen))


def largest(
    network: Network,
    fixed: Sequence[FixedLayer],
    observed: Observed,
    rules: Rules,
    input_range: float | None,
    guess: int = STATE_EXPONENT,
) -> Choice:
    """Choose the largest exponents that leave all that was observed a spare bit.

    Parameters
    ----------
    network
        Of the values of the fixed layers.
    fixed
        The layer of each stage, its exponents yet to come.
    input_range
        Where the input's format ends; None: a spare bit beyond what was observed.
    guess
        Fraction bits that states should have beyond their input, where each channel has its own.

    Raises
    ------
    ExponentError
        The state exponent that is asked for leaves next to nothing of the messages, or a layer
        takes none of those that messages may have.
    """
    states = [
        kind_of(stage.layer).state_headroom(layer, ranges, rules)
        for stage, layer, ranges in zip(network.stages, fixed, observed.stages, strict=True)
    ]
    tops = [
        _top(network, fixed, observed, rules, input_range, edge) for edge in range(len(fixed) + 1)
    ]
    limit = partial(_limit, network, fixed, observed, rules)
    asked = rules.formats.state_exponent
    segments = segments_of([stage.layer for stage in network.stages])
    edges: list[int] = []
    chosen: list[int] = []
    highest: list[int] = []
    for segment in segments:
        of_segment = [(i, states[i]) for i in segment if i < len(fixed)]
        inside = {i: int(left.min()) for i, left in of_segment if left is not None}
        finest = _finest(network, fixed, segment.start, edges)
        wanted, least = (guess, 0) if asked == "auto" else (asked, asked)
        top = min(tops[edge] for edge in segment)
        most = limit(segment, edges)
        e = min([top, finest, most, *(bits - wanted for bits in inside.values())])
        if e < MESSAGE_EXPONENTS[0]:
            name = type(network.stages[max(segment.start - 1, 0)].layer).__name__
            raise ExponentError(
                f"network: no exponent of messages suits the {name} of stage "
                f"{max(segment.start - 1, 0)}; scale its parameters, or what enters it, down"
            )
        if asked != "auto":
            for i in inside:
                _check_left(i, tops[i] - e, asked, rules.arithmetic)
        chosen.append(0 if e >= ANY - LARGEST_STATE_EXPONENT else e)
        edges += [min(chosen[-1], most)] * len(segment)
        highest.append(max(chosen[-1], min([top, *(bits - least for bits in inside.values())])))
    return Choice(tuple(segments), tuple(chosen), tuple(highest), limit)


def _top(
    network: Network,
    fixed: Sequence[FixedLayer],
    observed: Observed,
    rules: Rules,
    input_range: float | None,
    edge: int,
) -> int:
    """Largest exponent at which the messages of an edge fit, and what is before and behind it."""
    bits = rules.arithmetic.message_bits
    fits = []
    if edge == 0 and input_range is not None:
        # one unit more would be the range itself
        fits.append(int(np.floor(np.log2((limit(bits) + 1) / input_range))))
    elif edge == 0:
        fits.append(headroom(float(observed.stages[0].inputs.max()), bits, min(rules.spare, 2)))
    else:
        layer, ranges = network.stages[edge - 1].layer, observed.stages[edge - 1]
        fits.append(headroom(float(ranges.messages.max()), bits, rules.spare))
        fits.append(kind_of(layer).output_headroom(layer, ranges, rules))
    if edge < len(fixed):
        kind = kind_of(network.stages[edge].layer)
        fits.append(kind.input_headroom(fixed[edge], observed.stages[edge], rules))
    elif network.readout is Readout.MEAN_OVER_TIME:
        fits.append(headroom(observed.total, SYNAPSE_BITS, rules.spare))
    return min(fits)


def _limit(
    network: Network,
    fixed: Sequence[FixedLayer],
    observed: Observed,
    rules: Rules,
    segment: range,
    exponents: Sequence[int],
) -> int:
    """Largest exponent to which neurons before a segment can shift what they send, and tables give.

    Parameters
    ----------
    exponents
        Of the edges before it.
    """
    fits = [ANY]
    for i in range(max(segment.start - 1, 0), segment.stop - 1):
        stage, table = network.stages[i], network.stages[i].activation.table
        if stage.residual is not None and stage.residual < segment.start:
            fits.append(exponents[stage.residual] + MOST_LEFT)
        if table is not None and not table.multiplies:
            fits.append(table.entry_exponent + MOST_LEFT)
        # one that hands its exponent on has it from within
        e_u = exponents[i] if i < segment.start else 0
        ranges = observed.stages[i]
        fits.append(kind_of(stage.layer).output_limit(fixed[i], stage.layer, e_u, ranges, rules))
    return min(fits)


def _finest(
    network: Network, fixed: Sequence[FixedLayer], edge: int, exponents: Sequence[int]
) -> int:
    """Exponent beyond which the layer before an edge would only append zeros."""
    if edge == 0:
        return ANY
    before = network.stages[edge - 1]
    kind, entry = kind_of(before.layer), before.residual
    around = ANY if entry is None else exponents[entry] + MOST_LEFT // 2
    table = before.activation.table
    if table is not None and not table.multiplies:
        around = min(around, table.entry_exponent)
    return min(around, kind.finest(fixed[edge - 1], exponents[-1], entry is not None))


_LEAST_LEFT = 4
"""Bits of the largest message below which a network computes nothing of use."""


def _check_left(stage: int, lost: int, state_exponent: int, rules: Arithmetic) -> None:
    missing = _LEAST_LEFT - (rules.message_bits - 1 - lost)
    if missing > 0:
        raise ExponentError(
            f"state_exponent: with {state_exponent} the states of stage {stage} need "
            f"{rules.state_bits + missing} bits to take in messages of {_LEAST_LEFT}; they have "
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
            end = highest if direction > 0 else MESSAGE_EXPONENTS[0]
            while direction * choice.chosen[segment] < direction * end:
                trial = choice.moved(segment, direction)
                found = error(trial)
                if not found < CLEARLY * best:
                    break
                choice, best, moved = trial, found, True
            if moved:
                break
    return choice
