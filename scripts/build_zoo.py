"""Put a trained and fine-tuned network into the zoo: its two files and its card.

python scripts/build_zoo.py NAME RUN [FIXED_RUN] [--data FOLDER]

RUN is a run folder of `lava-ssm train`, FIXED_RUN one of `lava-ssm finetune`; without it the fixed
network is what quantisation makes. All that the card says is measured here, on the whole test set.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lava_ssm import compress, data, engine, network, nn
from lava_ssm.cli.run import build, load_best, read_config
from lava_ssm.zoo.card import Card, digest
from lava_ssm.zoo.networks import FOLDER


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("run", type=Path)
    parser.add_argument("fixed_run", type=Path, nargs="?")
    parser.add_argument("--data")
    parser.add_argument("--calibration", type=int, default=128)
    parser.add_argument("--notes", default="")
    given = parser.parse_args()

    config = read_config(given.run)
    sets = data.load(config["task"], given.data)
    model = build(config, sets)
    load_best(model, given.run)
    with torch.no_grad():
        parts = torch.from_numpy(sets.test.x).split(100)
        float_classes = torch.cat([model.eval()(part) for part in parts]).argmax(-1).numpy()
    accuracy = {"float": float((float_classes == sets.test.y).mean())}
    same, overflows = {}, {}

    float_network = network.load(given.run / "network.h5")
    seen = sets.train.x[: given.calibration]
    fixed = {
        "paper": compress.quantize(nn.export(model), seen, compress.PAPER),
        "ptq": compress.quantize(nn.export(model), seen),
    }
    if given.fixed_run is not None:
        fixed["qaft"] = network.load(given.fixed_run / "network.h5")
        if fixed["qaft"].made_by["data"] != sets.name:
            raise SystemExit(f"{given.fixed_run} is of {fixed['qaft'].made_by['data']}")
    for key, net in fixed.items():
        print(key, flush=True)
        classes, overflows[key] = _classify(net, sets.test.x)
        accuracy[key] = float((classes == sets.test.y).mean())
        same[key] = float((classes == float_classes).mean())
        print(f"  {accuracy[key]:.2%}, as float {same[key]:.2%}, {overflows[key]} overflows")

    runs = [run for run in (given.run, given.fixed_run) if run is not None]
    results = [json.loads((run / "result.json").read_text()) for run in runs]
    best = list(fixed)[-1]
    made = replace(fixed[best], made_by={**fixed[best].made_by, "data": sets.name, "kind": best})
    files = {f"{given.name}.h5": made, f"{given.name}-float.h5": float_network}
    for name, net in files.items():
        net.save(FOLDER / name)
    card = Card(
        name=given.name,
        task=config["task"],
        parameters=sum(p.numel() for p in model.parameters()),
        readout=config["readout"],
        commands=tuple(result["command"] for result in results),
        seeds=tuple(read_config(run)["recipe"]["seed"] for run in runs),
        core_hours=dict(
            zip(("training", "fine-tuning"), (r["cpu_hours"] for r in results), strict=False)
        ),
        test_samples=len(sets.test),
        accuracy=accuracy,
        same_class=same,
        overflows=overflows,
        sha256={name: digest(FOLDER / name) for name in files},
        notes=given.notes,
    )
    card.save(FOLDER)
    print(card)


def _classify(net: network.FixedNetwork, x: np.ndarray) -> tuple[np.ndarray, int]:
    classes, overflows = [], 0
    for part in np.array_split(x, max(1, len(x) // 100)):
        done = engine.run(net, part)
        classes.append(done.outputs[:, -1].argmax(-1))
        overflows += done.overflows.total
    return np.concatenate(classes), overflows


if __name__ == "__main__":
    main()
