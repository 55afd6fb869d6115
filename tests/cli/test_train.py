"""Training from the command line, left and taken up again, alone and by two processes."""

import csv
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app
from lava_ssm.cli.train import _without_data
from lava_ssm.network import FixedConv1d, FixedNetwork
from lava_ssm.train import Loop, RunError, Worker, checkpoint
from lava_ssm.train.classifier_run import ClassifierRun
from lava_ssm.train.figures import write_curves
from lava_ssm.train.folder import BEST, CHECKPOINT, NETWORK
from lava_ssm.train.sitting import Sitting

TINY = ["train", "sdigits", "--model", "ns4d-tiny", "--limit", "60", "--batch-size", "10"]


def lava_ssm_command(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    done = lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run))
    assert done.exit_code == 0, done.output
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run folder of one epoch, to change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


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
        BEST,
        CHECKPOINT,
        "config.json",
        "curves.png",
        "log.csv",
        NETWORK,
        "result.json",
    }
    assert len(log(run)) == 2
    result = json.loads((run / "result.json").read_text())
    test = lava_ssm.data.digits().test
    network = lava_ssm.load(run / NETWORK)
    found = float((network.predict(test.x) == test.y).mean())
    assert result["test_accuracy"] == pytest.approx(found, abs=1.1 / len(test))
    assert network.made_by["data"] == "sDigits"


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def in_backward(monkeypatch: pytest.MonkeyPatch, signals: list[int]) -> None:
    """Send signals in the backward pass of the ninth step."""
    backward, calls = torch.Tensor.backward, itertools.count()

    def sending(self: torch.Tensor) -> None:
        if next(calls) == 8:
            for number in signals:
                send(number)
        backward(self)

    monkeypatch.setattr(torch.Tensor, "backward", sending)


def after_the_optimizer(monkeypatch: pytest.MonkeyPatch, signals: list[int]) -> None:
    """Send signals after the parameters of the ninth step are new, before it is counted."""
    learn = Loop._learn

    def sending(self: Loop[Any], *given: Any) -> tuple[float, float]:
        done = learn(self, *given)
        if self.step == 8:
            for number in signals:
                send(number)
        return done

    monkeypatch.setattr(Loop, "_learn", sending)


@pytest.mark.parametrize(
    ("model", "place", "number"),
    [
        ("ns4d-tiny", after_the_optimizer, signal.SIGINT),
        ("ns4d-tiny", in_backward, signal.SIGTERM),
        ("s5-tiny", after_the_optimizer, signal.SIGTERM),
        ("s5-tiny", in_backward, signal.SIGINT),  # norms have moved, parameters have not
    ],
)
def test_a_run_that_was_left_within_a_step_ends_as_if_it_had_not_been(
    model: str, place: Any, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [*TINY, "--model", model, "--epochs", "3"]
    assert lava_ssm_command(*options, "--out", str(tmp_path / "whole")).exit_code == 0
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patches:
        place(patches, [number])
        left = lava_ssm_command(*options, "--out", str(tmp_path / "left"))
    assert left.exit_code == 128 + number
    assert "Left after step 9; --resume" in left.output
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    again = lava_ssm_command(*options, "--out", str(tmp_path / "left"), "--resume")
    assert again.exit_code == 0, again.output
    assert log(tmp_path / "left") == log(tmp_path / "whole")
    networks = [lava_ssm.load(tmp_path / name / NETWORK) for name in ("left", "whole")]
    assert networks[0] == networks[1]
    states = [
        checkpoint.read(tmp_path / name / CHECKPOINT)["training"]["model"]
        for name in ("left", "whole")
    ]
    for name, value in states[1].items():
        assert torch.equal(states[0][name], value), name


def test_a_second_ctrl_c_leaves_at_once_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    in_backward(monkeypatch, [signal.SIGINT, signal.SIGINT])
    left = lava_ssm_command(*TINY, "--epochs", "3", "--out", str(run))
    assert left.exit_code == 130
    assert "Interrupted" in left.output
    state = checkpoint.read(run / CHECKPOINT)
    assert state["training"]["step"] == 5  # of the first epoch's end


def test_a_run_is_taken_up_with_its_own_settings_only(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    assert lava_ssm_command(*TINY, "--epochs", "1", "--out", run).exit_code == 0
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    again = lava_ssm_command(*TINY, "--epochs", "1", "--out", run)
    other = lava_ssm_command(*TINY, "--epochs", "1", "--lr", "0.1", "--out", run, "--resume")
    nothing = lava_ssm_command(*TINY, "--out", str(tmp_path / "none"), "--resume")
    assert (again.exit_code, other.exit_code, nothing.exit_code) == (2, 2, 2)
    assert "holds a training already" in again.output
    assert "recipe.lr: 0.005 there, 0.1 now" in other.output
    assert "there is no" in nothing.output
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before
    (tmp_path / "run" / CHECKPOINT).write_bytes(before[:-100])
    (tmp_path / "run" / "result.json").unlink()
    cut = lava_ssm_command(*TINY, "--epochs", "1", "--out", run, "--resume")
    assert cut.exit_code == 2
    assert "cut short" in cut.output


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    state = checkpoint.read(path)
    how(state)
    checkpoint.write(path, state)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (lambda s: s["training"]["model"].popitem(), "Missing key"),
        (lambda s: s["training"]["model"].update({"layers.0.weight": torch.ones(3)}), "size"),
        (lambda s: s.pop("log"), "KeyError: 'log'"),
        (lambda s: s["training"].pop("adamw"), "KeyError: 'adamw'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_said(
    how: Callable[[dict[str, Any]], object], text: str, run: Path
) -> None:
    change(run / CHECKPOINT, how)
    (run / "result.json").unlink()
    done = lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run), "--resume")
    assert done.exit_code == 2
    assert "checkpoint.safetensors is not of this training, or damaged" in done.output
    assert text in done.output


