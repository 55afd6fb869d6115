"""`lava-ssm show`: a network of a file, one of the zoo, and what the zoo has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ssm import zoo
from lava_ssm.cli import app
from tests.networks import random_fixed_network


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["show", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_layers_formats_and_origin_of_a_file_are_shown(tmp_path: Path) -> None:
    net = random_fixed_network(np.random.default_rng(0))
    made_by = {
        "command": f"lava-ssm quantize {'long ' * 60}[bold]",
        "model": "NS4D(\n)",
        "config": "{}",
        "layers[0]": "Embed_0",
    }
    replace(net, made_by=made_by).save(tmp_path / "net.safetensors")
    text = shown(str(tmp_path / "net.safetensors"))
    for stage in net.stages:
        assert type(stage.layer).__name__ in text
    assert f"input: {net.input_format}\noutput: exponent {net.exponents[-1]}\n" in text
    assert f"\ncommand: {made_by['command']}\n" in text  # whole, in one line, to be pasted
    assert text.count("Embed_0") == 1  # in the table
    assert "NS4D(" not in text
    assert "config" not in text
    assert "sha256" not in text


@pytest.mark.parametrize("name", ["ns4d-sdigits", "ns4d-sdigits-float"])
def test_a_network_of_the_zoo_has_its_card(name: str) -> None:
    text = shown(name)
    assert str(zoo.card(name)) in text
    assert ("input: " in text) == (name == "ns4d-sdigits")  # formats are of integers


def test_a_file_of_the_same_name_has_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random_fixed_network(np.random.default_rng(0)).save("ns4d-sdigits")
    assert "sha256" not in shown("ns4d-sdigits")


def test_without_a_name_the_zoo_is_listed() -> None:
    rows = {words[0]: words for line in shown().splitlines() if len(words := line.split()) > 4}
    assert set(zoo.NAMES) <= set(rows)
    for name in zoo.NAMES:
        card = zoo.card(name)
        assert rows[name][1:3] == [card.task, f"{card.parameters:,}"]
    assert rows["ns4d-smnist"][3:] == ["99.43%", "99.43%"]
    assert rows["s5-denoise-dense"][3:] == ["+5.01", "dB", "+5.02", "dB"]
    assert rows["lm-shakespeare"][3:] == ["1.570", "nats", "1.570", "nats"]


def test_what_there_is_not_is_refused() -> None:
    done = CliRunner().invoke(app, ["show", "none"])
    assert done.exit_code == 2
    assert "ns4d-smnist" in done.stderr
