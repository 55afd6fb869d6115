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

    def first(self, n: int | None) -> "Split":
        """Give the first n samples; all of them, if None."""
        return Split(self.x[:n], self.y[:n])


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
        Shape of the image that a sequence is.
    order
        Pixel (row by row) that is token 0, 1, ..., int64, (time,); None: row by row.
    n_classes
        How many classes there are.
    """

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, int]
    order: NDArray[np.int64] | None = None
    n_classes: int = 10

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return self.train.x.shape[-1]
