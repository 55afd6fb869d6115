"""Another version of Lava than the one this room builds on is refused when it is imported."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("'0.9.0'", "refuses lava-nc 0.9.0: pip install lava-nc==0.10.0"),
        ("missing()", "needs lava-nc==0.10.0, which is not installed"),
    ],
)
def test_another_version_is_refused(version: str, text: str) -> None:
    code = f"""
import importlib.metadata
known = importlib.metadata.version
def missing(): raise importlib.metadata.PackageNotFoundError("lava-nc")
importlib.metadata.version = lambda name: {version} if name == "lava-nc" else known(name)
import lava_ssm.runtime
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "ImportError" in ended.stderr
    assert text in ended.stderr
