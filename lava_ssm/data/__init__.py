"""Data sets as streams of tokens."""

from lava_ssm.data.digits import digits
from lava_ssm.data.split import Split, TokenData

__all__ = ["Split", "TokenData", "digits"]
