"""The commands of denoising, on tones and noise that the tests make."""

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import audio, compress
from lava_ssm.cli import app
from lava_ssm.network import Linear, Network
from lava_ssm.train import Denoiser, Left, Loop, RunError, checkpoint
from lava_ssm.train.denoiser import train
from lava_ssm.train.folder import CHECKPOINT
from lava_ssm.train.sitting import Sitting
from tests.networks import random_s5_network


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ndns")
    rng = np.random.default_rng(0)
    for part, clips in (("training_set", 8), ("validation_set", 3), ("test_set", 4)):
        for kind in ("clean", "noisy"):
            (folder / part / kind).mkdir(parents=True)
        for i in range(clips):
            clean = 0.2 * np.sin(2 * np.pi * rng.uniform(200, 900) * np.arange(8000) / 16000)
            noisy = clean + 0.1 * rng.normal(size=8000)
            audio.write(folder / part / "clean" / f"clean_fileid_{i}.wav", clean)
            audio.write(folder / part / "noisy" / f"x_snr3_fileid_{i}.wav", noisy)
    return folder


SMALL = Denoiser(k=0.125, epochs=3, batch_size=4)
TIMES = {"cpu_hours": 0, "wall_hours": 0}


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return [
            {k: v for k, v in line.items() if k != "core_seconds"} for line in csv.DictReader(file)
        ]


