"""`lava-ssm mini-ndns`: noisy speech to train and test with, made of Debian packages."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lava_ssm import files
from lava_ssm.cli.console import make_console, quoted, shown_once_started


def mini_ndns(
    folder: Annotated[
        Path, typer.Option("--data", help="Folder of data sets: gets `mini-ndns`.")
    ] = Path("data"),
    packages: Annotated[
        Path | None, typer.Option(help="Folder of the .deb files; without it they are fetched.")
    ] = None,
    train: Annotated[int, typer.Option(min=1, help="Clips to train with.")] = 3000,
    validation: Annotated[int, typer.Option(min=1, help="Clips to choose by.")] = 100,
    test: Annotated[int, typer.Option(min=1, help="Clips to measure with.")] = 200,
    seconds: Annotated[float, typer.Option(help="Length of a clip.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Of all choices.")] = 0,
) -> None:
    """Make mini N-DNS, the same each time: speech and noise, no voice and no noise in two parts."""
    from lava_ssm.data.mini_ndns import MiniNDNS, make_mini_ndns

    console = make_console()
    recipe = MiniNDNS((train, validation, test), seconds, seed)
    files.check_folder(folder, "--data")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=console)
    task = progress.add_task("", total=None)

    def show(what: str, done: int, total: int) -> None:
        progress.start()
        progress.update(task, description=what, completed=done, total=total)

    with shown_once_started(progress):
        made = make_mini_ndns(folder, recipe, packages, show)
    text = f"{quoted(made)}: {train} clips to train, {validation} to choose, {test} to test"
    console.print(text, soft_wrap=True)
