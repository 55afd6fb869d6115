"""The archives that are published, in an environment of their own."""

import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.test_extras import CORE

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def run(*command: str | Path, **options: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, **options
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr + done.stdout
    return str(done.stdout)


def needed_by(package: Distribution) -> dict[str, Distribution]:
    """What a package needs without its extras, by name."""
    needed: dict[str, Distribution] = {}
    for requirement in map(Requirement, package.requires or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found = distribution(requirement.name)
            needed |= {requirement.name: found, **needed_by(found)}
    return needed


def test_the_wheel_alone_is_the_core_and_is_small(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", ROOT)
    run(sys.executable, ROOT / "scripts/check_dist.py", tmp_path / "dist")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    binaries = fresh / ("Scripts" if os.name == "nt" else "bin")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    (site,) = fresh.glob("[Ll]ib/**/site-packages")
    # nothing is downloaded: what the core needs is lent by the environment of the tests
    n_bytes = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    (core,) = Distribution.discover(name="lava-ssm", path=[str(site)])
    for package in needed_by(core).values():
        files = [file for file in package.files or [] if ".." not in file.parts]
        n_bytes += sum(Path(file.locate()).stat().st_size for file in files)
        for top in {file.parts[0] for file in files} - {"__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(package.locate_file(top))))
    assert n_bytes < 500e6
    version = run(binaries / "lava-ssm", "--version", cwd=tmp_path)
    assert version.strip() in wheel.name
    assert run(binaries / "python", "-m", "lava_ssm", "--version", cwd=tmp_path) == version
    told = run(binaries / "python", "-c", "import sys\n" + CORE, "net.safetensors", cwd=tmp_path)
    assert "oheo-gulch" in told
