"""Networks of other programs: trained elsewhere, here a `Network`.

`from_torch` needs torch, all else does not.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lava_ssm.exchange.from_arrays import from_lava, from_state_dict
from lava_ssm.exchange.graph import ExchangeError
from lava_ssm.exchange.nir_graph import from_nir, to_nir
from lava_ssm.exchange.to_onnx import to_onnx
from lava_ssm.extras import needed

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


def __getattr__(name: str) -> Any:
    if name == "from_torch":
        with needed("torch"):
            return importlib.import_module("lava_ssm.exchange.from_module").from_torch
    raise AttributeError(f"module 'lava_ssm.exchange' has no attribute {name!r}")
