"""Texts, what a network foretells of them, and what it writes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lava_ssm import engine, language
from lava_ssm.language import Characters, Generator, generate
from lava_ssm.language.generation import _WEIGHTS
from lava_ssm.network import FixedLinear, FixedNetwork, Linear, Network

ABC = Characters("abc")


def table(logits: np.ndarray, vocabulary: str = "abc") -> Network:
    """A network whose logits of the next character, (vocabulary, vocabulary), its token chooses."""
    return Network((Linear(logits.T),), made_by={"vocabulary": vocabulary})


NEXT = np.log(np.array([[0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25]]))


def fixed_table(exponent: int = 6) -> FixedNetwork:
    mantissas = np.rint(NEXT * 2**5).astype(int).T
    layers = (FixedLinear(mantissas, 5, exponent),)
    return FixedNetwork(layers, input_exponent=10, made_by={"vocabulary": "abc"})


def test_characters_have_numbers_and_come_back() -> None:
    characters = Characters("ab\n\N{SNOWMAN}\U0001f600")
    text = "b\N{SNOWMAN}a\U0001f600\n"
    assert characters.encode(text).tolist() == [1, 3, 0, 4, 2]
    assert characters.decode(characters.encode(text)) == text
    assert characters.encode("").tolist() == []
    with pytest.raises(ValueError, match="text: character 2, 'z', is not in the vocabulary 'abc'"):
        ABC.encode("abz")
    with pytest.raises(ValueError, match="vocabulary must be different characters"):
        Characters("aba")


def test_samples_come_from_all_of_a_text() -> None:
    tokens = ABC.samples("a" * 10 + "b" * 10 + "c" * 10, 3, 4)
    assert tokens.shape == (3, 4, 3)
    assert [ABC.decode(piece.argmax(-1)) for piece in tokens] == ["aaaa", "bbbb", "cccc"]
    assert ABC.samples("ab", 3, 4).shape == (1, 2, 3)


def test_loss_is_the_mean_of_what_is_unlikely() -> None:
    # of b after a, c after b, a after c, by the table
    wanted = -(math.log(0.6) + math.log(0.6) + math.log(0.5)) / 3
    for context in (1, 2, 3, 100):
        assert language.loss(table(NEXT), "abca", context) == pytest.approx(wanted)
    with pytest.raises(ValueError, match="text must have at least 2 characters, got 1"):
        language.loss(table(NEXT), "a")


def test_what_is_no_language_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no language model, its made_by has no 'vocabulary'"):
        language.loss(replace(table(NEXT), made_by={}), "ab")
    with pytest.raises(ValueError, match="of 4 characters must have so many channels"):
        Generator(table(NEXT, "abcd"))
    with pytest.raises(ValueError, match="temperature must be 0 or at least"):
        Generator(table(NEXT), 1e-3)
    with pytest.raises(ValueError, match="prompt must have at least one character"):
        generate(table(NEXT), "", 3)


def test_without_temperature_the_likeliest_is_written() -> None:
    for network in (table(NEXT), fixed_table()):
        assert "".join(generate(network, "c", 6, 0)) == "abcabc"


def test_characters_are_drawn_as_often_as_they_are_likely() -> None:
    n = 6000
    for network in (table(NEXT), fixed_table()):
        for temperature in (1.0, 0.5):
            wanted = np.exp(NEXT / temperature)
            wanted /= wanted.sum(1, keepdims=True)
            written = ABC.encode("a" + "".join(generate(network, "a", n, temperature)))
            counts = np.zeros((3, 3))
            np.add.at(counts, (written[:-1], written[1:]), 1)
            shares = counts / counts.sum(1, keepdims=True)
            assert np.abs(shares - wanted).max() < 0.05  # 4 standard deviations, and the rounding


def test_draws_are_integers_of_the_outputs_alone() -> None:
    # the weights by Python's integers, from the formula
    fixed, temperature = fixed_table(7), 0.8
    generator = Generator(fixed, temperature, 3)
    outputs = engine.run(fixed, np.eye(3)).outputs
    for y in outputs:
        factor = round(2**16 / temperature)
        steps = [(int(y.max()) - int(v)) * factor >> 16 + 7 - 8 for v in y]
        wanted = [round(2**40 * math.exp(-k / 2**8)) for k in steps]
        assert generator._weights(y).tolist() == wanted
    assert _WEIGHTS[0] == 2**40
    assert _WEIGHTS[-1] == 0


def test_a_seed_repeats_what_was_written() -> None:
    texts = {seed: "".join(generate(fixed_table(), "ab", 40, 1.0, seed)) for seed in (0, 1)}
    assert texts[0] != texts[1]
    assert "".join(generate(fixed_table(), "ab", 40, 1.0, 0)) == texts[0]
