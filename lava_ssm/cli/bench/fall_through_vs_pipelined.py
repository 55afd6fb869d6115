"""`lava-ssm bench fall-through-vs-pipelined`: how fast and at what energy, both ways."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from lava_ssm.cli import placement
from lava_ssm.network import FixedNetwork


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
    from lava_ssm.cli.bench.comparison import compare, write
    from lava_ssm.loihi2 import TOKENS, describe

    with placement.told_plainly():
        net = placement.read(network)
        if not isinstance(net, FixedNetwork):
            raise TypeError(f"{network}: the network must be a fixed one, quantise it first")
        if published is not None and published not in TOKENS:
            raise ValueError(f"--published must be n-S4D or S5, got {published!r}")
        n = n_tokens or TOKENS.get(published or "", 1024)
        sample = random_sample(net, n) if tokens is None else _sample(tokens, net)
        name = network.stem
        mapping = placement.place(  # refused before anything is measured
            describe(net, name), system, strategy, neurons_per_core, cores_per_layer, receiver
        )
        with Progress(transient=True) as progress:
            task = progress.add_task(name, total=1)
            found = compare(
                net,
                sample,
                name,
                [mapping],
                published,
                lambda what, done: progress.update(task, description=what, completed=done),
            )
        console = Console()
        if not console.is_terminal:
            console = Console(width=150)
        found.show(console)
        path = write([found], f"{name}: fall-through against pipelined", name, output)
        console.print(f"written: {path}, {name}-bars.png and {name}-edp.png beside it")


def random_sample(network: FixedNetwork, n_tokens: int) -> np.ndarray:
    """Tokens between 0 and the largest value of the input format, at most 1."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, min(1.0, network.input_format.max), (n_tokens, network.d_input))


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
