"""Training from the command line, left and taken up again, alone and by two processes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app, files
from lava_ssm.cli.train import _without_data
from lava_ssm.network import FixedNetwork

TINY = ["train", "sdigits", "--model", "ns4d-tiny", "--limit", "60", "--batch-size", "10"]


def lava_ssm_command(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return [
            {k: v for k, v in line.items() if k != "core_seconds"} for line in csv.DictReader(file)
        ]


def test_a_run_leaves_what_it_says(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = lava_ssm_command(*TINY, "--epochs", "2", "--shift", "1", "--out", str(run))
    assert done.exit_code == 0, done.output
    assert {p.name for p in run.iterdir()} == {
        "best.pt",
        "checkpoint.pt",
        "config.json",
        "curves.png",
        "log.csv",
        "network.h5",
        "result.json",
    }
    assert len(log(run)) == 2
    result = json.loads((run / "result.json").read_text())
    test = lava_ssm.data.digits().test
    network = lava_ssm.load(run / "network.h5")
    found = float((network.predict(test.x) == test.y).mean())
    assert result["test_accuracy"] == pytest.approx(found, abs=1.1 / len(test))
    assert network.made_by["data"] == "sDigits"


def test_a_run_that_was_left_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lava_ssm.nn import Training

    options = [*TINY, "--epochs", "3", "--checkpoint-every", "0"]
    assert lava_ssm_command(*options, "--out", str(tmp_path / "whole")).exit_code == 0
    advance = Training.advance

    def interrupted(self: Training) -> object:
        if self.step == 8:
            raise KeyboardInterrupt
        return advance(self)

    monkeypatch.setattr(Training, "advance", interrupted)
    left = lava_ssm_command(*options, "--out", str(tmp_path / "left"))
    assert left.exit_code == 130
    assert "--resume" in left.output
    monkeypatch.undo()
    again = lava_ssm_command(*options, "--out", str(tmp_path / "left"), "--resume")
    assert again.exit_code == 0, again.output
    assert log(tmp_path / "left") == log(tmp_path / "whole")
    networks = [lava_ssm.load(tmp_path / name / "network.h5") for name in ("left", "whole")]
    assert networks[0] == networks[1]


def test_a_run_is_taken_up_with_its_own_settings_only(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    assert lava_ssm_command(*TINY, "--epochs", "1", "--out", run).exit_code == 0
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    again = lava_ssm_command(*TINY, "--epochs", "1", "--out", run)
    other = lava_ssm_command(*TINY, "--epochs", "1", "--lr", "0.1", "--out", run, "--resume")
    nothing = lava_ssm_command(*TINY, "--out", str(tmp_path / "none"), "--resume")
    assert (again.exit_code, other.exit_code, nothing.exit_code) == (2, 2, 2)
    assert "holds a training already" in again.output
    assert "recipe.lr: 0.005 there, 0.1 now" in other.output
    assert "there is no" in nothing.output
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before
    (tmp_path / "run" / "checkpoint.pt").write_bytes(before[:-100])
    cut = lava_ssm_command(*TINY, "--epochs", "1", "--out", run, "--resume")
    assert cut.exit_code == 2
    assert "cut short" in cut.output


def test_a_training_begins_where_another_ended(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert lava_ssm_command(*TINY, "--epochs", "2", "--out", str(first)).exit_code == 0
    still = ["--epochs", "1", "--lr", "1e-12", "--ssm-lr", "1e-12", "--weight-decay", "0"]
    done = lava_ssm_command(*TINY, *still, "--start", str(first), "--out", str(second))
    assert done.exit_code == 0, done.output
    before, after = (torch.load(p / "best.pt", weights_only=True) for p in (first, second))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=1e-8)


def test_a_training_begins_with_a_network_of_the_zoo(tmp_path: Path) -> None:
    still = ["--epochs", "1", "--lr", "1e-12", "--ssm-lr", "1e-12", "--weight-decay", "0"]
    run = tmp_path / "run"
    options = ["--readout", "mean", "--start", "ns4d-sdigits-float", "--out", str(run)]
    done = lava_ssm_command(*TINY, *still, *options)
    assert done.exit_code == 0, done.output
    test = lava_ssm.data.digits().test
    wanted = lava_ssm.load("ns4d-sdigits-float").predict(test.x)
    assert (lava_ssm.load(run / "network.h5").predict(test.x) == wanted).mean() > 0.99
    other = tmp_path / "other"
    for start, message in (
        ("ns4d-sdigits", "must be a float network"),
        ("ns4d-smnist-float", "layer 0: weight has shape (32, 1) in the model, (64, 1)"),
        ("ns4d-other", "no network of the zoo (ns4d-"),
    ):
        done = lava_ssm_command(*TINY, "--start", start, "--out", str(other))
        assert done.exit_code == 2
        assert message in " ".join(done.output.split())
        assert not other.exists()


def test_a_training_goes_on_with_shorter_tokens(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    coarse = [*TINY, "--epochs", "1", "--join", "4"]
    done = lava_ssm_command(*coarse, "--out", str(first))
    assert done.exit_code == 0, done.output
    assert "of 16 tokens to train" in done.output
    still = ["--epochs", "1", "--lr", "1e-12", "--ssm-lr", "1e-12", "--weight-decay", "0"]
    done = lava_ssm_command(*TINY, *still, "--start", str(first), "--out", str(second))
    assert done.exit_code == 0, done.output
    before, after = (torch.load(p / "best.pt", weights_only=True) for p in (first, second))
    for name, value in before.items():
        quarter = np.log(4) if name.endswith("log_dt") else 0.0
        torch.testing.assert_close(after[name], value - quarter, rtol=0, atol=1e-6)
    done = lava_ssm_command(*TINY, "--join", "3", "--out", str(tmp_path / "third"))
    assert done.exit_code == 2
    assert "tokens must divide the sequences' 64 tokens, got 3" in done.output


@pytest.mark.parametrize("model", ["ns4d-tiny", "ns4d-small"])
def test_a_training_begins_with_a_network_of_its_kind_only(tmp_path: Path, model: str) -> None:
    first = tmp_path / "first"
    if model == "ns4d-small":  # else there is nothing at all
        assert lava_ssm_command(*TINY, "--epochs", "1", "--out", str(first)).exit_code == 0
    options = ["train", "sdigits", "--model", model, "--start", str(first)]
    done = lava_ssm_command(*options, "--out", str(tmp_path / "second"))
    assert done.exit_code == 2
    assert ("another model" if model == "ns4d-small" else "no trained network") in done.output
    assert not (tmp_path / "second").exists()


def test_data_that_are_not_there_are_said_before_anything_is_written(tmp_path: Path) -> None:
    options = ["train", "smnist", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    done = lava_ssm_command(*options)
    assert done.exit_code == 2
    assert "torchvision" in done.output
    assert not (tmp_path / "run").exists()


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    # 57 samples by tens: the last step's seven are shared unevenly
    options = [*TINY, "--epochs", "2", "--out"]
    assert lava_ssm_command(*options, str(tmp_path / "one")).exit_code == 0
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*two, "-m", "lava_ssm.cli", *options, str(tmp_path / "two")],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    for one, both in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert float(both["loss"]) == pytest.approx(float(one["loss"]), rel=1e-4)
    states = [
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["training"]["model"]
        for name in ("one", "two")
    ]
    assert states[0].keys() == states[1].keys()


def test_a_file_half_written_is_not_there(tmp_path: Path) -> None:
    def fails(part: Path) -> None:
        part.write_text("half")
        raise OSError("disk full")

    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        files.write(tmp_path / "file", fails)
    assert (tmp_path / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_trained_network_is_fine_tuned_in_integers(tmp_path: Path) -> None:
    run, fixed = tmp_path / "run", tmp_path / "run-fixed"
    assert lava_ssm_command(*TINY, "--epochs", "2", "--out", str(run)).exit_code == 0
    options = ["finetune", str(run), "--calibration", "10", "--limit", "60"]
    options += ["--batch-size", "10", "--lr", "0.01"]
    done = lava_ssm_command(*options)
    assert done.exit_code == 0, done.output
    start, after = (lava_ssm.load(fixed / name) for name in ("start.h5", "network.h5"))
    assert isinstance(after, FixedNetwork)
    assert start != after
    test = lava_ssm.data.digits().test
    result = json.loads((fixed / "result.json").read_text())
    assert result["test_accuracy"] == pytest.approx((after.predict(test.x) == test.y).mean())
    again = lava_ssm_command(*options, "--resume")
    assert again.exit_code == 0, again.output
    assert lava_ssm.load(fixed / "network.h5") == after


def test_fine_tuning_wants_a_run_that_was_trained(tmp_path: Path) -> None:
    done = lava_ssm_command("finetune", str(tmp_path))
    assert done.exit_code == 2
    assert "is no run folder" in done.output
    run = tmp_path / "run"
    assert lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run)).exit_code == 0
    (run / "best.pt").write_bytes(b"nothing")
    done = lava_ssm_command("finetune", str(run))
    assert done.exit_code == 2
    assert "best.pt is of another model, or damaged" in done.output
    assert not (tmp_path / "run-fixed").exists()


def test_an_s5_network_is_trained_fine_tuned_and_evaluated(tmp_path: Path) -> None:
    run, fixed = tmp_path / "run", tmp_path / "fixed"
    options = ["--model", "s5-tiny", "--limit", "60", "--batch-size", "10"]
    done = lava_ssm_command("train", "sdigits", *options, "--epochs", "2", "--out", str(run))
    assert done.exit_code == 0, done.output
    done = lava_ssm_command("finetune", str(run), "--limit", "60", "--out", str(fixed))
    assert done.exit_code == 0, done.output
    assert isinstance(lava_ssm.load(fixed / "network.h5"), FixedNetwork)
    compare = ["--limit", "10", "--compare", "reference"]
    done = lava_ssm_command("evaluate", str(fixed / "network.h5"), "sdigits", *compare)
    assert done.exit_code == 0, done.output
    assert "the same outputs on 640 of 640 tokens" in " ".join(done.output.split())


def test_an_initialisation_of_s4d_is_none_of_s5(tmp_path: Path) -> None:
    options = ["--model", "s5-tiny", "--init", "legs", "--out", str(tmp_path / "run")]
    done = lava_ssm_command("train", "sdigits", *options)
    assert done.exit_code == 2
    assert "--init is of S4D, not of s5-tiny" in " ".join(done.output.split())


def test_the_recorded_command_does_not_say_where_the_data_lie() -> None:
    given = ["train", "smnist", "--data", "somewhere", "--epochs", "2", "--data=elsewhere"]
    assert _without_data(given) == ["train", "smnist", "--epochs", "2"]
