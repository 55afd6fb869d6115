"""Lava Processes: a network as a graph of synapses and neurons, in Lava's terms.

Using this room makes Lava's stock runtime safe (`lava_ssm.runtime`, `docs/runtime.md`).
"""

# First: it guards the import of Lava.
import lava_ssm.runtime  # noqa: F401  # isort: skip
from lava_ssm.proc.delay_line.process import DelayLine
from lava_ssm.proc.fused.process import FusedSSMNetwork
from lava_ssm.proc.gated_states.process import GatedStates
from lava_ssm.proc.hybrid import chain, parts
from lava_ssm.proc.io.sink import Sink, sink
from lava_ssm.proc.io.source import Source, source
from lava_ssm.proc.layers import S4D, S5
from lava_ssm.proc.network.process import SSMNetwork
from lava_ssm.proc.output.process import Output
from lava_ssm.proc.relay.process import Relay
from lava_ssm.proc.run import run
from lava_ssm.proc.schedule import Schedule
from lava_ssm.proc.states.process import States

__all__ = [
    "S4D",
    "S5",
    "DelayLine",
    "FusedSSMNetwork",
    "GatedStates",
    "Output",
    "Relay",
    "SSMNetwork",
    "Schedule",
    "Sink",
    "Source",
    "States",
    "chain",
    "parts",
    "run",
    "sink",
    "source",
]
