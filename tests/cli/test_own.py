"""From a table of one's own to a network that is run and streamed, by commands."""

import importlib
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app
from lava_ssm.network import Readout

NAMES = ["slow", "middle", "fast"]


def command(*arguments: str, stdin: str | None = None) -> Any:
    done = CliRunner().invoke(app, list(arguments), input=stdin)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    rng, t = np.random.default_rng(0), np.arange(24)
    rows = [",".join([*(f"t{i}" for i in t), "label"])]
    for i in range(120):
        wave = np.sin(2 * np.pi * (1 + 2 * (i % 3)) * t / 24 + rng.uniform(0, 6))
        rows.append(",".join([*(f"{v:.3f}" for v in wave), NAMES[i % 3]]))
    (folder / "moves.csv").write_text("\n".join(rows))
    options = ["--model", "ns4d-tiny", "--epochs", "12", "--batch-size", "10"]
    command("train", str(folder / "moves.csv"), *options, "--out", str(folder / "run"))
    float_net, fixed = str(folder / "run" / "network.safetensors"), str(folder / "net.safetensors")
    command("quantize", float_net, str(folder / "moves.csv"), "--out", fixed)
    return folder


def test_a_network_of_own_data_is_evaluated_and_run(place: Path) -> None:
    net, table = str(place / "net.safetensors"), str(place / "moves.csv")
    done = command("evaluate", net, table, "--backend", "reference")
    assert "of 24 right" in done.output
    command("run", net, table, "--out", str(place / "outputs.npz"))
    with np.load(place / "outputs.npz") as found:
        test = lava_ssm.data.own(table).test
        np.testing.assert_array_equal(found["outputs"], lava_ssm.load(net).run(test.x))
        np.testing.assert_array_equal(found["labels"], test.y)
        assert found["names"].tolist() == sorted(NAMES)
        assert (found["classes"] == test.y).mean() > 0.9


def test_labels_of_other_data_are_those_of_the_network_by_name(place: Path) -> None:
    net, table = str(place / "net.safetensors"), place / "moves.csv"
    header, *rows = table.read_text().splitlines()
    some = [row for row in rows if not row.endswith("fast")]  # which would be class 0
    (place / "later.csv").write_text("\n".join([header, *some]))
    done = command("evaluate", net, str(place / "later.csv"))
    assert "16 of 16 right" in done.output
    (place / "other.csv").write_text("\n".join([header, *some]).replace("slow", "slower"))
    refused = CliRunner().invoke(app, ["evaluate", net, str(place / "other.csv")])
    assert "other has the class 'slower', it must be one of fast, middle, slow" in refused.stderr
    start, out = str(place / "run" / "network.safetensors"), str(place / "again.safetensors")
    command("quantize", start, str(place / "other.csv"), "--out", out)  # by tokens alone


