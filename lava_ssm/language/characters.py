"""Characters as tokens of a network: one-hot vectors."""

from dataclasses import dataclass

import numpy as np

from lava_ssm.network import FixedNetwork, Network, Readout, check_network
from lava_ssm.numerics import IntArray, RealArray

VOCABULARY = "vocabulary"
"""Key of a network's `made_by`: its characters, in the order of its channels."""


@dataclass(frozen=True)
class Characters:
    """A vocabulary of single characters.

    Parameters
    ----------
    vocabulary
        Different characters; the place of each is its number.

    Raises
    ------
    ValueError
        There are none, or one comes twice.
    """

    vocabulary: str

    def __post_init__(self) -> None:
        if not self.vocabulary or len({*self.vocabulary}) != len(self.vocabulary):
            raise ValueError(
                f"vocabulary must be different characters, at least one, got {self.vocabulary!r}"
            )

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> IntArray:
        """Numbers of the characters of a text, (time,).

        Raises
        ------
        ValueError
            One is not in the vocabulary.
        """
        points = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
        known = np.frombuffer(self.vocabulary.encode("utf-32-le"), np.uint32).astype(np.int64)
        order = known.argsort()
        places = np.minimum(np.searchsorted(known[order], points), len(known) - 1)
        numbers = order[places]
        strange = points != known[numbers]
        if strange.any():
            first = int(strange.argmax())
            raise ValueError(
                f"text: character {first}, {text[first]!r}, is not in the vocabulary "
                f"{self.vocabulary!r}"
            )
        return numbers

    def samples(self, text: str, n: int, length: int) -> RealArray:
        """One-hot vectors of pieces of a text, as far from each other as can be: what exponents
        are chosen by.

        Returns
        -------
        ndarray
            (n, length, vocabulary); of a text that is shorter, (1, its length, vocabulary).
        """
        numbers = self.encode(text)
        if len(numbers) <= length:
            return np.eye(len(self))[numbers][np.newaxis]
        starts = np.linspace(0, len(numbers) - length, n).astype(np.int64)
        return np.eye(len(self))[numbers[starts[:, np.newaxis] + np.arange(length)]]

    def decode(self, numbers: IntArray) -> str:
        """Text of the characters of these numbers, (time,)."""
        return "".join(self.vocabulary[i] for i in numbers)


def characters_of(network: Network | FixedNetwork) -> Characters:
    """Give the vocabulary of a language model.

    Raises
    ------
    TypeError
        Not a network.
    ValueError
        It has none, or another number of channels, or does not read out every token.
    """
    check_network(network)
    if VOCABULARY not in network.made_by:
        raise ValueError(
            f"network: it is no language model, its made_by has no {VOCABULARY!r}: the characters "
            "in the order of its channels"
        )
    characters = Characters(network.made_by[VOCABULARY])
    widths = network.d_input, network.d_output
    if widths != (len(characters),) * 2 or network.readout is not Readout.EVERY_TOKEN:
        raise ValueError(
            f"network: a language model of {len(characters)} characters must have so many channels "
            f"in and out and read out every token, got {widths} and {network.readout}"
        )
    return characters
