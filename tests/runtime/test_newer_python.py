"""Lava on Pythons newer than it: what is mended when it is imported, and how it is installed."""

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from lava_ssm import lava_import
from lava_ssm.cli.lava import install_lava

CODE = """
import sys
from lava_ssm import lava_import
sys.meta_path.insert(0, lava_import._Finder())
import numpy as np
from lava.magma.compiler.var_model import ByteEncoder
from lava.magma.core.process.ports.ports import ReshapePort
assert hash(ByteEncoder(1)) == hash(ByteEncoder(1))
port = ReshapePort((2, 3), (6,))
assert port.get_transform_func_fwd()(np.arange(6)).tolist() == [[0, 1, 2], [3, 4, 5]]
assert port.get_transform_func_bwd()(np.arange(6).reshape(2, 3)).tolist() == [0, 1, 2, 3, 4, 5]
"""


@pytest.mark.parametrize(
    ("module", "times"),
    [
        ("lava.magma.compiler.var_model", 1),
        ("lava.magma.core.process.ports.ports", 2),
        ("lava.proc.clp.nsm.models", 1),
        ("lava.proc.graded.models", 1),
    ],
)
def test_each_mend_finds_its_place(module: str, times: int) -> None:
    path = distribution("lava-nc").locate_file(f"{module.replace('.', '/')}.py")
    source = Path(str(path)).read_text()
    mended, count = re.subn(*lava_import._MENDS[module], source)
    assert count == times
    assert mended.count("\n") == source.count("\n")


def test_what_is_mended_works() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)


def test_the_package_mends_lava_once_and_on_newer_pythons_only() -> None:
    lava_import.mend()
    finders = [f for f in sys.meta_path if type(f).__name__ == "_Finder"]
    assert len(finders) == (sys.version_info >= (3, 11))


def ran_on(
    version: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[list[str]]:
    """Let the command run on another Python; give the commands that it runs."""
    ran: list[list[str]] = []

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[bytes]:
        ran.append(command[1:])
        return subprocess.CompletedProcess(command, 0)

    class Installed:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed())
    install_lava()
    return ran


def test_on_python_3_10_pip_installs_lava_by_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed, _ = ran_on((3, 10), monkeypatch, tmp_path)
    assert installed == ["-m", "pip", "install", "lava-nc==0.10.0", "greenlet>=3"]
    assert list(tmp_path.iterdir()) == []


def test_on_newer_pythons_lava_comes_without_what_it_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed, lava, _ = ran_on((3, 13), monkeypatch, tmp_path)
    assert needed[:3] == ["-m", "pip", "install"]
    assert lava[2:] == ["install", "--no-deps", "--ignore-requires-python", "lava-nc==0.10.0"]
    # the line that Python runs when it starts, whatever is imported first
    (start,) = tmp_path.iterdir()
    assert start.suffix == ".pth"
    (line,) = start.read_text().splitlines()
    assert line.startswith("import ")
    exec(line)


def test_a_python_without_pip_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="-m ensurepip"):
        install_lava()


def test_a_failing_installation_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer import Exit

    monkeypatch.setattr(
        subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 3)
    )
    with pytest.raises(Exit) as ended:
        install_lava()
    assert ended.value.exit_code == 3
