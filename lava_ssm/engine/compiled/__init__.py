"""The reference restated in machine code, for speed; the same integers."""

from lava_ssm.engine.compiled.compiling import IS_COMPILED
from lava_ssm.engine.compiled.executor import executor_of
from lava_ssm.engine.compiled.peaks import filtered
from lava_ssm.engine.compiled.population import OutputNeurons, Relays, RunningSum, StateNeurons
from lava_ssm.engine.compiled.tokens import Tokens

__all__ = [
    "IS_COMPILED",
    "OutputNeurons",
    "Relays",
    "RunningSum",
    "StateNeurons",
    "Tokens",
    "executor_of",
    "filtered",
]
