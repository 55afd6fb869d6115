"""Makes networks fit the chip: quantisation after training and in it, and a report of its cost.

`FixedModel`, for fine-tuning, loads torch when it is first used; all else works without.
"""

from typing import TYPE_CHECKING, Any

from lava_ssm.compress.formats import PAPER, Formats
from lava_ssm.compress.quantize import quantize
from lava_ssm.compress.report import Report, report

if TYPE_CHECKING:
    from lava_ssm.compress.finetune import FixedModel

__all__ = ["PAPER", "FixedModel", "Formats", "Report", "quantize", "report"]


def __getattr__(name: str) -> Any:
    if name == "FixedModel":
        from lava_ssm.compress.finetune import FixedModel

        return FixedModel
    raise AttributeError(f"module 'lava_ssm.compress' has no attribute {name!r}")
