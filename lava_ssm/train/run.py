"""A training in its run folder, see `folder`."""

import atexit
import csv
import io
import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from lava_ssm import compress, files, nn
from lava_ssm.compress import FixedModel
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.network import file as network_file
from lava_ssm.numerics import RealArray
from lava_ssm.train import checkpoint, memory
from lava_ssm.train.figures import write_curves, write_report
from lava_ssm.train.folder import (
    BEST,
    CHECKPOINT,
    CONFIG,
    RESULT,
    START,
    WRITTEN,
    Left,
    Plain,
    RunError,
    check_format,
    compare,
)
from lava_ssm.train.loop import Epoch, Loop, Worker
from lava_ssm.train.progress import Shown
from lava_ssm.train.sitting import Sitting
from lava_ssm.train.stop import StopSignals

_LETS_GO = 0.5
"""Seconds in which a thread of a group lets go of a tensor, on a loaded machine too."""
_DRAWN_EVERY = 10.0
"""Seconds between two drawings of the curves, which may take longer than an epoch."""


def device_of(name: str) -> torch.device:
    """Give what is computed on.

    Raises
    ------
    RunError
        It is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RunError("--device cuda: PyTorch finds none; --device auto takes what there is")
    return torch.device(name)


def start_worker() -> Worker:
    """Join the other processes, if torchrun started several."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Worker()
    torch.distributed.init_process_group("gloo")
    atexit.register(_leave_the_group)
    return Worker(torch.distributed.get_rank(), count)


def _leave_the_group() -> None:
    """End the threads of the group: one that outlives the interpreter now and then aborts it."""
    if torch.distributed.is_initialized():
        # a thread of it may still have to let go of the last tensor, for which it needs the
        # interpreter's lock; destroying the group waits for the thread and keeps the lock
        time.sleep(_LETS_GO)
        torch.distributed.destroy_process_group()


