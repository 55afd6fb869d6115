"""Runs network descriptions without Lava: whole sequences, batches, single tokens."""

from lava_ssm.engine.backend import Backend
from lava_ssm.engine.observe import observe
from lava_ssm.engine.operations import Operations, operations
from lava_ssm.engine.overflows import Overflows, OverflowWarning, warn_of_overflows
from lava_ssm.engine.states import checked_state
from lava_ssm.engine.stream import Run, Stream, run
from lava_ssm.engine.tokens import as_sequences, as_tokens

__all__ = [
    "Backend",
    "Operations",
    "OverflowWarning",
    "Overflows",
    "Run",
    "Stream",
    "as_sequences",
    "as_tokens",
    "checked_state",
    "observe",
    "operations",
    "run",
    "warn_of_overflows",
]
