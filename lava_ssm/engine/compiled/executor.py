"""The compiled kernels as executors of streams."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.advance import advance, kinds
from lava_ssm.engine.compiled.arguments import Arguments
from lava_ssm.engine.compiled.floating import advance_float, float_program
from lava_ssm.engine.compiled.program import (
    CHANNELS,
    D_OUTPUT,
    D_STATE,
    IS_LINEAR,
    PADDED,
    STATES,
    program,
)
from lava_ssm.engine.compiled.rows import FixedRows, Rows
from lava_ssm.engine.compiled.words import OVERFLOWED, SYNAPSE
from lava_ssm.engine.reference import Reference, State
from lava_ssm.network import S4D, FixedNetwork, Network, Readout
from lava_ssm.numerics import Overflow

BLOCK = 64
"""Tokens that pass a stage before the next one has its turn: their messages stay in cache."""
TOGETHER = 512
"""States that are stepped side by side over a block: with their parameters they stay in cache."""


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
        self._program = p = program(network)
        real = p.parameters.dtype
        super().__init__(network, batch, n_threads, p.n_states, real, advance)
        n = self._n_threads
        self._peaks = np.zeros((len(self._re), len(p.channels)))
        self._kept = np.zeros((n, 2, max(TOGETHER, int(p.stages[:, PADDED].max()))), real)
        self._raises = network.arithmetic.overflow is Overflow.RAISE
        self._make_room(1)

    def _make_room(self, block: int) -> None:
        """Bind the kernel to arrays with room for so many tokens at a time."""
        p = self._program
        self._signals = np.zeros((self._n_threads, 2, block, p.width), np.int32)
        arguments = [
            Arguments(
                kinds(self._kept.dtype),
                *(p.stages, p.parameters, p.channels, p.weights, p.shifts, p.rules),
                *(x[rows] for x in (self._re, self._im, self._peaks, self._totals)),
                *(self._counts[i], self._signals[i], self._tokens.limits),
            )
            for i, rows in enumerate(self._threads.ranges or [slice(0, 0)])
        ]
        self._bind(arguments, self._kept)

    def _carried(self) -> tuple[NDArray[Any], ...]:
        return *super()._carried(), self._peaks

    def step(self, token: Any) -> NDArray[np.int64] | None:
        """See `Executor`."""
        return None if self._raises else super().step(token)

    def advance(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Executor`."""
        if self._signals.shape[2] < min(tokens.shape[-2], BLOCK):
            self._make_room(BLOCK)
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
        layers = tuple(None if row[IS_LINEAR] else self._state(row) for row in self._program.stages)
        total = self._totals.reshape(*self._batch, -1)
        sums = self._network.readout is Readout.MEAN_OVER_TIME
        reference = Reference(self._network, self._batch)
        reference.state = State(layers, total if sums else None)
        try:
            reference.advance(tokens)
        finally:
            for counts, tally in zip(self._counts[0], reference.tallies, strict=True):
                counts += [tally[what] for what in OVERFLOWED]
        raise AssertionError("the kernel overflows where the reference does not")

    def _parts(self, row: NDArray[np.int64]) -> list[NDArray[Any]]:
        """Views of a stage's state, real and imaginary, (rows, d_model, padded) each."""
        d_model, size = row[D_OUTPUT], row[PADDED]
        places = slice(row[STATES], row[STATES] + d_model * size)
        return [x[:, places].reshape(-1, d_model, size) for x in (self._re, self._im)]

    def _state(self, row: NDArray[np.int64]) -> NDArray[np.int64]:
        """State of a stage, (*batch, d_model, d_state, 2)."""
        both = np.stack(self._parts(row), axis=-1)[..., : row[D_STATE], :]
        return both.reshape(*self._batch, *both.shape[1:]).astype(np.int64)

    @property
    def states(self) -> Sequence[NDArray[np.int64]]:
        """See `Executor`."""
        stages = self._program.stages
        return tuple(self._state(row) for row in stages if not row[IS_LINEAR])

    def set_states(self, states: Sequence[NDArray[Any]]) -> None:
        """See `Executor`."""
        given = iter(states)
        for row in self._program.stages:
            if row[IS_LINEAR]:
                continue
            values = next(given)  # (*batch, d_model, d_state, 2)
            rows = values.reshape(len(self._re), row[D_OUTPUT], row[D_STATE], 2)
            for x, part in zip(self._parts(row), (rows[..., 0], rows[..., 1]), strict=True):
                x[..., : row[D_STATE]] = part
            first = row[CHANNELS]
            self._peaks[:, first : first + row[D_OUTPUT]] = np.abs(rows).max(axis=(2, 3))


class CompiledFloat(Rows):
    """Runs a float network in machine code, float64; parameters as of `CompiledFixed`."""

    def __init__(self, network: Network, batch: tuple[int, ...], n_threads: int = 1) -> None:
        p = float_program(network)
        super().__init__(network, batch, n_threads, p.n_states, np.float64, advance_float)
        layers = [s.layer for s in network.stages if isinstance(s.layer, S4D)]
        ends = np.cumsum([layer.a.size for layer in layers], dtype=int)
        self._layers = [
            (la.a.shape, slice(end - la.a.size, end)) for la, end in zip(layers, ends, strict=True)
        ]
        signals = np.zeros((self._n_threads, 2, p.width))
        self._bound = [
            (
                *(p.stages, p.parameters, p.sums),
                *(x[rows] for x in (self._re, self._im, self._totals)),
                signals[i],
            )
            for i, rows in enumerate(self._threads.ranges or [slice(0, 0)])
        ]
        self._ready()

    def step(self, token: Any) -> NDArray[np.float64] | None:
        """See `Executor`."""
        return None

    def set_states(self, states: Sequence[NDArray[Any]]) -> None:
        """See `Executor`."""
        for (_, places), x in zip(self._layers, states, strict=True):
            rows = x.reshape(len(self._re), places.stop - places.start, 2)
            self._re[:, places], self._im[:, places] = rows[..., 0], rows[..., 1]

    @property
    def states(self) -> Sequence[NDArray[np.float64]]:
        """See `Executor`."""
        both = np.stack([self._re, self._im], axis=-1)  # (rows, states, 2)
        return tuple(
            both[:, places].reshape(*self._batch, *shape, 2) for shape, places in self._layers
        )
