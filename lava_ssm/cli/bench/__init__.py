"""`lava-ssm bench`: benchmarks of a user's own networks."""

import typer

from lava_ssm.cli.bench.fall_through_vs_pipelined import fall_through_vs_pipelined
from lava_ssm.cli.errors import told_plainly

bench = typer.Typer(no_args_is_help=True, help=__doc__)
bench.command()(told_plainly(fall_through_vs_pipelined))


@bench.callback()
def _commands() -> None:
    """Benchmarks of a network: on this CPU, modelled, and beside published figures."""


__all__ = ["bench"]
