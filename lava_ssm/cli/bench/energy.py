"""The energy that the processor counts itself, where the machine shows it (RAPL, Linux)."""

from collections.abc import Callable
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules of all processor packages: `intel-rapl:0/energy_uj` and so on, on AMD too."""

    def __init__(self, folder: Path = POWERCAP) -> None:
        # packages only: `intel-rapl:0:0` is a part of `intel-rapl:0`
        packages = sorted(p for p in folder.glob("intel-rapl:*") if p.name.count(":") == 1)
        self._counters = [package / "energy_uj" for package in packages]
        try:
            self._ranges = [
                int((package / "max_energy_range_uj").read_text()) for package in packages
            ]
            self._read()
        except (OSError, ValueError):  # absent, or for the administrator alone
            self._counters = []

    @property
    def available(self) -> bool:
        """Whether this machine shows counters that we may read."""
        return bool(self._counters)

    def of(self, work: Callable[[], object]) -> float | None:
        """Joules that the machine took while `work` ran; None where it does not tell.

        The whole package's, with all else that ran meanwhile. A counter that wraps once is right.
        """
        if not self.available:
            work()
            return None
        before = self._read()
        work()
        taken = (
            (now - then) % (most + 1)
            for now, then, most in zip(self._read(), before, self._ranges, strict=True)
        )
        return 1e-6 * sum(taken)

    def _read(self) -> list[int]:
        return [int(counter.read_text()) for counter in self._counters]
