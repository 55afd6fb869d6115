"""One training of a denoiser in a run folder: left and taken up again, measured at the end."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lava_ssm import extras, files
from lava_ssm.cli.errors import RunError, check_folder

WIDTH, STATES = 192, 128
"""H and P of the published width k = 1."""
TEST_CLIPS_FIXED = 100
MODEL, NETWORK, FIXED = "model.safetensors", "network.safetensors", "fixed.safetensors"
_CHECKPOINT = "checkpoint.safetensors"


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
        The folder holds a run of another configuration, or a damaged one, or `start` none that
        fits.
    OSError
        No data, or nothing may be written there.
    """
    done = finished(config, folder, data, limit)
    if done is not None:
        return done
    check_folder(folder, "folder")
    asked = _asked(config, data, limit)
    width, states = _sizes(config.k)
    extras.check("torch")

    from lava_ssm.data import ndns, stacked

    clips = {p: ndns(data / p)[:limit] for p in ("training_set", "validation_set", "test_set")}

    import torch  # with which all takes longer

    from lava_ssm import compress, nn
    from lava_ssm.nn import checkpoint
    from lava_ssm.nn.denoising import evaluate, match_level

    noisy, clean = stacked(clips["training_set"])
    held_noisy, held_clean = stacked(clips["validation_set"])
    recipe = nn.DenoisingRecipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        ssm_lr=config.ssm_lr,
        octaves=config.octaves,
        message_limit=config.message_limit,
        seed=config.seed,
    )
    torch.manual_seed(recipe.seed)
    model = nn.SparseS5(
        257, width, states, 3, 257, dropout=config.dropout, blocks=max(1, states // 8)
    )
    if config.start is not None:
        _load_start(model, Path(config.start))
    if config.relu:
        model.relufy()
    pruner = None
    if config.sparsity != 0:
        allocation: Any = config.allocation
        pruner = compress.Pruner(model, config.sparsity, allocation, config.end)
    training = nn.Denoising(model, noisy, clean, recipe, pruner.at if pruner else None)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", asked)
    best: dict[str, Any] = {"validation": -np.inf, "model": None, "cpu_seconds": 0.0}
    log: list[str] = []

    def write_log() -> None:
        header = "epoch,si_snr_of_last_step,validation_si_snr"
        files.write(folder / "log.csv", "\n".join([header, *log, ""]))

    path = folder / _CHECKPOINT
    if path.is_file():
        try:
            state = checkpoint.read(path)
            training.load_state_dict(state["training"])
            best, log = state["best"], state["log"]
            if pruner is not None:
                pruner.load_state_dict(state["pruner"])
        except Exception as error:
            raise RunError(
                f"{path} is not of this training, or damaged ({type(error).__name__}: {error}); "
                "remove it to begin anew"
            ) from error
        write_log()

    def save() -> None:
        state = {"training": training.state_dict(), "best": best, "log": log}
        if pruner is not None:
            state["pruner"] = pruner.state_dict()
        checkpoint.write(path, state)

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
            write_log()
        report(training.step, training.steps, now, best["validation"])
        if time.monotonic() - saved > checkpoint_every or training.step == training.steps:
            best["cpu_seconds"] += time.process_time() - used
            used = time.process_time()
            save()
            saved = time.monotonic()
    if best["model"] is None:
        raise RunError("no epoch gave a finite SI-SNR of the validation set: lower the rates")
    model.load_state_dict(best["model"])
    match_level(model, held_noisy, held_clean)
    checkpoint.write(folder / MODEL, model.state_dict())
    measured = _measure(model, clips, asked, best)
    measured |= _finish(model, folder, clips)
    _write_json(folder / "result.json", measured)
    return measured


def finished(
    config: Denoiser, folder: Path, data: Path, limit: int | None
) -> dict[str, Any] | None:
    """What a training in this folder gave, if it is over.

    Raises
    ------
    RunError
        The folder holds a run of another configuration, or a damaged one.
    """
    asked, result = _asked(config, data, limit), folder / "result.json"
    _check_config(folder, asked)
    return _read_json(result) if result.is_file() else None


def _asked(config: Denoiser, data: Path, limit: int | None) -> dict[str, Any]:
    return {**asdict(config), "limit": limit, "data": _identity(data)}


def _sizes(k: float) -> tuple[int, int]:
    if not 0 < k <= 16:
        raise RunError(f"k must lie in (0, 16], got {k:g}")
    width, states = round(WIDTH * k), round(STATES * k)
    if states < 8 or states % 8:
        raise RunError(f"k must make 128 k a multiple of 8, got k = {k:g}")
    return width, states


def _check_config(folder: Path, asked: dict[str, Any]) -> None:
    old = [name for name in ("checkpoint.pt", "model.pt") if (folder / name).exists()]
    if old and not (folder / "result.json").is_file():
        raise RunError(
            f"{os.fspath(folder)!r} holds {' and '.join(old)} of an older lava_ssm, which this one "
            "does not read: finish it with the one that wrote it, or train anew in another folder"
        )
    file = folder / "config.json"
    if not file.is_file():
        return
    # what could not be asked for when an older configuration was written
    found = {"message_limit": None, **_read_json(file)}
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
    from lava_ssm.nn import checkpoint

    file = start / MODEL
    if not file.is_file():
        raise RunError(f"start: {os.fspath(start)!r} holds no finished run (no {MODEL})")
    state = checkpoint.read(file)
    try:
        model.load_state_dict(state)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise RunError(f"start: the model in {os.fspath(start)!r} is of another size") from error


def _measure(model: Any, clips: Any, asked: dict[str, Any], best: dict[str, Any]) -> dict[str, Any]:
    from lava_ssm import audio, compress
    from lava_ssm.data import stacked
    from lava_ssm.nn.denoising import evaluate

    noisy, clean = stacked(clips["test_set"])
    audible = clean.any(axis=1)  # silence has no SI-SNR
    noisy, clean = noisy[audible], clean[audible]
    before = audio.si_snr(noisy, clean)
    after = evaluate(model, noisy, clean).numpy()
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
    network.save(folder / NETWORK)
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
                fixed.save(folder / FIXED)
                more["fixed_bytes"] = fixed.nbytes
                same = [audio.si_snr(audio.denoise(net, noisy), clean) for net in (network, fixed)]
                more["fixed_clips"] = len(noisy)
                more["float_si_snr_of_these"] = float(same[0].mean())
                more["fixed_si_snr"] = float(same[1].mean())
    return more


def _write_json(path: Path, content: dict[str, Any]) -> None:
    files.write(path, json.dumps(content, indent=1))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (RecursionError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}); choose another folder") from error
