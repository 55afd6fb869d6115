"""Where a benchmark ran, and rounds in which the things compared take turns."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lava_ssm.cli.bench.machine import machine

if TYPE_CHECKING:
    import torch

__all__ = ["alternate", "machine", "plain_lava", "ratio", "say", "synchronize"]


def alternate(
    things: Mapping[str, Callable[[], object]], rounds: int, repeats: Mapping[str, int] | int = 1
) -> dict[str, list[float]]:
    """Seconds that a call of each takes, of each round one; the things take turns.

    Parameters
    ----------
    things
        Called once before, to warm up.
    repeats
        Calls in a row of which the median counts.
    """
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for thing in things.values():
        thing()
    for _ in range(rounds):
        for name, thing in things.items():
            times = []
            for _ in range(repeats if isinstance(repeats, int) else repeats[name]):
                before = time.perf_counter()
                thing()
                times.append(time.perf_counter() - before)
            seconds[name].append(statistics.median(times))
    return seconds


@contextlib.contextmanager
def plain_lava() -> Iterator[None]:
    """Give graphs that are built in the `with` block Lava's runtime without any change."""
    from lava_ssm import runtime

    runtime.set_hygiene(False)
    try:
        yield
    finally:
        runtime.set_hygiene(True)


def say(name: str, values: Mapping[str, object]) -> None:
    """Print a row as soon as it is measured: benchmarks take minutes."""
    shown = (
        f"{key} {v:,.4g}" if isinstance(v, float) else f"{key} {v}" for key, v in values.items()
    )
    print(f"{name}: {', '.join(shown)}", flush=True)


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times as fast, the median over rounds."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))


def synchronize(device: "torch.device") -> None:
    """Wait for what was started on a GPU; on the CPU nothing is under way."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
