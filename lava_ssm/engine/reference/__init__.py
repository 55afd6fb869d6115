"""The reference: NumPy, a line a formula; what every other executor must equal."""

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.engine.reference.executor import Reference
from lava_ssm.engine.reference.sequence import Probe, State, advance, see_nothing, zero_state

__all__ = [
    "Probe",
    "Reference",
    "State",
    "advance",
    "fixed",
    "floating",
    "see_nothing",
    "zero_state",
]
