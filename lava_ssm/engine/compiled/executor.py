"""The compiled kernels as executors of streams."""

import math
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.arguments import Arguments
from lava_ssm.engine.compiled.floating import advance_float, float_kinds, float_layout
from lava_ssm.engine.compiled.kernel import advance, kinds
from lava_ssm.engine.compiled.layout import FILTERS, RECURRENCE, Layout, layout
from lava_ssm.engine.compiled.rows import FixedRows, Rows
from lava_ssm.engine.compiled.windows import aligned
from lava_ssm.engine.compiled.words import OVERFLOWED, SYNAPSE
from lava_ssm.engine.reference import Reference, State
from lava_ssm.network import FixedNetwork, Network, Readout
from lava_ssm.numerics import Overflow

BLOCK = 64
"""Tokens that pass a population before the next one has its turn: their messages stay in cache."""
TOGETHER = 512
"""States that are stepped side by side over a block: with their parameters they stay in cache."""
_layouts: dict[int, Layout] = {}
"""Of networks in use, by identity: to lay one out takes as long as hundreds of tokens."""


def _laid_out(network: FixedNetwork) -> Layout:
    """Give the layout of a network, which never changes."""
    if id(network) not in _layouts:
        _layouts[id(network)] = layout(network)
        finalize(network, _layouts.pop, id(network), None)
    return _layouts[id(network)]


