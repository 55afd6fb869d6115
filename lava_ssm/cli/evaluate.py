"""`lava-ssm evaluate`: how well a network does on a data set, by one of its executors."""

import time
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from lava_ssm.cli.train import Task


class Backend(str, Enum):
    """What runs the network."""

    COMPILED = "compiled"
    REFERENCE = "reference"
    LAVA = "lava"


def evaluate(
    net: Annotated[str, typer.Argument(help="A network's file, or a name of the zoo.")],
    task: Annotated[Task, typer.Argument(help="The data set, of which the test set is used.")],
    backend: Annotated[
        Backend, typer.Option(help="Machine code, NumPy, or a graph of Lava Processes.")
    ] = Backend.COMPILED,
    limit: Annotated[int | None, typer.Option(min=1, help="The first samples only.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of data sets; without it LAVA_SSM_DATA, or ./data.")
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option(help="Another network, to count the samples that both classify alike."),
    ] = None,
    compare: Annotated[
        Backend | None,
        typer.Option(help="Another executor, to count the tokens whose outputs are equal."),
    ] = None,
) -> None:
    """Classify the test set of a task."""
    import lava_ssm
    from lava_ssm import data as data_sets

    console = Console()
    try:
        network = lava_ssm.load(net)
        other = None if beside is None else lava_ssm.load(beside)
        test = data_sets.load(task.value, data).test.first(limit)
        for checked in (network, other):
            if checked is not None and checked.d_input != test.x.shape[-1]:
                raise ValueError(
                    f"net takes tokens of {checked.d_input} channels, {task.value} has "
                    f"{test.x.shape[-1]}"
                )
    except (ValueError, FileNotFoundError) as error:
        console.print(str(error), style="red", soft_wrap=True, markup=False)
        raise typer.Exit(2) from None
    start = time.perf_counter()
    outputs, overflows = _run(network, test.x, backend, console)
    seconds = time.perf_counter() - start
    classes = outputs[:, -1].argmax(-1)
    right = int((classes == test.y).sum())
    console.print(
        f"{net} on {task.value}, {type(network).__name__}, {backend.value}: {right} of "
        f"{len(test)} right, {right / len(test):.2%}; {overflows}; "
        f"{1e6 * seconds / test.x[..., 0].size:.1f} us a token",
        soft_wrap=True,
    )
    if other is not None:
        others, _ = _run(other, test.x, Backend.COMPILED, console)
        alike = int((others[:, -1].argmax(-1) == classes).sum())
        console.print(
            f"{beside} gives the same class to {alike} of {len(test)}, {alike / len(test):.2%}",
            soft_wrap=True,
        )
    if compare is not None:
        again, _ = _run(network, test.x, compare, console)
        equal = (again == outputs).all(-1)
        console.print(
            f"{compare.value} gives the same outputs on {equal.sum()} of {equal.size} tokens",
            soft_wrap=True,
        )
        if not equal.all():
            raise typer.Exit(1)


def _run(network, x: np.ndarray, backend: Backend, console: Console):  # type: ignore[no-untyped-def]
    """Outputs of each token, (samples, time, d_output), and what is known of overflows."""
    from lava_ssm import engine

    if backend is Backend.LAVA:
        from lava_ssm import proc

        return proc.run(network, x, progress=True), "overflows of synapses are not counted in Lava"
    outputs, tallies = [], []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(backend.value, total=len(x))
        for part in np.array_split(x, max(1, len(x) // 100)):
            done = engine.run(network, part, backend=backend.value)
            outputs.append(done.outputs)
            tallies.append(done.overflows)
            progress.update(bar, advance=len(part))
    total = sum(tally.total for tally in tallies)
    return np.concatenate(outputs), f"{total} overflows" if total else "no overflow"
