"""A network in both schedules: measured here, modelled for Loihi 2, published by others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from lava_ssm.cli import placement
from lava_ssm.cli.bench.machine import machine
from lava_ssm.cli.bench.rows import Row, table
from lava_ssm.loihi2 import PUBLISHED, TOKENS, count, estimate
from lava_ssm.loihi2.performance import SCHEDULES, Schedule
from lava_ssm.network import FixedNetwork

if TYPE_CHECKING:
    from lava_ssm.loihi2 import Description, Mapping

COUNTED = 256
"""Tokens, at most, on which the model's operations are counted."""


@dataclass(frozen=True)
class Comparison:
    """The table of one network: what was measured, modelled and published.

    `n_tokens`: of a sample; `paper`: whose rows stand beside, or None.
    """

    network: str
    n_tokens: int
    rows: tuple[Row, ...]
    paper: str | None = None

    def show(self, console: Console) -> None:
        """Print the table in the papers' form: token by token, and sample by sample."""
        for unit in ("token", "sample"):
            console.print(table(self.rows, unit, self.network))
        if self.paper is not None and self.n_tokens != TOKENS[self.paper]:
            console.print(
                f"Mind that a sample has {self.n_tokens:,} tokens here, {TOKENS[self.paper]:,} in "
                "the paper."
            )

    def to_json(self) -> dict[str, object]:
        """Plain data, in seconds, joules and units a second."""
        return {
            "network": self.network,
            "tokens of a sample": self.n_tokens,
            "rows": [row.to_json() for row in self.rows],
        }


def compare(
    network: FixedNetwork,
    sample: np.ndarray,
    name: str,
    mappings: Sequence["Mapping"],
    paper: str | None = None,
    on_progress: Callable[[str, float], object] = lambda what, done: None,
) -> Comparison:
    """Measure, model, cite.

    `sample`: tokens (time, d_input), as floats or mantissas. `mappings` of the network give a row
    of the model each, one a schedule. `paper`: whose rows to put beside, n-S4D or S5. `on_progress`
    is called before each part, with what it is and the share that is done.
    """
    from lava_ssm.cli.bench.measure import measurements

    parts = measurements(network, sample)
    rows = []
    for done, (what, measure) in enumerate(parts):
        on_progress(f"{name}: {what}", done / (len(parts) + 1))
        rows.append(measure())
    on_progress(f"{name}: counting operations", len(parts) / (len(parts) + 1))
    description = count(network, sample[:COUNTED], name=name)
    rows += [_modelled(description, m, s, len(sample)) for s in SCHEDULES for m in mappings]
    rows += _published(paper)
    on_progress(name, 1)
    return Comparison(name, len(sample), tuple(rows), paper)


def write(comparisons: Sequence[Comparison], title: str, stem: str, folder: Path) -> Path:
    """Write the tables as `<stem>.json`, and `<stem>-bars.png` and `<stem>-edp.png` beside it."""
    from lava_ssm.cli.bench.figures import draw_bars, draw_products

    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": machine("numpy", "numba", "lava-nc"),
        "networks": [comparison.to_json() for comparison in comparisons],
    }
    path = folder / f"{stem}.json"
    placement.write_json(report, path)
    draw_bars(comparisons, title, folder / f"{stem}-bars.png")
    draw_products(comparisons, title, folder / f"{stem}-edp.png")
    return path


def _modelled(
    description: "Description", mapping: "Mapping", schedule: Schedule, n_tokens: int
) -> Row:
    result = estimate(description, mapping, schedule)
    falling = schedule == "fall_through"
    if falling:
        latency, energy, throughput = result.latency, result.energy_per_token, result.throughput
    else:
        latency, energy = result.sample_latency(n_tokens), result.sample_energy(n_tokens)
        throughput = result.throughput.scaled(1 / n_tokens)
    return Row(
        "Loihi 2 (model)",
        f"{schedule.replace('_', '-')}, {mapping.n_cores} cores",
        "token" if falling else "sample",
        "modelled",
        latency.value,
        throughput.value,
        energy.value,
        (latency.low, latency.high),
        (throughput.low, throughput.high),
        (energy.low, energy.high),
        f"mapping: {mapping.strategy}; public constants, in brackets what their ranges leave",
    )


def _published(paper: str | None) -> list[Row]:
    return [
        Row(
            row.device,
            row.mode.replace("_", "-"),
            row.unit,
            "published",
            row.latency,
            row.throughput,
            row.energy,
            note=row.source,
        )
        for row in PUBLISHED
        if row.paper == paper
    ]
