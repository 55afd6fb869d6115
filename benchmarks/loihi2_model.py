"""How far the model of Loihi 2 can be believed: published cores, times and energies beside ours.

    python benchmarks/loihi2_model.py          about half a minute

Nothing here ran on a chip. Published figures are the papers' and notebooks' authors', measured by
them; all others are modelled. Writes `results/loihi2_model.json`, `results/loihi2_model.png` and
`results/loihi2_cores.png`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from lava_ssm import compress, data, files, loihi2, nn
from lava_ssm.loihi2.calibration import (
    QUANTITIES,
    Comparison,
    Validation,
    implied_static_power,
    validate,
)
from lava_ssm.loihi2.performance import SCHEDULES
from lava_ssm.loihi2.published import SPREAD, ns4d, s5_of_scale

RESULTS = Path(__file__).parent / "results"
CONSOLE = Console(width=170)


def placed() -> list[tuple[str, int, int, str]]:
    """Published core counts: network, published, ours, how."""
    cases: list[tuple[str, int, loihi2.Description, dict[str, Any]]] = [
        ("H=128, N=4 real, 1 layer", 6, ns4d(128, 4, 1, real=True), {"receiver": True}),
        ("H=128, N=64 real, 1 layer", 11, ns4d(128, 64, 1, real=True), {}),
        ("H=128, N=64 real, 4 layers", 38, ns4d(128, 64, 4, real=True), {}),
        ("H=256, N=16 real, 1 layer, the layer alone", 7, ns4d(256, 16, 1, real=True), {}),
        ("n-S4D small, packed", 31, ns4d(64, 32, 4, d_input=1), {}),
        ("n-S4D small, spread", 31, ns4d(64, 32, 4, d_input=1), spread("n-S4D small")),
        ("n-S4D large, packed", 111, ns4d(), {}),
        ("n-S4D large, spread", 111, ns4d(), spread("n-S4D large")),
    ]
    rows = []
    for name, published, description, options in cases:
        mapping = loihi2.map(description, **options)
        alone = name.endswith("alone")
        ours = mapping.cores_of_layer["layer 0"] if alone else mapping.n_cores
        rows.append((name, published, ours, mapping.strategy))
    return rows


def s5_by_width(constants: loihi2.Constants) -> list[dict[str, float]]:
    """How far the S5's modelled rows hang on its width, which is not published.

    For each scale k: `scale`, and by the quantities' names their relative errors.
    """
    rows = []
    for k in (2.0, 2.25, 2.5, 2.55, 2.75, 3.0):
        row = {"scale": k}
        for q in QUANTITIES:
            result = loihi2.estimate(s5_of_scale(k), schedule=q.schedule, constants=constants)
            row[q.name] = q.modelled(result, "S5").value / q.published("S5") - 1
        rows.append(row)
    return rows


def spread(name: str) -> dict[str, Any]:
    """Options that spread a published deployment."""
    return {"strategy": "spread", "cores_per_layer": SPREAD[name], "receiver": True}


def counted() -> loihi2.Description:
    """Describe the large n-S4D, initialised and quantised, with the messages of real tokens."""
    torch.manual_seed(0)
    x = data.digits().test.x[:8]  # (samples, 64 tokens, 1)
    network = nn.export(nn.NS4D(1, 128, 64, 4, 10, readout="mean"))
    fixed = compress.quantize(network, x)
    return loihi2.count(fixed, x, name="n-S4D large, not trained, sDigits", progress=True)


def table_of(title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Make a table; numbers to the right."""
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*map(str, row))
    return table


def draw(validation: Validation, path: Path) -> None:
    """Draw model over published, with intervals: each paper from the constants of the other."""
    pairs = (("nothing", "public constants"), ("n-S4D", "fitted on n-S4D"), ("S5", "fitted on S5"))
    networks = ("n-S4D", "S5")
    names = [f"{network}: {q.name}" for network in networks for q in QUANTITIES]
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for ax, (on, title) in zip(axes, pairs, strict=True):
        rows = [row for network in networks for row in validation.of(on, network)]
        for y, row in enumerate(rows):
            draw_row(ax, y, row)
        ax.axvline(1, color="black", lw=1)
        ax.axvspan(1 / 1.35, 1.35, color="0.92", zorder=0)
        ax.set(xscale="log", xlim=(0.02, 50), title=title, xlabel="model / published")
        ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
        ax.grid(axis="x", color="0.9")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    for role, colour in COLOURS.items():
        axes[2].plot([], [], "o", color=colour, label=role)
    axes[2].legend(frameon=False, loc="lower right")
    figure.suptitle("Loihi 2: model over published figure; lines: interval; grey: within 35 %")
    files.write_figure(path, figure, dpi=120)


COLOURS = {"unfitted": "tab:gray", "fitted": "tab:blue", "predicted": "tab:orange"}


def draw_row(ax: Any, y: int, row: Comparison) -> None:
    """Draw one figure's ratio and interval."""
    low, value, high = (v / row.published for v in (row.model.low, row.model.value, row.model.high))
    ax.plot([low, high], [y, y], color=COLOURS[row.role], lw=2, alpha=0.5)
    ax.plot(value, y, "o", color=COLOURS[row.role])


def main() -> None:
    """Model, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    cores = placed()
    CONSOLE.print(table_of("Cores", ("network", "published", "model", "how"), cores))
    with CONSOLE.status("fitting"):
        validation = validate()
    CONSOLE.print(validation)
    CONSOLE.print(validation.constants_table())
    powers = {paper: implied_static_power(paper) for paper in ("n-S4D", "S5")}
    for paper, power in powers.items():
        CONSOLE.print(f"Static power that the two rows of {paper} imply: {power:.3f} W")
    widths = s5_by_width(validation.constants["n-S4D"])
    rows = [[f"{w['scale']:g}", *(f"{w[q.name]:+.0%}" for q in QUANTITIES)] for w in widths]
    headings = ("k", *(q.name for q in QUANTITIES))
    CONSOLE.print(table_of("Error of the S5's rows by its width, fitted on n-S4D", headings, rows))

    network = counted()
    mapping = loihi2.map(network, strategy="spread", cores_per_layer=27, receiver=True)
    estimates = {
        schedule: loihi2.estimate(network, mapping, schedule, validation.constants["n-S4D"])
        for schedule in SCHEDULES
    }
    activity = {s.name: s.messages / s.n_in for s in network.synapses}
    shares = [(name, f"{share:.0%}") for name, share in activity.items()]
    CONSOLE.print(table_of(f"Messages sent, {network.name}", ("synapses", "share"), shares))
    for result in estimates.values():
        CONSOLE.print(result)

    report = {
        "kind": "model beside published figures; nothing was measured",
        "machine": machine("numpy", "scipy", "torch"),
        "cores": [
            dict(zip(("network", "published", "model", "how"), r, strict=True)) for r in cores
        ],
        "validation": validation.to_json(),
        "implied_static_power": powers,
        "s5_by_width": widths,
        "counted": {
            "network": network.name,
            "messages_sent": activity,
            "operations": network.operations,
            "estimates": {name: e.to_json() for name, e in estimates.items()},
        },
    }
    path = options.output / "loihi2_model.json"
    files.write(path, json.dumps(report, indent=2, default=np.float64.item) + "\n")
    draw(validation, options.output / "loihi2_model.png")
    loihi2.draw_chips(
        loihi2.map(ns4d(), **spread("n-S4D large")), options.output / "loihi2_cores.png"
    )
    CONSOLE.print(f"written: {path}, loihi2_model.png and loihi2_cores.png beside it")


if __name__ == "__main__":
    main()
