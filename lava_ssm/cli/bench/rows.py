"""The rows of the papers' table: who took how long, at what energy, for what."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

Unit = Literal["token", "sample"]
Kind = Literal["measured", "modelled", "published"]
TITLES: dict[Unit, str] = {
    "token": "token by token (one in flight: fall-through, recurrent)",
    "sample": "sample by sample (pipelined, convolution, scan, batches)",
}


@dataclass(frozen=True)
class Row:
    """A row of the table: what ran the network, how, and what of it was found.

    `unit` is what latency and energy are of; `kind`: we measured it, our model says so, or a paper
    does. Latency in seconds, throughput in units a second, energy in joules, None where it was not
    measured; ranges of a model: what those of its constants leave.
    """

    device: str
    mode: str
    unit: Unit
    kind: Kind
    latency: float
    throughput: float
    energy: float | None = None
    latency_range: tuple[float, float] | None = None
    throughput_range: tuple[float, float] | None = None
    energy_range: tuple[float, float] | None = None
    note: str = ""

    @property
    def energy_delay_product(self) -> float | None:
        """Joule seconds: energy times latency."""
        return None if self.energy is None else self.energy * self.latency

    def to_json(self) -> dict[str, object]:
        """Plain data, in seconds, joules and units a second."""
        return {**asdict(self), "energy_delay_product": self.energy_delay_product}


def table(rows: Iterable[Row], unit: Unit, network: str) -> Table:
    """Print as the papers do: energy, latency, throughput."""
    title = Text(f"{network}: {TITLES[unit]}", "table.title")  # a name is no markup
    shown = Table(title=title, title_justify="left")
    shown.add_column("")
    shown.add_column("mode")
    for heading in (f"energy / {unit} (mJ)", f"latency / {unit} (ms)", f"{unit}s a second"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for row in rows:
        if row.unit == unit:
            energy = "not measured" if row.energy is None else _cell(row.energy, row.energy_range)
            shown.add_row(
                row.device,
                row.mode,
                energy,
                _cell(row.latency, row.latency_range),
                _cell(row.throughput, row.throughput_range, 1),
                row.kind,
            )
    return shown


def _cell(value: float, interval: tuple[float, float] | None, scale: float = 1e3) -> str:
    text = digits(scale * value)
    if interval is not None:
        text += f" ({digits(scale * interval[0])} to {digits(scale * interval[1])})"
    return text


def digits(value: float) -> str:
    """Give three significant digits, with commas between thousands."""
    return f"{float(f'{value:.3g}'):,g}"
