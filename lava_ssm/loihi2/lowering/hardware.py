"""Whether there is a chip, and what is missing where there is none."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lava.magma.core.process.process import AbstractProcess
    from lava.magma.core.run_configs import RunConfig

ACCESS = (
    "lava-loihi, Intel's closed extension of Lava, and Loihi 2 systems are given to members of the "
    "Intel Neuromorphic Research Community (INRC): apply at https://intel-ncl.atlassian.net/wiki/"
    "spaces/INRC. `ssm.loihi2.emulate(lowered)` runs the same graph on this CPU, and "
    "`ssm.loihi2.estimate` models its time and energy"
)


class HardwareUnavailableError(RuntimeError):
    """A chip was asked for, and there is none: says what is missing and how to get it."""


def missing() -> str | None:
    """Say what is missing to run on a chip; None if nothing is."""
    try:
        loihi = importlib.import_module("lava.utils.loihi")
    except ImportError:
        return "Lava (lava-nc) is not installed"
    if not loihi.is_installed():
        return "lava-loihi is not installed: lava.utils.loihi2_profiler cannot be imported"
    if loihi.host is None:
        return (
            "no Loihi 2 board was chosen: call lava.utils.loihi.use_slurm_host(...) or "
            "use_ethernet_host(...) first"
        )
    return None


def is_available() -> bool:
    """Whether lava-loihi is installed and a board was chosen.

    Chosen means that `lava.utils.loihi.use_slurm_host` or `use_ethernet_host` has been called;
    whether the board answers only a run can tell.
    """
    return missing() is None


def check() -> None:
    """Raise a HardwareUnavailableError without a chip.

    `Loihi2HwCfg` without lava-loihi would fail obscurely, or run on the CPU in silence.
    """
    reason = missing()
    if reason is not None:
        raise HardwareUnavailableError(f"no Loihi 2 to run on: {reason}. {ACCESS}.")


def chip_only(**options: object) -> "RunConfig":
    """Make a `Loihi2HwCfg` that never falls back to the CPU for a Process of a lowered graph.

    The compiler then raises a HardwareUnavailableError: no model of it for a neurocore.
    """
    from lava.magma.core.model.py.model import AbstractPyProcessModel
    from lava.magma.core.run_configs import Loihi2HwCfg

    from lava_ssm.loihi2.lowering.parts import ON_CHIP

    class ChipOnly(Loihi2HwCfg):
        def select(self, proc: "AbstractProcess", proc_models: list[type]) -> type:
            chosen = super().select(proc, proc_models)
            if isinstance(proc, ON_CHIP) and issubclass(chosen, AbstractPyProcessModel):
                raise HardwareUnavailableError(
                    f"{type(proc).__name__} {proc.name!r} would run on the CPU: lava-loihi offers "
                    f"no model of it for a neurocore (found {chosen.__name__})"
                )
            return chosen

    return ChipOnly(**options)
