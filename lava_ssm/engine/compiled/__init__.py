"""The reference restated in machine code, for speed; the same integers."""

from lava_ssm.engine.compiled.executor import CompiledFixed, CompiledFloat

__all__ = ["CompiledFixed", "CompiledFloat"]
