"""The command line, `lava-ssm`: one thin file a command."""

import typer

from lava_ssm.cli.demo import demo

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(demo)


@app.callback()
def _commands() -> None:
    """State space layers for the Lava neuromorphic framework."""


__all__ = ["app"]
