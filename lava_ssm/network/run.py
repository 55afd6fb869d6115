"""Running a description: handed over to the engine, which alone can compute."""

from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.network.readout import Readout

if TYPE_CHECKING:
    from lava_ssm.engine import Stream

A = TypeVar("A", bound=np.generic)


class Runnable(Generic[A]):
    """What a float and a fixed network have in common: `run`, `stream`, `predict`, `save`."""

    readout: Readout

    def run(self: Any, x: ArrayLike) -> NDArray[A]:
        """Run whole sequences from the zero state and give what the network emits at each token.

        Parameters
        ----------
        x
            Tokens, shape (..., time, d_input). For a fixed network floats are values, rounded to
            the nearest mantissa of the input format, and integers are mantissas.

        Returns
        -------
        ndarray
            Shape (..., time, d_output): logits of each token, or their running sum with a mean
            readout; mantissas (int64) from a fixed network, see `to_float`.

        Raises
        ------
        ValueError
            A wrong shape, a value that is not finite, or beyond the input format's range.

        Warns
        -----
        OverflowWarning
            An integer of a fixed network left its word (`engine.run` gives the counts).
        """
        from lava_ssm.engine import run, warn_of_overflows

        result = run(self, x)
        warn_of_overflows(result.overflows)
        outputs: NDArray[A] = result.outputs
        return outputs

    def stream(self: Any, batch: tuple[int, ...] = (), reset_every: int | None = None) -> "Stream":
        """Start a stream: tokens one at a time or in pieces, the state carried.

        Parameters
        ----------
        batch
            Shape of the batch of streams that run side by side; () for one.
        reset_every
            Tokens of a sample: the state is zero at each sample's first token. None: never.
        """
        from lava_ssm.engine import Stream

        return Stream(self, batch=batch, reset_every=reset_every)

    def predict(self, x: ArrayLike) -> NDArray[np.intp]:
        """Give the class of each sequence (...,), or, reading out every token, (..., time)."""
        classes = np.argmax(self.run(x), axis=-1)
        return classes if self.readout is Readout.EVERY_TOKEN else classes[..., -1]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to one HDF5 file; `lava_ssm.load` reads it.

        The file is complete or not there: an older one is replaced only once the new one is
        written.
        """
        from lava_ssm.network.file import save

        save(self, path)


def mean_divisor(outputs: NDArray[Any], tokens: ArrayLike | None) -> NDArray[np.float64]:
    """Number of tokens that each running sum is the sum of, to divide it by.

    Parameters
    ----------
    outputs
        Running sums (..., time, d_output).
    tokens
        The number of tokens, broadcast against (..., time); None: 1, 2, ... along time.
    """
    if tokens is None:
        if outputs.ndim < 2:
            raise ValueError(
                "tokens: of a single token's running sum, say how many tokens it has summed"
            )
        tokens = np.arange(1, outputs.shape[-2] + 1)
    counts = np.asarray(tokens)
    if not np.issubdtype(counts.dtype, np.integer) or (counts < 1).any():
        raise ValueError(f"tokens must be integers of at least 1, got {tokens!r}")
    return counts.astype(np.float64)[..., np.newaxis]
