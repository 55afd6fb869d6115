"""Lava graphs that end in every way there is: nothing of them may stay."""

import warnings
from collections import Counter
from pathlib import Path

from scripts.soak.ends import ENDS
from scripts.soak.outcome import Outcome


def run(seed: tuple[int, ...], failures: Path) -> Outcome:
    """Let one graph end; what it left is measured by whoever calls."""
    warnings.simplefilter("ignore", RuntimeWarning)  # of graphs that failed and nobody waited for
    name = list(ENDS)[seed[1] % len(ENDS)]
    outcome = Outcome(Counter({"graphs": 1}))
    try:
        ENDS[name]()
    except Exception as error:
        outcome.differences.append(f"{name}: {type(error).__name__}: {error}")
    return outcome
