"""`lava-ssm generate`: a language model goes on with a text, character by character."""

import time
from typing import Annotated

import typer

from lava_ssm.cli.arguments import names_of_networks
from lava_ssm.cli.console import make_console


def generate(
    prompt: Annotated[str, typer.Argument(help="The text that is gone on with.")],
    model: Annotated[
        str,
        typer.Option(
            help="A language model's file, or a name of the zoo.", autocompletion=names_of_networks
        ),
    ] = "lm-shakespeare",
    n: Annotated[int, typer.Option(min=1, help="Characters to write.")] = 500,
    temperature: Annotated[
        float, typer.Option(min=0, help="Of the draw of each; 0: always the likeliest.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
) -> None:
    """Write text as the network draws it, of a fixed network from integers alone.

    In the end a line tells how many characters, which are its tokens, that were a second, drawing
    and printing included.
    """
    import lava_ssm
    from lava_ssm.language import Generator

    generator = Generator(lava_ssm.load(model), temperature, seed)
    generator.read(prompt)
    console = make_console()
    start = time.perf_counter()
    console.print(prompt, end="", markup=False, highlight=False, soft_wrap=True)
    for _ in range(n):
        typer.echo(generator.step(), nl=False)
    seconds = time.perf_counter() - start
    console.print(f"\n\n{n} tokens, {n / seconds:,.0f} a second", highlight=False)
