"""Train language models of equal size on the same characters, as many as fit the time.

python benchmarks/language_training.py --out runs/language    # a GPU, about 150 seconds
python benchmarks/language_training.py --out runs/language --device cpu --quick

The models of `language_models.py`, each with the library's loop: the same pieces of Shakespeare,
batches, schedule and number of tokens. (Those of others need the packages mingru-pytorch, which
needs PyTorch 2.4, and mambapy.) A few steps of each tell first how many epochs of a million
tokens fit into --seconds. Each model is a file of its parameters; `training.json` has the losses.
Called again with the same folder, it trains what is not there yet.
"""

import argparse
import gc
import json
import math
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from language_models import MODELS, Entry
from machine import say, synchronize
from safetensors.torch import save
from torch import nn

from lava_ssm import files
from lava_ssm.data import Text, load_text
from lava_ssm.language import Characters
from lava_ssm.train import Recipe
from lava_ssm.train.language import EPOCH, LanguageModelling, evaluate

Result = dict[str, object]
T = TypeVar("T")


class Unrecorded(LanguageModelling):
    """A training whose steps are not recorded on a GPU."""

    capturable = False


class Bench:
    """What all trainings have in common.

    Parameters
    ----------
    text
        With what.
    device
        On what.
    quick
        Whether a few short pieces will do.
    context, batch_size
        Characters of a piece, and pieces of a step.
    """

    def __init__(
        self, text: Text, device: torch.device, quick: bool, context: int, batch_size: int
    ) -> None:
        self.device, self.characters = device, Characters(text.vocabulary)
        self.context, self.batch_size = (64, 4) if quick else (context, batch_size)
        self.epoch = 2 * self.context * self.batch_size if quick else EPOCH
        parts = {"train": text.train, "validation": text.validation, "test": text.test}
        most = 1000 if quick else None
        self.parts = {name: self.characters.encode(part[:most]) for name, part in parts.items()}

    def training(self, entry: Entry, epochs: int, recorded: bool) -> LanguageModelling:
        """A training of a model that begins."""
        torch.manual_seed(0)
        model = entry.make(len(self.characters)).to(self.device)
        recipe = Recipe(
            epochs,
            self.batch_size,
            entry.lr,
            entry.ssm_lr,
            1e-2,
            warm_up=0.1,
            schedule="cosine",
        )
        tokens = self.parts["train"]
        kind = LanguageModelling if recorded else Unrecorded
        return kind(model, tokens, self.context, recipe, epoch=self.epoch)

    def seconds_an_epoch(self, entry: Entry, recorded: bool) -> float:
        """As a few steps tell, after a few others."""
        training = self.training(entry, 1000, recorded)
        for _ in range(3):
            training.advance()
        synchronize(self.device)
        before, steps = time.perf_counter(), 5
        for _ in range(steps):
            training.advance()
        synchronize(self.device)
        seconds = (time.perf_counter() - before) / steps * training.steps_an_epoch
        return seconds + 0.05 * seconds  # and its validation

    def loss(self, model: nn.Module, part: str) -> float:
        """Nats a character, products of matrices in whole float32."""
        torch.set_float32_matmul_precision("highest")
        nats = evaluate(model, self.parts[part], self.context, max(64, self.batch_size))
        torch.set_float32_matmul_precision("high")
        return nats


def tried(work: Callable[[bool], T]) -> T:
    """What is done with recorded steps, or, if these fail, without; frees memory before."""
    for recorded in (True, False):
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            return work(recorded)
        except (TimeoutError, ValueError):
            raise
        except Exception:
            if not recorded:
                raise
            traceback.print_exc()
    raise AssertionError


def train(
    bench: Bench, entry: Entry, epochs: int, limit: float, recorded: bool
) -> tuple[Result, bytes]:
    """Train a model; give how it went and its parameters.

    Raises
    ------
    TimeoutError
        It took longer than `limit` seconds.
    """
    begin = time.perf_counter()
    training = bench.training(entry, epochs, recorded)
    model, curve = training.bare, []
    while training.step < training.steps:
        now = training.advance()
        if time.perf_counter() - begin > limit:
            raise TimeoutError(f"{limit:.0f} s are over at step {training.step}")
        if training.step % training.steps_an_epoch == 0:
            kept = bench.loss(model, "validation")
            curve.append({"epoch": now.number, "train": now.loss, "validation": kept})
            print(f"  epoch {now.number}: {now.loss:.4f}, kept aside {kept:.4f}", flush=True)
    if not math.isfinite(kept):
        raise ValueError("the loss is no longer finite")
    result = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "lr": entry.lr,
        "seconds": time.perf_counter() - begin,
        "curve": curve,
        "validation_loss": kept,
        "test_loss": bench.loss(model, "test"),
    }
    state = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    return result, save(state)


def main() -> None:
    """Time, choose the number of epochs, train; write."""
    begin = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is trained")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--text", default="shakespeare", help="or a text file of your own")
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--budget", type=int, default=2**24, help="tokens of each model at most")
    parser.add_argument("--context", type=int, default=256, help="characters of a piece")
    parser.add_argument("--batch-size", type=int, default=16, help="pieces of a step")
    parser.add_argument("--seconds", type=float, default=150.0, help="for all of it")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of one model")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--quick", action="store_true", help="a few short pieces")
    given = parser.parse_args()
    device = torch.device(given.device)
    torch.set_float32_matmul_precision("high")
    record = given.out / "training.json"
    given.out.mkdir(parents=True, exist_ok=True)
    results = json.loads(record.read_text()) if record.is_file() else {"models": {}}
    context = results.get("context", given.context)  # as those that are there already
    batch_size = results.get("batch_size", given.batch_size)
    text = load_text(given.text, given.data)
    bench = Bench(text, device, given.quick, context, batch_size)
    missing = [name for name in given.only if not (given.out / f"{name}.safetensors").is_file()]

    def report(name: str, result: Result) -> None:
        results["models"][name] = result
        files.write(record, json.dumps(results, indent=1) + "\n")

    def failed(name: str, error: Exception) -> None:
        traceback.print_exc()
        report(name, {"error": repr(error)})
        missing.remove(name)

    if "epochs" not in results:
        times = {}
        for name in [*missing]:
            try:
                times[name] = tried(partial(bench.seconds_an_epoch, MODELS[name]))
                print(f"{name}: {times[name]:.2f} s an epoch", flush=True)
            except Exception as error:  # the others are trained all the same
                failed(name, error)
        left = given.seconds - (time.perf_counter() - begin) - 5
        most = 2 if given.quick else max(1, given.budget // bench.epoch)
        results["epochs"] = max(1, min(most, int(left / sum(times.values()))))
        results["tokens"] = results["epochs"] * bench.epoch
        results |= {"context": bench.context, "batch_size": bench.batch_size}
        gpu = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        results |= {"device": gpu, "torch": torch.__version__}
        print(f"{results['epochs']} epochs, {left:.0f} s left", flush=True)
    for name in [*missing]:
        left = given.seconds - (time.perf_counter() - begin)
        print(f"{name}, {left:.0f} s left", flush=True)
        try:
            limit = min(given.limit, max(left, 1))
            result, state = tried(partial(train, bench, MODELS[name], results["epochs"], limit))
            files.write(given.out / f"{name}.safetensors", state)
            report(name, result)
            shown = ("parameters", "seconds", "validation_loss", "test_loss")
            say(name, {key: result[key] for key in shown})
        except Exception as error:  # the others are trained all the same
            failed(name, error)


if __name__ == "__main__":
    main()