class CompiledFixed(FixedRows):
    """Runs a fixed network in machine code.

    Parameters
    ----------
    batch
        Shape of the batch of sequences.
    n_threads
        Sequences are shared out among so many; the results do not depend on it.
    """

    def __init__(self, network: FixedNetwork, batch: tuple[int, ...], n_threads: int = 1) -> None:
        self._layout = p = _laid_out(network)
        real = p.parameters.dtype
        super().__init__(network, batch, n_threads, p.n_states[0], real, advance)
        rows, n = len(self._re), self._n_threads
        self._slow = [np.zeros((rows, p.n_states[1])) for _ in "ri"]
        self._peaks = np.zeros((rows, len(p.channels)))
        widest = int(p.populations["padded"].max())
        self._kept = np.zeros((n, 2, max(TOGETHER, widest)), real)
        self._raises = network.arithmetic.overflow is Overflow.RAISE
        buffers = np.zeros((n, p.n_buffers, BLOCK, p.width), np.int32)
        sums, wide = np.zeros((n, 2, p.width), np.int32), np.zeros((n, p.width + 1), np.int64)
        doubles = np.zeros((n, 2, p.width))
        window = aligned(np.zeros(n * 4 * p.width, np.uint8)).reshape(n, -1)
        arguments = [
            Arguments(
                kinds(self._kept.dtype),
                *(p.populations, p.matrices, p.weights, p.places, p.steps, p.tables, p.pointers),
                *(p.shifts, p.offsets, p.numbers, p.parameters, p.channels, p.table, p.rules),
                *(x[rows] for x in self._carried()),
                *(self._counts[i], buffers[i], sums[i], wide[i], doubles[i], window[i]),
                self._tokens.limits,
            )
            for i, rows in enumerate(self._threads.ranges or [slice(0, 0)])
        ]
        self._bind(arguments, self._kept)

    def _carried(self) -> tuple[NDArray[Any], ...]:
        return self._re, self._im, *self._slow, self._peaks, self._totals

    def step(self, token: Any) -> NDArray[np.int64] | None:
        """See `Executor`."""
        return None if self._raises else super().step(token)

    def advance(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Executor`."""
        if not self._raises:
            return super().advance(tokens)
        before, counts = self.saved(), self._counts.copy()
        outputs = super().advance(tokens)
        if np.delete(self._counts - counts, SYNAPSE, axis=-1).any():
            self.restore(before)
            self._counts[...] = counts
            self._raise(tokens)
        return outputs

    def _raise(self, tokens: NDArray[np.int64]) -> None:
        """Let the reference say what overflows, and by how much."""
        states = iter(self.states)
        populations = tuple(
            None if p.neurons.state_shape is None else next(states) for p in self._network.lowered
        )
        total = self._totals.reshape(*self._batch, -1)
        sums = self._network.readout is Readout.MEAN_OVER_TIME
        reference = Reference(self._network, self._batch)
        reference.state = State(populations, total if sums else None)
        try:
            reference.advance(tokens)
        finally:
            for counts, tally in zip(self._counts[0], reference.tallies, strict=True):
                counts += [tally[what] for what in OVERFLOWED]
        raise AssertionError("the kernel overflows where the reference does not")

    def _parts(self) -> Iterator[tuple[Any, list[NDArray[Any]]]]:
        """Of each population with states its row, and views of real and imaginary parts.

        Of filters (rows, d_model, d_state), of recurrences (rows, d_state).
        """
        for row in self._layout.populations:
            first, size = row["states"], row["size"]
            if row["operation"] == FILTERS:
                places = slice(first, first + size * row["padded"])
                yield (
                    row,
                    [
                        x[:, places].reshape(-1, size, row["padded"])[..., : row["d_state"]]
                        for x in (self._re, self._im)
                    ],
                )
            elif row["operation"] == RECURRENCE:
                yield row, [x[:, first : first + size] for x in self._slow]

    @property
    def states(self) -> Sequence[NDArray[np.int64]]:
        """See `Executor`."""
        both = (np.stack(parts, axis=-1).astype(np.int64) for _, parts in self._parts())
        return tuple(x.reshape(*self._batch, *x.shape[1:]) for x in both)

    def set_states(self, states: Sequence[NDArray[Any]]) -> None:
        """See `Executor`."""
        for (row, parts), values in zip(self._parts(), states, strict=True):
            for i, part in enumerate(parts):
                part[...] = values[..., i].reshape(part.shape)
            if row["operation"] == FILTERS:
                first = row["channels"]
                peaks = np.abs(np.stack(parts)).max(axis=(0, 3))
                self._peaks[:, first : first + row["size"]] = peaks


class CompiledFloat(Rows):
    """Runs a float network in machine code, float64; parameters as of `CompiledFixed`."""

    def __init__(self, network: Network, batch: tuple[int, ...], n_threads: int = 1) -> None:
        p = float_layout(network)
        super().__init__(network, batch, n_threads, p.n_states, np.float64, advance_float)
        self._shapes = network.state_shapes
        self._cuts = np.cumsum([math.prod(shape[:-1]) for shape in self._shapes])[:-1]
        buffers = np.zeros((self._n_threads, p.n_buffers, p.width))
        scratch = np.zeros((self._n_threads, 2, p.width))
        self._arguments = [
            Arguments(
                float_kinds(np.float64),
                *(p.populations, p.numbers, p.sums),
                *(x[rows] for x in self._carried()),
                *(buffers[i], scratch[i]),
            )
            for i, rows in enumerate(self._threads.ranges or [slice(0, 0)])
        ]
        self._bound = [(part.table,) for part in self._arguments]
        self._ready()

    def step(self, token: Any) -> NDArray[np.float64] | None:
        """See `Executor`."""
        return None

    def set_states(self, states: Sequence[NDArray[Any]]) -> None:
        """See `Executor`."""
        sizes = (math.prod(shape[:-1]) for shape in self._shapes)
        rows = [x.reshape(len(self._re), n, 2) for x, n in zip(states, sizes, strict=True)]
        if rows:
            both = np.concatenate(rows, axis=1)
            self._re[...], self._im[...] = both[..., 0], both[..., 1]

    @property
    def states(self) -> Sequence[NDArray[np.float64]]:
        """See `Executor`."""
        if not self._shapes:
            return ()
        parts = np.split(np.stack([self._re, self._im], axis=-1), self._cuts, axis=1)
        return tuple(
            x.reshape(*self._batch, *shape) for x, shape in zip(parts, self._shapes, strict=True)
        )
