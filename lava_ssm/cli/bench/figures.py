"""The benchmark as pictures: latency, throughput, energy; and energy-delay products."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lava_ssm.cli.bench.rows import Row, Unit, digits

COLORS = {"measured": "C0", "modelled": "C1", "published": "0.6"}


def draw_bars(rows: Sequence[Row], network: str, path: Path) -> None:
    """Draw latency, throughput and energy of a token and of a sample, logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    units: tuple[Unit, ...] = ("token", "sample")
    counts = [sum(row.unit == unit for row in rows) for unit in units]
    figure, axes = pyplot.subplots(
        2, 3, figsize=(14, 2.2 + 0.36 * sum(counts)), layout="constrained", sharey="row",
        height_ratios=counts,
    )  # fmt: skip
    for line, unit in zip(axes, units, strict=True):
        shown = [row for row in rows if row.unit == unit]
        places = range(len(shown))
        for axis, label, values in (
            (line[0], f"latency / {unit} (ms)", [1e3 * row.latency for row in shown]),
            (line[1], f"{unit}s a second", [row.throughput for row in shown]),
            (line[2], f"energy / {unit} (mJ)", [1e3 * (row.energy or 0) for row in shown]),
        ):
            axis.barh(places, values, color=[COLORS[row.kind] for row in shown])
            axis.set(xscale="log", xlabel=label)
            positive = [value for value in values if value] or [1.0]
            axis.set_xlim(min(positive) / 3, max(positive) * 12)
            for place, value in zip(places, values, strict=True):
                text = digits(value) if value else "not measured"
                at = value or min(positive) / 3
                axis.annotate(
                    text, (at, place), (3, 0), textcoords="offset points", va="center", fontsize=8
                )
        line[0].set_yticks(places, [f"{row.device}: {row.mode}" for row in shown], fontsize=8)
        line[0].invert_yaxis()
    _finish(figure, f"{network}: fall-through against pipelined")
    _save(figure, path)
    pyplot.close(figure)


def draw_products(rows: Sequence[Row], network: str, path: Path) -> None:
    """Draw energy-delay products as multiples of published Loihi 2's, of token and of sample."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    units: tuple[Unit, ...] = ("token", "sample")
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4), layout="constrained")
    for axis, unit in zip(axes, units, strict=True):
        known = [(r, r.energy_delay_product) for r in rows if r.unit == unit]
        shown = [(row, product) for row, product in known if product is not None]
        chip = [p for row, p in shown if row.device == "Loihi 2" and row.kind == "published"]
        base, what = (chip[0], "published Loihi 2 = 1") if chip else (1.0, "J s")
        places = range(len(shown))
        bars = axis.barh(
            places, [p / base for _, p in shown], color=[COLORS[r.kind] for r, _ in shown]
        )
        axis.bar_label(bars, [digits(p / base) for _, p in shown], padding=3, fontsize=8)
        axis.set_yticks(places, [f"{r.device}: {r.mode}" for r, _ in shown], fontsize=8)
        axis.invert_yaxis()
        axis.set(xscale="log", xlabel=f"energy x latency of a {unit} ({what})")
        if shown:
            values = [p / base for _, p in shown]
            axis.set_xlim(min(values) / 3, max(values) * 20)
    _finish(figure, f"{network}: energy-delay product")
    _save(figure, path)
    pyplot.close(figure)


def _finish(figure: Any, title: str) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=color, label=kind) for kind, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=11)


def _save(figure: Any, path: Path) -> None:
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    figure.savefig(part, dpi=150)
    os.replace(part, path)
