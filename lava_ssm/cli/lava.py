"""`lava-ssm install-lava`: Lava beside this library, on Pythons for which pip refuses it too."""

import importlib.metadata
import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import typer

from lava_ssm import files

LAVA = "lava-nc==0.10.0"
NEEDED = ("greenlet>=3", "asteval>=0.9.31", "networkx>=2.8")
"""The extra `lava` on Python 3.11 and newer."""
START = "lava_ssm_mends_lava.pth"
_START = "import sys; exec('try:\\n    import lava_ssm\\nexcept ImportError:\\n    pass')\n"
_SHOW = "import lava_ssm.proc; print('lava_ssm.proc can be imported')"


def install_lava() -> None:
    """Install lava-nc 0.10.0, the last one, with what it needs.

    It says that it needs Python 3.10 and NumPy 1. On a newer Python it is installed all the same,
    without what it asks for but what takes the place of that, and mended when it is imported. Each
    command is shown before it is run.
    """
    if sys.version_info < (3, 11):
        run_shown([*pip(), "install", LAVA, "greenlet>=3"])
    else:
        run_shown([*pip(), "install", *NEEDED])
        run_shown([*pip(), "install", "--no-deps", "--ignore-requires-python", LAVA])
        importlib.invalidate_caches()
        place = Path(str(importlib.metadata.distribution("lava-nc").locate_file(START)))
        typer.echo(f"{place}: so that Python mends Lava in whatever order things are imported")
        files.write(place, _START)
    run_shown([sys.executable, "-c", _SHOW])


def pip() -> list[str]:
    """Give the command that installs into this Python's environment."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if shutil.which("uv") is not None:  # whose environments have no pip
        return ["uv", "tool", "run", "pip", "--python", sys.executable]
    raise FileNotFoundError(
        f"pip is needed, and this Python has none: {sys.executable} -m ensurepip"
    )


def run_shown(command: list[str]) -> None:
    """Show a command and run it; leave with its exit code where it fails."""
    typer.echo(shlex.join(command))
    code = subprocess.run(command, check=False).returncode
    if code:
        raise typer.Exit(code)
