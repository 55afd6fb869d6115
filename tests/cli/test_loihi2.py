"""`lava-ssm map` and `lava-ssm estimate` on a file."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ssm.cli import app
from tests.networks import random_fixed_network


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    random_fixed_network(rng).save(tmp_path / "net.safetensors")
    np.save(tmp_path / "x.npy", rng.integers(-500, 500, (2, 10, 2)))
    return tmp_path


def test_map_prints_writes_and_draws(files: Path) -> None:
    options = ["--figure", str(files / "chip.png"), "--json", str(files / "map.json")]
    done = CliRunner().invoke(app, ["map", str(files / "net.safetensors"), *options])
    assert done.exit_code == 0, done.output
    assert "8 of 120 cores" in done.output
    assert json.loads((files / "map.json").read_text())["n_cores"] == 8
    assert (files / "chip.png").stat().st_size > 5_000


def test_estimate_counts_tokens_and_says_that_it_models(files: Path) -> None:
    written = {}
    for name, options in (("all", []), ("counted", ["--tokens", str(files / "x.npy")])):
        out = files / f"{name}.json"
        command = ["estimate", str(files / "net.safetensors"), "--json", str(out), *options]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert "modelled, not measured" in " ".join(done.output.split())
        assert ("Every message is taken" in done.output) == (name == "all")
        written[name] = json.loads(out.read_text())
    assert set(written["all"]) == {"pipelined", "fall_through"}
    counted, bound = (written[n]["pipelined"]["operations"] for n in ("counted", "all"))
    assert 0 < counted < bound


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["map", "none.safetensors"], "no network file"),
        (["map", "net.safetensors", "--strategy", "spread"], "needs a target"),
        (["map", "net.safetensors", "--figure", "none/chip.png"], "no folder"),
        (["map", "net.safetensors", "--figure", "chip.text"], "a figure must end in one of eps, "),
        (["estimate", "net.safetensors", "--tokens", "none.npy"], "--tokens: no file"),
        (["estimate", "net.safetensors", "--tokens", "net.safetensors"], "is no whole .npy file"),
        (["estimate", "net.safetensors", "--json", "none/e.json"], "no folder"),
    ],
)
def test_bad_input_is_told_in_a_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], text: str
) -> None:
    monkeypatch.chdir(files)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert text in done.output
    assert "Traceback" not in done.output
