"""The kernel of networks of S5 layers as an executor of streams."""

from collections.abc import Sequence
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.arguments import Arguments
from lava_ssm.engine.compiled.block_program import (
    D_STATE,
    KIND,
    S5,
    STATES,
    BlockProgram,
    block_program,
)
from lava_ssm.engine.compiled.blocks import advance_blocks, kinds
from lava_ssm.engine.compiled.cpu import HAS_ROUNDING_MODE
from lava_ssm.engine.compiled.rows import FixedRows
from lava_ssm.engine.compiled.windows import aligned
from lava_ssm.network import FixedGate, FixedLinear, FixedNetwork, FixedS5
from lava_ssm.numerics import Overflow

_programs: dict[int, BlockProgram] = {}
"""Of networks in use, by identity: to lay one out takes as long as hundreds of tokens."""


def _laid_out(network: FixedNetwork) -> BlockProgram:
    """Give the program of a network, which never changes."""
    if id(network) not in _programs:
        _programs[id(network)] = block_program(network)
        finalize(network, _programs.pop, id(network), None)
    return _programs[id(network)]


class CompiledBlocks(FixedRows):
    """Runs a fixed network of linear and S5 layers, gates and residual paths in machine code.

    Parameters
    ----------
    batch
        Shape of the batch of sequences.
    n_threads
        Sequences are shared out among so many; the results do not depend on it.
    """

    def __init__(self, network: FixedNetwork, batch: tuple[int, ...], n_threads: int = 1) -> None:
        self._program = p = _laid_out(network)
        super().__init__(network, batch, n_threads, p.n_states, np.float64, advance_blocks)
        n = self._n_threads
        messages = np.zeros((n, len(p.stages) + 1, p.width), np.int32)
        tables = aligned(np.zeros(n * 4 * p.width, np.uint8)).reshape(n, -1)
        scratch, wide = np.zeros((n, 2, p.width), np.int32), np.zeros((n, p.width + 1), np.int64)
        reals = np.zeros((n, 2, p.width))
        arguments = [
            Arguments(
                kinds(self._re.dtype),
                *(p.stages, p.matrices, p.weights, p.places, p.steps, p.tables, p.pointers),
                *(p.shifts, p.offsets, p.numbers, p.table, p.rules),
                *(self._re[part], self._im[part], self._totals[part], self._counts[i]),
                *(messages[i], scratch[i, 0], scratch[i, 1], wide[i], reals[i], tables[i]),
                self._tokens.limits,
            )
            for i, part in enumerate(self._threads.ranges or [slice(0, 0)])
        ]
        self._bind(arguments)

    @staticmethod
    def fits(network: FixedNetwork) -> bool:
        """Whether it knows all layers of a network, its rule of overflow, and the CPU."""
        layers = FixedLinear | FixedGate | FixedS5
        known = all(isinstance(stage.layer, layers) for stage in network.stages)
        return HAS_ROUNDING_MODE and known and network.arithmetic.overflow is not Overflow.RAISE

    def _places(self) -> list[slice]:
        """Where the states of each S5 layer lie."""
        stages = self._program.stages
        return [slice(r[STATES], r[STATES] + r[D_STATE]) for r in stages if r[KIND] == S5]

    @property
    def states(self) -> Sequence[NDArray[np.int64]]:
        """See `Executor`."""
        return tuple(
            np.stack([x[:, at].astype(np.int64) for x in (self._re, self._im)], axis=-1).reshape(
                *self._batch, at.stop - at.start, 2
            )
            for at in self._places()
        )

    def set_states(self, states: Sequence[NDArray[Any]]) -> None:
        """See `Executor`."""
        for at, x in zip(self._places(), states, strict=True):
            rows = x.reshape(len(self._re), at.stop - at.start, 2)
            self._re[:, at], self._im[:, at] = rows[..., 0], rows[..., 1]
