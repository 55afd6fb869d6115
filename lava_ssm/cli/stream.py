"""`lava-ssm stream`: a network hears tokens from standard input and answers each."""

import sys
from typing import Annotated

import typer

from lava_ssm.cli.arguments import NetworkName
from lava_ssm.cli.backend import names_of


def stream(
    net: NetworkName,
    values: Annotated[
        bool, typer.Option(help="Print all outputs, with commas between, not the class.")
    ] = False,
    reset_every: Annotated[
        int | None, typer.Option(min=1, help="Forget everything after so many tokens.")
    ] = None,
) -> None:
    """Print a line for each line of standard input: cat sensor.csv | lava-ssm stream NET.

    A line is a token: numbers with commas, semicolons, tabs or spaces between. A first line of
    names is left out. What is printed is the class so far, or, of a network that reads out every
    token, its outputs.
    """
    import lava_ssm
    from lava_ssm.data.own import is_header, row_of
    from lava_ssm.network import Readout

    network = lava_ssm.load(net)
    names = names_of(network)
    values = values or network.readout is Readout.EVERY_TOKEN
    running = network.stream(reset_every=reset_every)
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip() or (number == 1 and is_header(line)):
            continue
        try:
            token = row_of(line, f"line {number}")
            output = running.step(token)
        except ValueError as error:
            text = str(error)
            where = f"line {number}"
            raise ValueError(text if text.startswith(where) else f"{where}: {text}") from None
        logits = running.to_float(output)
        print(
            ",".join(f"{v:.6g}" for v in logits) if values else names[int(logits.argmax())],
            flush=True,
        )
