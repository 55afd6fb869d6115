"""The soak finds what differs, hangs or leaks, and says how to see it again."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import lava_ssm
from scripts.soak import __main__ as soak
from scripts.soak import networks
from scripts.soak.ends import Held
from scripts.soak.outcome import Outcome
from scripts.soak.worker import Done
from tests.networks import random_fixed_network

APP = typer.Typer()
APP.command()(soak.soak)


def test_all_executors_of_a_network_are_compared(tmp_path: Path) -> None:
    outcome = networks.run((0, 1), tmp_path / "failures")
    assert outcome.differences == []
    assert outcome.counts.total() >= 1 + 1 + len(networks.EXECUTORS) + 2
    assert not (tmp_path / "failures").exists()


def test_a_difference_is_found_and_made_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(net: Any, x: np.ndarray, rng: Any, **options: Any) -> networks.Ran:
        outputs, states, overflows = networks.whole(net, x, rng)
        return outputs + (np.abs(x).max() > 0), states, overflows

    monkeypatch.setattr(networks, "EXECUTORS", {"broken": broken})
    rng = np.random.default_rng(0)
    case = "chain", random_fixed_network(rng), rng.integers(1, 99, (3, 5, 2))
    monkeypatch.setattr(networks, "random_case", lambda rng: case)
    outcome = networks.run((0, 1), tmp_path / "failures")
    assert len(outcome.differences) == 1
    assert "broken: outputs, first at" in outcome.differences[0]
    kept = lava_ssm.load(tmp_path / "failures" / "network.safetensors")
    assert len(kept.layers) == 1
    assert np.load(tmp_path / "failures" / "tokens.npy").shape == (1, 1, 2)


NOTHING = Held(0.0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("done", "code", "text"),
    [
        (Done(Outcome(Counter({"checks": 3})), 0.1, NOTHING, True), 0, "+0.0 MB"),
        (Done(Outcome(differences=["outputs"]), 0.1, NOTHING, True), 1, "graphs: outputs"),
        (Done(Outcome(), 0.1, Held(0.5, 1, 0, 0, 0), True), 1, "+1 threads"),
        (Done(Outcome(), 0.1, Held(0.5, 1, 0, 0, 0), False), 0, "too few cases"),
        (Done(Outcome(), 0.1, Held(30.0, 0, 0, 0, 0), True), 1, "+30.0 MB"),
        ("no end after 300 s", 1, "graphs: no end after 300 s"),
    ],
)
def test_what_is_not_well_is_told_and_can_be_repeated(
    done: Any, code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeWorker:
        def __init__(self, part: str) -> None: ...

        def run(self, seed: tuple[int, int], failures: Path, limit: float) -> Any:
            assert seed == (7, 40)
            return done

        def stop(self) -> None: ...

    monkeypatch.setattr(soak, "Worker", FakeWorker)
    options = ["--parts", "graphs", "--seed", "7", "--first", "40", "-n", "1"]
    options += ["--out", str(tmp_path), "--json", str(tmp_path / "soak.json")]
    found = CliRunner(env={"COLUMNS": "200"}).invoke(APP, options)
    assert found.exit_code == code
    assert text in found.output
    report = json.loads((tmp_path / "soak.json").read_text())["parts"]["graphs"]
    again = "--parts graphs --seed 7 --first 40 -n 1"
    told = [*report["differences"], *report["hangs"]]
    assert all(again in line for line in told)
    assert len(list(tmp_path.glob("*.txt"))) == len(told)


def test_an_unknown_part_is_refused() -> None:
    found = CliRunner().invoke(APP, ["--parts", "graphs,poems"])
    assert found.exit_code == 2
    assert "poems" in found.output
