"""`lava-ssm deploy` and `lava-ssm vectors`."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from lava_ssm.cli import app


def lava_ssm(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_network_becomes_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "new" / "build"
    done = lava_ssm("deploy", "ns4d-sdigits", "--out", out, "--name", "digits", "--harness")
    assert done.exit_code == 0, done.output
    files = {path.name for path in out.iterdir()}
    wanted = {"digits.c", "digits.h", "digits_main.c", "README.md", "inputs.txt", "outputs.txt"}
    assert files == wanted
    for file in files:
        assert file in done.output


def test_vectors_of_tokens_that_are_given(tmp_path: Path) -> None:
    tokens = np.array([[0.5], [-0.25]])
    np.save(tmp_path / "tokens.npy", tokens)
    done = lava_ssm(
        "vectors", "ns4d-sdigits", "--out", tmp_path, "--tokens", tmp_path / "tokens.npy"
    )
    assert done.exit_code == 0, done.output
    inputs = np.loadtxt(tmp_path / "inputs.txt", dtype=int)
    assert inputs.tolist() == [2**20, -(2**19)]  # 21 fraction bits


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ns4d-sdigits-float",), "quantise it first"),
        (("ns4d-sdigits", "--target", "fpga"), "fpga"),
        (("ns4d-sdigits", "--name", "A B"), "name must be"),
        (("ns4d-sdigits", "--target", "onnx", "--name", "../a"), "name must be"),
        (("none",), "no network 'none'"),
        (("ns4d-sdigits", "--tokens", "none.npy"), "--tokens"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_nothing_is_written(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = lava_ssm("deploy", *arguments, "--out", tmp_path / "build")
    assert done.exit_code == 2
    assert said in done.output
    assert not (tmp_path / "build").exists()
