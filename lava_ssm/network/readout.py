"""What a network gives back of its tokens."""

from enum import Enum


class Readout(Enum):
    """Which of a network's outputs is its result. Every readout emits something at each token."""

    EVERY_TOKEN = "every"
    """Each token's output is a result."""
    LAST_TOKEN = "last"
    """Each token's output is emitted; the result of a sample is that of its last token."""
    MEAN_OVER_TIME = "mean"
    """The mean of the outputs since the sample's first token is emitted; that of the last token is
    the result. A fixed network, as the chip, emits a 32-bit running sum, which `to_float` divides
    by the number of tokens."""
