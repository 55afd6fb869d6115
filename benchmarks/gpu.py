"""Training on a GPU in less than eight minutes: how fast a step is, the integers, then sCIFAR.

python benchmarks/gpu.py --run runs/scifar      # --quick --device cpu: all of it, small

1. A training step of the large n-S4D of sCIFAR beside the same network of the public plain S4D
   (the full Vandermonde matrix, see training.py), in float32 and bfloat16, by turns;
   --compile: compiled too, which takes minutes before the first step.
2. Fine-tuning: the exact forward pass on the device beside the engine on the CPU's cores, with the
   same integers and overflows.
3. `lava-ssm train`, in the run folder, from its checkpoint if there is one, until the time is over;
   called again, it goes on. A run that is begun gets as many epochs as fit the time, by its steps'
   time; with --teacher it learns from what image_teacher.py has trained.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from image_teacher import Teacher
from machine import alternate, ratio, say, synchronize
from torch import nn
from training import PlainNetwork

from lava_ssm import files
from lava_ssm.compress import FixedModel, Formats, quantize
from lava_ssm.engine import Overflows, as_tokens, run
from lava_ssm.network import FixedNetwork, Readout
from lava_ssm.nn import NS4D, S5_SIZES, SIZES, SparseS5, export, regularize
from lava_ssm.nn import integers as exact
from lava_ssm.train import RandomAffine, Recipe, Training

RESULTS = Path(__file__).parent / "results" / "gpu.json"
MODEL, BATCH, EMA, SHIFT, PRECISION, DISTILLATION = "ns4d-large", 256, 0.999, 2, "bfloat16", 0.8
STAGES = {2: 2 / 3, 1: 1 / 3}
"""Tokens that are one, and the share of epochs with so many, which cost the same."""
RECIPE = (
    f"scifar --model {MODEL} --batch-size {BATCH} --lr 1e-2 --ssm-lr 1e-3 --schedule cosine "
    f"--warm-up 0.05 --norm --ema {EMA} --join {','.join(map(str, STAGES))} --mirror "
    f"--shift {SHIFT} --precision {PRECISION} --label-smoothing 0"
)
TAUGHT = (
    f" --teacher benchmarks/image_teacher.py:scifar --distillation {DISTILLATION} --temperature 3"
)
"""What sCIFAR is trained with, but for the epochs; the same in every sitting."""
SAMPLES, TOKENS = 48_000, 1024
QUICK = "sdigits --model ns4d-tiny"
AN_EPOCH = 0.3
"""Seconds of an epoch that are not steps: what is kept aside is measured, a checkpoint written."""


def step_of(
    model: nn.Module, tokens: int, batch: int, precision: str, device: torch.device
) -> Callable[[], None]:
    """A whole training step, optimizer included, waited for."""
    x, y = torch.rand(batch, tokens, 3), torch.arange(batch) % 10
    recipe = Recipe(epochs=10_000, batch_size=batch, precision=precision)  # type: ignore[arg-type]
    training = Training(model.to(device), x, y, recipe)

    def step() -> None:
        training.advance()
        synchronize(device)

    return step


def steps(device: torch.device, quick: bool, compiled: bool) -> dict[str, dict[str, float]]:
    """Medians of a step's milliseconds, and ratios to the plain network's."""
    d_model, d_state, n_layers = (16, 4, 2) if quick else SIZES[MODEL].values()
    tokens = 64 if quick else TOKENS
    batch = 10 if quick else 50
    ours = partial(NS4D, 3, d_model, d_state, n_layers, 10, readout="mean")
    plain = partial(PlainNetwork, d_model, d_state, n_layers)
    things = {}
    for name, make, precision in (
        ("plain S4D", plain, "float32"),
        ("plain S4D, bfloat16", plain, "bfloat16"),
        ("n-S4D", ours, "float32"),
        ("n-S4D, bfloat16", ours, "bfloat16"),
    ):
        torch.manual_seed(0)
        things[name] = step_of(make(), tokens, batch, precision, device)
        if compiled:
            torch.manual_seed(0)
            model = torch.compile(make())
            things[f"{name}, compiled"] = step_of(model, tokens, batch, precision, device)
    times = alternate(things, 3 if quick else 20)
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    rows = {}
    for name, ms in medians.items():
        rows[name] = {"ms": ms, "times as fast as plain": medians["plain S4D"] / ms}
        say(name, rows[name])
    return rows


def integers(device: torch.device, quick: bool) -> dict[str, dict[str, float | bool]]:
    """Fine-tuning's exact pass on the device beside the engine on all cores of the CPU."""
    size = "tiny" if quick else "large"
    tokens, batch = (64, 4) if quick else (TOKENS, 50)
    x = np.random.default_rng(0).random((batch, tokens, 3)).astype(np.float32)
    rows: dict[str, dict[str, float | bool]] = {}
    for name, make in (
        ("n-S4D", lambda: NS4D(3, **SIZES[f"ns4d-{size}"], d_output=10, readout="mean")),
        ("S5", lambda: SparseS5(3, **S5_SIZES[f"s5-{size}"], d_output=10)),
    ):
        torch.manual_seed(0)
        model = make()
        fixed = quantize(export(model), x[:8], Formats(search=False, compensate=False))
        tuned = FixedModel(model, fixed).to(device)
        logits = tuned(torch.from_numpy(x).to(device))
        logits.square().sum().backward()
        engine, (found, overflows) = run(fixed, x), _on_device(fixed, x, device)
        values = fixed.to_float(engine.outputs).astype(np.float32)
        wanted = values if fixed.readout is Readout.EVERY_TOKEN else values[:, -1]

        def there(fixed: FixedNetwork = fixed) -> None:
            _on_device(fixed, x, device)
            synchronize(device)

        times = alternate({"engine": partial(run, fixed, x), "device": there}, 2 if quick else 5)
        rows[name] = {
            "engine, ms": 1e3 * min(times["engine"]),
            "device, ms": 1e3 * min(times["device"]),
            "times as fast": ratio(times["engine"], times["device"]),
            "integers are the engine's": bool((found.cpu().numpy() == engine.outputs).all()),
            "overflows are": overflows == engine.overflows,
            "logits are": bool((logits.detach().cpu().numpy() == wanted).all()),
            "all gradients": all(
                p.grad is not None and bool(p.grad.isfinite().all()) for p in tuned.parameters()
            ),
        }
        say(f"exact pass, {name}", rows[name])
    return rows


