"""Networks of other programs: trained elsewhere, here a `Network`.

`from_torch` needs torch, all else does not.
"""

from typing import TYPE_CHECKING

from lava_ssm.exchange.from_arrays import from_lava, from_state_dict
from lava_ssm.exchange.graph import ExchangeError
from lava_ssm.exchange.nir_graph import from_nir, to_nir
from lava_ssm.exchange.to_onnx import to_onnx
from lava_ssm.extras import when_used

if TYPE_CHECKING:
    from lava_ssm.exchange.from_module import from_torch

__all__ = [
    "ExchangeError",
    "from_lava",
    "from_nir",
    "from_state_dict",
    "from_torch",
    "to_nir",
    "to_onnx",
]

__getattr__ = when_used(__name__, {"from_torch": "from_module"}, "torch")
