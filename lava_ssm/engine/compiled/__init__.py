"""The reference restated in machine code, for speed; the same integers."""

from lava_ssm.engine.compiled.compiling import IS_COMPILED
from lava_ssm.engine.compiled.executor import CompiledFixed, CompiledFloat
from lava_ssm.engine.compiled.population import Relays, RunningSum, StateNeurons
from lava_ssm.engine.compiled.tokens import Tokens

__all__ = [
    "IS_COMPILED",
    "CompiledFixed",
    "CompiledFloat",
    "Relays",
    "RunningSum",
    "StateNeurons",
    "Tokens",
]
