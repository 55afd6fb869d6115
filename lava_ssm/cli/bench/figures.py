"""The benchmark as pictures: latency, throughput, energy; and energy-delay products."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lava_ssm import files
from lava_ssm.cli.bench.rows import Row, Unit, digits
from lava_ssm.extras import needed

with needed("matplotlib"):
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lava_ssm.cli.bench.comparison import Comparison

COLORS = {"measured": "C0", "modelled": "C1", "published": "0.6"}
UNITS: tuple[Unit, ...] = ("token", "sample")


def draw_bars(comparisons: Sequence["Comparison"], title: str, path: Path) -> None:
    """Draw latency, throughput and energy of a token and of a sample, logarithmic.

    Lines over the bars of a model are the intervals that the ranges of its constants leave.
    """
    bands = [
        (c, unit, [r for r in c.rows if r.unit == unit]) for c in comparisons for unit in UNITS
    ]
    counts = [len(rows) for _, _, rows in bands]
    height = 1.0 + 0.7 * len(bands) + 0.26 * sum(counts)
    figure = Figure(figsize=(14, height), layout="constrained")
    axes = figure.subplots(len(bands), 3, sharey="row", squeeze=False, height_ratios=counts)
    for line, (comparison, unit, rows) in zip(axes, bands, strict=True):
        places = range(len(rows))
        for axis, what, scale, label in (
            (line[0], "latency", 1e3, f"latency / {unit} (ms)"),
            (line[1], "throughput", 1, f"{unit}s a second"),
            (line[2], "energy", 1e3, f"energy / {unit} (mJ)"),
        ):
            _bars(axis, rows, what, scale)
            axis.set_xlabel(label)
        line[0].set_yticks(places, [_name(row) for row in rows], fontsize=8)
        line[0].invert_yaxis()
        _title(line[0], comparison, unit)
    _finish(figure, title, {row.kind for _, _, rows in bands for row in rows})
    files.write_figure(path, figure, dpi=130)


def draw_products(comparisons: Sequence["Comparison"], title: str, path: Path) -> None:
    """Draw unit energy-delay products as multiples of Loihi 2's, published where it is."""
    bands = [(c, [_with_product(c, unit) for unit in UNITS]) for c in comparisons]
    counts = [max(1, *(len(rows) for rows in both)) for _, both in bands]
    height = 1.0 + 0.7 * len(bands) + 0.3 * sum(counts)
    figure = Figure(figsize=(12, height), layout="constrained")
    axes = figure.subplots(len(bands), 2, squeeze=False, height_ratios=counts)
    for line, (comparison, both) in zip(axes, bands, strict=True):
        for axis, unit, rows in zip(line, UNITS, both, strict=True):
            base = _base(rows)
            places = range(len(rows))
            ratios = [(row.energy_delay_product or 0) / base for row in rows]
            bars = axis.barh(places, ratios, color=[COLORS[row.kind] for row in rows])
            axis.bar_label(bars, [f"{digits(ratio)} x" for ratio in ratios], padding=3, fontsize=8)
            axis.set_yticks(places, [_name(row) for row in rows], fontsize=8)
            axis.invert_yaxis()
            axis.set(xscale="log", xlabel=f"energy x latency of a {unit}, Loihi 2 = 1")
            _title(axis, comparison, unit)
            axis.set_xlim(min(0.3, *ratios) / 2, max(ratios) * 20)
    kinds = {row.kind for _, both in bands for rows in both for row in rows}
    note = "" if "measured" in kinds else "   (energy of this CPU was not measured)"
    _finish(figure, f"{title}: unit energy-delay product{note}", kinds)
    files.write_figure(path, figure, dpi=130)


def _bars(axis: "Axes", rows: Sequence[Row], what: str, scale: float) -> None:
    """Draw a row's value as a bar with its number, a model's interval as a line."""
    values = [scale * (getattr(row, what) or 0) for row in rows]
    known = [value for value in values if value]
    axis.barh(range(len(rows)), values, color=[COLORS[row.kind] for row in rows])
    axis.set_xscale("log")
    ends = [*known]
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        interval = getattr(row, f"{what}_range")
        right = value
        if interval is not None:
            low, high = scale * interval[0], scale * interval[1]
            axis.plot([low, high], [place, place], color="black", lw=1.2, marker="|", ms=5)
            ends += [low, high]
            right = high
        text, at = digits(value), (right, place)
        of: str | tuple[str, str] = "data"
        if not value:
            text, at, of = "not measured", (0, place), ("axes fraction", "data")
        axis.annotate(
            text, at, (4, 0), xycoords=of, textcoords="offset points", va="center", fontsize=8
        )
    axis.set_xlim(min(ends) / 3, max(ends) * 12)


def _with_product(comparison: "Comparison", unit: Unit) -> list[Row]:
    return [r for r in comparison.rows if r.unit == unit and r.energy_delay_product is not None]


def _base(rows: Sequence[Row]) -> float:
    """The product that counts as one: published of Loihi 2, else the first model's."""
    for kind in ("published", "modelled"):
        for row in rows:
            if row.kind == kind and row.device.startswith("Loihi 2") and row.energy_delay_product:
                return row.energy_delay_product
    raise ValueError("rows: none of them is of Loihi 2")


def _title(axes: "Axes", comparison: "Comparison", unit: Unit) -> None:
    text = f"{comparison.network}, {unit} by {unit}"
    axes.set_title(text, fontsize=10, loc="left", parse_math=False)  # a name is no formula


def _name(row: Row) -> str:
    return f"{row.device}: {row.mode}"


def _finish(figure: Figure, title: str, kinds: Container[str]) -> None:
    handles = [Patch(color=color, label=kind) for kind, color in COLORS.items() if kind in kinds]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", parse_math=False)
