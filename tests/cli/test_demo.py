"""The demo from beginning to end, with fewer epochs and fewer images in Lava."""

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app
from lava_ssm.network import FixedNetwork, Network


def test_demo_trains_quantises_runs_and_draws(tmp_path: Path) -> None:
    options = ["--epochs", "12", "--lava-images", "3", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, ["demo", *options])
    assert done.exit_code == 0, done.output
    assert "equal the reference's on 192 of 192 tokens" in " ".join(done.output.split())
    assert "first 3" in done.output
    network = lava_ssm.load(tmp_path / "run" / "digits-float.safetensors")
    fixed = lava_ssm.load(tmp_path / "run" / "digits-fixed.safetensors")
    assert isinstance(network, Network)
    assert isinstance(fixed, FixedNetwork)
    test = lava_ssm.data.digits().test
    accuracy = [np.mean(net.predict(test.x) == test.y) for net in (network, fixed)]
    assert accuracy[0] >= 0.9
    assert accuracy[1] >= accuracy[0] - 0.01
    assert (tmp_path / "run" / "digit.png").stat().st_size > 10_000
    assert len(list((tmp_path / "run").iterdir())) == 3


def test_bad_options_are_named() -> None:
    done = CliRunner().invoke(app, ["demo", "--epochs", "0"])
    assert done.exit_code == 2
    assert "epochs" in done.output
