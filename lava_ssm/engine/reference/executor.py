"""The reference as an executor of streams."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.engine.executor import ANY, SUMS
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference.sequence import Probe, State, advance, see_nothing, zero_state
from lava_ssm.network import FixedNetwork, Network


class Reference:
    """Runs a network in NumPy, a token after another.

    Parameters
    ----------
    batch
        Shape of the batch of sequences.
    probe
        Shown the values inside the network as they arise.
    """

    def __init__(
        self,
        network: Network | FixedNetwork,
        batch: tuple[int, ...],
        probe: Probe = see_nothing,
    ) -> None:
        self._network, self._batch, self._probe = network, batch, probe
        self.values_per_token = sum(3 * stage.layer.d_output for stage in network.stages)
        self._tallies = [Counter[str]() for _ in network.stages]
        self.reset()

    def reset(self) -> None:
        """See `Executor`."""
        self.state = zero_state(self._network, self._batch)

    def step(self, token: ArrayLike) -> np.ndarray | None:
        """See `Executor`."""
        return None

    def advance(self, tokens: np.ndarray) -> np.ndarray:
        """See `Executor`."""
        outputs, self.state = advance(self._network, self.state, tokens, self._tallies, self._probe)
        return outputs

    @property
    def states(self) -> Sequence[np.ndarray]:
        """See `Executor`."""
        return tuple(x.copy() for x in self.state.populations if x is not None)

    def set_states(self, states: Sequence[np.ndarray]) -> None:
        """See `Executor`."""
        given = iter(states)
        populations = tuple(
            None if x is None else next(given).copy() for x in self.state.populations
        )
        self.state = State(populations, self.state.total)

    def saved(self) -> State:
        """See `Executor`."""
        return self.state

    def restore(self, saved: State) -> None:
        """See `Executor`."""
        self.state = saved

    @property
    def overflowed(self) -> int:
        """See `Executor`."""
        some = any(tally.total() for tally in self._tallies)
        return ANY * some | SUMS * (self._tallies[-1]["sum"] > 0)

    @property
    def tallies(self) -> Sequence[Tally]:
        """See `Executor`."""
        return self._tallies
