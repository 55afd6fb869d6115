"""Networks of files and of the zoo, on a data set, by every executor."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import data, nn
from lava_ssm.cli import app
from lava_ssm.cli.train import Size, Task


def test_names_on_the_command_line_are_those_there_are() -> None:
    assert {size.value for size in Size} == set(nn.SIZES) | set(nn.S5_SIZES)
    assert {task.value for task in Task} == set(data.TASKS)


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


@pytest.mark.parametrize(
    ("net", "task", "text"),
    [
        ("no-such-net", "sdigits", "no file and no network 'no-such-net' in the zoo"),
        ("absent.h5", "sdigits", "no network file"),
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
