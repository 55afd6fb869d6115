"""What a stream asks of that which computes."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.engine.overflows import Tally

ANY, SUMS = 1, 2
"""Bits of `Executor.overflowed`."""


class FirstOverflow(Exception):
    """Of `Executor.step`: a token is done, and there is more in `overflowed` than before.

    An exception, as to look whether it is so would make every other token take longer.
    """

    def __init__(self, outputs: np.ndarray) -> None:
        super().__init__()
        self.outputs = outputs


class Executor(Protocol):
    """Runs a network on a batch of sequences, and holds their state.

    Attributes
    ----------
    values_per_token
        Numbers that `advance` keeps of a token while it runs, beside input and output.
    """

    values_per_token: int

    def reset(self) -> None:
        """Set the state to that before a sample's first token."""

    def step(self, token: ArrayLike) -> np.ndarray | None:
        """Take one token (*batch, d_input), where that is quickly done: output (*batch, d_output).

        None, and nothing done, where `as_tokens` is to bring it to `advance`'s form, or to say what
        is wrong.

        Raises
        ------
        FirstOverflow
            The token is done, see there.
        """

    def advance(self, tokens: np.ndarray) -> np.ndarray:
        """Run tokens (*batch, time, d_input) on from the state; outputs (*batch, time, d_output).

        Of a fixed network both are int64. An error leaves the state as it was.
        """

    @property
    def states(self) -> Sequence[np.ndarray]:
        """A copy of the state of each layer that has one, (*batch, *state_shape)."""

    def set_states(self, states: Sequence[np.ndarray]) -> None:
        """Set the state of each such layer to integers of its word, or reals, of that shape."""

    def saved(self) -> Any:
        """Give all of the state, running sums too, for `restore`."""

    def restore(self, saved: Any) -> None:
        """Set the state back to that which was saved."""

    @property
    def overflowed(self) -> int:
        """Whether integers have left their words so far: ANY of them; SUMS, running ones, too."""

    @property
    def tallies(self) -> Sequence[Tally]:
        """Overflows of each stage so far."""
