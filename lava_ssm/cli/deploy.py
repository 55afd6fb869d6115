"""`lava-ssm deploy` and `vectors`: a network for other machines, and what it has to compute."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import lava_ssm
from lava_ssm import files
from lava_ssm.cli import placement
from lava_ssm.cli.arguments import FixedNetworkFile
from lava_ssm.cli.console import quoted

Folder = Annotated[Path, typer.Option("--out", help="Folder to write into.")]
Tokens = Annotated[
    Path | None,
    typer.Option(help="NumPy file (.npy) of tokens (time, d_input); without it random ones."),
]


def deploy_network(
    network: FixedNetworkFile,
    out: Folder,
    target: Annotated[
        Literal["c", "native", "wasm", "aarch64", "cortex-m4", "cortex-m7", "html", "onnx"],
        typer.Option(
            help="The machine; c: sources alone; html: a page with it inside; onnx: a step's graph."
        ),
    ] = "c",
    name: Annotated[str, typer.Option(help="With which the program's names begin.")] = "net",
    overflows: Annotated[
        bool, typer.Option("--overflows", help="Count what leaves its word.")
    ] = False,
    harness: Annotated[
        bool, typer.Option("--harness", help="Write a main that reads tokens, prints outputs.")
    ] = False,
    flash: Annotated[
        int | None, typer.Option(min=1, help="Bytes of the part's flash, of a Cortex-M.")
    ] = None,
    ram: Annotated[int | None, typer.Option(min=1, help="The same of its RAM.")] = None,
    tokens: Tokens = None,
) -> None:
    """Write a fixed network as a program that computes the same integers, with test vectors."""
    files.check_folder(out, "--out")
    net = lava_ssm.load(network)
    given = None if tokens is None else placement.read_tokens(tokens)

    from lava_ssm.deploy import Options, write

    options = Options(name, overflows, harness, flash, ram)
    if target == "onnx":
        unused = {"overflows": overflows, "harness": harness, "flash": flash, "ram": ram}
        if told := [f"--{n}" for n, value in (unused | {"tokens": tokens}).items() if value]:
            raise ValueError(f"{', '.join(told)}: --target onnx writes a graph alone")
        from lava_ssm.exchange import to_onnx

        content = to_onnx(net).SerializeToString()  # type: ignore[arg-type]
        out.mkdir(parents=True, exist_ok=True)
        files.write(out / f"{name}.onnx", content)
        typer.echo(quoted(out / f"{name}.onnx"))
        return

    for path in write(net, out, target, options, given):  # type: ignore[arg-type]
        typer.echo(quoted(path))


def write_vectors(
    network: FixedNetworkFile,
    out: Folder,
    tokens: Tokens = None,
    n_tokens: Annotated[int, typer.Option(min=1, help="How many random tokens.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Of random tokens.")] = 0,
) -> None:
    """Write every integer of a run, population by population, as .npz and as text."""
    files.check_folder(out, "--out")
    net = lava_ssm.load(network)
    given = None if tokens is None else placement.read_tokens(tokens)

    from lava_ssm.deploy import vectors

    run = vectors(net, given, n_tokens, seed)  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    for path in run.write(out):
        typer.echo(quoted(path))
