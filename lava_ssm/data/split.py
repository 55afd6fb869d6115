"""What a data set is here: sequences of tokens with labels, split once and for all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Sequences and what they are.

    Parameters
    ----------
    x
        Tokens, float32, (samples, time, d_input).
    y
        Classes, int64, (samples,).
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class TokenData:
    """A data set.

    Parameters
    ----------
    name
        What it is called.
    train, test
        Its two parts.
    image_shape
        Shape of the image that a sequence is, row by row.
    """

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, int]
