"""Text, character by character."""

from collections.abc import Iterator

import numpy as np

from lava_ssm import engine
from lava_ssm.language.characters import characters_of
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import IntArray, Rounding, integer, real_number, shift

_FRACTION = 8
"""Fraction bits of logits over the temperature where the table of weights has an entry."""
_BITS = 40
"""Of the largest weight: 2^22 of them fit int64."""
_STEPS = np.arange(1 + int(_BITS * np.log(2) * 2**_FRACTION))
_WEIGHTS = np.append(np.rint(2**_BITS * np.exp(-_STEPS / 2**_FRACTION)).astype(np.int64), 0)
_FLOAT_EXPONENT = 20
"""Of the mantissas that logits of a float network are rounded to."""


class Generator:
    """A language model that writes: a stream of a network, and a draw of each next character.

    Of a fixed network all is integers, the draw too. With outputs y of exponent e a character has
    the weight

        w_i = T[((y_max - y_i) m) >> (16 + e - 8)],    T[k] = round(2^40 exp(-k / 2^8))

    with m = round(2^16 / temperature), FLOOR, zero beyond the table, and the one that is drawn is
    where an integer below the sum of all weights falls.

    Parameters
    ----------
    network
        A language model, float or fixed.
    temperature
        Of the softmax, 0 or at least 0.01. 0: always the likeliest, the first of several.
    seed
        Of the draws, at least 0.

    Raises
    ------
    TypeError, ValueError
        No language model, or a number out of range.
    """

    def __init__(
        self, network: Network | FixedNetwork, temperature: float = 1.0, seed: int = 0
    ) -> None:
        self.network, self.characters = network, characters_of(network)
        self.temperature = real_number(temperature, "temperature", "[0, inf)")
        if 0 < self.temperature < 0.01:
            raise ValueError(f"temperature must be 0 or at least 0.01, got {temperature}")
        self._random = np.random.default_rng(integer(seed, "seed", 0))
        self._tokens = engine.as_tokens(network, np.eye(network.d_input))
        self._stream = network.stream()
        self._outputs: np.ndarray | None = None

    def read(self, text: str) -> None:
        """Take a text in.

        Raises
        ------
        ValueError
            It has a character that the network does not know.
        """
        for number in self.characters.encode(text):
            self._outputs = self._stream.step(self._tokens[number])

    def step(self) -> str:
        """Write a character, and take it in.

        Raises
        ------
        ValueError
            Nothing was read yet.
        """
        if self._outputs is None:
            raise ValueError("prompt must have at least one character: nothing was read yet")
        number = self._drawn(self._outputs)
        self._outputs = self._stream.step(self._tokens[number])
        return self.characters.vocabulary[number]

    def _drawn(self, outputs: np.ndarray) -> int:
        if self.temperature == 0:
            return int(outputs.argmax())
        weights = self._weights(outputs)
        ends = weights.cumsum()
        return int(ends.searchsorted(self._random.integers(ends[-1]), side="right"))

    def _weights(self, outputs: np.ndarray) -> IntArray:
        if isinstance(self.network, FixedNetwork):
            y, e = outputs, self.network.exponents[-1]
        else:
            y, e = np.rint(outputs * 2.0**_FLOAT_EXPONENT).astype(np.int64), _FLOAT_EXPONENT
        scaled = (y.max() - y) * round(2**16 / self.temperature)
        steps = shift(scaled, max(0, 16 + e - _FRACTION), Rounding.FLOOR)
        return _WEIGHTS[np.minimum(steps, len(_WEIGHTS) - 1)]


def generate(
    network: Network | FixedNetwork,
    prompt: str,
    n: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """Go on with a text, character by character.

    Parameters
    ----------
    network, temperature, seed
        See `Generator`.
    prompt
        What is gone on with, at least one character.
    n
        Characters that are written.

    Yields
    ------
    str
        The next character.

    Raises
    ------
    TypeError, ValueError
        See `Generator`; refused before the first character.
    """
    generator, n = Generator(network, temperature, seed), integer(n, "n", 0)
    if not prompt:
        raise ValueError("prompt must have at least one character, got ''")
    generator.read(prompt)
    return (generator.step() for _ in range(n))
