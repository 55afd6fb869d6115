"""The archives that are published, in an environment of their own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.test_extras import CORE

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow  # it downloads what the core needs


def run(*command: str | Path, **options: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, **options
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr + done.stdout
    return str(done.stdout)


def test_the_wheel_alone_is_the_core_and_is_small(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", ROOT)
    run(sys.executable, ROOT / "scripts/check_dist.py", tmp_path / "dist")
    venv.create(tmp_path / "fresh", with_pip=True)
    binaries = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(binaries / "python", "-m", "pip", "install", "--quiet", wheel)
    fresh = tmp_path / "fresh"
    packages = [path for path in fresh.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in packages) < 500e6
    version = run(binaries / "lava-ssm", "--version", cwd=tmp_path)
    assert version.strip() in wheel.name
    assert run(binaries / "python", "-m", "lava_ssm", "--version", cwd=tmp_path) == version
    told = run(binaries / "python", "-c", "import sys\n" + CORE, "net.safetensors", cwd=tmp_path)
    assert "oheo-gulch" in told
