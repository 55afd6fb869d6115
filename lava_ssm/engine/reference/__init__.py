"""The reference: NumPy, a line a formula; what every other executor must equal."""

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.engine.reference.sequence import State, advance, zero_state

__all__ = ["State", "advance", "fixed", "floating", "zero_state"]
