"""`lava-ssm bench fall-through-vs-pipelined`: how fast and at what energy, both ways."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import lava_ssm
from lava_ssm import files
from lava_ssm.cli import placement
from lava_ssm.cli.arguments import DataFolder, NetworkFile, names_of_data
from lava_ssm.cli.console import make_console, quoted
from lava_ssm.cli.errors import say
from lava_ssm.cli.evaluate import fitting
from lava_ssm.train.folder import join_of

if TYPE_CHECKING:
    import numpy as np

    from lava_ssm.network import FixedNetwork

_HALVINGS = 8


def fall_through_vs_pipelined(
    network: NetworkFile,
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Take the first test sample of this data set, or of data of your own, as `train` "
            "does.",
            autocompletion=names_of_data,
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(help="NumPy file (.npy) of one sample's tokens (time, d_input)."),
    ] = None,
    data: DataFolder = None,
    n_tokens: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**7,
            help="Tokens of a random sample, without DATA and --tokens. Default: as many as the "
            "paper's samples have, or 1024.",
        ),
    ] = None,
    published: Annotated[
        Literal["n-S4D", "S5"] | None, typer.Option(help="Print the rows of this paper beside.")
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
    files.check_folder(output, "--output")
    net = lava_ssm.load(network)

    from lava_ssm import (
        engine,
        proc,  # noqa: F401  refused before anything is measured, where Lava is missing
    )
    from lava_ssm.cli.bench.comparison import compare, write
    from lava_ssm.loihi2 import TOKENS, describe, map
    from lava_ssm.network import FixedNetwork

    if not isinstance(net, FixedNetwork):
        raise TypeError(f"{network}: the network must be a fixed one, quantise it first")
    if task is not None and tokens is not None:
        raise ValueError("DATA and --tokens are two samples: give one of them")
    if task is not None:
        sample = _first_of(task, data, net, network)
    elif tokens is not None:
        sample = _sample(tokens, net)
    else:
        sample = random_sample(net, n_tokens or TOKENS.get(published or "", 1024))
    name = network.stem
    mapping = map(  # refused before anything is measured
        describe(net, name), system, strategy, neurons_per_core, cores_per_layer, receiver
    )
    overflows = engine.run(net, sample).overflows
    if overflows.total:
        say(f"On these tokens integers overflow: {overflows}", "yellow")
        warnings.simplefilter("ignore", engine.OverflowWarning)  # until the command ends
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task(name, total=1)
        found = compare(
            net,
            sample,
            name,
            [mapping],
            published,
            lambda what, done: progress.update(bar, description=what, completed=done),
        )
    console = make_console()
    if not console.is_terminal:
        console = make_console(width=150)
    found.show(console)
    path = write([found], f"{name}: fall-through against pipelined", name, output)
    text = f"written: {quoted(path)}, {name}-bars.png and {name}-edp.png beside it"
    console.print(text, soft_wrap=True)


def random_sample(network: "FixedNetwork", n_tokens: int) -> "np.ndarray":
    """Tokens between 0 and the largest value of the input format, at most 1.

    They are made smaller where integers overflow: to noise a network may answer more than to all
    that its exponents were chosen by.
    """
    import numpy as np

    from lava_ssm import engine

    top = min(1.0, network.input_format.max)
    tokens = np.random.default_rng(0).uniform(0, top, (n_tokens, network.d_input))
    for _ in range(_HALVINGS):
        if engine.run(network, tokens).overflows.total == 0:
            break
        tokens = tokens / 2
    return tokens


def _first_of(task: str, folder: Path | None, network: "FixedNetwork", name: Path) -> "np.ndarray":
    from lava_ssm.data import load

    sets = fitting(network, str(name), load(task, folder), labelled=False)
    return sets.test.at(slice(1)).joined(join_of(network)).x[0]


def _sample(path: Path, network: "FixedNetwork") -> "np.ndarray":
    from lava_ssm.engine import as_tokens

    tokens = placement.read_tokens(path)
    if tokens.ndim != 2 or len(tokens) < 2:
        raise ValueError(
            f"--tokens: one sample of shape (time, {network.d_input}) with at least two tokens is "
            f"wanted, got shape {tokens.shape}"
        )
    as_tokens(network, tokens, "--tokens")
    return tokens
