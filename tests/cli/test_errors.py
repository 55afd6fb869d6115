"""Whatever a command is given: it works, or says what is wrong in a line."""

import importlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ssm import audio, files
from lava_ssm.cli import app
from lava_ssm.cli.errors import told_plainly
from lava_ssm.network import Linear, Network
from tests.networks import random_fixed_network, random_network

NET, DATA = "<network>", "<data>"
COMMANDS = {
    "demo": ["--out", "<out>", "--epochs", "1", "--lava-images", "1"],
    "train": ["sdigits", "--limit", "60", "--epochs", "1", "--out", "<out>"],
    "finetune": ["<run>", "--limit", "60", "--out", "<out>"],
    "quantize": [NET, "sdigits", "--out", "<out>"],
    "evaluate": [NET, "sdigits", "--limit", "2"],
    "run": [NET, "sdigits", "--limit", "2", "--out", "<out>"],
    "stream": [NET],
    "map": [NET],
    "estimate": [NET],
    "bench": ["fall-through-vs-pipelined", NET, "--n-tokens", "4", "--output", "<out>"],
    "mini-ndns": ["--data", "<out>", "--packages", "<data>"],
    "train-denoiser": ["--out", "<out>", "--data", DATA],
    "denoise": ["<sound>", "<out>", "--model", NET],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of things that are not what is wanted, the present one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "text [").mkdir()
    (tmp_path / "text [/x]").write_text("no network, no sound, no run")
    (tmp_path / "täxt 数").write_text("neither [red]")
    rng = np.random.default_rng(0)
    random_fixed_network(rng).save(tmp_path / "fixed")
    random_network(rng).save(tmp_path / "float")
    Network((Linear(np.ones((3, 7))),)).save(tmp_path / "wide")
    audio.write(tmp_path / "sound.wav", 0.1 * np.ones(1000))
    return tmp_path


def run(command: str, **given: str) -> Any:
    values = {"network": "fixed", "run": "none", "sound": "sound.wav", "data": "none", "out": "new"}
    values |= given
    options = [
        values[option[1:-1]] if option.startswith("<") else option for option in COMMANDS[command]
    ]
    return CliRunner().invoke(app, [command, *options])


def check_told(done: Any, *words: str) -> None:
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


BAD = ["absent", "absent[/x]", "none/absent", "folder", "empty", "text [/x]", "täxt 数", "x" * 300]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("quantize", "network"),
        ("evaluate", "network"),
        ("map", "network"),
        ("estimate", "network"),
        ("bench", "network"),
        ("denoise", "network"),
        ("denoise", "sound"),
        ("finetune", "run"),
        ("train-denoiser", "data"),
        ("mini-ndns", "data"),
    ],
)
def test_a_file_that_is_none_is_told_as_it_was_written(
    command: str, what: str, bad: str, place: Path
) -> None:
    before = sorted(place.rglob("*"))
    out = "new.wav" if command == "denoise" else "new.safetensors"
    check_told(run(command, **{"out": out, what: bad}), bad)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "given", "text"),
    [
        (
            "quantize",
            {"network": "wide", "out": "n.safetensors"},
            "wide takes tokens of 7 channels",
        ),
        ("quantize", {"network": "fixed", "out": "n.safetensors"}, "is quantised already"),
        ("evaluate", {"network": "wide"}, "wide takes tokens of 7 channels"),
        ("bench", {"network": "float"}, "must be a fixed one"),
        ("denoise", {"network": "wide", "out": "new.wav"}, "257 channels in and out"),
        ("denoise", {"sound": "fixed", "out": "new.wav"}, "no sound file that can be read"),
        ("quantize", {"network": "sound.wav", "out": "n.safetensors"}, "sound.wav"),
    ],
)
def test_a_file_of_another_kind_is_told(
    command: str, given: dict[str, str], text: str, place: Path
) -> None:
    check_told(run(command, **given), text)


OUT = ["demo", "train", "finetune", "bench", "mini-ndns", "train-denoiser"]


