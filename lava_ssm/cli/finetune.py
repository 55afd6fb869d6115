"""`lava-ssm finetune`: a trained network goes on learning, in the integers of the chip."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lava_ssm.cli.arguments import (
    Calibration,
    DataFolder,
    Decay,
    DynamicsRate,
    Every,
    FormatsName,
    LearningRate,
    Most,
    Precision,
    Resume,
    SamplesAStep,
)
from lava_ssm.cli.train import Device, carry_out, sitting, tell_unfinished
from lava_ssm.train.folder import last_of, read_classifier, read_config


def finetune(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder of `lava-ssm train` or `train-lm`."),
    ],
    out: Annotated[Path | None, typer.Option(help="Run folder; without it RUN-fixed.")] = None,
    resume: Resume = False,
    data: DataFolder = None,
    formats: FormatsName = "best",
    calibration: Calibration = 128,
    fit_scales: Annotated[
        bool, typer.Option(help="Let exponents of weights follow the weights.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the samples.")] = 1,
    batch_size: SamplesAStep = 50,
    lr: LearningRate = 3e-4,
    ssm_lr: DynamicsRate = 1e-4,
    weight_decay: Decay = 1e-2,
    precision: Precision = "float32",
    seed: Annotated[int, typer.Option(help="Of order and augmentation.")] = 1,
    device: Annotated[Device, typer.Option(help="What to compute on; auto: a GPU if any.")] = "cpu",
    limit: Most = None,
    checkpoint_every: Every = 60.0,
) -> None:
    """Quantise a trained network and train it on: forward as the chip computes, to the integer.

    Data, readout, augmentation and label smoothing are those of the run, and so is its --limit,
    unless there is another. The result is a fixed network, `network.safetensors`; the one that
    training began with is `start.safetensors`. What quantisation did to each tensor of them is in
    `report.txt` and `.png`, and in `start-report.txt` and `.png`. --precision is that of the
    backward pass. Of a language model an epoch is a million characters, and exponents of weights
    follow them.
    """
    how = sitting(out or run.with_name(f"{run.name}-fixed"), resume, checkpoint_every, device)
    before = read_config(run)
    tell_unfinished(run)
    if "text" in before:
        from lava_ssm.cli.train_lm import carry_out as train_lm
        from lava_ssm.train.language_model import read

        if formats != "best" or limit is not None:
            raise ValueError("--formats, --limit: are not for language models")
        asked = replace(
            read(run),
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            precision=precision,
            ema=0.0,
            seed=seed,
            finetune=str(run),
            calibration=calibration,
        )
        train_lm(asked, data, how)
        return
    config = read_classifier(run)
    config["join"] = last_of(config["join"])
    if limit is not None:
        config["limit"] = limit
    config["start"] = config["teacher"] = None  # it starts from the run itself
    config["recipe"] = {
        **config["recipe"],
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "ssm_lr": ssm_lr,
        "weight_decay": weight_decay,
        "precision": precision,
        "seed": seed,
        "ema": 0.0,
        "distillation": 0.0,
    }
    config["finetune"] = {
        "run": str(run),
        "formats": formats,
        "calibration": calibration,
        "scales": "fitted" if fit_scales else "frozen",
    }
    carry_out(config, data, how)
