"""Loihi 2: core mapping, a model of time and energy, and the lowering to a graph for the chip.

Mapping and model need no Lava; `lower` and `emulate` do. What the model gives is modelled, never
measured; `validate` shows how far it can be believed.
"""

from typing import TYPE_CHECKING

from lava_ssm.extras import when_used
from lava_ssm.loihi2.constants import CONSTANTS, Constant, Constants
from lava_ssm.loihi2.counting import count
from lava_ssm.loihi2.describe import Builder, describe
from lava_ssm.loihi2.description import (
    Connectivity,
    Description,
    Neuron,
    Population,
    Synapses,
)
from lava_ssm.loihi2.limits import LIMITS, Limits
from lava_ssm.loihi2.mapping import Core, Mapping, MappingError, map
from lava_ssm.loihi2.performance import Estimate, Interval, estimate
from lava_ssm.loihi2.published import PUBLISHED, TOKENS, Published, ns4d, s5
from lava_ssm.loihi2.system import SYSTEMS, System

if TYPE_CHECKING:
    from lava_ssm.loihi2.calibration import Validation, calibrate, validate
    from lava_ssm.loihi2.figure import draw_chips
    from lava_ssm.loihi2.lowering.emulation import Emulation, emulate
    from lava_ssm.loihi2.lowering.graph import Lowered, LoweringError, lower
    from lava_ssm.loihi2.lowering.hardware import HardwareUnavailableError, is_available

# what imports Lava, SciPy's optimisers or matplotlib
_LAZY = {
    "Emulation": "lowering.emulation",
    "HardwareUnavailableError": "lowering.hardware",
    "Lowered": "lowering.graph",
    "LoweringError": "lowering.graph",
    "Validation": "calibration",
    "calibrate": "calibration",
    "draw_chips": "figure",
    "emulate": "lowering.emulation",
    "is_available": "lowering.hardware",
    "lower": "lowering.graph",
    "validate": "calibration",
}

__all__ = [
    "CONSTANTS",
    "LIMITS",
    "PUBLISHED",
    "SYSTEMS",
    "TOKENS",
    "Builder",
    "Connectivity",
    "Constant",
    "Constants",
    "Core",
    "Description",
    "Emulation",
    "Estimate",
    "HardwareUnavailableError",
    "Interval",
    "Limits",
    "Lowered",
    "LoweringError",
    "Mapping",
    "MappingError",
    "Neuron",
    "Population",
    "Published",
    "Synapses",
    "System",
    "Validation",
    "calibrate",
    "count",
    "describe",
    "draw_chips",
    "emulate",
    "estimate",
    "is_available",
    "lower",
    "map",
    "ns4d",
    "s5",
    "validate",
]

__getattr__ = when_used(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