@pytest.mark.parametrize("command", OUT)
@pytest.mark.parametrize("out", ["empty", "empty/new", "text [/x]"])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_computed(
    command: str, out: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(place.rglob("*"))
    (place / "ready").mkdir()
    config = (
        '{"task": "sdigits", "model": "ns4d-tiny", "readout": "mean", "init": "lin", '
        '"dt": [null, null], "affine": {}, "recipe": {}}'
    )
    (place / "ready" / "config.json").write_text(config)
    monkeypatch.setattr("lava_ssm.data.load", computed)
    monkeypatch.setattr("lava_ssm.data.digits", computed)
    monkeypatch.setattr("lava_ssm.data.mini_ndns.make_mini_ndns", computed)
    comparison = importlib.import_module("lava_ssm.cli.bench.comparison")
    monkeypatch.setattr(comparison, "compare", computed)
    check_told(run(command, out=out, run="ready"), "is no folder", out.split("/")[0])
    (place / "ready" / "config.json").unlink()
    (place / "ready").rmdir()
    assert sorted(place.rglob("*")) == before


def computed(*_: object, **__: object) -> None:
    raise AssertionError("computed")


@pytest.mark.parametrize("bad", ["folder", "none/a.safetensors", "empty/a.safetensors"])
@pytest.mark.parametrize(
    "command",
    [
        ["quantize", "ns4d-sdigits-float", "sdigits", "--out"],
        ["map", "fixed", "--json"],
        ["map", "fixed", "--figure"],
        ["estimate", "fixed", "--json"],
        ["denoise", "sound.wav", "--model", "ns4d-sdigits"],
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_computed(
    command: list[str], bad: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lava_ssm.load", computed)
    bad = f"{bad}.safetensors" if bad == "folder" and command[0] == "quantize" else bad
    (place / "folder.safetensors").mkdir()
    check_told(CliRunner().invoke(app, [*command, bad]), bad.split("/")[0])


@pytest.mark.parametrize(
    "options",
    [
        ["train", "sdigits", "--out", "new", "--lr", "nan"],
        ["train", "sdigits", "--out", "new", "--lr", "-5"],
        ["train", "sdigits", "--out", "new", "--epochs", "1" + 30 * "0"],
        ["train", "sdigits", "--out", "new", "--batch-size", "1" + 30 * "0"],
        ["train", "sdigits", "--out", "new", "--seed", "1" + 30 * "0"],
        ["train", "sdigits", "--out", "new", "--turn", "inf"],
        ["train", "sdigits", "--out", "new", "--scale", "2"],
        ["train", "sdigits", "--out", "new", "--dt-min", "nan"],
        ["train", "sdigits", "--out", "new", "--dt-max", "-5"],
        ["train", "sdigits", "--out", "new", "--start", "[/x]"],
        ["train", "sdigits", "--out", "new", "--join", "1" + 30 * "0"],
        ["train", "smnist", "--out", "new", "--data", "no[/x]"],
        ["train-denoiser", "--out", "new", "--data", "no[/x]/a"],
        ["train-denoiser", "--out", "new", "--start", "no[/x]"],
        ["evaluate", "ns4d-sdigits", "smnist", "--data", "no[/x]"],
        ["evaluate", "ns4d-sdigits", "sdigits", "--beside", "[/x]"],
        ["map", "fixed", "--neurons-per-core", "-5"],
        ["map", "fixed", "--figure", "a.[/x]"],
        ["estimate", "fixed", "--tokens", "text [/x]"],
        ["estimate", "fixed", "--tokens", "folder"],
        ["bench", "fall-through-vs-pipelined", "fixed", "--tokens", "empty"],
        ["mini-ndns", "--data", "new", "--seconds", "nan"],
        ["mini-ndns", "--data", "new", "--seed", "-5"],
        ["mini-ndns", "--data", "new", "--packages", "no[/x]"],
    ],
)
def test_impossible_options_are_told(options: list[str], place: Path) -> None:
    check_told(CliRunner().invoke(app, options))
    assert not (place / "new").exists() or not any((place / "new").iterdir())


def test_names_with_markup_are_printed_as_they_are(place: Path) -> None:
    name = "a [red]b[/x] [red]:snake: $c"
    (place / "a [red]b[").mkdir()
    os.rename("fixed", name)
    for command in (["map", name, "--figure", f"{name}.png"], ["estimate", name]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert "x] [red]:snake: $c" in done.stdout
    os.rename("sound.wav", f"{name}.wav")
    check_told(CliRunner().invoke(app, ["denoise", f"{name}.wav", "o.wav", "--model", name]), "257")


def test_warnings_are_told_in_a_line_without_a_place_in_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def warns() -> None:
        warnings.warn("beware of [/x]", stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        told_plainly(warns)()
    assert capsys.readouterr() == ("", "Warning: beware of [/x]\n")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("[/x]"), 2, "[/x]"),
        (OSError(28, "No space left on device", "a[/x]"), 2, "[Errno 28] No space left"),
        (OverflowError("too large"), 2, "too large"),
        (MemoryError(), 2, "not enough memory"),
        (KeyError("a"), None, ""),  # ours, not the user's
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_errors_have_their_exit_codes(
    error: BaseException, code: int | None, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    def fails() -> None:
        raise error

    if code is None:
        with pytest.raises(type(error)):
            told_plainly(fails)()
        return
    with pytest.raises(typer.Exit) as caught:
        told_plainly(fails)()
    assert caught.value.exit_code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert text in printed.err


def test_places_that_may_not_be_written_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    for folder in (tmp_path, tmp_path / "new", tmp_path / "a" / "b"):
        files.check_folder(folder, "--out")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(PermissionError, match="--out: nothing may be written into the folder"):
        files.check_folder(tmp_path / "a" / "b", "--out")
    with pytest.raises(PermissionError, match="--json: nothing may be written into the folder"):
        files.check(tmp_path / "a", "--json")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no such file system")
@pytest.mark.parametrize("command", ["deploy", "vectors"])
def test_a_folder_that_nobody_can_make_is_refused_with_its_option(command: str) -> None:
    result = CliRunner().invoke(app, [command, "ns4d-sdigits", "--out", "/proc/new"])
    assert result.exit_code == 2
    assert "--out: " in result.stderr
    assert "/proc" in result.stderr


def test_every_command_tells_plainly() -> None:
    from lava_ssm.cli.bench import bench

    for command in (*app.registered_commands, *bench.registered_commands):
        assert command.callback is not None
        assert hasattr(command.callback, "__wrapped__")
