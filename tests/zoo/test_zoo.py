"""The networks of the zoo are what their cards say."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import lava_ssm
from lava_ssm import data, language, zoo
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.zoo.networks import FOLDER


@pytest.mark.parametrize("name", zoo.NAMES)
def test_files_are_those_of_the_card(name: str) -> None:
    card = zoo.card(name)
    assert set(card.sha256) == {f"{name}.safetensors", f"{name}-float.safetensors"}
    for file, digest in card.sha256.items():
        assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == digest
    assert isinstance(lava_ssm.load(name), FixedNetwork)
    network = lava_ssm.load(f"{name}-float")
    assert isinstance(network, Network)
    if isinstance(card, zoo.ClassifierCard):
        assert network.d_input == {"scifar": 3, "spoken-digits": 13}.get(card.task, 1)
        assert f"{card.accuracy['float']:.2%}" in str(card)
        assert {"float", "ptq"} <= set(card.accuracy)
        assert card.accuracy["ptq"] >= card.accuracy["float"] - 0.003
    elif isinstance(card, zoo.LanguageCard):
        assert len(language.characters_of(network)) == network.d_input
        assert f"{card.loss['float']:.4f}" in str(card)
        assert {"float", "ptq"} <= set(card.loss)
        assert abs(card.loss["ptq"] - card.loss["float"]) < 0.02
        assert abs(list(card.loss.values())[-1] - card.loss["float"]) < 0.02
    else:
        assert network.d_input == 257
        assert f"{card.si_snr['float']:.2f}" in str(card)
        assert {"float", "tensor", "ptq"} <= set(card.si_snr)


def test_digits_score_what_the_card_says() -> None:
    card, test = zoo.card("ns4d-sdigits"), data.digits().test
    fixed, network = lava_ssm.load("ns4d-sdigits"), lava_ssm.load("ns4d-sdigits-float")
    assert isinstance(card, zoo.ClassifierCard)
    best = list(card.accuracy)[-1]
    assert np.mean(fixed.predict(test.x) == test.y) == pytest.approx(card.accuracy[best])
    assert np.mean(network.predict(test.x) == test.y) == pytest.approx(card.accuracy["float"])


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lava_ssm.load("ns4d-sdigits-float").save("ns4d-sdigits")
    assert isinstance(lava_ssm.load("ns4d-sdigits"), Network)


def test_unknown_names_are_answered_with_those_there_are() -> None:
    for ask in (lava_ssm.load, zoo.load, zoo.card):
        with pytest.raises(FileNotFoundError, match="ns4d-sdigits"):
            ask("ns4d-imagenet")
