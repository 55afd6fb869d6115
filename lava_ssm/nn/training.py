"""Training a classifier of token sequences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from lava_ssm.nn.evaluating import evaluating
from lava_ssm.nn.inputs import (
    Given,
    check_finite,
    classes,
    number_of_classes,
    sequences,
    size,
)
from lava_ssm.nn.s4d import S4D
from lava_ssm.nn.s5 import S5
from lava_ssm.numerics import integer, real_number

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Changes sequences (batch, time, d_input) at random, by the numbers of the generator alone."""


@dataclass(frozen=True)
class Epoch:
    """How an epoch of training went.

    Parameters
    ----------
    number
        From 1.
    loss
        Mean cross entropy over its samples.
    accuracy
        Share of its samples that were classified rightly while it was trained, in [0, 1].
    """

    number: int
    loss: float
    accuracy: float


def optimizer(
    model: nn.Module, lr: float = 5e-3, ssm_lr: float = 2e-3, weight_decay: float = 1e-2
) -> torch.optim.AdamW:
    """AdamW as state space models want it: the dynamics learn slower and do not decay.

    Parameters
    ----------
    lr
        Peak learning rate of linear maps and of c and d.
    ssm_lr
        Peak learning rate of dt, A and B.
    weight_decay
        Of what learns with `lr`.
    """
    slow = [
        p
        for module in model.modules()
        if isinstance(module, S4D | S5)
        for name, p in module.named_parameters()
        if name not in ("c", "d")
    ]
    ids = {id(p) for p in slow}
    rest = [p for p in model.parameters() if id(p) not in ids]
    return torch.optim.AdamW(
        [
            {"params": slow, "lr": ssm_lr, "weight_decay": 0.0},
            {"params": rest, "lr": lr, "weight_decay": weight_decay},
        ]
    )


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    epochs, batch_size
        Passes over the samples, and samples a step (of all workers together).
    lr, ssm_lr, weight_decay
        Peak learning rates and decay, see `optimizer`.
    label_smoothing
        Share of each label that is spread over all classes, in [0, 1].
    warm_up
        Share of the steps in which the learning rate of the one-cycle schedule rises, in (0, 1).
    precision
        "bfloat16": factors of matrix products are rounded to it, which is faster on processors
        that know it; parameters, states and sums stay float32.
    seed
        Of the order of samples and of the augmentation.

    Raises
    ------
    ValueError
        A number outside its range.
    """

    epochs: int
    batch_size: int = 50
    lr: float = 5e-3
    ssm_lr: float = 2e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.0
    warm_up: float = 0.3
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, size(getattr(self, name), name))
        for name, interval in (
            ("lr", "(0, inf)"),
            ("ssm_lr", "(0, inf)"),
            ("weight_decay", "[0, inf)"),
            ("label_smoothing", "[0, 1]"),
            ("warm_up", "(0, 1)"),
        ):
            object.__setattr__(self, name, real_number(getattr(self, name), name, interval))
        object.__setattr__(self, "seed", integer(self.seed, "seed"))
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be 'float32' or 'bfloat16', got {self.precision!r}")


@dataclass(frozen=True)
class Worker:
    """Which of the processes that train one model together this one is."""

    rank: int = 0
    count: int = 1


class Training:
    """Training with cross entropy and a one-cycle schedule, which can be left and taken up again.

    Everything random is drawn anew from the recipe's seed and the number of the epoch or step, so
    a training that is continued from `state` gives what an uninterrupted one gives, to the last
    bit.

    Parameters
    ----------
    model
        Gives logits (batch, d_output) of x (batch, time, d_input); or the same in PyTorch's
        `DistributedDataParallel`.
    x, labels
        Sequences (samples, time, d_input) and their classes (samples,), whole numbers in
        [0, d_output): tensors or arrays of any real type. Sequences are rounded to the type of the
        model's parameters.
    recipe
        How to train.
    augment
        What is done to each step's sequences first.
    worker
        Of several processes, each with all samples: each computes its share of a step's samples.
    adamw
        From `optimizer`; None: with the recipe's rates and decay.

    Attributes
    ----------
    step : int
        Steps taken.
    history : list of Epoch
        The epochs that are complete.

    Raises
    ------
    TypeError
        x or labels are no numbers, or masked arrays.
    ValueError
        No samples, or not as many labels; a shape or a class that the model does not take; a value
        or a parameter that is not finite; or a model that does not give logits (batch, d_output).
    """

    def __init__(
        self,
        model: nn.Module,
        x: Given,
        labels: Given,
        recipe: Recipe,
        augment: Augment | None = None,
        worker: Worker | None = None,
        adamw: torch.optim.AdamW | None = None,
    ) -> None:
        self.model, self.recipe = model, recipe
        self.augment, self.worker = augment, worker or Worker()
        check_finite(model)
        self.x = sequences(x, self._bare)
        n_classes = number_of_classes(self._bare, self._first)
        self.labels = classes(labels, len(self.x), n_classes).to(self.x.device)
        self.steps_an_epoch = -(-len(self.x) // recipe.batch_size)
        if adamw is None:
            adamw = optimizer(model, recipe.lr, recipe.ssm_lr, recipe.weight_decay)
        self.adamw = adamw
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            adamw,
            [group["lr"] for group in adamw.param_groups],
            total_steps=self.steps,
            pct_start=recipe.warm_up,
        )
        self.step = 0
        self.history: list[Epoch] = []
        self._sums = torch.zeros(2, dtype=torch.float64)  # of the epoch: loss, right ones
        self._order = (-1, torch.empty(0, dtype=torch.int64))

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.recipe.epochs * self.steps_an_epoch

    @property
    def _bare(self) -> nn.Module:
        """The model without what distributes it."""
        wrapped = isinstance(self.model, nn.parallel.DistributedDataParallel)
        return self.model.module if wrapped else self.model

    def _first(self) -> Tensor:
        """A sequence as the model gets it."""
        x = self.x[:1]
        return x if self.augment is None else self.augment(x, torch.Generator())

    def advance(self) -> Epoch:
        """Take one step.

        Returns
        -------
        Epoch
            The present one so far; complete, and in `history`, at its last step.

        Raises
        ------
        ValueError
            The loss is no longer finite.
        """
        epoch, place = divmod(self.step, self.steps_an_epoch)
        size = self.recipe.batch_size
        chosen = self._order_of(epoch)[place * size : (place + 1) * size]
        x, labels = self.x[chosen], self.labels[chosen]
        if self.augment is not None:
            generator = torch.Generator().manual_seed(hash((self.recipe.seed, self.step)) % 2**63)
            x = self.augment(x, generator)
        mine = slice(self.worker.rank, None, self.worker.count)
        loss, right = self._learn(x[mine], labels[mine], len(chosen), epoch + 1)
        if place == 0:
            self._sums.zero_()
        self._sums += torch.tensor([loss * len(chosen), right], dtype=torch.float64)
        self.step += 1
        samples = min((place + 1) * size, len(self.x))
        now = Epoch(epoch + 1, self._sums[0].item() / samples, self._sums[1].item() / samples)
        if place + 1 == self.steps_an_epoch:
            self.history.append(now)
        return now

    def _learn(self, x: Tensor, labels: Tensor, total: int, epoch: int) -> tuple[float, int]:
        """Step on this worker's share of `total` samples: mean loss of all, how many right."""
        self.model.train()
        kind = getattr(torch, self.recipe.precision)
        with torch.autocast("cpu", kind, enabled=kind is torch.bfloat16):
            # a worker without a share goes along: gradients are averaged over all workers
            logits = self.model(x if len(x) else self.x[:1])[: len(x)].float()
        smoothing = self.recipe.label_smoothing
        loss = nn.functional.cross_entropy(
            logits, labels, label_smoothing=smoothing, reduction="sum"
        )
        loss = loss / total
        measured = torch.stack([loss.detach(), (logits.argmax(-1) == labels).sum()])
        if self.worker.count > 1:
            torch.distributed.all_reduce(measured)
        if not torch.isfinite(measured[0]):
            raise ValueError(f"the loss is {measured[0]} in epoch {epoch}: lower the rates")
        self.adamw.zero_grad()
        (loss * self.worker.count).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adamw.step()
        self.schedule.step()
        return float(measured[0]), int(measured[1])

    def _order_of(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.recipe.seed)
            for _ in range(epoch + 1):
                order = torch.randperm(len(self.x), generator=generator)
            self._order = (epoch, order)
        return self._order[1]

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to continue, for `checkpoint.write`."""
        return {
            "model": self._bare.state_dict(),
            "adamw": self.adamw.state_dict(),
            "step": self.step,
            "sums": self._sums,
            "history": [(e.number, e.loss, e.accuracy) for e in self.history],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self._bare.load_state_dict(state["model"])
        self.adamw.load_state_dict(state["adamw"])
        self.step = state["step"]
        # the rates themselves are the optimizer's
        self.schedule.load_state_dict({"last_epoch": self.step, "_step_count": self.step + 1})
        self._sums = state["sums"].clone()
        self.history = [Epoch(*numbers) for numbers in state["history"]]


class Fit(Sequence[Epoch]):
    """What `fit` gives: the epochs of a training that is over.

    Attributes
    ----------
    model : torch.nn.Module
        What was trained, in evaluation mode.
    history : list of Epoch
        How each epoch went; the same as the sequence itself.
    """

    def __init__(self, model: nn.Module, history: list[Epoch]) -> None:
        self.model, self.history = model, history

    def __len__(self) -> int:
        return len(self.history)

    @overload
    def __getitem__(self, i: int) -> Epoch: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Epoch]: ...
    def __getitem__(self, i: int | slice) -> Epoch | Sequence[Epoch]:
        return self.history[i]

    def __repr__(self) -> str:
        last = self.history[-1]
        return f"<Fit: {len(self)} epochs, loss {last.loss:.4f}, accuracy {last.accuracy:.2%}>"


def fit(
    model: nn.Module,
    x: Given,
    labels: Given,
    epochs: int,
    batch_size: int = 50,
    adamw: torch.optim.AdamW | None = None,
    label_smoothing: float = 0.0,
    seed: int = 0,
    progress: bool | None = None,
) -> Fit:
    """Train with cross entropy and a one-cycle schedule: `Training` in one call.

    Parameters
    ----------
    model
        Gives logits (batch, d_output) of x (batch, time, d_input).
    x, labels
        Sequences (samples, time, d_input) and their classes (samples,), see `Training`.
    epochs, batch_size
        Passes over the samples, and samples a step.
    adamw
        From `optimizer`, whose learning rates are the peaks; None: its defaults.
    label_smoothing
        Share of each label that is spread over all classes, in [0, 1].
    seed
        Of the order of samples.
    progress
        Whether to show a bar on standard error; None: if that is a terminal.

    Returns
    -------
    Fit
        How each epoch went. The model is in evaluation mode then.

    Raises
    ------
    TypeError, ValueError
        See `Training` and `Recipe`; or the loss is no longer finite.
    """
    from rich.console import Console
    from rich.progress import track

    going = fit_epochs(model, x, labels, epochs, batch_size, adamw, label_smoothing, seed)
    console = Console(stderr=True)
    shown = console.is_terminal if progress is None else progress
    return Fit(model, list(track(going, "training", epochs, console=console, disable=not shown)))


def fit_epochs(
    model: nn.Module,
    x: Given,
    labels: Given,
    epochs: int,
    batch_size: int = 50,
    adamw: torch.optim.AdamW | None = None,
    label_smoothing: float = 0.0,
    seed: int = 0,
) -> Iterator[Epoch]:
    """Do what `fit` does, an epoch each time that the next one is asked for.

    Bad input is refused at once; nothing is trained before the first epoch is asked for.
    """
    recipe = Recipe(epochs, batch_size, label_smoothing=label_smoothing, seed=seed)
    return _epochs(Training(model, x, labels, recipe, adamw=adamw))


def _epochs(training: Training) -> Iterator[Epoch]:
    try:
        while training.step < training.steps:
            training.advance()
            if training.step % training.steps_an_epoch == 0:
                yield training.history[-1]
    finally:
        training.model.eval()


def accuracy(model: nn.Module, x: Given, labels: Given, batch_size: int = 500) -> float:
    """Share of sequences x (samples, time, d_input) that the model classifies rightly, in [0, 1].

    Raises
    ------
    TypeError, ValueError
        See `Training`.
    """
    return evaluate(model, x, labels, batch_size)[0]


@torch.no_grad()
def evaluate(
    model: nn.Module, x: Given, labels: Given, batch_size: int = 100
) -> tuple[float, float]:
    """Accuracy, in [0, 1], and mean cross entropy of sequences x (samples, time, d_input).

    Raises
    ------
    TypeError, ValueError
        See `Training`.
    """
    check_finite(model)
    tokens, batch_size = sequences(x, model), size(batch_size, "batch_size")
    n_classes = number_of_classes(model, lambda: tokens[:1])
    known = classes(labels, len(tokens), n_classes).to(tokens.device)
    right, loss = 0, 0.0
    with evaluating(model):
        for part, wanted in zip(tokens.split(batch_size), known.split(batch_size), strict=True):
            logits = model(part)
            right += int((logits.argmax(-1) == wanted).sum())
            loss += float(nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return right / len(tokens), loss / len(tokens)
