"""Training a classifier of token sequences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lava_ssm.nn.s4d import S4D
from lava_ssm.nn.s5 import S5

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
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr", "ssm_lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")
        if not 0 <= self.label_smoothing <= 1:
            raise ValueError(f"label_smoothing must lie in [0, 1], got {self.label_smoothing}")
        if not 0 < self.warm_up < 1:
            raise ValueError(f"warm_up must lie in (0, 1), got {self.warm_up}")
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
        Sequences (samples, time, d_input) and their classes (samples,), int64.
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
    ValueError
        No samples, or not as many labels.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        labels: Tensor,
        recipe: Recipe,
        augment: Augment | None = None,
        worker: Worker | None = None,
        adamw: torch.optim.AdamW | None = None,
    ) -> None:
        if len(x) == 0 or len(x) != len(labels):
            raise ValueError(
                f"x, labels: need as many labels as samples, got {len(labels)}, {len(x)}"
            )
        self.model, self.x, self.labels, self.recipe = model, x, labels, recipe
        self.augment, self.worker = augment, worker or Worker()
        self.steps_an_epoch = -(-len(x) // recipe.batch_size)
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
        """All that `restore` needs to continue, for `torch.save`."""
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


def fit(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    epochs: int,
    batch_size: int = 50,
    adamw: torch.optim.AdamW | None = None,
    label_smoothing: float = 0.0,
    seed: int = 0,
) -> Iterator[Epoch]:
    """Train with cross entropy and a one-cycle schedule; yields after each epoch.

    `Training` in one call.

    Parameters
    ----------
    model
        Gives logits (batch, d_output) of x (batch, time, d_input).
    x, labels
        Sequences (samples, time, d_input) and their classes (samples,), int64.
    epochs, batch_size
        Passes over the samples, and samples a step.
    adamw
        From `optimizer`, whose learning rates are the peaks; None: its defaults.
    label_smoothing
        Share of each label that is spread over all classes, in [0, 1].
    seed
        Of the order of samples.

    Raises
    ------
    ValueError
        No samples, or not as many labels; or the loss is no longer finite.
    """
    recipe = Recipe(epochs, batch_size, label_smoothing=label_smoothing, seed=seed)
    training = Training(model, x, labels, recipe, adamw=adamw)
    for _ in range(training.steps):
        training.advance()
        if training.step % training.steps_an_epoch == 0:
            yield training.history[-1]
    model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of sequences x (samples, time, d_input) that the model classifies rightly."""
    model.eval()
    right = sum(
        int((model(part).argmax(-1) == wanted).sum())
        for part, wanted in zip(x.split(batch_size), labels.split(batch_size), strict=True)
    )
    return right / len(x)


@torch.no_grad()
def evaluate(
    model: nn.Module, x: Tensor, labels: Tensor, batch_size: int = 100
) -> tuple[float, float]:
    """Accuracy, in [0, 1], and mean cross entropy of sequences x (samples, time, d_input)."""
    model.eval()
    right, loss = 0, 0.0
    for part, wanted in zip(x.split(batch_size), labels.split(batch_size), strict=True):
        logits = model(part)
        right += int((logits.argmax(-1) == wanted).sum())
        loss += float(nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return right / len(x), loss / len(x)
