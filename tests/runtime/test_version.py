"""Another version of Lava than the one this room builds on is refused when it is imported."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("version", "kind", "text"),
    [
        ("'0.9.0'", "ImportError", "refuses lava-nc 0.9.0: "),
        ("missing()", "MissingPackageError", "lava is needed for this and cannot be imported"),
    ],
)
def test_another_version_is_refused(version: str, kind: str, text: str) -> None:
    code = f"""
import importlib.metadata
known = importlib.metadata.version
def missing(): raise importlib.metadata.PackageNotFoundError("lava-nc")
importlib.metadata.version = lambda name: {version} if name == "lava-nc" else known(name)
import lava_ssm.runtime
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    error = ended.stderr.splitlines()[-1]
    assert kind in error.split(":")[0]
    assert text in error
