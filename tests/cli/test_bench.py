"""`lava-ssm bench`: one table of what is measured, modelled and published."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import engine, files
from lava_ssm.cli import app
from lava_ssm.cli.bench import figures, measure
from lava_ssm.cli.bench.comparison import Comparison
from lava_ssm.cli.bench.energy import EnergyMeter
from lava_ssm.cli.bench.rows import Row
from lava_ssm.network import FixedNetwork, Readout
from tests.networks import random_fixed_network, random_fixed_s5_network, random_network

COMMAND = ["bench", "fall-through-vs-pipelined"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "tiny.safetensors"
    random_fixed_network(np.random.default_rng(0), readout=Readout.MEAN_OVER_TIME).save(path)
    return path


@pytest.fixture(scope="module")
def output(network: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("results")
    options = ["--n-tokens", "12", "--published", "n-S4D", "--output", str(folder)]
    result = CliRunner().invoke(app, [*COMMAND, str(network), *options])
    assert result.exit_code == 0, result.output
    return result.output, folder


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out, which take most of the time: others look at them."""
    for name in ("draw_bars", "draw_products"):
        monkeypatch.setattr(figures, name, lambda *_: None)


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


def test_a_sample_that_is_drawn_overflows_nothing_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(network: Any, sample: Any, *_: Any) -> Any:
        compared.append((network, sample))
        raise ValueError("seen")

    monkeypatch.setattr(
        importlib.import_module("lava_ssm.cli.bench.comparison"), "compare", compare
    )
    options = ["--n-tokens", "1024", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*COMMAND, "ns4d-sdigits", *options])
    ((network, sample),) = compared
    assert engine.run(network, sample).overflows.total == 0
    assert result.stderr == "seen\n"


@pytest.mark.usefixtures("without_figures")
def test_tokens_that_overflow_are_told_in_one_line(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = lava_ssm.load(network)
    assert isinstance(fixed, FixedNetwork)
    np.save(tmp_path / "x.npy", np.full((600, 2), fixed.input_format.max))
    assert engine.run(fixed, np.load(tmp_path / "x.npy")).overflows.total > 0
    monkeypatch.setattr(measure, "_lava", lambda *_: measure._row("Lava", "token", 1.0, 1.0, None))
    options = ["--tokens", str(tmp_path / "x.npy"), "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*COMMAND, str(network), *options])
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("On these tokens integers overflow: stage ")


def test_the_legend_names_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        Row("this CPU", "engine", "token", "measured", 1e-5, 1e5),
        Row("Loihi 2 (model)", "fall-through", "token", "modelled", 1e-5, 1e5, 1e-6),
        Row("Loihi 2 (model)", "pipelined", "sample", "modelled", 1e-5, 1e5, 1e-6),
    )
    legends = []

    def written(path: Path, figure: Any, **options: Any) -> None:
        legends.append(figure.legends[0].get_texts())

    monkeypatch.setattr(files, "write_figure", written)
    for draw in (figures.draw_bars, figures.draw_products):
        draw([Comparison("a $b$", 10, rows)], "a $b$", tmp_path / "a.png")
    assert [[text.get_text() for text in texts] for texts in legends] == [
        ["measured", "modelled"],
        ["modelled"],
    ]


@pytest.mark.usefixtures("without_figures")
def test_an_s5_stands_beside_its_paper(tmp_path: Path) -> None:
    random_fixed_s5_network(np.random.default_rng(0)).save(tmp_path / "tiny.safetensors")
    options = ["--n-tokens", "6", "--published", "S5", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*COMMAND, str(tmp_path / "tiny.safetensors"), *options])
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


@pytest.mark.usefixtures("without_figures")
def test_tokens_of_a_file_are_taken(network: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((7, 2)))
    options = ["--tokens", str(tmp_path / "x.npy"), "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*COMMAND, str(network), *options])
    assert result.exit_code == 0, result.output
    assert table(tmp_path)["tokens of a sample"] == 7


@pytest.mark.parametrize(
    ("options", "text"),
    [
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
    random_network(np.random.default_rng(0)).save(tmp_path / "float.safetensors")
    for path, options, text in (
        (network, ["--tokens", str(tmp_path / "x.npy")], "(..., 2)"),
        (network, ["--tokens", str(tmp_path / "one.npy")], "at least two tokens"),
        (tmp_path / "float.safetensors", [], "must be a fixed one"),
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
