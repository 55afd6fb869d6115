"""The reference: NumPy, a line a formula; what every other executor must equal."""

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.engine.reference.executor import Reference
from lava_ssm.engine.reference.sequence import Probe, State, see_nothing

__all__ = ["Probe", "Reference", "State", "fixed", "floating", "see_nothing"]
