"""`lava-ssm bench fall-through-vs-pipelined`: how fast and at what energy, both ways."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from lava_ssm.cli import placement
from lava_ssm.cli.bench.rows import Row, table
from lava_ssm.loihi2 import TOKENS
from lava_ssm.network import FixedNetwork

if TYPE_CHECKING:
    from lava_ssm.loihi2 import Estimate

N_ROWS_HERE = 8


def fall_through_vs_pipelined(
    network: placement.NetworkFile,
    tokens: Annotated[
        Path | None,
        typer.Option(help="NumPy file (.npy) of one sample's tokens (time, d_input)."),
    ] = None,
    n_tokens: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Tokens of a random sample, without --tokens. Default: as many as the paper's "
            "samples have, or 1024.",
        ),
    ] = None,
    published: Annotated[
        str | None, typer.Option(help="Print the rows of this paper beside: n-S4D or S5.")
    ] = None,
    system: placement.SystemName = "oheo-gulch",
    strategy: placement.StrategyName = "pack",
    neurons_per_core: placement.NeuronsPerCore = None,
    cores_per_layer: placement.CoresPerLayer = None,
    receiver: placement.Receiver = False,
    output: Annotated[Path, typer.Option(help="Folder of the JSON file and the figures.")] = Path(
        "runs/bench"
    ),
) -> None:
    """Measure on this CPU, model Loihi 2, cite the papers: latency, throughput, energy."""
    with placement.told_plainly():
        net = placement.read(network)
        if not isinstance(net, FixedNetwork):
            raise TypeError(f"{network}: the network must be a fixed one, quantise it first")
        if published is not None and published not in TOKENS:
            raise ValueError(f"--published must be n-S4D or S5, got {published!r}")
        n = n_tokens or TOKENS.get(published or "", 1024)
        sample = random_sample(net, n) if tokens is None else _sample(tokens, net)
        options = (system, strategy, neurons_per_core, cores_per_layer, receiver)
        compare(net, sample, network.stem, published, options, output)


def random_sample(network: FixedNetwork, n_tokens: int) -> np.ndarray:
    """Tokens between 0 and the largest value of the input format, at most 1."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, min(1.0, network.input_format.max), (n_tokens, network.d_input))


def compare(
    network: FixedNetwork,
    sample: np.ndarray,
    name: str,
    published: str | None,
    placing: tuple[Any, ...],
    output: Path,
) -> list[Row]:
    """Measure, model, cite; print the table, write JSON and figures into `output`.

    Parameters
    ----------
    sample
        Tokens (time, d_input).
    placing
        Options of `placement.place`.
    """
    from lava_ssm.cli.bench.figures import draw_bars, draw_products
    from lava_ssm.cli.bench.measure import measured_rows
    from lava_ssm.loihi2 import count, describe

    mapping = placement.place(
        describe(network, name), *placing
    )  # refused before anything is measured
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    with Progress(transient=True) as progress:
        task = progress.add_task(name, total=N_ROWS_HERE + 1)
        rows = measured_rows(network, sample, lambda: progress.advance(task))
        description = count(network, sample[: min(len(sample), 256)], name=name)
        progress.advance(task)
    for schedule in ("fall_through", "pipelined"):
        rows.append(_modelled(description, mapping, schedule, len(sample)))
    rows += _published(published)
    for unit in ("token", "sample"):
        console.print(table(rows, unit, name))
    if published is not None and len(sample) != TOKENS[published]:
        console.print(
            f"Mind that a sample has {len(sample):,} tokens here, {TOKENS[published]:,} in the "
            "paper."
        )
    output.mkdir(parents=True, exist_ok=True)
    report = {
        "network": name,
        "tokens of a sample": len(sample),
        "rows": [r.to_json() for r in rows],
    }
    path = output / f"{name}.json"
    placement.write_json(report, path)
    draw_bars(rows, name, output / f"{name}-bars.png")
    draw_products(rows, name, output / f"{name}-edp.png")
    console.print(f"written: {path}, {name}-bars.png and {name}-edp.png beside it")
    return rows


def _modelled(description: Any, mapping: Any, schedule: Any, n_tokens: int) -> Row:
    from lava_ssm.loihi2 import estimate

    result: Estimate = estimate(description, mapping, schedule)
    if schedule == "fall_through":
        latency, energy, unit = result.latency, result.energy_per_token, "token"
        throughput = result.throughput
    else:
        latency, energy = result.sample_latency(n_tokens), result.sample_energy(n_tokens)
        throughput, unit = result.throughput.scaled(1 / n_tokens), "sample"
    return Row(
        "Loihi 2 (model)",
        f"{schedule.replace('_', '-')}, {mapping.n_cores} cores",
        unit,  # type: ignore[arg-type]
        "modelled",
        latency.value,
        throughput.value,
        energy.value,
        (latency.low, latency.high),
        (throughput.low, throughput.high),
        (energy.low, energy.high),
        f"mapping: {mapping.strategy}; ranges of the constants",
    )


def _published(paper: str | None) -> list[Row]:
    from lava_ssm.loihi2 import PUBLISHED

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


def _sample(path: Path, network: FixedNetwork) -> np.ndarray:
    from lava_ssm.engine import as_tokens

    tokens = placement.read_tokens(path)
    if tokens.ndim != 2 or len(tokens) < 2:
        raise ValueError(
            f"--tokens: one sample of shape (time, {network.d_input}) with at least two tokens is "
            f"wanted, got shape {tokens.shape}"
        )
    as_tokens(network, tokens, "--tokens")
    return tokens
