"""Put a trained network into the zoo: its two files and its card.

python scripts/build_zoo.py NAME RUN [FIXED_RUN] [--data FOLDER]

RUN is a run folder of `lava-ssm train`, FIXED_RUN one of `lava-ssm finetune`; without it the fixed
network is what quantisation makes. Or RUN is one of `lava-ssm train-denoiser`, relufied, or RUN and
FIXED_RUN are of `train-lm`, which measured both. Runs that RUN was started from must be there too.
All else that the card says is measured here, on the whole test set.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lava_ssm import audio, compress, data, engine, language, network
from lava_ssm.train import language_model
from lava_ssm.train.classifier_run import build
from lava_ssm.train.denoiser_run import calibration
from lava_ssm.train.folder import last_of, read_config
from lava_ssm.train.run import load_best
from lava_ssm.zoo import ClassifierCard, DenoiserCard, LanguageCard
from lava_ssm.zoo.card import digest
from lava_ssm.zoo.networks import FOLDER


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("run", type=Path)
    parser.add_argument("fixed_run", type=Path, nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--calibration", type=int, default=128)
    given = parser.parse_args()
    kinds = {"task": _classifier, "text": _language, "k": _denoiser}
    config = read_config(given.run)
    card = next(kind for key, kind in kinds.items() if key in config)(given)
    card.save(FOLDER)
    print(card)


def _classifier(given: argparse.Namespace) -> ClassifierCard:
    config = read_config(given.run)
    sets = data.load(config["task"], given.data)
    model = build(config, sets)
    load_best(model, given.run)
    real, join = _short(network.load(given.run / "network.safetensors")), last_of(config["join"])
    x = sets.test.joined(join).x
    with torch.no_grad():
        parts = torch.from_numpy(x).split(100)
        float_classes = torch.cat([model.eval()(part) for part in parts]).argmax(-1).numpy()
    accuracy = {"float": float((float_classes == sets.test.y).mean())}
    same, overflows = {}, {}

    seen = sets.train.first(given.calibration).joined(join).x
    fixed = {}
    try:
        fixed["paper"] = compress.quantize(real, seen, compress.PAPER)
    except ValueError as error:
        print(f"paper: left out: {error}")
    fixed["ptq"] = compress.quantize(real, seen)
    if given.fixed_run is not None:
        fixed["qaft"] = network.load(given.fixed_run / "network.safetensors")
        if fixed["qaft"].made_by["data"] != sets.name:
            raise SystemExit(f"{given.fixed_run} is of {fixed['qaft'].made_by['data']}")
    for key, net in fixed.items():
        print(key, flush=True)
        classes, overflows[key] = _classify(net, x)
        accuracy[key] = float((classes == sets.test.y).mean())
        same[key] = float((classes == float_classes).mean())
        print(f"  {accuracy[key]:.2%}, as float {same[key]:.2%}, {overflows[key]} overflows")

    runs, results = _chain(given.run)
    hours = {run.name: result["cpu_hours"] for run, result in zip(runs, results, strict=True)}
    if given.fixed_run is not None:
        (fixed_run,), (result,) = _chain(given.fixed_run)
        runs, results = [*runs, fixed_run], [*results, result]
        hours["fine-tuning"] = result["cpu_hours"]
    best = list(fixed)[-1]
    made = replace(fixed[best], made_by={**fixed[best].made_by, "data": sets.name, "kind": best})
    return ClassifierCard(
        name=given.name,
        task=config["task"],
        parameters=sum(p.numel() for p in model.parameters()),
        commands=tuple(result["command"] for result in results),
        seeds=tuple(read_config(run)["recipe"]["seed"] for run in runs),
        core_hours=hours,
        test_samples=len(sets.test),
        overflows=overflows,
        sha256=_save(given.name, made, real),
        readout=config["readout"],
        accuracy=accuracy,
        same_class=same,
    )


def _short(net: network.Network | network.FixedNetwork) -> network.Network:
    """Give a float network whose numbers are float32's: its file is half as large."""
    assert isinstance(net, network.Network)
    kinds = {"f": np.float32, "c": np.complex64}
    layers = []
    for layer in net.layers:
        arrays = {k: v for k, v in vars(layer).items() if isinstance(v, np.ndarray)}
        layers.append(
            replace(layer, **{k: v.astype(kinds[v.dtype.kind]) for k, v in arrays.items()})
        )
    return replace(net, layers=tuple(layers))


