"""A network's populations, whole or in two parts, which two threads compute side by side.

Each thread computes some neurons of a population, the same ones at each token, and reads what the
other has written of earlier populations once it knows that it is there. Weights, parameters and
states are cut; messages lie in buffers that both read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from lava_ssm.engine.compiled.matrix import GRAIN
from lava_ssm.network import Connection, Copies, Filters, Matrix, Population
from lava_ssm.network.neurons import Neurons
from lava_ssm.numerics import IntArray


@dataclass(frozen=True)
class Part:
    """What a thread computes of a population.

    Parameters
    ----------
    population
        Of its neurons alone; None: of none.
    out
        Where its messages begin among those of the whole population.
    begins
        The same of what it reads of each input's source, and of a residual path's.
    awaits
        How far the other thread has to be before: the number of a population, from 1 on; 0: it
        knows that already.
    tells
        Whether the other thread awaits this one.
    """

    population: Population | None
    out: int
    begins: Sequence[int]
    awaits: int = 0
    tells: bool = False


def width_of(p: Population) -> int:
    """Numbers that a population puts into its buffer."""
    return p.neurons.d_model if isinstance(p.neurons, Filters) else p.neurons.n_neurons


def whole(populations: Sequence[Population]) -> list[Part]:
    """Give all of each, for one thread."""
    return [Part(p, 0, [0] * (len(p.inputs) + 1)) for p in populations]


def halves(populations: Sequence[Population]) -> tuple[list[list[Part]], list[int]]:
    """Cut each in two.

    Returns
    -------
    parts
        Of each thread.
    completed
        At each population, up to which one both know that both have completed.
    """
    ranges = _ranges(populations)
    parts: list[list[Part]] = [[], []]
    known, completed = [-1, -1], []  # the input is there when a block begins
    for n, p in enumerate(populations):
        for thread, of_thread in enumerate(parts):
            units = ranges[n][thread]
            if len(units) == 0:
                of_thread.append(Part(None, 0, ()))
                continue
            cut = [_cut(c, populations, ranges, n, units) for c in p.connections]
            awaited = max(
                (
                    c.source
                    for c, (_, read) in zip(p.connections, cut, strict=True)
                    if c.source is not None
                    and _is_of_other(c.source, read, populations, ranges, thread)
                ),
                default=-1,
            )
            connections = [c for c, _ in cut]
            of_thread.append(
                Part(
                    replace(
                        p,
                        neurons=_of(p.neurons, units),
                        inputs=tuple(connections[: len(p.inputs)]),
                    ),
                    thread * len(_messages(p, ranges[n][0])),
                    [
                        0 if isinstance(c.synapse, Matrix | Copies) else read.start
                        for c, read in cut
                    ],
                    awaited + 1 if awaited > known[thread] else 0,
                )
            )
            known[thread] = max(known[thread], awaited)
        completed.append(min(known))
    for of_thread, others in (parts, parts[::-1]):
        told = {part.awaits - 1 for part in others} | {len(populations) - 1}
        of_thread[:] = [replace(part, tells=n in told) for n, part in enumerate(of_thread)]
    return parts, completed


def _units(neurons: Neurons) -> int:
    """What is cut: channels, or states, or neurons."""
    shape = neurons.state_shape
    return neurons.n_neurons if shape is None else shape[0]


def _planes(p: Population) -> int:
    """How many messages of a unit lie apart: the parts of a complex state that sends both."""
    has_planes = p.neurons.state_shape is not None and p.neurons.n_parts > 1
    return width_of(p) // _units(p.neurons) if has_planes else 1


def _messages(p: Population, units: range) -> IntArray:
    """Give the numbers of the messages of some units."""
    n, planes = _units(p.neurons), _planes(p)
    each = width_of(p) // (n * planes)
    of_units = np.arange(units.start * each, units.stop * each)
    return np.concatenate([of_units + plane * n * each for plane in range(planes)])


def _ranges(populations: Sequence[Population]) -> list[tuple[range, range]]:
    """Give the units of both threads; what cannot be cut the first one computes."""
    uncut: set[int] = set()
    while True:
        ranges = []
        for i, p in enumerate(populations):
            n = _units(p.neurons)
            middle = n if i in uncut else min(n, GRAIN * max(1, round(n / (2 * GRAIN))))
            ranges.append((range(middle), range(middle, n)))
        found = set().union(
            *(
                _uncut(c, populations, ranges, i)
                for i, p in enumerate(populations)
                for c in p.connections
            )
        )
        if found <= uncut:
            return ranges
        uncut |= found


def _uncut(
    c: Connection,
    populations: Sequence[Population],
    ranges: Sequence[tuple[range, range]],
    number: int,
) -> set[int]:
    """Give the populations that a connection onto one keeps from being cut."""
    if isinstance(c.synapse, Matrix):
        # the least shift is one of all outputs: to the left it is taken first, in 32 bits
        shifts = np.asarray(c.synapse.shift)
        return {number} if shifts.ndim and shifts.min() < 0 else set()
    ends = {number} if c.source is None else {number, c.source}
    if any(_planes(populations[n]) > 1 for n in ends):
        return ends
    if isinstance(c.synapse, Copies):
        copied = (_copies(c.synapse, units) for units in ranges[number] if units)
        return {number} if None in copied else set()
    # what is added up in place is one population's as the other's
    if c.source is None or not isinstance(populations[c.source].neurons, Filters):
        return set()
    return ends if ranges[number] != ranges[c.source] else set()


def _copies(synapse: Copies, units: range) -> Copies | None:
    """Give what some of the neurons receive, None: which `Copies` cannot say."""
    n, period = len(units), synapse.count * synapse.each
    part = replace(synapse, n_out=n)
    if units.start % period or n % period:
        if units.start % synapse.each or n % synapse.each:
            return None
        first = synapse.first + units.start // synapse.each % synapse.count
        part = replace(part, first=first, count=n // synapse.each)
    same = np.array_equal(part.index, synapse.index[units.start : units.stop])
    return part if same else None


def _cut(
    c: Connection,
    populations: Sequence[Population],
    ranges: Sequence[tuple[range, range]],
    number: int,
    units: range,
) -> tuple[Connection, range]:
    """Give the connection onto some units, and which messages of its source's buffer it reads."""
    p, synapse = populations[number], c.synapse
    if isinstance(synapse, Matrix):
        rows = _messages(p, units) if _planes(p) > 1 else np.arange(units.start, units.stop)
        weights, shift = synapse.weights[rows], synapse.shift
        if c.source is not None:
            source = populations[c.source]
            order = [_messages(source, each) for each in ranges[c.source]]
            weights = weights[:, np.concatenate(order)]
        of_rows = shift if np.ndim(shift) == 0 else np.asarray(shift)[rows]
        return replace(c, synapse=replace(synapse, weights=weights, shift=of_rows)), range(
            synapse.n_in
        )
    if isinstance(synapse, Copies):
        copies = _copies(synapse, units)
        assert copies is not None
        return replace(c, synapse=copies), range(copies.first, copies.first + copies.count)
    n = _units(p.neurons)
    width = synapse.n_in if c.source is None else width_of(populations[c.source])
    each = width // n
    ones = replace(
        synapse, n_in=synapse.n_in // n * len(units), n_out=synapse.n_out // n * len(units)
    )
    return replace(c, synapse=ones), range(units.start * each, units.stop * each)


def _is_of_other(
    source: int,
    read: range,
    populations: Sequence[Population],
    ranges: Sequence[tuple[range, range]],
    thread: int,
) -> bool:
    """Whether the other thread writes some of these messages."""
    begin = len(_messages(populations[source], ranges[source][0]))
    end = width_of(populations[source])
    theirs = range(begin) if thread == 1 else range(begin, end)
    return max(read.start, theirs.start) < min(read.stop, theirs.stop)


def _of(neurons: Neurons, units: range) -> Neurons:
    """Give some units of neurons: a row of each array is one's."""
    n, of_units = _units(neurons), {}
    for field in fields(neurons):
        value = getattr(neurons, field.name)
        if isinstance(value, np.ndarray) and value.ndim:
            of_units[field.name] = value[units.start : units.stop]
        elif field.name in ("n_neurons", "d_model"):
            of_units[field.name] = value // n * len(units)
    return replace(neurons, **of_units)  # type: ignore[arg-type]
