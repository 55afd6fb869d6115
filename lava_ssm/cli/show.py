"""`lava-ssm show`: what a network is and how it was made, or which ones the zoo has."""

from pathlib import Path
from typing import Annotated

import typer

import lava_ssm
from lava_ssm import zoo
from lava_ssm.cli.arguments import names_of_networks
from lava_ssm.cli.console import make_console, show
from lava_ssm.tables import empty_table


def show_network(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="[NET]",
            help="A network's file, or a name of the zoo; without it, what the zoo has.",
            autocompletion=names_of_networks,
        ),
    ] = None,
) -> None:
    """Print a network's layers and formats, how it was made, and its card."""
    if network is None:
        _show_zoo()
        return
    net = lava_ssm.load(network)

    from lava_ssm.network import FixedNetwork

    show(net)
    lines: list[str] = []
    if isinstance(net, FixedNetwork):
        lines += [f"input: {net.input_format}", f"output: exponent {net.exponents[-1]}"]
    lines += [f"{key}: {text}" for key, text in net.made_by.items() if _is_line(key, text)]
    console = make_console()
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    if network.removesuffix("-float") in zoo.NAMES and not Path(network).exists():
        console.print(f"\n{zoo.card(network)}", soft_wrap=True, highlight=False)


def _is_line(key: str, text: str) -> bool:
    """Say whether it is a line; layers stand in the table, settings in the command."""
    return "\n" not in text and key != "config" and not key.startswith("layers[")


def _show_zoo() -> None:
    table = empty_table(
        "Networks that come with it; NAME-float is what each was made from",
        {"": False, "task": False, "parameters": True, "float": True, "fixed": True},
    )
    for name in zoo.NAMES:
        card = zoo.card(name)
        real, fixed = card.scores
        table.add_row(name, card.task, f"{card.parameters:,}", real, fixed)
    show(table)
