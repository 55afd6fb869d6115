"""What the command loads before it can answer: little."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "sklearn", "matplotlib", "numba", "lava", "soundfile", "scipy"}
CODE = """
import sys
from lava_ssm.cli import app
try:
    app(sys.argv[1:])
except SystemExit as left:
    print(left.code, *sys.modules)
"""


def loaded_by(*arguments: str, place: Path | None = None) -> tuple[int, set[str]]:
    """Run the command; give its exit code and the packages that were loaded."""
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=place)
    code, *modules = done.stdout.splitlines()[-1].split()
    return int(code), {module.split(".")[0] for module in modules}


COMMANDS = (
    "demo",
    "train",
    "finetune",
    "import",
    "quantize",
    "evaluate",
    "run",
    "stream",
    "map",
    "estimate",
    "mini-ndns",
    "train-denoiser",
    "denoise",
    "train-lm",
    "generate",
    "deploy",
    "vectors",
    "install-lava",
    "bench",
)


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), *((command, "--help") for command in COMMANDS)],
    ids=" ".join,
)
def test_asking_for_version_or_help_loads_no_arithmetic(arguments: tuple[str, ...]) -> None:
    code, packages = loaded_by(*arguments)
    assert code == 0
    assert packages & {"numpy", *HEAVY} == set()
    assert "typer" in packages


@pytest.mark.parametrize(
    "arguments",
    [
        ("map", "none.safetensors"),
        ("estimate", "none"),
        ("evaluate", "none", "sdigits"),
        ("evaluate", "ns4d-smnist", "smnist", "--data", "none"),
        ("quantize", "ns4d-smnist-float", "smnist", "--out", "net.foo"),
        ("quantize", "ns4d-smnist-float", "smnist", "--out", "net.safetensors", "--data", "none"),
        ("denoise", "none.wav", "clean.wav", "--model", "s5-denoise-sparse"),
        ("bench", "fall-through-vs-pipelined", "none.safetensors"),
        ("train", "sdigits", "--epochs", "0"),
        ("train", "sdigits", "--out", "FULL"),
        ("train", "sdigits", "--resume", "--out", "FOREIGN"),
        ("train", "smnist", "--data", "none"),
        ("finetune", "FOREIGN"),
        ("train-denoiser", "--data", "none", "--out", "none"),
        ("mini-ndns", "--train", "0"),
        ("demo", "--out", "FULL/checkpoint.safetensors"),
    ],
    ids=" ".join,
)
def test_what_is_refused_is_refused_before_much_is_loaded(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    for folder, file in (("FULL", "checkpoint.safetensors"), ("FOREIGN", "letter.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    code, packages = loaded_by(*arguments, place=tmp_path)
    assert code == 2
    assert packages & HEAVY == set()
