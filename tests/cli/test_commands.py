"""What the command says of itself."""

import os
import subprocess
import sys

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app
from lava_ssm.cli.arguments import DATA_SETS
from lava_ssm.data import TASKS
from lava_ssm.deploy import TARGETS
from lava_ssm.loihi2 import SYSTEMS


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, its output a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "lava_ssm", *arguments],
        capture_output=True,
        env={**os.environ, **environment},
    )


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.output.strip() == lava_ssm.__version__


def test_every_command_is_told_of_and_has_help() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert "State space layers" in done.output
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        assert name in done.output
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("train", "--help"), ("deploy", "--help"), ("map", "ns4d-sdigits")],
)
def test_a_narrow_pipe_of_ascii_gets_it_whole(arguments: tuple[str, ...]) -> None:
    done = command(*arguments, COLUMNS="30", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert done.stderr == b""
    if arguments[0] == "map":
        assert b"512 complex" in done.stdout


@pytest.mark.parametrize("columns", ["40", "80", "100", "200"])
def test_help_names_every_option_whole(columns: str) -> None:
    def check(command: TyperCommand | TyperGroup, *words: str) -> None:
        told = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": columns}).output
        for option in command.params:
            if isinstance(option, TyperOption):
                assert all(name in told for name in (*option.opts, *option.secondary_opts)), words
        for name, one in getattr(command, "commands", {}).items():
            check(one, *words, name)

    check(typer.main.get_command(app))


def test_no_color_is_heeded() -> None:
    for arguments in (("map", "ns4d-sdigits"), ("map", "none")):
        done = command(*arguments, NO_COLOR="1", FORCE_COLOR="1")
        for colour in range(30, 38):
            assert f"[{colour}m".encode() not in done.stdout + done.stderr
            assert f";{colour}m".encode() not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (("map", "ns4d-sdigits", "--system", "none"), tuple(SYSTEMS)),
        (("map", "ns4d-sdigits", "--strategy", "none"), ("pack", "spread")),
        (("train", "sdigits", "--precision", "none"), ("float32", "bfloat16")),
        (("train", "sdigits", "--init", "none"), ("lin", "legs", "real")),
        (("train-denoiser", "--allocation", "none"), ("global", "tensor", "erk")),
        (("import", "x.npz", "--kind", "none"), ("s4d", "s5", "lru", "sparse-rnns", "lava-s4d")),
        (("deploy", "ns4d-sdigits", "--target", "none"), ("c", *TARGETS, "html", "onnx")),
        (("bench", "fall-through-vs-pipelined", "x", "--published", "none"), ("n-S4D", "S5")),
    ],
)
def test_an_option_of_a_fixed_set_shows_its_choices(
    arguments: tuple[str, ...], choices: tuple[str, ...]
) -> None:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert ", ".join(f"'{choice}'" for choice in choices) in done.output
    assert "'none'" in done.output


def test_the_data_sets_shown_are_those_there_are() -> None:
    assert tuple(TASKS) == DATA_SETS


@pytest.mark.parametrize(
    ("words", "count", "wanted"),
    [
        ("lava-ssm ma", 1, "map"),
        ("lava-ssm map --system h", 3, "hala-point"),
        ("lava-ssm deploy --target h", 3, "html"),
        ("lava-ssm stream ns4d-sd", 2, "ns4d-sdigits ns4d-sdigits-float"),
        ("lava-ssm quantize ns4d-sd", 2, "ns4d-sdigits-float"),
        ("lava-ssm quantize ns4d-smnist-float psmnist-", 3, "psmnist-92916"),
        ("lava-ssm vectors ns4d-sd", 2, "ns4d-sdigits"),
        ("lava-ssm map ./", 2, ""),  # files: the shell's own
    ],
)
def test_a_shell_completes_commands_choices_and_names(words: str, count: int, wanted: str) -> None:
    asked = {"_LAVA_SSM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    code = "from lava_ssm.cli import app; app(prog_name='lava-ssm')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked}
    )
    assert done.stdout.split() == wanted.split()
