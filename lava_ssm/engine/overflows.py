"""How often an integer left its word, and where."""

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

Tally: TypeAlias = Counter[str]
"""Number of overflows by what overflowed: input, state, synapse, message, sum."""


class OverflowWarning(UserWarning):
    """Integers of a fixed network left their words; the rule of overflow was applied."""


@dataclass(frozen=True)
class Overflows:
    """Overflows of a run, counted stage by stage.

    Parameters
    ----------
    stages
        For each stage of the network its layer's name and a tally: `input` (what enters a state
        beyond the state's word), `state`, `synapse` (a 32-bit sum, or its shift to the left),
        `message`, and in the last stage `sum` (the running sum of a mean readout).
    """

    stages: tuple[tuple[str, Tally], ...]

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(tally.total() for _, tally in self.stages)

    def __str__(self) -> str:
        rows = [
            f"stage {i} ({name}): " + ", ".join(f"{n} {what}" for what, n in tally.items() if n)
            for i, (name, tally) in enumerate(self.stages)
            if tally.total()
        ]
        return "; ".join(rows) or "no overflow"

    def __repr__(self) -> str:
        return f"<Overflows: {self}>"


def warn_of_first(overflows: Overflows, where: str, of_sum: bool) -> None:
    """Warn of the first overflow of a stream, or of its running sum, and say at which tokens."""
    text = f"integers left their words {where}: {overflows}"
    if of_sum:
        text += (
            ". A running sum holds no more tokens, its mean is wrong from there on: begin each "
            "sequence anew (reset() or reset_every, --reset-every of the command)"
        )
    warnings.warn(text, OverflowWarning, stacklevel=4)


def warn_of_overflows(overflows: Overflows) -> None:
    """Warn, once for all of them, if there are any."""
    if overflows.total:
        warnings.warn(f"integers left their words: {overflows}", OverflowWarning, stacklevel=3)
