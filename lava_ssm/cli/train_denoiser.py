"""`lava-ssm train-denoiser`: an S5 network that cleans speech, dense or pruned."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lava_ssm.cli.arguments import Average, DynamicsRate, Every, Resume
from lava_ssm.cli.console import make_console, quoted
from lava_ssm.cli.train import sitting
from lava_ssm.train import Denoiser
from lava_ssm.train import denoiser as denoisers
from lava_ssm.train.folder import NETWORK


def train_denoiser(
    out: Annotated[Path, typer.Option(help="Run folder.")],
    resume: Resume = False,
    data: Annotated[Path, typer.Option(help="Data set in the layout of N-DNS.")] = Path(
        "data/mini-ndns"
    ),
    k: Annotated[float, typer.Option(help="Width: H = 192 k channels, P = 128 k states.")] = 0.5,
    relu: Annotated[bool, typer.Option(help="Relufy the model.")] = False,
    sparsity: Annotated[float, typer.Option(help="Share of zeros to prune to; 0: dense.")] = 0.0,
    allocation: Annotated[
        Literal["global", "tensor", "erk"], typer.Option(help="How zeros are shared out.")
    ] = "erk",
    end: Annotated[
        float, typer.Option(help="Share of the training to prune in; 0: at once (one-shot).")
    ] = 0.7,
    start: Annotated[
        Path | None, typer.Option(help="Run folder of a trained model to train on.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the clips.")] = 20,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips a step.")] = 8,
    lr: Annotated[float, typer.Option(help="Peak learning rate of linear maps, c and d.")] = 4e-3,
    ssm_lr: DynamicsRate = 1e-3,
    dropout: Annotated[float, typer.Option(help="Of activations.")] = 0.0,
    ema: Average = 0.0,
    octaves: Annotated[
        float, typer.Option(help="Play voices and noises faster or slower by up to so many.")
    ] = 0.5,
    message_limit: Annotated[
        float | None,
        typer.Option(help="Of a relufied model: what messages exceed it by counts as loss."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many clips only.")] = None,
    checkpoint_every: Every = 60.0,
) -> None:
    """Train, measure on unseen voices and noises, save the network and, relufied, a fixed one."""
    console = make_console()
    denoiser = Denoiser(
        k=k,
        relu=relu,
        sparsity=sparsity,
        allocation=allocation,
        end=end,
        start=None if start is None else str(start),
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        ssm_lr=ssm_lr,
        dropout=dropout,
        ema=ema,
        octaves=octaves,
        message_limit=message_limit,
        seed=seed,
    )
    result = denoisers.train(denoiser, sitting(out, resume, checkpoint_every), data, limit)
    gain = result["float_si_snr"] - result["noisy_si_snr"]
    console.print(
        f"Test SI-SNR {result['float_si_snr']:.2f} dB on {result['test_clips']} clips, "
        f"{gain:+.2f} dB over the noisy ones; {result['sparsity']:.1%} of the weights are zero, "
        f"{result['macs_effective']:,.0f} of {result['macs_dense']:,} multiply-adds a token."
    )
    if "fixed_si_snr" in result:
        console.print(
            f"In fixed point {result['fixed_si_snr']:.2f} dB, in float "
            f"{result['float_si_snr_of_these']:.2f} dB on {result['fixed_clips']} of these clips; "
            f"{result['fixed_bytes']:,} bytes."
        )
    console.print(f"{quoted(out / NETWORK)}, log.csv, result.json", soft_wrap=True)
