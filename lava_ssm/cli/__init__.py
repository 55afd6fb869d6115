"""The command line, `lava-ssm`: one thin file a command."""

import io
import shutil
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import lava_ssm
from lava_ssm.cli.bench import bench
from lava_ssm.cli.demo import demo
from lava_ssm.cli.denoise import denoise
from lava_ssm.cli.deploy import deploy_network, write_vectors
from lava_ssm.cli.errors import told_plainly
from lava_ssm.cli.estimate import estimate_network
from lava_ssm.cli.evaluate import evaluate
from lava_ssm.cli.finetune import finetune
from lava_ssm.cli.generate import generate
from lava_ssm.cli.get_data import get_data
from lava_ssm.cli.import_network import import_network
from lava_ssm.cli.lava import install_lava
from lava_ssm.cli.map import map_network
from lava_ssm.cli.mini_ndns import mini_ndns
from lava_ssm.cli.quantize import quantize_network
from lava_ssm.cli.run import run_network
from lava_ssm.cli.show import show_network
from lava_ssm.cli.stream import stream
from lava_ssm.cli.train import train
from lava_ssm.cli.train_denoiser import train_denoiser
from lava_ssm.cli.train_lm import train_lm

_BOXES = 100
"""Columns that help in boxes takes: on fewer the names of long options would be cut."""


class _Commands(TyperGroup):
    """Commands that print on any stream: what its encoding lacks becomes a question mark."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        if shutil.get_terminal_size().columns < _BOXES:
            _without_boxes(self)
        return super().main(*args, **kwargs)


def _without_boxes(command: TyperCommand | TyperGroup) -> None:
    command.rich_markup_mode = None
    for one in command.commands.values() if isinstance(command, TyperGroup) else ():
        _without_boxes(one)  # type: ignore[arg-type]  # typer's, as all here are


app = typer.Typer(cls=_Commands, no_args_is_help=True)
app.command()(told_plainly(demo))
app.command()(told_plainly(train))
app.command()(told_plainly(finetune))
app.command("import")(told_plainly(import_network))
app.command("quantize")(told_plainly(quantize_network))
app.command()(told_plainly(evaluate))
app.command("run")(told_plainly(run_network))
app.command()(told_plainly(stream))
app.command("show")(told_plainly(show_network))
app.command("map")(told_plainly(map_network))
app.command("estimate")(told_plainly(estimate_network))
app.command("data")(told_plainly(get_data))
app.command()(told_plainly(mini_ndns, RuntimeError))
app.command()(told_plainly(train_denoiser))
app.command()(told_plainly(denoise))
app.command()(told_plainly(train_lm))
app.command()(told_plainly(generate))
app.command("deploy")(told_plainly(deploy_network, RuntimeError))
app.command("vectors")(told_plainly(write_vectors))
app.command()(told_plainly(install_lava))
app.add_typer(bench, name="bench")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(lava_ssm.__version__)
        raise typer.Exit


@app.callback()
def _commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """State space layers for the Lava neuromorphic framework."""


__all__ = ["app"]
