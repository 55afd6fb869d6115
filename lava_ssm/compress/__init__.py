"""Makes networks fit the chip: quantisation after training and in it, pruning, reports of its cost.

`FixedModel`, for fine-tuning, and `Pruner` load torch when they are first used; all else works
without.
"""

from typing import TYPE_CHECKING

from lava_ssm.compress.budget import BitSearch, packed_nbytes, search_bits
from lava_ssm.compress.formats import PAPER, FormatError, Formats
from lava_ssm.compress.quantize import W8A16, AccuracyWarning, published_arithmetic, quantize
from lava_ssm.compress.report import Report, report
from lava_ssm.compress.search import ExponentError
from lava_ssm.compress.shares import error_causes, error_shares, signal_to_error
from lava_ssm.extras import when_used

if TYPE_CHECKING:
    from lava_ssm.compress.finetune import FixedModel
    from lava_ssm.compress.pruning import Pruner, sparsity_of

__all__ = [
    "PAPER",
    "W8A16",
    "AccuracyWarning",
    "BitSearch",
    "ExponentError",
    "FixedModel",
    "FormatError",
    "Formats",
    "Pruner",
    "Report",
    "error_causes",
    "error_shares",
    "packed_nbytes",
    "published_arithmetic",
    "quantize",
    "report",
    "search_bits",
    "signal_to_error",
    "sparsity_of",
]

_WITH_TORCH = {"FixedModel": "finetune", "Pruner": "pruning", "sparsity_of": "pruning"}

__getattr__ = when_used(__name__, _WITH_TORCH, "torch")