class Run(ABC):
    """A training, its data, and what is written about it.

    Parameters
    ----------
    config
        What was asked for: plain data, compared when a training goes on.
    sitting
        How it is worked on this time.

    Raises
    ------
    RunError
        There is a training with another configuration to go on with, or a damaged one.
    OSError
        Nothing may be written there.
    """

    score: ClassVar[str]
    """What scores are called in files."""
    loop: Loop[Any]

    def __init__(self, config: Plain, sitting: Sitting) -> None:
        self.folder, self.config, self.sitting = sitting.folder, config, sitting
        self.worker = sitting.worker or Worker()
        state = None if sitting.resume is False else self._read()
        if self.worker.count > 1:
            torch.distributed.barrier()  # all have looked at the folder before one writes
        self.loop = self.prepare()
        self.log: list[dict[str, float]] = []
        self.best: dict[str, float] = {self.score: -np.inf, "loss": np.inf, "epoch": 0}
        self._before = {"wall": 0.0, "cpu": 0.0}
        self._drawn = -math.inf
        if state is not None:
            self._restore(state)
        self._start = self._now()
        self.claim()

    @abstractmethod
    def prepare(self) -> Loop[Any]:
        """Make the model, and the loop that trains it."""

    @abstractmethod
    def measure(self) -> tuple[float, float]:
        """Score and mean loss of what was kept aside."""

    @abstractmethod
    def results(self) -> Plain:
        """Export the best network, which the model now is; give what it does on the test set."""

    @abstractmethod
    def about(self) -> str:
        """With what it is trained, kept aside and tested."""

    def describe(self) -> str:
        """What is about to be done."""
        return (
            f"{self.about()}; {self.n_parameters:,} parameters; "
            f"step {self.loop.step} of {self.loop.steps}"
        )

    @property
    def n_parameters(self) -> int:
        """Of the model."""
        return sum(p.numel() for p in self.loop.bare.parameters())

    def parts(self) -> Plain:
        """What has a `state_dict` and a `load_state_dict` beside the loop, by name."""
        return {}

    def may_be_best(self) -> bool:
        """Whether the network is of the kind that is wanted already."""
        return True

    def finetuned(
        self,
        model: nn.Chain,
        quantized: Callable[[Network], FixedNetwork],
        reported: RealArray,
        scales: Literal["frozen", "fitted"],
    ) -> FixedModel:
        """Give the fixed model of a trained one, of the network that fine-tuning began with.

        Parameters
        ----------
        quantized
            Gives that network of the float one, where there is none yet.
        reported
            Tokens (samples, time, d_input) on which the quantisation is reported.
        scales
            See `FixedModel`.
        """
        start = self.folder / START
        if self.sitting.resume is not False and start.is_file():
            fixed = network_file.load(start)
            if not isinstance(fixed, FixedNetwork):
                raise RunError(f"{start} holds a float network; begin anew in another folder")
        else:
            network = nn.export(model)
            fixed = quantized(network)
            if self.worker.rank == 0:
                self.claim()
                self.report("start-report", network, fixed, reported)
                fixed.save(start)
        return FixedModel(model, fixed, scales, n_threads=torch.get_num_threads())

    def report(self, name: str, network: Network, fixed: FixedNetwork, x: RealArray) -> None:
        """Write what quantisation did to each tensor, on some tokens (samples, time, d_input)."""
        write_report(compress.report(network, fixed, x), self.folder / name)

    def save(
        self, network: Network | FixedNetwork, file: str, data: str, made_by: dict[str, str]
    ) -> Network | FixedNetwork:
        """Write a network, with the name of its data and what else made it, and give it."""
        own = {"data": data, "command": self.sitting.command, **made_by}
        network = replace(network, made_by={**network.made_by, **own})
        network.save(self.folder / file)
        return network

    def claim(self) -> None:
        """Write what was asked for, before anything else: the folder is known by it."""
        if self.worker.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write(self.folder / CONFIG, json.dumps(self.config, indent=1))

    def _read(self) -> Plain | None:
        """The state to go on with; None where a training was killed before there was one."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return None
        try:
            state = dict(checkpoint.read(path))
            before = dict(state["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} is no checkpoint, or cut short ({type(error).__name__}: {error}); "
                "remove it to begin anew"
            ) from error
        compare(self.folder, before, self.config)
        return state

    def _restore(self, state: Plain) -> None:
        try:
            self.loop.restore(state["training"])
            for name, part in self.parts().items():
                part.load_state_dict(state[name])
            self.log, self.best, self._before = state["log"], state["best"], state["seconds"]
        except Exception as error:
            raise RunError(
                f"{self.folder / CHECKPOINT} is not of this training, or damaged "
                f"({type(error).__name__}: {error}); begin anew in another folder"
            ) from error
        if self.best["epoch"]:
            read_best(self.loop.bare, self.folder)  # now, rather than at the end
        if self.log and self.worker.rank == 0:
            self._write_log()

    def _now(self) -> dict[str, float]:
        # of all processes: they share each step evenly
        return {"wall": time.time(), "cpu": time.process_time() * self.worker.count}

    @property
    def seconds(self) -> dict[str, float]:
        """Time spent, as it passed and of the processor, in all sittings."""
        return {k: self._before[k] + now - self._start[k] for k, now in self._now().items()}

    def advance(self) -> Epoch:
        """Take one step; gives the present epoch so far.

        Raises
        ------
        RunError
            Something is no longer finite.
        """
        try:
            return self.loop.advance()
        except ValueError as error:
            raise self._diverged(str(error)) from error

    def _diverged(self, what: str) -> RunError:
        before = self.folder / CHECKPOINT
        kept = f"; {before} is kept as it was before" if before.exists() else ""
        return RunError(f"after {self.loop.step} steps: {what}{kept}")

    def _check_finite(self) -> None:
        for name, value in self.loop.bare.state_dict().items():
            if not value.isfinite().all():
                raise self._diverged(f"{name} is no longer finite: lower the rates")

    def discard(self) -> None:
        """Remove what was written, if there is nothing in it to go on with."""
        if self.worker.rank > 0 or (self.folder / CHECKPOINT).exists():
            return
        for name in (CONFIG, *WRITTEN):
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
        epoch = self.loop.history[-1]
        model = self.loop.measured
        if isinstance(model, FixedModel):
            model.overflows = 0
        score, loss = self.measure()
        self.log.append(
            {
                "epoch": epoch.number,
                "loss": epoch.loss,
                self.score: epoch.score,
                "kept_loss": loss,
                f"kept_{self.score}": score,
                "core_seconds": self.seconds["cpu"],
            }
        )
        best = self.best[self.score], -self.best["loss"]
        if self.may_be_best() and (score, -loss) >= best:
            self.best = {self.score: score, "loss": loss, "epoch": epoch.number}
            checkpoint.write(self.folder / BEST, self.loop.measured.state_dict())
        self.checkpoint()
        self._write_log()
        minutes = self.seconds["cpu"] / 60
        overflows = model.overflows if isinstance(model, FixedModel) else 0
        remark = f"; {overflows} overflows in what was kept aside" if overflows else ""
        return (
            f"epoch {epoch.number}: loss {epoch.loss:.4f}, {self.loop.shown(epoch.score)}; kept "
            f"aside: loss {loss:.4f}, {self.loop.shown(score)}; {minutes:.1f} core minutes"
            f"{remark}"
        )

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
            "training": self.loop.state(),
            "log": self.log,
            "best": self.best,
            "seconds": self.seconds,
            **{name: part.state_dict() for name, part in self.parts().items()},
        }
        checkpoint.write(self.folder / CHECKPOINT, state)

    def finish(self) -> Plain:
        """Measure the best network on the test set and export it.

        Raises
        ------
        RunError
            There is no best network, or it has been damaged.
        """
        if not self.best["epoch"]:
            raise self._diverged(f"no epoch gave a finite {self.score}: lower the rates")
        self._draw()
        load_best(self.loop.bare, self.folder)
        seconds = self.seconds
        result = {
            **self.results(),
            "best": self.best,
            "cpu_hours": seconds["cpu"] / 3600,
            "wall_hours": seconds["wall"] / 3600,
            "threads": torch.get_num_threads(),
            "workers": self.worker.count,
            "command": self.sitting.command,
        }
        files.write(self.folder / RESULT, json.dumps(result, indent=1))
        return result

    def _write_log(self) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, list(self.log[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(self.log)
        files.write(self.folder / "log.csv", text.getvalue())
        if time.monotonic() - self._drawn >= _DRAWN_EVERY:
            self._draw()

    def _draw(self) -> None:
        write_curves(self.log, self.folder / "curves.png")
        self._drawn = time.monotonic()


def carry_out(run: Run) -> Plain:
    """Train from beginning or checkpoint to end.

    Returns
    -------
    dict
        What `result.json` holds; empty in a process that is not the first one.

    Raises
    ------
    Left
        A signal asked for it; the checkpoint is written.
    RunError
        Something is no longer finite.
    """
    loop, sitting = run.loop, run.sitting
    console = sitting.console if run.worker.rank == 0 else None
    if console is not None:
        console.print(run.describe(), soft_wrap=True)
    try:
        with StopSignals() as signals, Shown(loop, console) as shown, memory.kept():
            written = time.monotonic()
            while loop.step < loop.steps:
                shown.step(run.advance())
                if loop.step % loop.steps_an_epoch == 0:
                    shown.line(run.end_epoch())
                elif time.monotonic() - written >= sitting.checkpoint_every:
                    run.checkpoint()
                    written = time.monotonic()
                if number := signals.received(run.worker.count):
                    run.checkpoint()
                    raise Left(number, loop.step)
    except RunError:
        run.discard()
        raise
    return run.finish() if run.worker.rank == 0 else {}


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
        there = {name: tuple(value.shape) for name, value in state.items()}
    except (AttributeError, ValueError) as error:
        raise RunError(f"{path} is of another model, or damaged: {error}") from error
    here = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in {**here, **there}:
        old, new = there.get(name, "missing"), here.get(name, "missing")
        if old != new:
            raise RunError(
                f"{path} is of another model, or damaged: {name} is {old} there, {new} here"
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
