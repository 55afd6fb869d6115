"""`lava-ssm bench`: one table of what is measured, modelled and published."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ssm.cli import app
from lava_ssm.cli.bench.energy import EnergyMeter
from lava_ssm.network import Readout
from tests.networks import random_fixed_network, random_fixed_s5_network, random_network

COMMAND = ["bench", "fall-through-vs-pipelined"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "tiny.h5"
    random_fixed_network(np.random.default_rng(0), readout=Readout.MEAN_OVER_TIME).save(path)
    return path


@pytest.fixture(scope="module")
def output(network: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("results")
    options = ["--n-tokens", "12", "--published", "n-S4D", "--output", str(folder)]
    result = CliRunner().invoke(app, [*COMMAND, str(network), *options])
    assert result.exit_code == 0, result.output
    return result.output, folder


def table(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / "tiny.json").read_text())
    assert "cores" in report["machine"]["processor"]
    (found,) = report["networks"]
    return dict(found)


def test_the_table_has_what_is_measured_modelled_and_published(output: tuple[str, Path]) -> None:
    printed, folder = output
    rows = table(folder)["rows"]
    found = {(row["kind"], row["unit"]): 0 for row in rows}
    for row in rows:
        found[row["kind"], row["unit"]] += 1
        assert row["latency"] > 0
        assert row["throughput"] > 0
    assert found == {
        ("measured", "token"): 4,
        ("measured", "sample"): 5,
        ("modelled", "token"): 1,
        ("modelled", "sample"): 1,
        ("published", "token"): 2,
        ("published", "sample"): 3,
    }
    orin = next(row for row in rows if row["mode"] == "recurrent")
    assert (orin["latency"], orin["energy"]) == (4.98e-3, 16.11e-3)
    assert "Mind that a sample has 12 tokens here, 1,024 in the" in printed


def test_an_s5_stands_beside_its_paper(tmp_path: Path) -> None:
    random_fixed_s5_network(np.random.default_rng(0)).save(tmp_path / "tiny.h5")
    options = ["--n-tokens", "6", "--published", "S5", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*COMMAND, str(tmp_path / "tiny.h5"), *options])
    assert result.exit_code == 0, result.output
    rows = table(tmp_path)["rows"]
    assert sum(row["kind"] == "measured" for row in rows) == 9
    chip = next(r for r in rows if r["mode"] == "pipelined" and r["kind"] == "published")
    assert (chip["latency"], chip["energy"]) == (60.58e-3, 185.80e-3)


def test_what_is_modelled_carries_its_range(output: tuple[str, Path]) -> None:
    rows = table(output[1])["rows"]
    for row in rows:
        if row["kind"] == "modelled":
            for what in ("latency", "throughput", "energy"):
                low, high = row[f"{what}_range"]
                assert low < row[what] < high
        else:
            assert row["latency_range"] is None


def test_the_figures_are_written(output: tuple[str, Path]) -> None:
    for name in ("tiny-bars.png", "tiny-edp.png"):
        assert (output[1] / name).read_bytes().startswith(b"\x89PNG")
    assert not list(output[1].glob(".*"))


def test_tokens_of_a_file_are_taken(network: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((7, 2)))
    options = ["--tokens", str(tmp_path / "x.npy"), "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*COMMAND, str(network), *options])
    assert result.exit_code == 0, result.output
    assert table(tmp_path)["tokens of a sample"] == 7


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--published", "S6"], "--published must be n-S4D or S5, got 'S6'"),
        (["--system", "loihi"], "loihi"),
        (["--tokens", "nowhere.npy"], "no file 'nowhere.npy'"),
    ],
)
def test_bad_options_are_told_plainly(network: Path, options: list[str], text: str) -> None:
    result = CliRunner().invoke(app, [*COMMAND, str(network), "--n-tokens", "3", *options])
    assert result.exit_code == 2
    assert text in result.output
    assert "Traceback" not in result.output


def test_bad_samples_and_float_networks_are_told_plainly(network: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((7, 3)))
    np.save(tmp_path / "one.npy", np.zeros((1, 2)))
    random_network(np.random.default_rng(0)).save(tmp_path / "float.h5")
    for path, options, text in (
        (network, ["--tokens", str(tmp_path / "x.npy")], "(..., 2)"),
        (network, ["--tokens", str(tmp_path / "one.npy")], "at least two tokens"),
        (tmp_path / "float.h5", [], "must be a fixed one"),
    ):
        result = CliRunner().invoke(app, [*COMMAND, str(path), *options])
        assert result.exit_code == 2
        assert text in result.output


def counters(folder: Path, *values: int) -> None:
    for i, value in enumerate(values):
        package = folder / f"intel-rapl:{i}"
        (package / f"intel-rapl:{i}:0").mkdir(parents=True, exist_ok=True)
        (package / "energy_uj").write_text(f"{value}\n")
        (package / "max_energy_range_uj").write_text("999999\n")


def test_energy_is_the_sum_over_packages_and_may_wrap(tmp_path: Path) -> None:
    counters(tmp_path, 100, 999_000)
    meter = EnergyMeter(tmp_path)
    assert meter.available
    joules = meter.of(lambda: counters(tmp_path, 350, 1_000))
    assert joules == pytest.approx(250e-6 + 2_000e-6)


def test_energy_is_not_made_up_where_there_is_no_counter(tmp_path: Path) -> None:
    done = []
    assert EnergyMeter(tmp_path).of(lambda: done.append(1)) is None
    assert done == [1]
    counters(tmp_path, 1)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    assert not EnergyMeter(tmp_path).available