@pytest.mark.parametrize("content", [b"nothing", None])
def test_a_best_network_that_was_damaged_is_found_before_training(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, options = tmp_path / "run", [*TINY, "--epochs", "2", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patches:
        after_the_optimizer(patches, [signal.SIGINT])
        assert lava_ssm_command(*options).exit_code == 130
    if content is None:
        (run / BEST).unlink()
    else:
        (run / BEST).write_bytes(content)
    before = (run / CHECKPOINT).read_bytes()
    done = lava_ssm_command(*options, "--resume")
    assert done.exit_code == 2
    assert BEST in done.output
    assert (run / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("name", [BEST, NETWORK, "log.csv"])
def test_what_is_left_of_a_run_is_not_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("old")
    done = lava_ssm_command(*TINY, "--out", str(tmp_path))
    assert done.exit_code == 2
    assert f"holds {name}, but no {CHECKPOINT}" in done.output
    assert (tmp_path / name).read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_that_diverges_at_once_leaves_nothing(tmp_path: Path) -> None:
    run, rates = tmp_path / "run", ["--lr", "1e30", "--ssm-lr", "1e30", "--epochs", "2"]
    done = lava_ssm_command(*TINY, *rates, "--out", str(run))
    assert done.exit_code == 2, done.output
    assert "lower the rates" in done.output
    assert not run.exists()


def test_a_run_that_diverges_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, learn = tmp_path / "run", Loop._learn

    def spoiling(self: Loop[Any], *given: Any) -> tuple[float, float]:
        if self.step == 7:
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)
        return learn(self, *given)

    monkeypatch.setattr(Loop, "_learn", spoiling)
    done = lava_ssm_command(*TINY, "--epochs", "3", "--out", str(run), "--checkpoint-every", "0")
    assert done.exit_code == 2
    assert "after 7 steps: the loss is nan in epoch 2: lower the rates" in done.output
    assert f"{run}/checkpoint.safetensors is kept" in done.output
    assert checkpoint.read(run / CHECKPOINT)["training"]["step"] == 7


def test_parameters_that_are_not_finite_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, learn = tmp_path / "run", Loop._learn

    def spoiling(self: Loop[Any], *given: Any) -> tuple[float, float]:
        done = learn(self, *given)
        if self.step == 7:  # the loss, measured before, is well
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.inf)
        return done

    monkeypatch.setattr(Loop, "_learn", spoiling)
    done = lava_ssm_command(*TINY, "--epochs", "3", "--out", str(run), "--checkpoint-every", "0")
    assert done.exit_code == 2
    assert "layers.0.weight is no longer finite" in done.output
    assert checkpoint.read(run / CHECKPOINT)["training"]["step"] == 7


def states_at_writes(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], int]:
    """Keep a copy of a folder as it is before each file is put into it; gives their number."""
    replace, copies = os.replace, itertools.count()

    def replacing(source: Any, target: Any, **options: Any) -> None:
        if Path(target).parent == folder.resolve():
            shutil.copytree(folder, kept / str(next(copies)))
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", replacing)
    return lambda: next(copies)


