"""The compiled kernels as executors of streams."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.arguments import COLUMNS, Arguments
from lava_ssm.engine.compiled.compiling import ready
from lava_ssm.engine.compiled.kernel import advancing
from lava_ssm.engine.compiled.layout import (
    CARRIED,
    NO_NEURONS,
    Layout,
    kinds,
    layout,
    of_thread,
)
from lava_ssm.engine.compiled.neurons import OPERATIONS, Memory, Operation, Part
from lava_ssm.engine.compiled.second import Second
from lava_ssm.engine.compiled.threads import Threads
from lava_ssm.engine.compiled.tokens import INTEGER, REAL, Tokens, array_type
from lava_ssm.engine.compiled.turns import turns
from lava_ssm.engine.compiled.vectors import lanes_of
from lava_ssm.engine.compiled.words import (
    ASLEEP,
    DONE,
    OVERFLOWED,
    OVERFLOWS_AT,
    SUM,
    SYNAPSE,
)
from lava_ssm.engine.compiled.writer import aligned
from lava_ssm.engine.executor import ANY, SUMS, FirstOverflow
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import Reference, State
from lava_ssm.network import FixedNetwork, Network, Readout
from lava_ssm.numerics import ComplexArray, Overflow, RealArray

Saved: TypeAlias = tuple[np.ndarray, ...]

BLOCK = 64
"""Tokens that pass a population before the next one has its turn: their messages stay in cache."""
_NONE = np.zeros(0)
"""No values to be rounded: tokens are mantissas."""
_layouts: dict[tuple[int, np.dtype | None, int], Layout] = {}
"""Of networks in use, by identity: to lay one out takes as long as hundreds of tokens."""


def _laid_out(network: FixedNetwork | Network, dtype: np.dtype | None, n_threads: int) -> Layout:
    """Give the layout of a network, which never changes."""
    key = id(network), dtype, n_threads
    if key not in _layouts:
        _layouts[key] = layout(network, dtype, n_threads)
        finalize(network, _layouts.pop, key, None)
    return _layouts[key]


class Compiled:
    """Runs a network in machine code.

    Parameters
    ----------
    batch
        Shape of the batch of sequences.
    n_threads
        Sequences are shared out among so many; the neurons of a single one among two, if it is
        more than one. The results do not depend on it.
    dtype
        Kind of the floats of a float network; None: float64.
    """

    values_per_token = 0
    overflowed = 0

    def __init__(
        self,
        network: FixedNetwork | Network,
        batch: tuple[int, ...],
        n_threads: int = 1,
        dtype: np.dtype | None = None,
    ) -> None:
        self._network, self._batch, self._dtype = network, batch, dtype
        is_fixed, rows = isinstance(network, FixedNetwork), math.prod(batch)
        self._kind = INTEGER if is_fixed else REAL
        is_shared = rows == 1 and n_threads > 1
        self._layout = p = _laid_out(network, dtype, 2 if is_shared else 1)
        self._threads = Threads(rows, n_threads)
        n = 2 if is_shared else max(1, len(self._threads.ranges))
        form = network.input_format if isinstance(network, FixedNetwork) else None
        self._tokens = Tokens(form, (*batch, network.d_input))
        self._token = np.zeros((rows, 1, network.d_input), self._kind)
        self._outputs = np.zeros((rows, 1, network.d_output), self._kind)
        self._output = self._outputs.reshape(*batch, network.d_output)
        given = kinds(p.real, is_fixed)
        sizes = {"states": p.n_states, "carried": p.n_carried, "totals": network.d_output}
        self._memory: Memory = {
            name: aligned(np.zeros((rows, sizes[name]), given[name][0])) for name in CARRIED
        }
        self._counts = np.zeros((n, len(network.stages), len(OVERFLOWED)), np.int64)
        lanes = lanes_of(p.real)
        widest = lanes * max(int(table["d_state"].max()) for table in p.tables)
        shapes: dict[str, tuple[int, ...]] = {
            "buffers": (p.n_buffers, BLOCK, p.width),
            "sums": (2, p.width),
            "wide": (p.width + 1,),
            "doubles": (2, p.width),
            "window": (4 * p.width,),
            "reached": (2, 2 * lanes),
            "widened": (6 * widest,),
            "kept": (2 * widest,),
        }
        of_rows = self._threads.ranges or [slice(0, 0)]
        if is_shared:  # the same rows, and what both threads read of each other
            of_rows = of_rows * n
            shared = {"turns": turns(), "threads": np.zeros((n, len(given), COLUMNS), np.int64)}
            buffers = shapes.pop("buffers")
            shared["buffers"] = aligned(np.zeros(buffers, given["buffers"][0]))
        else:
            shared = {"turns": np.zeros(0, np.int64), "threads": np.zeros((0, 0, 0), np.int64)}
        self._arguments = [
            Arguments(
                given,
                {
                    **p.arrays,
                    **shared,
                    **{name: x[part] for name, x in self._memory.items()},
                    **{name: aligned(np.zeros(s, given[name][0])) for name, s in shapes.items()},
                    "populations": p.tables[i % len(p.tables)],
                    "rules": of_thread(p.arrays["rules"], i % len(p.tables)),
                    "counts": self._counts[i],
                    "limits": self._tokens.limits,
                },
            )
            for i, part in enumerate(of_rows)
        ]
        tables = [part.table for part in self._arguments]
        self._tables = tables
        self._table = tables[0] if n == 1 or is_shared else None  # of `step`
        kernel = advancing(p.real, is_fixed, is_shared)
        cube = array_type(self._kind, 3)
        ready(kernel, (array_type(INTEGER, 2), array_type(REAL, 1), cube, cube))
        self._kernel, self._second = kernel, None
        if is_shared:
            shared["threads"][:] = tables
            none = _NONE, self._token[:, :0], self._outputs[:, :0]
            self._second = Second(kernel, self._arguments, shared["turns"], none)

    def reset(self) -> None:
        """See `Executor`."""
        for x in self._memory.values():
            x[...] = 0

    def saved(self) -> Saved:
        """See `Executor`."""
        return tuple([x.copy() for x in self._memory.values()])  # a generator would take longer

    def restore(self, saved: Saved) -> None:
        """See `Executor`."""
        for mine, value in zip(self._memory.values(), saved, strict=True):
            mine[...] = value

    def __reduce__(self) -> tuple[Any, ...]:
        # copies and unpickled ones are made anew: a copy of a view is no view of the copy
        made = self._network, self._batch, len(self._tables), self._dtype
        return type(self), made, (self.saved(), self._counts)

    def __setstate__(self, state: tuple[Saved, NDArray[np.int64]]) -> None:
        self.restore(state[0])
        self._counts[...] = state[1]
        self.overflowed = self._seen_overflows()

    def _seen_overflows(self) -> int:
        counts = self._counts
        return ANY * bool(counts.any()) | SUMS * bool(counts[:, -1, SUM].any())

    @property
    def tallies(self) -> Sequence[Tally]:
        """See `Executor`."""
        return [
            Counter({what: int(n) for what, n in zip(OVERFLOWED, row, strict=True) if n})
            for row in self._counts.sum(axis=0)
        ]

    def step(self, token: Any) -> np.ndarray | None:
        """See `Executor`; None where several threads share the rows, too."""
        table = self._table
        if table is None:
            return None
        values = self._tokens.flat(token)
        if values is None:
            return None
        if values.dtype is REAL:
            done = self._kernel(table, values, self._token, self._outputs)
        else:
            done = self._kernel(table, _NONE, values.reshape(self._token.shape), self._outputs)
        if done > DONE and self._is_first_overflow(done):
            raise FirstOverflow(self._output.copy())
        return self._output.copy() if done else None

    def _is_first_overflow(self, done: int) -> bool:
        """Take in what a kernel said beside that it is done."""
        if done & ASLEEP and self._second is not None:
            self._second.missed()
        before, self.overflowed = self.overflowed, done >> OVERFLOWS_AT
        return self.overflowed > before

    def advance(self, tokens: np.ndarray) -> np.ndarray:
        """See `Executor`: calls the kernel on each thread's rows."""
        kernel, tables = self._kernel, self._tables
        if not (tokens.flags.c_contiguous and tokens.flags.writeable):
            tokens = tokens.copy()  # else Numba would compile anew
        *batch, n_tokens, d_input = tokens.shape
        rows = tokens.reshape(len(self._outputs), n_tokens, d_input)
        outputs = np.empty((len(rows), n_tokens, self._outputs.shape[-1]), self._kind)
        if self._second is not None and n_tokens > BLOCK:
            self._second.wake()
        if self._table is not None:
            self._is_first_overflow(kernel(self._table, _NONE, rows, outputs))
        else:
            self._threads.run(lambda i, part: kernel(tables[i], _NONE, rows[part], outputs[part]))
            self.overflowed = self._seen_overflows()
        return outputs.reshape(*batch, n_tokens, outputs.shape[-1])

    def _of_states(
        self,
    ) -> Iterator[tuple[Sequence[np.void], Operation, Sequence[Part], ComplexArray | None]]:
        """Go over populations with a state: where it is, and of what its numbers are multiples."""
        is_float = self._kind is REAL
        for *all_rows, p in zip(*self._layout.tables, self._network.lowered, strict=True):
            rows = [row for row in all_rows if row["operation"] != NO_NEURONS]
            operation = OPERATIONS[rows[0]["operation"]]
            if operation.parts is not None:
                unit = operation.unit if is_float else None
                units = None if unit is None else unit(p.neurons, self._layout.real)
                parts = [
                    (same[0][0], np.concatenate([at for _, at in same]))
                    for same in zip(*map(operation.parts, rows), strict=True)
                ]
                yield rows, operation, parts, units

    @property
    def states(self) -> Sequence[np.ndarray]:
        """See `Executor`."""
        whole = []
        for _, _, parts, units in self._of_states():
            x = np.stack([self._memory[name][:, at] for name, at in parts], axis=-1)
            whole.append(x if units is None else _times(x, units))
        shapes = self._network.state_shapes
        return tuple(
            x.reshape(*self._batch, *shape).astype(self._kind)
            for x, shape in zip(whole, shapes, strict=True)
        )

    def set_states(self, states: Sequence[np.ndarray]) -> None:
        """See `Executor`."""
        for x, (rows, operation, parts, units) in zip(states, self._of_states(), strict=True):
            values = x.reshape(-1, *parts[0][1].shape, len(parts))
            if units is not None:
                values = _times(values, 1 / units)
            for i, (name, at) in enumerate(parts):
                self._memory[name][:, at] = values[..., i]
            if operation.forget is not None:
                for row in rows:
                    operation.forget(row, self._memory)