def _classify(net: network.FixedNetwork, x: np.ndarray) -> tuple[np.ndarray, int]:
    classes, overflows = [], 0
    for part in np.array_split(x, max(1, len(x) // 100)):
        done = engine.run(net, part)
        classes.append(done.outputs[:, -1].argmax(-1))
        overflows += done.overflows.total
    return np.concatenate(classes), overflows


def _denoiser(given: argparse.Namespace) -> DenoiserCard:
    sets = (given.data or Path("data")) / "mini-ndns"
    real = network.load(given.run / "network.safetensors")
    assert isinstance(real, network.Network)
    seen = calibration(*(data.ndns(sets / part) for part in ("validation_set", "training_set")))
    noisy, clean = data.stacked(data.ndns(sets / "test_set"))
    spectra = np.abs(audio.analyse(noisy))
    formats = {"tensor": compress.Formats(per_channel=False), "ptq": compress.Formats()}
    fixed = {
        key: compress.quantize(
            real, seen, chosen, arithmetic=compress.W8A16, input_range=audio.FULL_SCALE
        )
        for key, chosen in formats.items()
    }
    quality = {"float": float(audio.si_snr(audio.denoise(real, noisy), clean).mean())}
    overflows, error, arithmetic = {}, {}, {}
    wanted = real.run(spectra)
    for key, net in fixed.items():
        quality[key] = float(audio.si_snr(audio.denoise(net, noisy), clean).mean())
        done = engine.run(net, audio.magnitudes(net, audio.analyse(noisy)))
        found = net.to_float(done.outputs)
        overflows[key] = done.overflows.total
        error[key] = compress.signal_to_error(wanted, found)
        arithmetic[key] = compress.signal_to_error(net.dequantize().run(spectra), found)
    count = engine.operations(fixed["ptq"], spectra[:50])

    runs, results = _chain(given.run)
    configs = [read_config(run) for run in runs]
    made = replace(fixed["ptq"], made_by={**fixed["ptq"].made_by, "data": "mini N-DNS"})
    return DenoiserCard(
        name=given.name,
        task="mini-ndns",
        parameters=results[-1]["parameters"],
        commands=tuple(result["command"] for result in results),
        seeds=tuple(c["seed"] for c in configs),
        core_hours={run.name: r["cpu_hours"] for run, r in zip(runs, results, strict=True)},
        test_samples=len(noisy),
        overflows=overflows,
        sha256=_save(given.name, made, real),
        sparsity=results[-1]["sparsity"],
        noisy_si_snr=float(audio.si_snr(noisy, clean).mean()),
        si_snr=quality,
        signal_to_error=error,
        arithmetic=arithmetic,
        multiply_adds=count.total,
        nbytes=fixed["ptq"].nbytes,
    )


def _language(given: argparse.Namespace) -> LanguageCard:
    runs = [given.run, *([given.fixed_run] if given.fixed_run else [])]
    results = [json.loads((run / "result.json").read_text()) for run in runs]
    asked = [language_model.read(run) for run in runs]
    text = data.load_text(asked[0].text, given.data)
    real = _short(network.load(given.run / "network.safetensors"))
    nets: dict[str, network.Network | network.FixedNetwork] = {
        key: network.load(path)
        for key, path in (
            ("float", given.run / "network.safetensors"),
            ("ptq", given.run / "fixed.safetensors"),
            *([("qaft", given.fixed_run / "network.safetensors")] if given.fixed_run else []),
        )
    }
    kinds = "float", "fixed", "fixed"
    measured = list(zip(nets, kinds, [results[0], *results], strict=False))
    overflows = {}
    for key, net in nets.items():
        if isinstance(net, network.FixedNetwork):
            tokens = language.characters_of(net).samples(text.test, 200, 1024)
            overflows[key] = engine.run(net, tokens).overflows.total
    best = list(nets)[-1]
    fixed = nets[best]
    assert isinstance(fixed, network.FixedNetwork)
    return LanguageCard(
        name=given.name,
        task=asked[0].text,
        parameters=results[0]["parameters"],
        commands=tuple(result["command"] for result in results),
        seeds=tuple(one.seed for one in asked),
        core_hours={run.name: r["cpu_hours"] for run, r in zip(runs, results, strict=True)},
        test_samples=len(text.test),
        overflows=overflows,
        sha256=_save(given.name, replace(fixed, made_by={**fixed.made_by, "kind": best}), real),
        loss={key: of[f"{kind}_test_loss"] for key, kind, of in measured},
        validation_loss={key: of[f"{kind}_validation_loss"] for key, kind, of in measured},
        nbytes=fixed.nbytes,
    )


def _chain(run: Path) -> tuple[list[Path], list[dict[str, Any]]]:
    """A run behind those that it was started from, and what came of each."""
    runs = [run]
    while (start := read_config(runs[0])["start"]) is not None:
        before = Path(start)
        runs.insert(0, before.parent if before.is_file() else before)
    return runs, [json.loads((run / "result.json").read_text()) for run in runs]


def _save(
    name: str, fixed: network.FixedNetwork, real: network.Network | network.FixedNetwork
) -> dict[str, str]:
    """Write the files; gives their SHA-256."""
    networks = {f"{name}.safetensors": fixed, f"{name}-float.safetensors": real}
    for file, net in networks.items():
        net.save(FOLDER / file)
    return {file: digest(FOLDER / file) for file in networks}


if __name__ == "__main__":
    main()
