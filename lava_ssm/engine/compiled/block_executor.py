"""The kernel of networks of S5 layers as an executor of streams."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.block_program import D_STATE, KIND, S5, STATES, block_program
from lava_ssm.engine.compiled.blocks import advance_blocks
from lava_ssm.engine.compiled.compiling import ready
from lava_ssm.engine.compiled.executor import Threads
from lava_ssm.engine.compiled.tokens import Tokens
from lava_ssm.engine.compiled.words import OVERFLOWED
from lava_ssm.engine.overflows import Tally
from lava_ssm.network import FixedGate, FixedLinear, FixedNetwork, FixedS5
from lava_ssm.numerics import Overflow


class CompiledBlocks:
    """Runs a fixed network of linear and S5 layers, gates and residual paths in machine code.

    Parameters
    ----------
    batch
        Shape of the batch of sequences.
    n_threads
        Sequences are shared out among so many; the results do not depend on it.
    """

    def __init__(self, network: FixedNetwork, batch: tuple[int, ...], n_threads: int = 1) -> None:
        self._network, self._batch, self._n_threads = network, batch, n_threads
        self._program = p = block_program(network)
        rows = math.prod(batch)
        self._threads = Threads(rows, n_threads)
        n = max(1, len(self._threads.ranges))
        self._re, self._im = (np.zeros((rows, p.n_states), np.int64) for _ in "ri")
        self._totals = np.zeros((rows, network.d_output), np.int64)
        self._counts = np.zeros((n, len(p.stages), len(OVERFLOWED)), np.int64)
        messages = np.zeros((n, len(p.stages) + 1, p.width), np.int32)
        scratch, wide = np.zeros((n, 2, p.width), np.int32), np.zeros((n, p.width), np.int64)
        self._bound = [
            (
                *(p.stages, p.matrices, p.weights, p.places, p.pointers, p.shifts, p.numbers),
                *(p.table, p.rules, self._re[part], self._im[part], self._totals[part]),
                *(self._counts[i], messages[i], scratch[i, 0], scratch[i, 1], wide[i]),
            )
            for i, part in enumerate(self._threads.ranges or [slice(0, 0)])
        ]
        kind = numba.typeof(np.zeros((1, 1, 1), np.int64))
        ready(advance_blocks, (*(numba.typeof(a) for a in self._bound[0]), kind, kind))
        self._tokens = Tokens(network.input_format, (*batch, network.d_input))

    @staticmethod
    def fits(network: FixedNetwork) -> bool:
        """Whether it knows all layers of a network, and its rule of overflow."""
        kinds = FixedLinear | FixedGate | FixedS5
        known = all(isinstance(stage.layer, kinds) for stage in network.stages)
        return known and network.arithmetic.overflow is not Overflow.RAISE

    def _carried(self) -> tuple[NDArray[Any], ...]:
        """What a reset sets to zero; the kernel is given views of these arrays."""
        return self._re, self._im, self._totals

    def reset(self) -> None:
        """See `Executor`."""
        for x in self._carried():
            x[...] = 0

    def saved(self) -> tuple[NDArray[Any], ...]:
        """See `Executor`."""
        return tuple(x.copy() for x in self._carried())

    def restore(self, saved: tuple[NDArray[Any], ...]) -> None:
        """See `Executor`."""
        for mine, value in zip(self._carried(), saved, strict=True):
            mine[...] = value

    def __reduce__(self) -> tuple[Any, ...]:
        # copies and unpickled ones are made anew: a copy of a view is no view of the copy
        made = self._network, self._batch, self._n_threads
        return type(self), made, (self._carried(), self._counts)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.restore(state[0])
        self._counts[...] = state[1]

    def step(self, token: Any) -> NDArray[np.int64] | None:
        """See `Executor`."""
        u = None if len(self._bound) > 1 else self._tokens.mantissas(token)
        if u is None:
            return None
        rows, d_output = self._totals.shape
        outputs = np.empty((rows, 1, d_output), np.int64)
        advance_blocks(*self._bound[0], u.reshape(rows, 1, -1), outputs)
        return outputs.reshape(*self._batch, d_output)

    def advance(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Executor`."""
        if not (tokens.flags.c_contiguous and tokens.flags.writeable):
            tokens = tokens.copy()  # else Numba would compile anew
        *batch, n_tokens, d_input = tokens.shape
        rows = tokens.reshape(len(self._re), n_tokens, d_input)
        outputs = np.empty((len(rows), n_tokens, self._network.d_output), np.int64)
        bound = self._bound
        self._threads.run(lambda i, part: advance_blocks(*bound[i], rows[part], outputs[part]))
        return outputs.reshape(*batch, n_tokens, outputs.shape[-1])

    def _places(self) -> list[slice]:
        """Where the states of each S5 layer lie."""
        stages = self._program.stages
        return [slice(r[STATES], r[STATES] + r[D_STATE]) for r in stages if r[KIND] == S5]

    @property
    def states(self) -> Sequence[NDArray[np.int64]]:
        """See `Executor`."""
        return tuple(
            np.stack([self._re[:, at], self._im[:, at]], axis=-1).reshape(*self._batch, -1, 2)
            for at in self._places()
        )

    def set_states(self, states: Sequence[NDArray[Any]]) -> None:
        """See `Executor`."""
        for at, x in zip(self._places(), states, strict=True):
            rows = x.reshape(len(self._re), -1, 2)
            self._re[:, at], self._im[:, at] = rows[..., 0], rows[..., 1]

    @property
    def tallies(self) -> Sequence[Tally]:
        """See `Executor`."""
        return [
            Counter({what: int(n) for what, n in zip(OVERFLOWED, row, strict=True) if n})
            for row in self._counts.sum(axis=0)
        ]
