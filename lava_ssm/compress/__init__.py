"""Makes networks fit the chip: post-training quantisation, and a report of what it cost."""

from lava_ssm.compress.formats import PAPER, Formats
from lava_ssm.compress.quantize import quantize
from lava_ssm.compress.report import Report, report

__all__ = ["PAPER", "Formats", "Report", "quantize", "report"]
