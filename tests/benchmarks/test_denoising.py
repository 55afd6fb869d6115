"""benchmarks/denoising.py: where its jobs run, and what it keeps."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
from dask.distributed import LocalCluster

from tests.benchmarks import load, trainings


@pytest.fixture
def denoising(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load("denoising", monkeypatch)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Of one worker, which runs in another folder than the tests."""
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("where", ["loky", "dask", "scheduler"])
def test_points_are_trained_wherever_their_jobs_run(
    where: str,
    denoising: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    address = request.getfixturevalue("scheduler") if where == "scheduler" else None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(denoising, "train", trainings.train)
    every = denoising.points(Path("runs"), 3)
    names = ["iterative-0.25", "dense-1", "one-shot-1", "dense-0.25"]
    found = denoising.sweep(
        {name: every[name] for name in names},
        Path("runs"),
        Path("data"),
        1,
        "loky" if where == "loky" else "dask",
        address,
    )
    assert found == [
        {
            "name": name,
            "k": k,
            "folder": str(tmp_path / "runs" / name),
            "data": str(tmp_path / "data"),
            "start is there": True,
        }
        for name, k in (
            ("dense-1", 1.0),
            ("dense-0.25", 0.25),
            ("iterative-0.25", 0.25),
            ("one-shot-1", 1.0),
        )
    ]


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_a_finished_point_is_read(
    backend: str, denoising: ModuleType, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("scheduler") if backend == "dask" else None
    point = denoising.points(tmp_path, 3)["iterative-0.5"]
    (tmp_path / "iterative-0.5").mkdir()
    (tmp_path / "iterative-0.5" / "result.json").write_text('{"float_si_snr": 12.5}')
    nowhere = tmp_path / "no data to train with"
    found = denoising.sweep({"iterative-0.5": point}, tmp_path, nowhere, 1, backend, address)
    assert found == [{"name": "iterative-0.5", "float_si_snr": 12.5}]


def test_workers_of_several_threads_are_refused(denoising: ModuleType) -> None:
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        pytest.raises(SystemExit, match="one thread each, got 2"),
    ):
        denoising.sweep({}, Path("runs"), Path("data"), 1, "dask", cluster)


def test_without_dask_the_package_to_install_is_named(
    denoising: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(SystemExit, match=r"pip install 'lava-ssm\[cluster\]'"):
        denoising.sweep({}, Path("runs"), Path("data"), 1, "dask")


def stored(denoising: ModuleType, path: Path, epochs: int, *names: str) -> None:
    every = denoising.points(Path("runs"), epochs)
    content = {
        "points": {name: asdict(every[name]) for name in names},
        "results": [{"name": name, "float_si_snr": 1.0} for name in names],
    }
    path.write_text(json.dumps(content))


def test_other_points_of_as_many_epochs_are_kept(denoising: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "denoising.json"
    stored(denoising, path, 10, "dense-1", "dense-0.5", "relu-1")
    every = denoising.points(Path("runs"), 10)
    new = [{"name": "dense-0.5", "float_si_snr": 2.0}, {"name": "dense-0.25", "float_si_snr": 3.0}]
    merged = denoising.merge(path, every, new)
    quality = {r["name"]: r["float_si_snr"] for r in merged["results"]}
    assert quality == {"dense-0.25": 3.0, "dense-0.5": 2.0, "dense-1": 1.0, "relu-1": 1.0}
    assert merged["points"] == {name: asdict(every[name]) for name in quality}


def test_points_from_before_a_setting_was_added_are_kept(
    denoising: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "denoising.json"
    stored(denoising, path, 10, "dense-0.5")
    content = json.loads(path.read_text())
    del content["points"]["dense-0.5"]["ema"]
    path.write_text(json.dumps(content))
    new = [{"name": "dense-0.25", "float_si_snr": 2.0}]
    merged = denoising.merge(path, denoising.points(Path("runs"), 10), new)
    assert [r["name"] for r in merged["results"]] == ["dense-0.25", "dense-0.5"]


def test_points_of_other_epochs_are_dropped(denoising: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "denoising.json"
    stored(denoising, path, 10, "dense-1", "dense-0.5")
    new = [{"name": "dense-0.5", "float_si_snr": 2.0}]
    merged = denoising.merge(path, denoising.points(Path("runs"), 20), new)
    assert merged["results"] == new
    assert list(merged["points"]) == ["dense-0.5"]


def test_results_on_other_data_are_dropped(denoising: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "denoising.json"
    every = denoising.points(Path("runs"), 10)
    stored(denoising, path, 10, "dense-1", "dense-0.5")
    new = [{"name": "dense-0.5", "float_si_snr": 2.0, "config": {"data": "made anew"}}]
    merged = denoising.merge(path, every, new)
    assert merged["results"] == new
    assert list(merged["points"]) == ["dense-0.5"]


@pytest.mark.parametrize("present", [True, False])
def test_signal_to_error_is_shown_where_it_was_measured(
    present: bool, denoising: ModuleType
) -> None:
    result = {
        "name": "relu-1",
        "parameters": 1,
        "sparsity": 0.0,
        "float_si_snr": 12.0,
        "noisy_si_snr": 10.0,
        "macs_effective": 1,
    }
    errors = {"signal_to_error": 31.25, "arithmetic_signal_to_error": 47.75}
    shown = denoising.table([result, {**result, **errors} if present else result])
    cells = {str(column.header): list(column.cells) for column in shown.columns}
    assert cells.get("signal to error (dB)") == (["", "31.2"] if present else None)
    assert cells.get("arithmetic (dB)") == (["", "47.8"] if present else None)
