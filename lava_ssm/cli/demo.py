"""`lava-ssm demo`: from images to a bit-exact Lava graph, once, in a few minutes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lava_ssm import files
from lava_ssm.cli.console import make_console, quoted, show
from lava_ssm.extras import needed

if TYPE_CHECKING:
    import numpy as np

    from lava_ssm.network import FixedNetwork, Network


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
    x, y = data.test.x, data.test.y
    table = _table()

    def add(executor: str, arithmetic: str, accuracy: float, n: int, nbytes: int) -> None:
        microseconds = 1e6 * (time.perf_counter() - start) / (n * x.shape[1])
        images = f"all {n}" if n == len(x) else f"first {n}"
        figures = images, f"{accuracy:.2%}", f"{nbytes:,}", f"{microseconds:,.1f} us"
        table.add_row(executor, arithmetic, *figures)

    start = time.perf_counter()
    accuracy = train.accuracy(model, x, y)
    nbytes = sum(p.numel() * p.element_size() for p in model.parameters())
    add("PyTorch, whole images", "float32", accuracy, len(x), nbytes)

    network = nn.export(model)
    fixed = compress.quantize(network, data.train.x[:200])
    network.save(out / "digits-float.safetensors")
    fixed.save(out / "digits-fixed.safetensors")
    show(compress.report(network, fixed, x[:100]))

    start = time.perf_counter()
    compiled = engine.run(fixed, x)
    add("engine, compiled", "fixed", _accuracy(compiled.outputs, y), len(x), fixed.nbytes)

    n = min(lava_images, len(x))
    start = time.perf_counter()
    reference = engine.run(fixed, x[:n], backend="reference").outputs
    add("engine, reference", "fixed", _accuracy(reference, y[:n]), n, fixed.nbytes)

    graphs: tuple[tuple[str, Network | FixedNetwork, int], ...] = (
        ("float", network, 8 * network.n_parameters),
        ("fixed", fixed, fixed.nbytes),
    )
    outputs = reference
    for arithmetic, net, nbytes in graphs:
        console.print(f"Lava, {arithmetic}: {n} images back to back")
        start = time.perf_counter()
        outputs = proc.run(net, x[:n], progress=True)
        add("Lava, CPU", arithmetic, _accuracy(outputs, y[:n]), n, nbytes)
    equal = ((outputs == reference) & (compiled.outputs[:n] == reference)).all(axis=-1)

    show(table)
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


def _table() -> Table:
    table = Table(title="sDigits", caption="Lava: time includes building and reading the graph")
    table.add_column("executor")
    table.add_column("arithmetic")
    for heading in ("test images", "accuracy", "bytes", "time a token"):
        table.add_column(heading, justify="right")
    return table