def check_resumed(options: list[str], folder: Path, whole: Path) -> None:
    done = lava_ssm_command(*options, "--out", str(folder), "--resume")
    assert done.exit_code == 0, (folder, done.output)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {path.name for path in whole.iterdir()}
    assert log(folder) == log(whole)
    assert lava_ssm.load(folder / NETWORK) == lava_ssm.load(whole / NETWORK)


def test_a_training_killed_at_any_write_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, run = [*TINY, "--epochs", "2"], tmp_path / "run"
    with monkeypatch.context() as patches:
        patches.setattr("lava_ssm.train.run._DRAWN_EVERY", math.inf)
        count = states_at_writes(run, tmp_path / "killed", patches)
        assert lava_ssm_command(*options, "--out", str(run)).exit_code == 0
    # configuration, two epochs of best network, checkpoint and log, curves twice, network, result
    assert count() == 11
    for i in (0, 1, 2, 3, 4, 6, 9, 10):
        check_resumed(options, tmp_path / "killed" / str(i), run)


def test_fine_tuning_killed_at_any_write_is_taken_up(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["finetune", str(trained), "--calibration", "10", "--limit", "60"]
    run = tmp_path / "run"
    with monkeypatch.context() as patches:
        count = states_at_writes(run, tmp_path / "killed", patches)
        assert lava_ssm_command(*options, "--out", str(run)).exit_code == 0
    writes = count()
    for i in (1, 4, 6, writes - 2):
        check_resumed(options, tmp_path / "killed" / str(i), run)


def test_the_log_has_the_epoch_of_the_last_checkpoint(run: Path) -> None:
    before = (run / "log.csv").read_text()
    (run / "log.csv").write_text(before.splitlines()[0] + "\n")  # killed before it was written
    (run / "curves.png").unlink()
    (run / "result.json").unlink()
    done = lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run), "--resume")
    assert done.exit_code == 0, done.output
    assert (run / "log.csv").read_text() == before
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_training_says_what_it_gave(run: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run), "--resume")
    assert done.exit_code == 0, done.output
    accuracy = json.loads((run / "result.json").read_text())["test_accuracy"]
    assert f"This training is finished; it gave:\nTest accuracy {accuracy:.2%}" in done.output
    assert "nan" not in done.output
    after = {path.name: path.read_bytes() for path in run.iterdir()}
    assert after == before
    (run / "result.json").write_text("{")  # damaged: made again
    done = lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run), "--resume")
    assert json.loads((run / "result.json").read_text())["test_accuracy"] == accuracy
    other = lava_ssm_command(*TINY, "--epochs", "2", "--out", str(run), "--resume")
    assert other.exit_code == 2
    assert "recipe.epochs: 1 there, 2 now" in other.output


@pytest.mark.parametrize("name", ["checkpoint.pt", "best.pt"])
@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_folder_of_before_is_refused_with_what_to_do(
    name: str, resume: list[str], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"pickled")
    done = lava_ssm_command(*TINY, "--out", str(tmp_path), *resume)
    assert done.exit_code == 2
    assert f"holds {name} of an older lava_ssm, which this one does not read" in done.output
    assert "train anew in another folder" in done.output
    new = str(tmp_path / "new")
    done = lava_ssm_command(*TINY, "--out", new, "--start", str(tmp_path))
    assert done.exit_code == 2
    assert f"holds {name} of an older lava_ssm" in done.output