def leaving(monkeypatch: pytest.MonkeyPatch, step: int, number: int) -> None:
    """Send a signal within a step."""
    learn = Loop._learn

    def sending(self: Loop[Any], *given: Any) -> tuple[float, float]:
        done = learn(self, *given)
        if self.step == step - 1:
            os.kill(os.getpid(), number)
        return done

    monkeypatch.setattr(Loop, "_learn", sending)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_was_left_ends_like_one_that_was_not(
    number: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = replace(SMALL, dropout=0.1, sparsity=0.5)
    whole = train(sparse, Sitting(tmp_path / "whole"), data)
    with monkeypatch.context() as patches:
        leaving(patches, 3, number)
        with pytest.raises(Left, match="Left after step 3"):
            train(sparse, Sitting(tmp_path / "left"), data)
    again = train(sparse, Sitting(tmp_path / "left"), data)
    for key in ("float_si_snr", "validation_si_snr", "macs_effective"):
        assert again[key] == whole[key]
    assert log(tmp_path / "left") == log(tmp_path / "whole")
    assert len(log(tmp_path / "left")) == SMALL.epochs
    states = [checkpoint.read(tmp_path / n / CHECKPOINT)["training"] for n in ("left", "whole")]
    assert all(map(torch.equal, *(state["model"].values() for state in states)))
    assert train(sparse, Sitting(tmp_path / "left"), data) == again  # read, not trained anew
    with pytest.raises(RunError, match=r"with other settings \(k: 0.125 there, 0.25 now\)"):
        train(replace(sparse, k=0.25), Sitting(tmp_path / "left"), data)


def test_the_command_is_left_by_a_signal_and_taken_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["train-denoiser", "--out", str(tmp_path / "run"), "--data", str(data)]
    command += ["--k", "0.0625", "--epochs", "2", "--batch-size", "4"]
    with monkeypatch.context() as patches:
        leaving(patches, 1, signal.SIGTERM)
        left = CliRunner().invoke(app, command)
    assert left.exit_code == 128 + signal.SIGTERM
    assert "Left after step 1; --resume goes on from there." in left.output
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2
    assert "holds a training already: --resume" in again.output
    assert CliRunner().invoke(app, [*command, "--resume"]).exit_code == 0
    assert len(log(tmp_path / "run")) == 2


def test_a_training_killed_at_any_write_ends_like_one_that_was_not(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Denoiser(k=0.0625, relu=True, epochs=2, batch_size=4)
    whole, copies, replace_ = tmp_path / "whole", itertools.count(), os.replace

    def replacing(source: Any, target: Any, **options: Any) -> None:
        if Path(target).parent == whole:
            shutil.copytree(whole, tmp_path / "killed" / str(next(copies)))
        replace_(source, target, **options)

    with monkeypatch.context() as patches:
        patches.setattr(os, "replace", replacing)
        wanted = train(config, Sitting(whole, checkpoint_every=0), data)
    # configuration; two checkpoints in epochs, two at their ends, log and curves with these; the
    # best network, which is that of the first epoch; network, fixed network, result
    assert next(copies) == 13
    for i in (0, 1, 2, 3, 4, 7, 9, 10, 11, 12):
        killed = tmp_path / "killed" / str(i)
        found = train(config, Sitting(killed), data)
        assert {**found, **TIMES} == {**wanted, **TIMES}
        assert log(killed) == log(whole)
        for name in ("network.safetensors", "fixed.safetensors"):
            assert lava_ssm.load(killed / name) == lava_ssm.load(whole / name)


@pytest.mark.parametrize("place", [9, -1])
def test_a_damaged_checkpoint_of_a_denoiser_is_refused(
    place: int, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(SMALL, Sitting(run), data)
    (run / "result.json").unlink()
    path = run / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors is no checkpoint, or cut short"):
        train(SMALL, Sitting(run), data)
    path.unlink()
    (run / "checkpoint.pt").write_bytes(b"pickled")
    with pytest.raises(RunError, match=r"holds checkpoint\.pt of an older lava_ssm"):
        train(SMALL, Sitting(run), data)


def test_a_finished_denoiser_says_what_it_gave(data: Path, tmp_path: Path) -> None:
    command = ["train-denoiser", "--out", str(tmp_path / "run"), "--data", str(data)]
    command += ["--k", "0.0625", "--epochs", "1"]
    first = CliRunner().invoke(app, command)
    again = CliRunner().invoke(app, [*command, "--resume"])
    assert first.exit_code == again.exit_code == 0
    assert again.output.startswith("This training is finished; it gave:\nTest SI-SNR")
    assert "nan" not in again.output
    assert first.output.splitlines()[-1] == again.output.splitlines()[-1]


def test_a_dense_model_is_trained_on_relufied_and_pruned(data: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    common = ["--data", str(data), "--k", "0.125", "--epochs", "2", "--batch-size", "4"]
    dense, sparse = tmp_path / "dense", tmp_path / "sparse"
    result = run(app, ["train-denoiser", "--out", str(dense), *common])
    assert result.exit_code == 0, result.output
    more = ["--start", str(dense), "--relu", "--sparsity", "0.8", "--end", "0.5"]
    more += ["--ema", "0.8"]
    result = run(app, ["train-denoiser", "--out", str(sparse), *common, *more])
    assert result.exit_code == 0, result.output
    assert "In fixed point" in result.output
    measured = json.loads((sparse / "result.json").read_text())
    assert measured["sparsity"] == pytest.approx(0.8, abs=0.01)
    assert abs(measured["fixed_si_snr"] - measured["float_si_snr_of_these"]) < 0.5
    assert measured["macs_effective"] < 0.3 * measured["macs_dense"]
    # what quantised parameters cost comes on top of what the arithmetic does
    assert 15 < measured["signal_to_error"] < measured["arithmetic_signal_to_error"]
    noisy = sorted((data / "test_set" / "noisy").iterdir())[0]
    out = tmp_path / "clean.wav"
    command = ["denoise", str(noisy), str(out), "--model", str(sparse / "fixed.safetensors")]
    result = run(app, [*command, "--realtime-report"])
    assert result.exit_code == 0, result.output
    assert "there are 8,000 us" in " ".join(result.output.split())
    # the model as it is, with a mask that is not trained to be much: the sound is whole and in step
    whole = audio.denoise(lava_ssm.load(sparse / "fixed.safetensors"), audio.read(noisy))
    np.testing.assert_allclose(audio.read(out), np.clip(whole, -1, 1), atol=2**-14)
    for backend in ("reference", "lava", "lava-fused"):
        result = run(app, [*command, "--compare", backend])
        assert result.exit_code == 0, result.output
        text = " ".join(result.output.split())
        assert f"{backend} gives the same outputs on 66 of 66 tokens" in text


def network(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    net = random_s5_network(rng, 1, 8, 4, d_input=257, d_output=257)
    tokens = np.abs(rng.normal(size=(1, 20, 257)))
    compress.quantize(net, tokens, arithmetic=compress.W8A16).save(folder / "net.h5")
    return folder / "net.h5"


def test_silence_and_clipping_are_remarked_on(tmp_path: Path) -> None:
    net = network(tmp_path)
    square = np.sign(np.sin(np.arange(4000) / 10))
    for name, sound, text in (("silent", np.zeros(4000), "silent"), ("loud", square, "clipped")):
        audio.write(tmp_path / f"{name}.wav", sound)
        command = ["denoise", str(tmp_path / f"{name}.wav"), str(tmp_path / "out.wav")]
        result = CliRunner().invoke(app, [*command, "--model", str(net)])
        assert result.exit_code == 0, result.output
        assert text in result.output
        assert len(audio.read(tmp_path / "out.wav")) == 4000


def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    net, out = network(tmp_path), tmp_path / "out.wav"
    short = tmp_path / "short.wav"
    audio.write(short, np.zeros(100))
    Network((Linear([[1.0]]),)).save(tmp_path / "narrow.h5")
    good = tmp_path / "good.wav"
    audio.write(good, 0.1 * np.ones(1000))
    for sound, model, text in (
        (short, net, "less than the 512 of one frame"),
        (tmp_path / "absent.wav", net, "no sound file"),
        (good, tmp_path / "narrow.h5", "257 channels in and out"),
        (good, tmp_path / "absent.h5", "no network file"),
    ):
        result = CliRunner().invoke(app, ["denoise", str(sound), str(out), "--model", str(model)])
        assert result.exit_code == 2
        assert text in " ".join(result.output.split())
        assert not out.exists()


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    net, good = network(tmp_path), tmp_path / "good.wav"
    audio.write(good, 0.1 * np.ones(1000))
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for target, text in (
        ("folder", "CLEAN: "),
        ("folder", "is a folder"),
        ("none/out.wav", "no folder"),
        ("out.mp3", "CLEAN must end in .wav, got "),
        ("wav", "CLEAN must end in .wav, got "),
    ):
        command = ["denoise", str(good), str(tmp_path / target), "--model", str(net)]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2
        assert text in " ".join(result.output.split())
        assert "tokens" not in result.output
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="it has no name here")
def test_a_pipe_gets_the_sound_alone(tmp_path: Path) -> None:
    net, good, out = network(tmp_path), tmp_path / "good.wav", tmp_path / "out.wav"
    audio.write(good, 0.1 * np.ones(1000))

    def done(target: str) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", "lava_ssm", "denoise", str(good), target]
        return subprocess.run([*command, "--model", str(net)], capture_output=True, check=True)

    assert str(out).encode() in done(str(out)).stdout
    piped = done("/dev/stdout")
    assert piped.stdout == out.read_bytes()
    assert b"/dev/stdout: 0.06 s" in piped.stderr


def test_samples_beyond_full_scale_are_not_called_clipped(tmp_path: Path) -> None:
    import soundfile

    loud = tmp_path / "loud.wav"
    soundfile.write(loud, 1.5 * np.sin(np.arange(4000) / 10), 16000, subtype="FLOAT")
    command = ["denoise", str(loud), str(tmp_path / "out.wav"), "--model", str(network(tmp_path))]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "Samples reach 1.50 of full scale" in result.output


def test_a_refused_training_leaves_its_folder_to_the_next(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ValueError, match="sparsity must lie in"):
        train(Denoiser(k=0.125, relu=True, sparsity=1.5), Sitting(out), data)
    assert not out.exists()
    assert train(replace(SMALL, epochs=1), Sitting(out), data)["test_clips"] == 4


def test_a_folder_from_before_messages_had_a_limit_is_taken_up(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(replace(SMALL, epochs=1), Sitting(run), data)
    config = json.loads((run / "config.json").read_text())
    del config["message_limit"]
    (run / "config.json").write_text(json.dumps(config))
    train(replace(SMALL, epochs=1), Sitting(run), data)
    with pytest.raises(RunError, match=r"other settings \(message_limit: None"):
        train(replace(SMALL, epochs=1, message_limit=3.0), Sitting(run), data)


def test_a_silent_test_clip_is_left_out_and_other_data_are_another_run(
    data: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    audio.write(copy / "test_set" / "clean" / "clean_fileid_0.wav", np.zeros(8000))
    (copy / "about.json").write_text("{}")
    config = replace(SMALL, epochs=1)
    measured = train(config, Sitting(tmp_path / "run"), copy)
    assert (measured["test_clips"], measured["silent_test_clips"]) == (3, 1)
    assert np.isfinite(measured["float_si_snr"])
    (copy / "about.json").write_text('{"made": "anew"}')
    with pytest.raises(RunError, match=r"other settings \(data: "):
        train(config, Sitting(tmp_path / "run"), copy)


def test_impossible_trainings_are_refused(data: Path, tmp_path: Path) -> None:
    for given, text in (
        (["--k", "0.1"], "128 k a multiple of 8"),
        (["--sparsity", "1.5"], "sparsity must lie in"),
        (["--start", str(tmp_path / "none")], "holds no trained network"),
        (["--data", str(tmp_path)], "must hold the folders 'noisy' and 'clean'"),
    ):
        out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        command = ["train-denoiser", "--out", str(out), "--data", str(data), *given]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2, result.output
        assert text in " ".join(result.output.split())
