"""Programs compiled and run, as a user of the folder would."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lava_ssm.deploy import Program

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler, cc, is here")

STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
SANE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def built(program: Program, place: Path, main: str | None = None, sane: bool = False) -> Path:
    """Compile a program with its harness, or another main, without a warning."""
    for name, text in (
        (f"{program.name}.h", program.header),
        (f"{program.name}.c", program.source),
        ("main.c", main or program.harness),
    ):
        (place / name).write_text(text)
    command = ["cc", *STRICT, *(SANE if sane else []), f"{program.name}.c", "main.c", "-o", "run"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place / "run"


def run(command: list[str], tokens: np.ndarray, d_output: int) -> tuple[int, list[list[int]]]:
    """Exit code, and outputs of tokens (time, d_input)."""
    text = "\n".join(" ".join(map(str, token)) for token in tokens.tolist()) + "\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return done.returncode, [list(map(int, line.split())) for line in done.stdout.splitlines()]
