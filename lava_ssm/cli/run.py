"""A training in its run folder.

config.json             what was asked for
checkpoint.safetensors  all that is needed to go on
best.safetensors        parameters of the best network so far
log.csv                 an epoch a line; curves.png shows it
network.safetensors     the best network, once the training is complete; result.json, what it gave
start.safetensors       of fine-tuning: the fixed network that it began with

Fine-tuning also says what quantisation did to each tensor, in a table and a figure: of the network
that it began with in start-report.txt and .png, of the last one in report.txt and .png.

Whenever a training ends, --resume goes on: config.json is written first; with that and no
checkpoint it begins anew; log.csv and curves.png are made from the checkpoint.
"""

import csv
import io
import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import lava_ssm
from lava_ssm import compress, data, files, nn, zoo
from lava_ssm.cli.errors import RunError
from lava_ssm.cli.figure import write_curves, write_report
from lava_ssm.cli.made_by import join_of
from lava_ssm.cli.run_folder import (
    BEST,
    CHECKPOINT,
    NETWORK,
    START,
    WRITTEN,
    check_format,
    completed,
    read_config,
    read_training,
)
from lava_ssm.compress import FixedModel
from lava_ssm.extras import needed
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.network import file as network_file
from lava_ssm.nn import checkpoint
from lava_ssm.numerics import CHIP, RealArray

with needed("torch"):
    import torch
with needed("sklearn"):
    from sklearn.model_selection import train_test_split

Model: TypeAlias = nn.NS4D | nn.SparseS5


_REPORTED = 16
"""Samples on which quantisation is reported."""


