"""The reference: NumPy, a line a formula; what every other executor must equal."""

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.engine.reference.executor import Reference
from lava_ssm.engine.reference.sequence import (
    AtOnce,
    Probe,
    State,
    advance,
    see_nothing,
    zero_state,
)

__all__ = [
    "AtOnce",
    "Probe",
    "Reference",
    "State",
    "advance",
    "fixed",
    "floating",
    "see_nothing",
    "zero_state",
]
