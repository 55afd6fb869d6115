"""One training of a denoiser in a run folder: left and taken up again, measured at the end."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lava_ssm.cli import files

WIDTH, STATES = 192, 128
"""H and P of the published width k = 1."""
TEST_CLIPS_FIXED = 100


class RunError(ValueError):
    """A run folder cannot be used; the message says why."""


@dataclass(frozen=True)
class Denoiser:
    """What to train.

    Parameters
    ----------
    k
        Width: H = 192 k channels, P = 128 k states.
    relu
        Whether the model is relufied, from the start or, with `start`, before it is trained on.
    sparsity
        Share of weights that are zero at the end; 0: dense.
    allocation, end
        See `compress.Pruner`; `end` 0 is one-shot.
    start
        Run folder of a trained model of this width to train on; None: from random weights.
    epochs, batch_size, lr, ssm_lr, octaves, message_limit, seed
        See `nn.DenoisingRecipe`.
    dropout
        See `nn.SparseS5`.
    """

    k: float = 0.5
    relu: bool = False
    sparsity: float = 0.0
    allocation: str = "erk"
    end: float = 0.7
    start: str | None = None
    epochs: int = 20
    batch_size: int = 8
    lr: float = 4e-3
    ssm_lr: float = 1e-3
    dropout: float = 0.0
    octaves: float = 0.5
    message_limit: float | None = None
    seed: int = 0


Report = Callable[[int, int, float, float], None]
"""Called after each step with steps taken, their number, SI-SNR of the step, best of validation."""


def train(
    config: Denoiser,
    folder: Path,
    data: Path,
    report: Report = lambda step, steps, now, best: None,
    limit: int | None = None,
    checkpoint_every: float = 60.0,
) -> dict[str, Any]:
    """Train, or go on with what is in the folder; give what `result.json` then holds.

    Parameters
    ----------
    data
        Folder with `training_set`, `validation_set` and `test_set`.
    limit
        Use so many clips of each only.

    Raises
    ------
    RunError
        The folder holds a run of another configuration, or `start` none that fits.
    FileNotFoundError
        No data.
    """
    import torch

    from lava_ssm import compress, nn
    from lava_ssm.data import ndns, stacked
    from lava_ssm.nn.denoising import evaluate, match_level

    result = folder / "result.json"
    asked = {**asdict(config), "limit": limit, "data": _identity(data)}
    _check_config(folder, asked)
    if result.is_file():
        done: dict[str, Any] = json.loads(result.read_text())
        return done
    clips = {p: ndns(data / p)[:limit] for p in ("training_set", "validation_set", "test_set")}
    noisy, clean = (torch.from_numpy(v) for v in stacked(clips["training_set"]))
    held_noisy, held_clean = (torch.from_numpy(v) for v in stacked(clips["validation_set"]))

    torch.manual_seed(config.seed)
    width, states = _sizes(config.k)
    model = nn.SparseS5(
        257, width, states, 3, 257, dropout=config.dropout, blocks=max(1, states // 8)
    )
    if config.start is not None:
        _load_start(model, Path(config.start))
    if config.relu:
        model.relufy()
    pruner = None
    if config.sparsity > 0:
        allocation: Any = config.allocation
        pruner = compress.Pruner(model, config.sparsity, allocation, config.end)
    recipe = nn.DenoisingRecipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        ssm_lr=config.ssm_lr,
        octaves=config.octaves,
        message_limit=config.message_limit,
        seed=config.seed,
    )
    training = nn.Denoising(model, noisy, clean, recipe, pruner.at if pruner else None)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", asked)
    best: dict[str, Any] = {"validation": -np.inf, "model": None, "cpu_seconds": 0.0}
    log: list[str] = []
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=False)
        training.load_state_dict(state["training"])
        best, log = state["best"], state["log"]
        if pruner is not None:
            pruner.load_state_dict(state["pruner"])

    def save() -> None:
        state = {"training": training.state_dict(), "best": best, "log": log}
        if pruner is not None:
            state["pruner"] = pruner.state_dict()
        files.write(checkpoint, partial(torch.save, state))

    saved, used = time.monotonic(), time.process_time()
    while training.step < training.steps:
        now = training.advance()
        if training.step % training.steps_an_epoch == 0:
            share = training.step / training.steps
            quality = float(evaluate(model, held_noisy, held_clean).mean())
            # a model that is still being pruned is not what is wanted
            if quality > best["validation"] and (pruner is None or share >= config.end):
                best |= {
                    "validation": quality,
                    "model": {n: v.clone() for n, v in model.state_dict().items()},
                }
            log.append(f"{training.step // training.steps_an_epoch},{now:.3f},{quality:.3f}")
            header = "epoch,si_snr_of_last_step,validation_si_snr"
            text = "\n".join([header, *log, ""])
            files.write(folder / "log.csv", partial(Path.write_text, data=text))
        report(training.step, training.steps, now, best["validation"])
        if time.monotonic() - saved > checkpoint_every or training.step == training.steps:
            best["cpu_seconds"] += time.process_time() - used
            used = time.process_time()
            save()
            saved = time.monotonic()
    model.load_state_dict(best["model"])
    match_level(model, held_noisy, held_clean)
    files.write(folder / "model.pt", partial(torch.save, model.state_dict()))
    measured = _measure(model, clips, asked, best)
    measured |= _finish(model, folder, clips)
    _write_json(result, measured)
    return measured


def _sizes(k: float) -> tuple[int, int]:
    width, states = round(WIDTH * k), round(STATES * k)
    if states < 8 or states % 8:
        raise RunError(f"k must make 128 k a multiple of 8, got k = {k:g}")
    return width, states


def _check_config(folder: Path, asked: dict[str, Any]) -> None:
    file = folder / "config.json"
    if not file.is_file():
        return
    # what could not be asked for when an older configuration was written
    found = {"message_limit": None, **json.loads(file.read_text())}
    if found != asked:
        differing = sorted(k for k in {*found, *asked} if found.get(k) != asked.get(k))
        raise RunError(
            f"{os.fspath(folder)!r} holds a run with other settings ({', '.join(differing)}); "
            "choose another folder"
        )


def _identity(data: Path) -> str | None:
    """Tell one mini N-DNS from another by what it was made of; None of other data."""
    about = data / "about.json"
    return hashlib.sha256(about.read_bytes()).hexdigest() if about.is_file() else None


def _load_start(model: Any, start: Path) -> None:
    import torch

    file = start / "model.pt"
    if not file.is_file():
        raise RunError(f"start: {os.fspath(start)!r} holds no finished run (model.pt)")
    try:
        model.load_state_dict(torch.load(file, weights_only=True))
    except RuntimeError as error:
        raise RunError(f"start: the model in {os.fspath(start)!r} is of another size") from error


def _measure(model: Any, clips: Any, asked: dict[str, Any], best: dict[str, Any]) -> dict[str, Any]:
    import torch

    from lava_ssm import audio, compress
    from lava_ssm.data import stacked
    from lava_ssm.nn.denoising import evaluate

    noisy, clean = stacked(clips["test_set"])
    audible = clean.any(axis=1)  # silence has no SI-SNR
    noisy, clean = noisy[audible], clean[audible]
    before = audio.si_snr(noisy, clean)
    after = evaluate(model, torch.from_numpy(noisy), torch.from_numpy(clean)).numpy()
    return {
        "config": asked,
        "parameters": sum(p.numel() for p in model.parameters()),
        "sparsity": compress.sparsity_of(model),
        "validation_si_snr": best["validation"],
        "test_clips": len(noisy),
        "silent_test_clips": int((~audible).sum()),
        "noisy_si_snr": float(before.mean()),
        "float_si_snr": float(after.mean()),
        "cpu_seconds": best["cpu_seconds"],
    }


def calibration(validation: Any, training: Any) -> Any:
    """Magnitudes (clips, frames, bins) by which exponents are chosen, of clips of these sets.

    All that are kept aside, and 200 of those trained with: rare ones cause the largest messages.
    """
    from lava_ssm import audio
    from lava_ssm.data import stacked

    return np.abs(audio.analyse(stacked(validation + training[:200])[0]))


def _finish(model: Any, folder: Path, clips: Any) -> dict[str, Any]:
    """Save the float network; of a relufied model the fixed one too, and measure it."""
    from lava_ssm import audio, compress, engine, nn
    from lava_ssm.data import stacked

    network = nn.export(model)
    network.save(folder / "network.h5")
    noisy, clean = stacked(clips["test_set"])
    audible = np.flatnonzero(clean.any(axis=1))[:TEST_CLIPS_FIXED]
    noisy, clean = noisy[audible], clean[audible]
    tokens = np.abs(audio.analyse(noisy[:8]))
    count = engine.operations(network, tokens)
    more: dict[str, Any] = {
        "macs_dense": sum(count.dense),
        "macs_effective": count.total,
        "activity": dict(zip(map(str, range(len(count.names))), count.activity, strict=True)),
    }
    if model.relu:
        seen = calibration(clips["validation_set"], clips["training_set"])
        for name, formats in (
            ("channel", compress.Formats()),
            ("tensor", compress.Formats(per_channel=False)),
        ):
            fixed = compress.quantize(
                network,
                seen,
                formats,
                arithmetic=compress.W8A16,
                input_range=audio.FULL_SCALE,
            )
            shares = compress.error_shares(network, fixed, tokens)
            more[f"error_shares_{name}"] = shares
            if name == "channel":
                more["signal_to_error"] = shares["total"]
                more["arithmetic_signal_to_error"] = shares["arithmetic"]
                fixed.save(folder / "fixed.h5")
                more["fixed_bytes"] = fixed.nbytes
                same = [audio.si_snr(audio.denoise(net, noisy), clean) for net in (network, fixed)]
                more["fixed_clips"] = len(noisy)
                more["float_si_snr_of_these"] = float(same[0].mean())
                more["fixed_si_snr"] = float(same[1].mean())
    return more


def _write_json(path: Path, content: dict[str, Any]) -> None:
    files.write(path, partial(Path.write_text, data=json.dumps(content, indent=1)))
