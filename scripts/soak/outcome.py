"""What a case of a part came to."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What a case compared, and what was not as it should be.

    Parameters
    ----------
    counts
        How many of what.
    differences
        A sentence each.
    """

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def check(self, what: str, holds: bool, difference: str) -> None:
        """Count one comparison, and note the difference if there is one."""
        self.counts[what] += 1
        if not holds:
            self.differences.append(difference)
