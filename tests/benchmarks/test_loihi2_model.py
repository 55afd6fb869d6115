"""benchmarks/loihi2_model.py: it runs, and models what is stored."""

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks import load

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "loihi2_model.json"


def test_it_models_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = load("loihi2_model", monkeypatch)
    monkeypatch.setattr(sys, "argv", ["loihi2_model.py", "--output", str(tmp_path)])
    benchmark.main()
    assert "modelled, not measured" in capsys.readouterr().out
    made, stored = (json.loads(p.read_text()) for p in (tmp_path / STORED.name, STORED))
    assert made["cores"] == stored["cores"]
    for made_row, row in zip(made["s5_by_width"], stored["s5_by_width"], strict=True):
        assert made_row == pytest.approx(row, rel=1e-3)
    assert (tmp_path / "loihi2_model.png").stat().st_size > 5_000