def start_worker() -> nn.Worker:
    """Join the other processes, if torchrun started several."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return nn.Worker()
    torch.distributed.init_process_group("gloo")
    return nn.Worker(torch.distributed.get_rank(), count)


class Run:
    """A training, its data, and what is written about it.

    Parameters
    ----------
    folder
        The run folder, checked by `run_folder.check`; made.
    config
        What was asked for: plain data, compared when a training goes on.
    sets
        The data set.
    resume
        Whether to go on with the checkpoint in the folder.
    worker
        Which of several processes this is; the first one alone writes.

    Raises
    ------
    RunError
        There is a training with another configuration to go on with, or a damaged one; or several
        processes are to train a model that they cannot.
    OSError
        Nothing may be written there.
    """

    command = ""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        sets: data.TokenData,
        resume: bool,
        worker: nn.Worker,
    ) -> None:
        self.folder, self.config, self.worker = folder, config, worker
        if worker.count > 1 and config["model"] in nn.S5_SIZES:
            raise RunError(
                f"--model {config['model']}: {worker.count} processes would each normalise by "
                "their own share of a step's samples, and learn something else than one process "
                "does; train it without torchrun"
            )
        state = _read(folder, config) if resume else None
        if worker.count > 1:
            torch.distributed.barrier()  # all have looked at the folder before one writes
        recipe = nn.Recipe(**config["recipe"])
        self.data = sets
        if len(self.data.train) == 0:
            raise RunError(f"{config['task']}: no samples")
        train, kept = _split(self.data.train.first(config["limit"]))
        self.kept = kept.joined(config["join"])
        torch.manual_seed(recipe.seed)
        bare = build(config, self.data)
        self.model: Model | FixedModel = bare
        if config["start"] is not None:
            _begin_with(bare, config["start"], config["join"])
        if "finetune" in config:
            self.model = self._to_finetune(bare, config["finetune"], resume)
        model: torch.nn.Module = self.model
        if worker.count > 1:
            model = torch.nn.parallel.DistributedDataParallel(model)
        self.training = nn.Training(
            model,
            train.x,
            train.y,
            recipe,
            self._augmentation(config["wobble"]),
            worker,
        )
        self.log: list[dict[str, float]] = []
        self.best: dict[str, float] = {"accuracy": -1.0, "loss": np.inf, "epoch": 0}
        self._before = {"wall": 0.0, "cpu": 0.0}
        if state is not None:
            self._restore(state)
        self._start = {"wall": time.time(), "cpu": time.process_time() * worker.count}
        self._claim()

    def _claim(self) -> None:
        """Write what was asked for, before anything else: --resume knows the folder by it."""
        if self.worker.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write(self.folder / "config.json", json.dumps(self.config, indent=1))

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.training.restore(state["training"])
            self.log, self.best, self._before = state["log"], state["best"], state["seconds"]
        except Exception as error:
            raise RunError(
                f"{self.folder / CHECKPOINT} is not of this training, or damaged "
                f"({type(error).__name__}: {error}); begin anew in another folder"
            ) from error
        if self.log:
            read_best(self.model, self.folder)  # now, rather than at the end
            if self.worker.rank == 0:
                self._write_log()

    def _augmentation(self, wobble: dict[str, Any]) -> nn.Augment:
        order = None if self.data.order is None else self.data.order.tolist()
        moved = nn.Wobble(self.data.image_shape, order, **wobble) if any(wobble.values()) else None

        def augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return data.joined(x if moved is None else moved(x, generator), self.config["join"])

        return augment

    def _to_finetune(self, model: Model, given: dict[str, Any], resume: bool) -> FixedModel:
        """Give the fixed model of a trained one."""
        load_best(model, Path(given["run"]))
        start = self.folder / START
        if resume and start.is_file():
            fixed = network_file.load(start)
            if not isinstance(fixed, FixedNetwork):
                raise RunError(f"{start} holds a float network; begin anew in another folder")
        else:
            formats = compress.PAPER if given["formats"] == "paper" else compress.Formats()
            seen, network = self._calibration(given["calibration"]), nn.export(model)
            rules = compress.W8A16 if isinstance(model, nn.SparseS5) else CHIP
            fixed = compress.quantize(network, seen, formats, arithmetic=rules)
            if self.worker.rank == 0:
                self._claim()
                self._report("start-report", network, fixed, seen)
                fixed.save(start)
        return FixedModel(model, fixed, given["scales"], n_threads=torch.get_num_threads())

    def _calibration(self, samples: int) -> RealArray:
        """Tokens (samples, time, d_input) that exponents are chosen by."""
        return data.joined(self.data.train.x[:samples], self.config["join"]).astype(np.float64)

    def _report(self, name: str, network: Network, fixed: FixedNetwork, seen: RealArray) -> None:
        write_report(compress.report(network, fixed, seen[:_REPORTED]), self.folder / name)

    def describe(self) -> str:
        """What is about to be done."""
        training = self.training
        tokens = self.kept.x.shape[1]
        return (
            f"{self.data.name}: {len(training.x)} samples of {tokens} tokens to train, "
            f"{len(self.kept)} kept aside, {len(self.data.test)} to test; "
            f"{sum(p.numel() for p in self.model.parameters()):,} parameters; "
            f"step {training.step} of {training.steps}"
        )

    @property
    def seconds(self) -> dict[str, float]:
        """Time spent, as it passed and of the processor, in all sittings."""
        # of all processes: they share each step evenly
        now = {"wall": time.time(), "cpu": time.process_time() * self.worker.count}
        return {key: self._before[key] + now[key] - self._start[key] for key in now}

    def advance(self) -> nn.Epoch:
        """Take one step; gives the present epoch so far.

        Raises
        ------
        RunError
            Something is no longer finite.
        """
        try:
            return self.training.advance()
        except ValueError as error:
            raise self._diverged(str(error)) from error

    def _diverged(self, what: str) -> RunError:
        before = self.folder / CHECKPOINT
        kept = f"; {before} is kept as it was before" if before.exists() else ""
        return RunError(f"after {self.training.step} steps: {what}{kept}")

    def discard(self) -> None:
        """Remove what was written, if there is nothing in it to go on with."""
        if self.worker.rank > 0 or (self.folder / CHECKPOINT).exists():
            return
        for name in ("config.json", *WRITTEN):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # somebody has something else in it
            self.folder.rmdir()

    def end_epoch(self) -> str:
        """Measure the network on what was kept aside, keep the best one, write the log.

        Raises
        ------
        RunError
            A parameter is no longer finite.
        """
        if self.worker.rank > 0:
            return ""
        self._check_finite()
        epoch = self.training.history[-1]
        if isinstance(self.model, FixedModel):
            self.model.overflows = 0
        accuracy, loss = nn.evaluate(self.model, self.kept.x, self.kept.y)
        overflows = getattr(self.model, "overflows", 0)
        warning = f"; {overflows} overflows in what was kept aside" if overflows else ""
        self.log.append(
            {
                "epoch": epoch.number,
                "loss": epoch.loss,
                "accuracy": epoch.accuracy,
                "kept_loss": loss,
                "kept_accuracy": accuracy,
                "core_seconds": self.seconds["cpu"],
            }
        )
        if (accuracy, -loss) >= (self.best["accuracy"], -self.best["loss"]):
            self.best = {"accuracy": accuracy, "loss": loss, "epoch": epoch.number}
            checkpoint.write(self.folder / BEST, self.model.state_dict())
        self.checkpoint()
        self._write_log()
        minutes = self.seconds["cpu"] / 60
        return (
            f"epoch {epoch.number}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.2%}; kept "
            f"aside: loss {loss:.4f}, accuracy {accuracy:.2%}; {minutes:.1f} core minutes{warning}"
        )

    def _check_finite(self) -> None:
        for name, value in self.model.state_dict().items():
            if not value.isfinite().all():
                raise self._diverged(f"{name} is no longer finite: lower the rates")

    def checkpoint(self) -> None:
        """Write all that is needed to go on.

        Raises
        ------
        RunError
            A parameter is no longer finite; the checkpoint before stays.
        """
        if self.worker.rank > 0:
            return
        self._check_finite()
        state = {
            "config": self.config,
            "training": self.training.state(),
            "log": self.log,
            "best": self.best,
            "seconds": self.seconds,
        }
        checkpoint.write(self.folder / CHECKPOINT, state)

    def result(self) -> dict[str, Any] | None:
        """What the training gave, if it is over: what `finish` gave."""
        if self.training.step < self.training.steps or not (self.folder / NETWORK).is_file():
            return None
        try:
            return dict(json.loads((self.folder / "result.json").read_text()))
        except (OSError, TypeError, ValueError):
            return None

    def finish(self) -> dict[str, Any]:
        """Measure the best network on the test set and export it.

        Raises
        ------
        RunError
            The best network has been damaged.
        """
        load_best(self.model, self.folder)
        test = self.data.test.joined(self.config["join"])
        accuracy = nn.accuracy(self.model, test.x, test.y)
        seconds = self.seconds
        result = {
            "test_accuracy": accuracy,
            "test_samples": len(test),
            "best": self.best,
            "cpu_hours": seconds["cpu"] / 3600,
            "wall_hours": seconds["wall"] / 3600,
            "threads": torch.get_num_threads(),
            "workers": self.worker.count,
            "command": self.command,
        }
        network: Network | FixedNetwork
        if isinstance(self.model, FixedModel):
            network = self.model.network()
            seen = self._calibration(self.config["finetune"]["calibration"])
            self._report("report", nn.export(self.model.model), network, seen)
        else:
            network = nn.export(self.model)
        made_by = {
            "data": self.data.name,
            "command": self.command,
            "config": json.dumps(self.config),
        }
        network = replace(network, made_by={**network.made_by, **made_by})
        network.save(self.folder / NETWORK)
        files.write(self.folder / "result.json", json.dumps(result, indent=1))
        return result

    def _write_log(self) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, list(self.log[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(self.log)
        files.write(self.folder / "log.csv", text.getvalue())
        write_curves(self.log, self.folder / "curves.png")


def read_best(model: torch.nn.Module, folder: Path) -> dict[str, torch.Tensor]:
    """Give the best parameters of a run of the same model; the model stays as it is.

    Raises
    ------
    RunError
        There are none, or they are of another model, or damaged.
    """
    path = folder / BEST
    if not path.is_file():
        check_format(folder)
        raise RunError(f"{folder} holds no trained network (no {BEST})")
    try:
        state: dict[str, torch.Tensor] = checkpoint.read(path)
        found = {name: tuple(value.shape) for name, value in state.items()}
    except (AttributeError, ValueError) as error:
        raise RunError(f"{path} is of another model, or damaged: {error}") from error
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in {**wanted, **found}:
        there, here = found.get(name, "missing"), wanted.get(name, "missing")
        if there != here:
            raise RunError(
                f"{path} is of another model, or damaged: {name} is {there} there, {here} here"
            )
    return state


def load_best(model: torch.nn.Module, folder: Path) -> None:
    """Give a model the best parameters of a run of the same model.

    Raises
    ------
    RunError
        See `read_best`.
    """
    model.load_state_dict(read_best(model, folder))


def _begin_with(model: Model, start: str, join: int) -> None:
    """Give a model the parameters of a run's best network, or of a float network.

    Raises
    ------
    RunError
        There is none of this name, or it is of another model, or damaged.
    """
    folder = Path(start)
    if folder.is_dir():
        load_best(model, folder)
        before = read_training(folder)["join"]
    else:
        try:
            network = lava_ssm.load(start)
        except FileNotFoundError as error:
            raise RunError(
                f"--start: {start!r} holds no trained network: it is no run folder, no file, and "
                f"no network of the zoo ({', '.join(f'{name}-float' for name in zoo.NAMES)})"
            ) from error
        if not (isinstance(network, Network) and isinstance(model, nn.NS4D)):
            raise RunError(
                f"--start: {start!r} must be a float network and the model an n-S4D; a fixed "
                "network, or an S5 whose norms are folded, cannot be trained on"
            )
        nn.assign(model, network)
        before = join_of(network)
    nn.stretch(model, join / before)


def build(config: dict[str, Any], of: data.TokenData) -> Model:
    """Make the network that a configuration asks for.

    Raises
    ------
    RunError
        An S4D initialisation for an S5 network.
    """
    # steps such that the slowest and the fastest states see a sequence alike, whatever its length
    longest = of.train.x.shape[1]
    dt_min, dt_max = config["dt"]
    short = longest < 256
    common: dict[str, Any] = {
        "d_input": of.d_input,
        "d_output": of.n_classes,
        "readout": config["readout"],
        "dt_min": (dt_min if dt_min is not None else 1e-2 if short else 1e-3) * config["join"],
        "dt_max": (dt_max if dt_max is not None else 0.5 if short else 0.1) * config["join"],
    }
    name = config["model"]
    if name in nn.SIZES:
        return nn.NS4D(init=config["init"], **common, **nn.SIZES[name])
    if config["init"] != "lin":
        raise RunError(f"--init is of S4D, not of {name}: S5 begins with HiPPO; leave it out")
    return nn.SparseS5(relu=True, **common, **nn.S5_SIZES[name])


def _split(samples: data.Split) -> tuple[data.Split, data.Split]:
    """What to train with, and what is kept aside; always the same."""
    kept = max(10, min(2000, len(samples) // 20))
    rest, aside = train_test_split(
        np.arange(len(samples)), test_size=kept, stratify=samples.y, random_state=0
    )
    return tuple(data.Split(samples.x[part], samples.y[part]) for part in (rest, aside))  # type: ignore[return-value]


def _read(folder: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """The state to go on with; None where a training was killed before there was one."""
    path, state = folder / CHECKPOINT, None
    if path.is_file():
        try:
            state = dict(checkpoint.read(path))
            before = completed(state["config"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} is no checkpoint, or cut short ({type(error).__name__}: {error}); "
                "remove it to begin anew"
            ) from error
    elif (folder / "config.json").is_file():
        before = read_config(folder)
    else:
        return None
    differing = [
        f"{key}: {old!r} there, {new!r} now"
        for key, (old, new) in _pairs(before, config).items()
        if old != new
    ]
    if differing:
        raise RunError(
            f"--resume: {folder} is of a training with other settings ({'; '.join(differing)})"
        )
    return state


def _pairs(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Values of both, by the names of what is nested."""
    found = {}
    for key in {**a, **b}:
        one, other = a.get(key), b.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found.update({f"{key}.{k}": pair for k, pair in _pairs(one, other).items()})
        else:
            found[key] = one, other
    return found
