"""`lava-ssm train-lm`: a language model in a run folder that can be left."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lava_ssm.cli.arguments import (
    Average,
    DataFolder,
    Every,
    Precision,
    Resume,
    SamplesAStep,
    WarmUp,
)
from lava_ssm.cli.console import make_console, quoted
from lava_ssm.cli.train import sitting
from lava_ssm.train.folder import FIXED, NETWORK
from lava_ssm.train.sitting import Sitting

Mixer = Literal["mlgru", "mamba"]

if TYPE_CHECKING:
    from lava_ssm.train.language_model import LanguageModel


def train_lm(
    text: Annotated[str, typer.Argument(help="shakespeare, brown, or your own: a file in UTF-8.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; without it runs/lm-TEXT.")] = None,
    resume: Resume = False,
    data: DataFolder = None,
    d_model: Annotated[int, typer.Option(min=1, help="Channels.")] = 128,
    n_layers: Annotated[int, typer.Option(min=1, help="Blocks.")] = 2,
    bits: Annotated[
        int | None,
        typer.Option(
            help="Of the blocks' weights: 2, ternary; 4; 0: real. Without it 2, of mamba 0."
        ),
    ] = None,
    mixer: Annotated[
        Mixer, typer.Option(help="Of tokens: gated recurrences, or Mamba's blocks.")
    ] = "mlgru",
    context: Annotated[int, typer.Option(min=1, help="Characters of a sample.")] = 128,
    epochs: Annotated[int, typer.Option(min=1, help="Of a million characters each.")] = 10,
    batch_size: SamplesAStep = 32,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 4e-3,
    weight_decay: Annotated[float, typer.Option(help="Of all parameters.")] = 1e-2,
    warm_up: WarmUp = 0.1,
    precision: Precision = "float32",
    ema: Average = 0.0,
    seed: Annotated[int, typer.Option(help="Of weights and samples.")] = 0,
    checkpoint_every: Every = 60.0,
) -> None:
    """Train a language model on a text, quantise it, and measure both on the part for tests.

    What is kept is the network that foretells the part for validation best.
    """
    from lava_ssm.train.language_model import LanguageModel

    asked = LanguageModel(
        text,
        d_model,
        n_layers,
        (2 if mixer == "mlgru" else None) if bits is None else bits or None,
        context,
        epochs,
        batch_size,
        lr,
        weight_decay,
        warm_up,
        precision,
        ema,
        seed,
        mixer=mixer,
    )
    folder = out or Path("runs") / f"lm-{Path(text).stem}"
    carry_out(asked, data, sitting(folder, resume, checkpoint_every))


def carry_out(asked: "LanguageModel", data: Path | None, how: Sitting) -> None:
    """Train as asked, and tell what came of it."""
    from lava_ssm.train import language_model

    console, folder = make_console(), how.folder
    result = language_model.train(asked, how, data)
    for kind in ("float", "fixed"):
        if f"{kind}_test_loss" in result:
            console.print(
                f"Test, {kind}: {result[f'{kind}_test_loss']:.4f} nats a character, perplexity "
                f"{result[f'{kind}_test_perplexity']:.3f}",
                soft_wrap=True,
            )
    file = FIXED if "float_test_loss" in result else NETWORK
    console.print(
        f"{quoted(folder / file)}, {result['fixed_bytes']:,} bytes, after "
        f"{result['cpu_hours']:.2f} core hours; lava-ssm generate 'To be' --model "
        f"{quoted(folder / file)}",
        soft_wrap=True,
    )