def _times(x: np.ndarray, factors: ComplexArray) -> RealArray:
    """Multiply complex numbers, re and im on the last axis."""
    products = (x[..., 0] + 1j * x[..., 1].astype(float)) * factors
    return np.stack([products.real, products.imag], axis=-1)


class Raising(Compiled):
    """The same of a fixed network whose rule of overflow is RAISE."""

    _network: FixedNetwork

    def step(self, token: Any) -> None:
        """See `Executor`."""

    def advance(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Executor`."""
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
        total = self._memory["totals"].reshape(*self._batch, -1)
        sums = self._network.readout is Readout.MEAN_OVER_TIME
        reference = Reference(self._network, self._batch)
        reference.state = State(populations, total if sums else None)
        try:
            reference.advance(tokens)
        finally:
            for counts, tally in zip(self._counts[0], reference.tallies, strict=True):
                counts += [tally[what] for what in OVERFLOWED]
        raise AssertionError("the kernel overflows where the reference does not")


def executor_of(
    network: FixedNetwork | Network,
    batch: tuple[int, ...],
    n_threads: int = 1,
    dtype: np.dtype | None = None,
) -> Compiled:
    """Give what runs a network, see `Compiled`."""
    raises = isinstance(network, FixedNetwork) and network.arithmetic.overflow is Overflow.RAISE
    return (Raising if raises else Compiled)(network, batch, n_threads, dtype)