@pytest.mark.parametrize("name", [CHECKPOINT, BEST])
def test_flipped_bits_are_noticed_before_training_goes_on(name: str, tmp_path: Path) -> None:
    options = [*TINY, "--epochs", "1", "--out", str(tmp_path / "run")]
    assert lava_ssm_command(*options).exit_code == 0
    path = tmp_path / "run" / name
    (tmp_path / "run" / "result.json").unlink()
    content = bytearray(path.read_bytes())
    for place in (9, len(content) // 2, len(content) - 1):
        content[place] ^= 16
        path.write_bytes(content)
        done = lava_ssm_command(*options, "--resume")
        assert done.exit_code == 2
        assert name in done.output
        content[place] ^= 16


def test_a_classifier_reads_out_once(tmp_path: Path) -> None:
    done = lava_ssm_command(*TINY, "--readout", "every", "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    assert "--readout" in done.output
    assert "'mean'" in done.output


def test_a_run_of_older_versions_is_taken_up(run: Path, tmp_path: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    for key in ("join", "start", "differences"):
        del config[key]
    config["wobble"] = config.pop("affine")  # its name then
    del config["wobble"]["mirror"]
    (run / "config.json").write_text(json.dumps(config))
    change(run / CHECKPOINT, lambda state: state.update(config=config))
    again = lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run), "--resume")
    assert again.exit_code == 0, again.output
    (run / "config.json").write_text(json.dumps(config))
    options = ["--epochs", "1", "--out", str(tmp_path / "second"), "--start", str(run)]
    done = lava_ssm_command(*TINY, *options)
    assert done.exit_code == 0, done.output
    done = lava_ssm_command("finetune", str(run), "--limit", "60", "--calibration", "10")
    assert done.exit_code == 0, done.output


def test_a_training_begins_where_another_ended(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert lava_ssm_command(*TINY, "--epochs", "2", "--out", str(first)).exit_code == 0
    still = ["--epochs", "1", "--lr", "1e-12", "--ssm-lr", "1e-12", "--weight-decay", "0"]
    done = lava_ssm_command(*TINY, *still, "--start", str(first), "--out", str(second))
    assert done.exit_code == 0, done.output
    before, after = (checkpoint.read(p / BEST) for p in (first, second))
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
    assert (lava_ssm.load(run / NETWORK).predict(test.x) == wanted).mean() > 0.99
    other = tmp_path / "other"
    for start, message in (
        ("ns4d-sdigits", "must be a float network"),
        ("ns4d-smnist-float", "layer 0: weight has shape (32, 1) in the model, (64, 1)"),
        ("ns4d-other", "no network of the zoo (lm-"),
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
    before, after = (checkpoint.read(p / BEST) for p in (first, second))
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


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def in_python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments, on one thread a process."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_torchrun_takes_none_of_our_options_for_its_own() -> None:
    from torch.distributed.run import parse_args

    options = ["train", "sdigits", "--start", "runs/first"]
    given = parse_args(["--nproc-per-node", "2", "-m", "--", "lava_ssm.cli", *options])
    assert given.training_script_args == options


GRADIENT = """
import atexit
import os
import sys
import torch
from lava_ssm.cli import app

path, clip = sys.argv.pop() + os.environ["RANK"], torch.nn.utils.clip_grad_norm_

def clipped(parameters, most):  # hides the gradients' scale, as AdamW does
    parameters = list(parameters)
    if not os.path.exists(path):
        torch.save([p.grad for p in parameters], path)
    return clip(parameters, most)

torch.nn.utils.clip_grad_norm_ = clipped
atexit.register(lambda: print("in a group:", torch.distributed.is_initialized()))
app(sys.argv[1:])
"""


def test_two_processes_learn_what_one_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 47 samples by elevens: six and five a process, at last two and one
    options = [*TINY, "--limit", "57", "--batch-size", "11", "--epochs", "2", "--out"]
    (tmp_path / "script.py").write_text(GRADIENT)
    given = [*options, str(tmp_path / "two"), str(tmp_path / "gradient")]
    done = in_python(*TORCHRUN, str(tmp_path / "script.py"), *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("in a group: False") == 2
    gradients: list[list[torch.Tensor]] = []
    clip = torch.nn.utils.clip_grad_norm_

    def clipped(parameters: Any, most: float) -> torch.Tensor:
        parameters = list(parameters)
        gradients.append([p.grad.clone() for p in parameters])
        return clip(parameters, most)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clipped)
    assert lava_ssm_command(*options, str(tmp_path / "one")).exit_code == 0
    for rank in "01":
        shared = torch.load(tmp_path / f"gradient{rank}", weights_only=True)
        torch.testing.assert_close(shared, gradients[0], rtol=1e-3, atol=1e-6)
    for one, both in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert float(both["loss"]) == pytest.approx(float(one["loss"]), rel=1e-4)
    states = [
        checkpoint.read(tmp_path / name / CHECKPOINT)["training"]["model"]
        for name in ("one", "two")
    ]
    # sums in another order, which AdamW makes more of where a gradient is next to nothing
    torch.testing.assert_close(states[1], states[0], rtol=1e-3, atol=1e-4)


INTERRUPTED = """
import os
import signal
import sys
import torch
from lava_ssm.cli import app

step, taken = torch.optim.AdamW.step, []

def interrupted(self, *args, **kwargs):
    taken.append(step(self, *args, **kwargs))
    if len(taken) == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGINT)

torch.optim.AdamW.step = interrupted
app(sys.argv[1:])
"""


def test_when_one_process_is_interrupted_all_leave_after_the_same_step(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(INTERRUPTED)
    run = tmp_path / "run"
    options = [*TINY, "--limit", "57", "--epochs", "2", "--out", str(run)]
    done = in_python(*TORCHRUN, str(tmp_path / "script.py"), *options)
    assert done.returncode != 0
    assert "Left after step 3; --resume goes on from there." in done.stdout
    assert checkpoint.read(run / CHECKPOINT)["training"]["step"] == 3
    assert lava_ssm_command(*options, "--resume").exit_code == 0
    assert [int(line["epoch"]) for line in log(run)] == [1, 2]


def test_norms_are_not_shared_among_processes(tmp_path: Path, trained: Path) -> None:
    config = json.loads((trained / "config.json").read_text()) | {"model": "s5-tiny"}
    with pytest.raises(RunError, match="--model s5-tiny: 2 processes would each normalise"):
        ClassifierRun(config, Sitting(tmp_path / "run", worker=Worker(1, 2)), None)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_trained_network_is_fine_tuned_in_integers(tmp_path: Path) -> None:
    run, fixed = tmp_path / "run", tmp_path / "run-fixed"
    assert lava_ssm_command(*TINY, "--epochs", "2", "--out", str(run)).exit_code == 0
    options = ["finetune", str(run), "--calibration", "10", "--limit", "60"]
    options += ["--batch-size", "10", "--lr", "0.01"]
    done = lava_ssm_command(*options)
    assert done.exit_code == 0, done.output
    start, after = (lava_ssm.load(fixed / name) for name in ("start.safetensors", NETWORK))
    assert isinstance(after, FixedNetwork)
    assert start != after
    test = lava_ssm.data.digits().test
    result = json.loads((fixed / "result.json").read_text())
    assert result["test_accuracy"] == pytest.approx((after.predict(test.x) == test.y).mean())
    for name in ("start-report", "report"):
        assert "9 Linear message" in (fixed / f"{name}.txt").read_text()
        assert (fixed / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (fixed / "report.txt").read_text() != (fixed / "start-report.txt").read_text()
    again = lava_ssm_command(*options, "--resume")
    assert again.exit_code == 0, again.output
    assert lava_ssm.load(fixed / NETWORK) == after


def test_fine_tuning_remembers_what_it_began_with(run: Path, tmp_path: Path) -> None:
    tuning, fixed = ["finetune", str(run), "--calibration", "10"], tmp_path / "run-fixed"
    done = lava_ssm_command(*tuning)
    assert done.exit_code == 0, done.output
    assert "not finished" not in done.output
    config = json.loads((fixed / "config.json").read_text())
    assert config["limit"] == 60  # the run's
    best = checkpoint.read(run / BEST)
    name = next(iter(best))
    checkpoint.write(run / BEST, {**best, name: best[name] + 0.125})
    again = lava_ssm_command(*tuning, "--resume")
    assert again.exit_code == 2
    assert f"the network that {fixed} began with has changed since" in again.output
    del config["base"]  # of before
    (fixed / "config.json").write_text(json.dumps(config))
    again = lava_ssm_command(*tuning, "--resume")
    assert "This training is finished" in again.output
    (run / "result.json").unlink()
    other = ["--limit", "80", "--out", str(tmp_path / "other")]
    done = lava_ssm_command(*tuning, *other)
    assert done.exit_code == 0, done.output
    assert f"{run} is not finished: this begins with its best network so far" in done.output
    assert json.loads((tmp_path / "other" / "config.json").read_text())["limit"] == 80
    start = ["--start", str(run), "--epochs", "1", "--out", str(tmp_path / "third")]
    assert f"{run} is not finished" in lava_ssm_command(*TINY, *start).output


def test_fine_tuning_wants_a_run_that_was_trained(tmp_path: Path) -> None:
    done = lava_ssm_command("finetune", str(tmp_path))
    assert done.exit_code == 2
    assert "is no run folder" in done.output
    run = tmp_path / "run"
    assert lava_ssm_command(*TINY, "--epochs", "1", "--out", str(run)).exit_code == 0
    (run / BEST).write_bytes(b"nothing")
    done = lava_ssm_command("finetune", str(run))
    assert done.exit_code == 2
    assert "best.safetensors is of another model, or damaged" in done.output
    assert not (tmp_path / "run-fixed").exists()


def test_a_denoiser_is_not_fine_tuned_as_a_classifier(tmp_path: Path) -> None:
    config = {"k": 0.5, "relu": True, "start": None, "epochs": 20, "limit": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = lava_ssm_command("finetune", str(tmp_path))
    assert done.exit_code == 2
    assert "no run folder of `lava-ssm train`: its config.json has no task" in done.output


def test_curves_of_a_network_that_makes_no_mistake_are_drawn(tmp_path: Path) -> None:
    line = {"epoch": 1, "loss": 0.0, "accuracy": 1.0, "kept_loss": 0.0, "kept_accuracy": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_curves([line, {**line, "epoch": 2}], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").is_file()


def test_an_s5_network_is_trained_fine_tuned_and_evaluated(tmp_path: Path) -> None:
    run, fixed = tmp_path / "run", tmp_path / "fixed"
    options = ["--model", "s5-tiny", "--limit", "60", "--batch-size", "10"]
    done = lava_ssm_command("train", "sdigits", *options, "--epochs", "2", "--out", str(run))
    assert done.exit_code == 0, done.output
    done = lava_ssm_command("finetune", str(run), "--limit", "60", "--out", str(fixed))
    assert done.exit_code == 0, done.output
    assert isinstance(lava_ssm.load(fixed / NETWORK), FixedNetwork)
    compare = ["--limit", "10", "--compare", "reference"]
    done = lava_ssm_command("evaluate", str(fixed / NETWORK), "sdigits", *compare)
    assert done.exit_code == 0, done.output
    assert "the same outputs on 640 of 640 tokens" in " ".join(done.output.split())


@pytest.mark.parametrize("model", ["ns4d-tiny", "s5-tiny"])
def test_a_network_that_sees_differences_is_trained_on_and_fine_tuned(
    model: str, tmp_path: Path
) -> None:
    run, second, fixed = (tmp_path / name for name in ("run", "second", "fixed"))
    options = [*TINY, "--model", model, "--epochs", "1", "--differences", "2"]
    for more in (["--out", str(run)], ["--start", str(run), "--out", str(second)]):
        done = lava_ssm_command(*options, *more)
        assert done.exit_code == 0, done.output
    done = lava_ssm_command("finetune", str(second), "--limit", "60", "--out", str(fixed))
    assert done.exit_code == 0, done.output
    first = lava_ssm.load(fixed / NETWORK).layers[0]
    assert isinstance(first, FixedConv1d)
    assert (first.d_input, first.d_output) == (1, 3)
    compare = ["--limit", "10", "--compare", "reference"]
    done = lava_ssm_command("evaluate", str(fixed / NETWORK), "sdigits", *compare)
    assert "the same outputs on 640 of 640 tokens" in " ".join(done.output.split()), done.output


def test_an_initialisation_of_s4d_is_none_of_s5(tmp_path: Path) -> None:
    options = ["--model", "s5-tiny", "--init", "legs", "--out", str(tmp_path / "run")]
    done = lava_ssm_command("train", "sdigits", *options)
    assert done.exit_code == 2
    assert "--init is of S4D, not of s5-tiny" in " ".join(done.output.split())


def test_the_recorded_command_does_not_say_where_the_data_lie() -> None:
    given = ["train", "smnist", "--data", "somewhere", "--epochs", "2", "--data=elsewhere"]
    assert _without_data(given) == ["train", "smnist", "--epochs", "2"]


EVERYTHING = ["--dropout", "0.1", "--norm", "--schedule", "cosine", "--ema", "0.9"]
EVERYTHING += ["--join", "4,2,1", "--teacher", "ns4d-sdigits-float", "--device", "auto"]


def test_a_run_with_everything_is_taken_up_and_its_norms_are_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [*TINY, *EVERYTHING, "--epochs", "5"]
    assert lava_ssm_command(*options, "--out", str(tmp_path / "whole")).exit_code == 0
    with monkeypatch.context() as patches:
        after_the_optimizer(patches, [signal.SIGTERM])
        left = lava_ssm_command(*options, "--out", str(tmp_path / "left"))
    assert "Left after step 9" in left.output
    again = lava_ssm_command(*options, "--out", str(tmp_path / "left"), "--resume")
    assert again.exit_code == 0, again.output
    assert log(tmp_path / "left") == log(tmp_path / "whole")
    network = lava_ssm.load(tmp_path / "left" / NETWORK)
    assert network == lava_ssm.load(tmp_path / "whole" / NETWORK)
    assert [type(layer).__name__ for layer in network.layers[:3]] == ["Linear", "S4D", "ReLU"]
    assert network.layers[1].bias.any()
    config = json.loads(network.made_by["config"])
    assert (config["norm"], config["dropout"], config["join"]) == (True, 0.1, [4, 2, 1])
    assert (config["recipe"]["ema"], config["recipe"]["distillation"]) == (0.9, 0.5)
    test = lava_ssm.data.digits().test
    result = json.loads((tmp_path / "left" / "result.json").read_text())
    found = float((network.predict(test.x) == test.y).mean())
    assert result["test_accuracy"] == pytest.approx(found, abs=1.1 / len(test))
    tuned = ["finetune", str(tmp_path / "left"), "--limit", "60", "--calibration", "10"]
    done = lava_ssm_command(*tuned)
    assert done.exit_code == 0, done.output
    assert isinstance(lava_ssm.load(tmp_path / "left-fixed" / NETWORK), FixedNetwork)


def test_a_teacher_may_be_any_module_that_a_file_makes(tmp_path: Path) -> None:
    (tmp_path / "what_it_needs.py").write_text("classes = 10\n")
    (tmp_path / "teachers.py").write_text(
        """
import torch
from what_it_needs import classes

class Teacher(torch.nn.Module):
    d_input = 1

    def forward(self, x):
        return 100 * torch.nn.functional.one_hot(torch.full((len(x),), 7), classes).float()

def always_seven():
    return Teacher()

def nothing():
    return 7
"""
    )
    teacher, out = f"{tmp_path / 'teachers.py'}:always_seven", tmp_path / "run"
    learn = ["--teacher", teacher, "--distillation", "1", "--epochs", "2", "--out", str(out)]
    done = lava_ssm_command(*TINY, *learn)
    assert done.exit_code == 0, done.output
    x = lava_ssm.data.digits().test.x
    assert (lava_ssm.load(out / NETWORK).predict(x) == 7).mean() > 0.9
    for name, text in (("nothing", "must give a torch module, got 7"), ("none", "KeyError")):
        teacher = f"{tmp_path / 'teachers.py'}:{name}"
        done = lava_ssm_command(*TINY, "--teacher", teacher, "--out", str(tmp_path / name))
        assert done.exit_code == 2
        assert text in done.output


def test_several_seeds_are_several_runs_and_a_mean(tmp_path: Path) -> None:
    options = [*TINY, "--epochs", "1", "--out", str(tmp_path / "runs")]
    done = lava_ssm_command(*options, "--seed", "3", "--seed", "4")
    assert done.exit_code == 0, done.output
    results = [
        json.loads((tmp_path / "runs" / name / "result.json").read_text())["test_accuracy"]
        for name in ("seed-3", "seed-4")
    ]
    text = f"mean {sum(results) / 2:.2%}, from {min(results):.2%} to {max(results):.2%}"
    assert f"2 seeds: {text}" in done.output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--join", "4,x"], "--join must be a number, or several as 4,2,1, got '4,x'"),
        (["--join", "4,2,1", "--epochs", "2"], "join must have at most 2 stages"),
        (["--distillation", "0.5"], "--distillation: there must be a --teacher"),
        (["--teacher", "ns4d-none"], "--teacher: 'ns4d-none' holds no trained network"),
        (["--teacher", "ns4d-sdigits"], "--teacher: 'ns4d-sdigits' must be a float network"),
        (["--ema", "1"], "ema must lie in [0, 1), got 1"),
        (["--dropout", "1"], "dropout must lie in [0, 1), got 1"),
        (["--norm", "--model", "s5-tiny"], "--norm is of n-S4D; s5-tiny has norms of its own"),
    ],
)
def test_what_cannot_be_trained_with_is_named(
    options: list[str], text: str, tmp_path: Path
) -> None:
    done = lava_ssm_command(*TINY, *options, "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    assert text in " ".join(done.output.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = lava_ssm_command(*TINY, "--device", "cuda", "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    assert "--device cuda: PyTorch finds none" in done.output
