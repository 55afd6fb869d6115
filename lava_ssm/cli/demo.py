"""`lava-ssm demo`: from images to a bit-exact Lava graph, once, in a few minutes."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lava_ssm import files
from lava_ssm.cli.console import make_console, quoted, show
from lava_ssm.extras import needed

if TYPE_CHECKING:
    import numpy as np

    from lava_ssm.data import TokenData
    from lava_ssm.network import FixedNetwork, Network


@dataclass(frozen=True)
class Row:
    """One way of running the network."""

    executor: str
    arithmetic: str
    images: int
    accuracy: float
    nbytes: int
    seconds_a_token: float


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the networks and the figure.")] = Path(
        "runs/demo"
    ),
    epochs: Annotated[
        int, typer.Option(min=1, max=2**31 - 1, help="Passes over the training images.")
    ] = 60,
    lava_images: Annotated[int, typer.Option(min=1, help="Test images to run in Lava.")] = 100,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of the initial weights and the order.")
    ] = 0,
) -> None:
    """Train a small n-S4D on handwritten digits, quantise it, run it in Lava, compare."""
    files.check_folder(out, "--out")
    with needed("torch"):
        import torch

    from lava_ssm import compress, engine, nn, proc, train
    from lava_ssm.cli.figure import draw_stream
    from lava_ssm.data import digits

    console = make_console()
    out.mkdir(parents=True, exist_ok=True)
    data = digits()
    console.print(
        f"{data.name}: {len(data.train)} images to train, {len(data.test)} to test, "
        f"{data.train.x.shape[1]} tokens each"
    )

    torch.manual_seed(seed)
    model = nn.NS4D(1, 32, 16, 4, 10, readout="mean", dt_min=0.01, dt_max=0.5)
    train.fit(model, data.train.x, data.train.y, epochs, label_smoothing=0.1, seed=seed)
    x = data.test.x
    start = time.perf_counter()
    accuracy = train.accuracy(model, x, data.test.y)
    rows = [_row("PyTorch, whole images", "float32", accuracy, data, len(x), start, model)]

    network = nn.export(model)
    fixed = compress.quantize(network, data.train.x[:200])
    network.save(out / "digits-float.safetensors")
    fixed.save(out / "digits-fixed.safetensors")
    show(compress.report(network, fixed, data.test.x[:100]))

    start = time.perf_counter()
    compiled = engine.run(fixed, data.test.x)
    accuracy = _accuracy(compiled.outputs, data.test.y)
    rows.append(_row("engine, compiled", "fixed", accuracy, data, len(x), start, fixed))

    some = slice(0, min(lava_images, len(x)))
    images, labels = data.test.x[some], data.test.y[some]
    start = time.perf_counter()
    reference = engine.run(fixed, images, backend="reference").outputs
    accuracy = _accuracy(reference, labels)
    rows.append(_row("engine, reference", "fixed", accuracy, data, len(images), start, fixed))

    graphs: tuple[tuple[str, Network | FixedNetwork], ...] = (
        ("float", network),
        ("fixed", fixed),
    )
    outputs = reference
    for arithmetic, net in graphs:
        console.print(f"Lava, {arithmetic}: {len(images)} images back to back")
        start = time.perf_counter()
        outputs = proc.run(net, images, progress=True)
        accuracy = _accuracy(outputs, labels)
        rows.append(_row("Lava, CPU", arithmetic, accuracy, data, len(images), start, net))
    equal = ((outputs == reference) & (compiled.outputs[some] == reference)).all(axis=-1)

    show(_table(rows, len(x)))
    console.print(
        "Lava's and the compiled engine's fixed logits equal the reference's on "
        f"{equal.sum()} of {equal.size} tokens; overflows: {compiled.overflows}."
    )
    figure = out / "digit.png"
    draw_stream(fixed, data, figure)
    console.print(
        f"Networks and figure: {quoted(out)}/digits-*.safetensors, {quoted(figure)}", soft_wrap=True
    )
    if not equal.all():
        raise typer.Exit(1)


def _accuracy(outputs: "np.ndarray", y: "np.ndarray") -> float:
    """Share of right classes, by the outputs (images, time, d_output) at the last token."""
    return float((outputs[:, -1].argmax(-1) == y).mean())


def _row(  # type: ignore[no-untyped-def]
    executor: str,
    arithmetic: str,
    accuracy: float,
    data: "TokenData",
    images: int,
    start: float,
    net,
) -> Row:
    from lava_ssm.network import FixedNetwork, Network

    seconds = (time.perf_counter() - start) / (images * data.test.x.shape[1])
    if isinstance(net, FixedNetwork):
        nbytes = net.nbytes
    elif isinstance(net, Network):
        nbytes = 8 * net.n_parameters
    else:
        nbytes = sum(p.numel() * p.element_size() for p in net.parameters())
    return Row(executor, arithmetic, images, accuracy, nbytes, seconds)


def _table(rows: list[Row], n_test: int) -> Table:
    table = Table(title="sDigits", caption="Lava: time includes building and reading the graph")
    table.add_column("executor")
    table.add_column("arithmetic")
    for heading in ("test images", "accuracy", "bytes", "time a token"):
        table.add_column(heading, justify="right")
    for row in rows:
        images = f"all {row.images}" if row.images == n_test else f"first {row.images}"
        table.add_row(
            row.executor,
            row.arithmetic,
            images,
            f"{row.accuracy:.2%}",
            f"{row.nbytes:,}",
            f"{1e6 * row.seconds_a_token:,.1f} us",
        )
    return table