def test_a_network_is_measured_on_own_data(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = []

    def compare(network: Any, sample: Any, *_: Any) -> Any:
        samples.append(sample)
        raise ValueError("seen")

    comparison = importlib.import_module("lava_ssm.cli.bench.comparison")
    monkeypatch.setattr(comparison, "compare", compare)
    bench = ["bench", "fall-through-vs-pipelined", str(place / "net.safetensors")]
    table, out = str(place / "moves.csv"), ["--output", str(place / "bench")]
    assert CliRunner().invoke(app, [*bench, table, *out]).stderr == "seen\n"
    np.testing.assert_array_equal(samples, lava_ssm.data.own(table).test.x[:1])
    both = CliRunner().invoke(app, [*bench, table, "--tokens", "x.npy", *out])
    assert (both.exit_code, both.stderr) == (
        2,
        "DATA and --tokens are two samples: give one of them\n",
    )


def test_a_path_is_printed_as_a_shell_takes_it(place: Path) -> None:
    out = place / "two words.npz"
    net, table = str(place / "net.safetensors"), str(place / "moves.csv")
    printed = command("run", net, table, "--out", str(out)).stdout
    assert shlex.split(printed.partition(": ")[0]) == [str(out)]


def test_own_data_are_fine_tuned_with(place: Path) -> None:
    command("finetune", str(place / "run"), "--calibration", "10")
    network = lava_ssm.load(place / "run-fixed" / "network.safetensors")
    assert network.made_by["data"] == "moves"


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Path:
    """A run folder, to change, whose data are `moves.csv` beside it."""
    folder = Path(shutil.copytree(place / "run", tmp_path / "run"))
    shutil.copy(place / "moves.csv", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["task"] = str(tmp_path / "moves.csv")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_fine_tuning_goes_by_the_names_of_classes(run: Path) -> None:
    table, tuning = run.parent / "moves.csv", ["finetune", str(run), "--lr", "1e-5"]
    header, *rows = table.read_text().splitlines()
    some = [row for row in rows if not row.endswith("fast")]  # which would be class 0
    table.write_text("\n".join([header, *some]))
    done = command(*tuning)
    network = lava_ssm.load(run.parent / "run-fixed" / "network.safetensors")
    assert json.loads(network.made_by["classes"]) == sorted(NAMES)
    assert "Test accuracy 100.00% on 16" in done.output
    table.write_text("\n".join([header, *some]).replace("slow", "slower"))
    refused = CliRunner().invoke(app, [*tuning, "--out", str(run.parent / "other")])
    assert refused.exit_code == 2
    assert "moves has the class 'slower', it must be one of fast, middle, slow" in refused.stderr
    for name in ("network.safetensors", "result.json"):  # as if it had been interrupted
        (run / name).unlink()
    refused = CliRunner().invoke(app, [*tuning, "--out", str(run.parent / "other")])
    assert refused.exit_code == 2
    assert "moves.csv has changed since" in refused.stderr.replace("\n", "")
    assert not (run.parent / "other").exists()


def test_a_teacher_of_other_classes_is_refused(place: Path, tmp_path: Path) -> None:
    table, teacher = tmp_path / "moves.csv", str(place / "run")
    table.write_text((place / "moves.csv").read_text().replace("fast", "very fast"))
    arguments = ["train", str(table), "--teacher", teacher, "--out", str(tmp_path / "run")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "has the classes fast, middle, slow, they must be middle, slow, very fast" in (
        refused.stderr
    )


def test_networks_are_compared_by_the_names_of_classes(place: Path, tmp_path: Path) -> None:
    path, table = str(place / "net.safetensors"), str(place / "moves.csv")
    net, classes = lava_ssm.load(path), sorted(NAMES)
    other = replace(net, made_by={**net.made_by, "classes": json.dumps(classes[::-1])})
    other.save(tmp_path / "other.safetensors")
    done = command("evaluate", path, table, "--beside", str(tmp_path / "other.safetensors"))
    middle = int((net.predict(lava_ssm.data.own(table).test.x) == 1).sum())
    assert 0 < middle < 24
    assert f"gives the same class to {middle} of 24" in done.output


def test_a_stream_says_a_class_a_token(place: Path) -> None:
    net = lava_ssm.load(place / "net.safetensors")
    test = lava_ssm.data.own(place / "moves.csv").test
    tokens = test.x[:2].reshape(-1, 1)
    lines = "channel1\n" + "\n".join(f"{v:.3f}" for v in tokens[:, 0])
    path = str(place / "net.safetensors")
    done = command("stream", path, "--reset-every", "24", stdin=lines)
    wanted = net.run(test.x[:2]).argmax(-1).ravel()
    assert done.stdout.split() == [sorted(NAMES)[i] for i in wanted]
    done = command("stream", path, "--values", stdin=lines)
    values = np.array([line.split(",") for line in done.stdout.split()], float)
    np.testing.assert_allclose(values[:24], net.to_float(net.run(test.x[0])), rtol=1e-5, atol=1e-9)


def test_a_stream_says_when_its_running_sum_has_wrapped() -> None:
    net = lava_ssm.load("ns4d-sdigits")
    every = replace(net, readout=Readout.EVERY_TOKEN)
    sums = every.run(np.full((1200, 1), 0.5)).cumsum(axis=0)
    first = int((np.abs(sums) >= 2**31).any(axis=1).argmax()) + 1
    assert first > 1
    done = command("stream", "ns4d-sdigits", stdin="0.5\n" * 1200)
    (line,) = (line for line in done.stderr.splitlines() if "A running sum" in line)
    assert f"at token {first}: " in line
    assert "--reset-every" in line
    done = command("stream", "ns4d-sdigits", "--reset-every", "64", stdin="0.5\n" * 1200)
    assert "Warning" not in done.stderr


def test_a_stream_answers_before_its_input_ends(place: Path) -> None:
    net = str(place / "net.safetensors")
    arguments = [sys.executable, "-m", "lava_ssm.cli", "stream", net]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for token in ("0.5", "-0.25"):
            running.stdin.write(f"{token}\n")
            running.stdin.flush()
            assert running.stdout.readline().strip() in NAMES
        running.stdin.close()
        assert running.wait(60) == 0


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("0.5\n0.5,1\n", "line 2: token"),
        ("0.5\nx\n", "line 2: could not convert string to float: 'x'"),
        ("0.5\n1e9\n", "line 2: "),
        ("0.5\nnan\n", "line 2: nan is not finite"),
    ],
)
def test_a_token_that_is_none_is_named_by_its_line(lines: str, text: str, place: Path) -> None:
    arguments = ["stream", str(place / "net.safetensors")]
    done = CliRunner().invoke(app, arguments, input=lines)
    assert done.exit_code == 2
    assert text in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_other_data_at_the_same_place_are_another_run(place: Path, tmp_path: Path) -> None:
    table = tmp_path / "moves.csv"
    table.write_text((place / "moves.csv").read_text())
    arguments = ["train", str(table), "--model", "ns4d-tiny", "--epochs", "1"]
    arguments += ["--out", str(tmp_path / "run")]
    command(*arguments)
    assert "This training is finished" in command(*arguments, "--resume").output
    table.write_text(table.read_text().replace("slow", "steady"))
    done = CliRunner().invoke(app, [*arguments, "--resume"])
    assert done.exit_code == 2
    assert "is of a training with other settings (data: " in done.output


def test_a_training_in_another_order_is_not_gone_on_with(place: Path, tmp_path: Path) -> None:
    table, run = str(place / "moves.csv"), tmp_path / "run"
    arguments = ["train", table, "--model", "ns4d-tiny", "--epochs", "1", "--out", str(run)]
    command(*arguments)
    config = json.loads((run / "config.json").read_text())
    del config["order"]  # of before: the order of the file
    (run / "config.json").write_text(json.dumps(config))
    done = CliRunner().invoke(app, [*arguments, "--resume"])
    assert done.exit_code == 2
    assert "other settings (order: None there, 'mixed' now)" in done.output


def test_a_network_that_cannot_take_the_test_set_is_not_written(
    place: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "mine.npz", tmp_path / "net.safetensors"
    x, y = np.tile(np.linspace(-1, 1, 24), (30, 1)), np.repeat(NAMES, 10)
    np.savez(data, x=x, y=y, x_test=1e6 * x, y_test=y)
    net = str(place / "run" / "network.safetensors")
    done = CliRunner().invoke(app, ["quantize", net, str(data), "--out", str(out), "--limit", "3"])
    assert done.exit_code == 2
    assert "input values must lie in" in done.stderr
    assert list(tmp_path.iterdir()) == [data]


def test_images_that_are_none_are_not_moved(place: Path, tmp_path: Path) -> None:
    options = ["--turn", "10", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, ["train", str(place / "moves.csv"), *options])
    assert done.exit_code == 2
    assert "moves has no images to move" in done.output
