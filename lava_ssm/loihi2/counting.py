"""Operations counted on real token streams."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.progress import track

from lava_ssm import engine
from lava_ssm.loihi2.describe import describe, name_of
from lava_ssm.loihi2.description import Description
from lava_ssm.network import FixedNetwork, Network

_AT_ONCE = 64
"""Tokens between two looks at the progress; also bounds the memory that their messages take."""


def count(
    network: Network | FixedNetwork, x: ArrayLike, name: str = "", progress: bool = False
) -> Description:
    """Describe a network with the messages that real tokens cause.

    The network runs on the tokens in the reference engine; every value that a neuron would send
    is looked at, and only those that are not zero count. Of a fixed network these are the chip's
    own integers; a float network seldom has zeros but behind a ReLU, and its states never.

    Parameters
    ----------
    x
        Tokens (..., time, d_input), each sequence from the zero state.
    name
        For tables.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        A wrong shape, no token, or values out of range (see `engine.run`).
    """
    tokens = engine.as_sequences(network, x)
    sent = _Sent([name_of(p) for p in network.lowered])
    sent.see(None, tokens)
    stream = engine.Stream(network, tokens.shape[:-2], probe=sent)
    starts = range(0, tokens.shape[-2], _AT_ONCE)
    for start in track(starts, "counting operations", disable=not progress, transient=True):
        stream.run(tokens[..., start : start + _AT_ONCE, :])
    return describe(network, name).with_activity(sent.activity())


class _Sent:
    """A probe that counts, neuron by neuron, how many messages are sent."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._counts: dict[str | None, NDArray[np.int64]] = {}
        self._tokens: dict[str | None, int] = {}

    def __call__(self, population: int, what: str, values: np.ndarray) -> None:
        if what == "sent":
            self.see(self._names[population], values)

    def see(self, source: str | None, values: np.ndarray) -> None:
        """Count values (..., n_neurons) that are not zero."""
        flat = values.reshape(-1, values.shape[-1])
        self._counts[source] = self._counts.get(source, 0) + np.count_nonzero(flat, axis=0)
        self._tokens[source] = self._tokens.get(source, 0) + len(flat)

    def activity(self) -> dict[str | None, NDArray[np.float64]]:
        """Share of tokens at which each neuron sent, by source."""
        return {source: n / self._tokens[source] for source, n in self._counts.items()}
