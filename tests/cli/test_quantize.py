"""Quantising a float network on the command line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import compress, data, nn
from lava_ssm.cli import app
from lava_ssm.network import FixedNetwork


def quantize(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["quantize", *map(str, arguments)])


def test_a_float_network_becomes_a_fixed_one(tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    done = quantize("ns4d-sdigits-float", "sdigits", "--out", out, "--limit", 50)
    assert done.exit_code == 0, done.output
    fixed = lava_ssm.load(out)
    real, sets = lava_ssm.load("ns4d-sdigits-float"), data.digits()
    assert fixed == compress.quantize(real, sets.train.x[:128])
    assert fixed.made_by["data"] == "sDigits"
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
    assert "9 Linear message" in done.output
    assert "was made for" not in done.output
    test = sets.test.first(50)
    for kind, net in (("float", real), ("fixed", fixed)):
        right = int((net.predict(test.x) == test.y).sum())
        assert f"{kind}: {right} of 50 right" in done.output


def test_formats_bound_and_calibration_are_as_asked(tmp_path: Path) -> None:
    options = ["--formats", "paper", "--bound", "certified", "--calibration", "8"]
    done = quantize(
        "ns4d-sdigits-float", "sdigits", "--out", tmp_path / "net.safetensors", *options
    )
    assert done.exit_code == 0, done.output
    real, seen = lava_ssm.load("ns4d-sdigits-float"), data.digits().train.x[:8]
    assert isinstance(real, lava_ssm.network.Network)
    wanted = compress.quantize(real, seen, compress.PAPER, "certified")
    assert lava_ssm.load(tmp_path / "net.safetensors") == wanted


def test_an_s5_network_gets_messages_of_16_bits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.SparseS5(1, 8, 8, 2, 10, relu=True, readout="mean")
    nn.export(model.eval()).save(tmp_path / "float.safetensors")
    done = quantize(
        tmp_path / "float.safetensors", "sdigits", "--out", tmp_path / "net.safetensors"
    )
    assert done.exit_code == 0, done.output
    fixed = lava_ssm.load(tmp_path / "net.safetensors")
    assert isinstance(fixed, FixedNetwork)
    assert fixed.arithmetic.message_bits == 16


@pytest.mark.parametrize(
    ("net", "task", "out", "text"),
    [
        ("ns4d-sdigits", "sdigits", "net.safetensors", "ns4d-sdigits is quantised already"),
        (
            "no-such-net",
            "sdigits",
            "net.safetensors",
            "no file and no network 'no-such-net' in the zoo",
        ),
        ("ns4d-sdigits-float", "smnist", "net.safetensors", "no MNIST"),
        ("ns4d-sdigits-float", "sdigits", "none/net.safetensors", "--out: no folder"),
        ("ns4d-sdigits-float", "sdigits", "net.png", "--out must end in .safetensors"),
    ],
)
def test_what_cannot_be_quantised_is_said(
    net: str, task: str, out: str, text: str, tmp_path: Path
) -> None:
    done = quantize(net, task, "--out", tmp_path / out, "--data", tmp_path)
    assert done.exit_code == 2
    assert text in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["net.safetensors", "net.png"])
def test_nothing_is_overwritten_by_quantisation(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("old")
    done = quantize("ns4d-sdigits-float", "sdigits", "--out", tmp_path / "net.safetensors")
    assert done.exit_code == 2
    assert f"{name} exists already" in done.output
    assert (tmp_path / name).read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_network_of_another_data_set_is_warned_of(tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    done = quantize("ns4d-psmnist-float", "sdigits", "--calibration", 1, "--out", out)
    assert done.exit_code == 0, done.output
    assert "ns4d-psmnist-float was made for psMNIST, not for sDigits" in done.output


def test_bits_are_chosen_within_a_budget(tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    options = ["--budget", "20000", "--calibration", "8"]
    done = quantize("ns4d-sdigits-float", "sdigits", "--out", out, *options)
    assert done.exit_code == 0, done.output
    fixed = lava_ssm.load(out)
    assert isinstance(fixed, FixedNetwork)
    assert 10_000 < compress.packed_nbytes(fixed) <= 20_000
    assert f"{compress.packed_nbytes(fixed):,} bytes" in done.output
    for name in ("net.png", "net-bits.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
