"""Networks of files and of the zoo, on a data set, by every executor."""

import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import data, nn
from lava_ssm.cli import app
from lava_ssm.cli.backend import run
from lava_ssm.cli.train import Size
from lava_ssm.network import Linear, Network, Readout


def test_names_on_the_command_line_are_those_there_are() -> None:
    assert set(get_args(Size)) == set(nn.SIZES) | set(nn.S5_SIZES)


def test_every_executor_says_the_same() -> None:
    test = data.digits().test.first(5)
    right = int((lava_ssm.load("ns4d-sdigits").predict(test.x) == test.y).sum())
    options = ["evaluate", "ns4d-sdigits", "sdigits", "--limit", "5"]
    for backend in ("compiled", "reference", "lava", "lava-fused"):
        done = CliRunner().invoke(app, [*options, "--backend", backend, "--compare", "reference"])
        assert done.exit_code == 0, done.output
        assert f"{right} of 5 right" in done.output
        assert "same outputs on 320 of 320 tokens" in done.output


def test_two_networks_are_compared() -> None:
    options = ["evaluate", "ns4d-sdigits", "sdigits", "--beside", "ns4d-sdigits-float"]
    done = CliRunner().invoke(app, options)
    test = data.digits().test
    classes = [lava_ssm.load(f"ns4d-sdigits{kind}").predict(test.x) for kind in ("", "-float")]
    alike = int(np.equal(*classes).sum())
    assert f"the same class to {alike} of 450" in done.output


def test_tokens_are_joined_as_those_that_a_network_was_trained_with(tmp_path: Path) -> None:
    float_net = lava_ssm.load("ns4d-sdigits-float")
    net = replace(float_net, made_by={**float_net.made_by, "config": '{"join": 4}'})
    net.save(tmp_path / "coarse.safetensors")
    test = data.digits().test.joined(4)
    right = int((net.predict(test.x) == test.y).sum())
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "coarse.safetensors"), "sdigits"])
    assert f"{right} of 450 right" in done.output
    out = ["--out", str(tmp_path / "fixed.safetensors"), "--limit", "450"]
    done = CliRunner().invoke(
        app, ["quantize", str(tmp_path / "coarse.safetensors"), "sdigits", *out]
    )
    assert f"float: {right} of 450 right" in done.output
    fixed = lava_ssm.load(tmp_path / "fixed.safetensors")
    right = int((fixed.predict(test.x) == test.y).sum())
    assert f"fixed: {right} of 450 right" in done.output
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "fixed.safetensors"), "sdigits"])
    assert f"{right} of 450 right" in done.output


@pytest.mark.parametrize(
    ("net", "task", "text"),
    [
        ("no-such-net", "sdigits", "no file and no network 'no-such-net' in the zoo"),
        ("absent.safetensors", "sdigits", "no network file"),
        ("ns4d-sdigits", "smnist", "no MNIST"),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    net: str, task: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["evaluate", net, task, "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert text in done.output


def test_a_network_of_another_task_is_warned_of() -> None:
    done = CliRunner().invoke(app, ["evaluate", "ns4d-psmnist", "sdigits", "--limit", "1"])
    assert done.exit_code == 0, done.output
    assert "ns4d-psmnist was made for psMNIST, not for sDigits" in done.output
    done = CliRunner().invoke(app, ["evaluate", "ns4d-sdigits", "sdigits", "--limit", "1"])
    assert "was made for" not in done.output


def test_a_network_of_another_width_is_named(tmp_path: Path) -> None:
    Network((Linear(np.ones((10, 3))),), Readout.LAST_TOKEN).save(tmp_path / "net.safetensors")
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "net.safetensors"), "sdigits"])
    assert done.exit_code == 2
    assert "net.safetensors takes tokens of 3 channels, sDigits has 1" in done.output


def test_outputs_of_last_tokens_take_no_memory_for_the_others() -> None:
    network = Network((Linear(np.ones((64, 1))),), Readout.LAST_TOKEN)
    x = np.random.default_rng(0).normal(size=(2000, 64, 1))
    tracemalloc.start()
    outputs, _ = run(network, x, "compiled", Console(quiet=True), last=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(outputs, x[:, -1:].repeat(64, axis=2))
    assert peak < 2000 * 64 * 64 * 8 / 4  # of all outputs


def test_evaluation_asks_for_all_tokens_only_to_compare_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def heard(*given: Any, last: bool = False) -> Any:
        asked.append(last)
        return run(*given, last=last)

    monkeypatch.setattr(sys.modules["lava_ssm.cli.evaluate"], "run_by", heard)
    options = ["evaluate", "ns4d-sdigits", "sdigits", "--limit", "2"]
    for more in ([], ["--compare", "reference"]):
        assert CliRunner().invoke(app, [*options, *more]).exit_code == 0
    assert asked == [True, False]