def _on_device(
    fixed: FixedNetwork, x: np.ndarray, device: torch.device
) -> tuple[torch.Tensor, Overflows]:
    return exact.run(fixed, torch.from_numpy(as_tokens(fixed, x)).to(device))


def epochs_that_fit(
    device: torch.device, taught: bool, seconds: float, steps: dict[str, float]
) -> int:
    """How many epochs of the recipe fit a time; `steps` gets the milliseconds of a step."""
    cost = 0.0
    for join, share in STAGES.items():
        model = NS4D(3, **SIZES[MODEL], d_output=10, readout="mean")
        regularize(model, norm=True)
        x, y = torch.rand(BATCH, TOKENS, 3), torch.arange(BATCH) % 10
        distillation, teacher = 0.0, None
        if taught:
            distillation, teacher = DISTILLATION, Teacher(32, 32, 3, 10).to(device)
        recipe = Recipe(10_000, BATCH, schedule="cosine", precision=PRECISION, ema=EMA,
                        join=join, distillation=distillation)  # fmt: skip
        move = RandomAffine((32, 32), shift=SHIFT, mirror=True)
        training = Training(model.to(device), x, y, recipe, move, teacher=teacher)
        for _ in range(10):
            training.advance()
        synchronize(device)
        start = time.monotonic()
        for _ in range(50):
            training.advance()
        synchronize(device)
        step = (time.monotonic() - start) / 50
        steps[f"tokens joined by {join}"] = 1e3 * step
        say(f"recipe, tokens joined by {join}", {"ms": 1e3 * step})
        cost += share * (step * SAMPLES / BATCH + AN_EPOCH)
    return max(3, int(seconds / cost))


def train(given: argparse.Namespace, seconds: float, steps: dict[str, float]) -> bool:
    """Train until the time is over, then let the training write its checkpoint; is it finished?"""
    device, run, started = torch.device(given.device), given.run, time.monotonic()
    what = (QUICK if given.quick else RECIPE + TAUGHT * given.teacher).split()
    if (run / "config.json").is_file():
        epochs = json.loads((run / "config.json").read_text())["recipe"]["epochs"]
        what.append("--resume")
    else:
        quick = 400 if given.quick else None
        epochs = (
            given.epochs or quick or epochs_that_fit(device, given.teacher, seconds - 30, steps)
        )
    command = ["train", *what, "--epochs", str(epochs), "--out", str(run), "--device", device.type]
    if given.data is not None:
        command += ["--data", str(given.data)]
    print("lava-ssm", *command, flush=True)
    with subprocess.Popen([sys.executable, "-m", "lava_ssm", *command]) as training:
        try:
            left = seconds - (time.monotonic() - started)
            return training.wait(timeout=max(left, 1)) == 0
        except subprocess.TimeoutExpired:
            training.send_signal(signal.SIGTERM)  # it ends its step, and writes
            training.wait(timeout=60)
            return False


def main() -> None:
    """Measure, check, train; write."""
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--run", type=Path, help="run folder of the training; none: no training")
    parser.add_argument(
        "--teacher", action="store_true", help="learn from what image_teacher.py made"
    )
    parser.add_argument("--epochs", type=int, help="of the training; none: what fits the time")
    parser.add_argument("--no-steps", action="store_true", help="train alone")
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--seconds", type=float, default=460.0, help="for all of it")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--quick", action="store_true", help="small networks, digits")
    given = parser.parse_args()
    device = torch.device(given.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    results: dict[str, object] = {"device": name, "torch": torch.__version__}
    if not given.no_steps:
        results["steps"] = steps(device, given.quick, given.compile)
        results["integers"] = integers(device, given.quick)
        files.write(given.results, json.dumps(results, indent=1) + "\n")
    if given.run is not None:
        rest = given.seconds - (time.monotonic() - start)
        results["recipe, ms a step"] = steps_of_recipe = {}
        results["finished"] = train(given, rest, steps_of_recipe)
        files.write(given.results, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
