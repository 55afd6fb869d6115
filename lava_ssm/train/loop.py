"""The one loop in which everything is trained."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from lava_ssm.compress import Pruner
from lava_ssm.nn.chain import Chain
from lava_ssm.numerics import instance
from lava_ssm.train.adamw import optimizer, schedule
from lava_ssm.train.captured import Captured
from lava_ssm.train.folder import Plain
from lava_ssm.train.recipe import Recipe

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)

_STEPS_UNSEEN = 20
"""A GPU is waited for once in so many steps, to see how it goes."""


@dataclass(frozen=True)
class Epoch:
    """How an epoch of training went.

    Parameters
    ----------
    number
        From 1.
    loss
        Mean loss of its samples, while it was trained.
    score
        Mean score of its samples, which is better the higher it is: of a classifier the share that
        it classified rightly, in [0, 1]; of a denoiser the SI-SNR in dB.
    """

    number: int
    loss: float
    score: float

    @property
    def accuracy(self) -> float:
        """The score of a classifier."""
        return self.score


@dataclass(frozen=True)
class Worker:
    """Which of the processes that train one model together this one is."""

    rank: int = 0
    count: int = 1


class Loop(ABC, Generic[AnyRecipe]):
    """A training that can be left and taken up again.

    Everything random is drawn anew from the recipe's seed and the number of the epoch or step, so
    a training that is continued from `state` gives what an uninterrupted one gives, to the last
    bit. What is trained for, and with what, its members say.

    Parameters
    ----------
    model
        What is trained; or the same in PyTorch's `DistributedDataParallel`.
    samples
        How many there are.
    recipe
        How to train.
    worker
        Of several processes, each with all samples: each computes its share of a step's samples.
    adamw
        From `optimizer`; None: with the recipe's rates and decay.
    pruner
        Prunes the model after each step; parameters are averaged once its masks stay.

    Attributes
    ----------
    step : int
        Steps taken.
    history : list of Epoch
        The epochs that are complete.
    """

    capturable: ClassVar[bool] = True
    """Whether what is computed depends on a batch's shape alone, on a GPU alone."""

    def __init__(
        self,
        model: nn.Module,
        samples: int,
        recipe: AnyRecipe,
        worker: Worker | None = None,
        adamw: torch.optim.AdamW | None = None,
        pruner: Pruner | None = None,
    ) -> None:
        self.model, self.samples, self.recipe = model, samples, recipe
        self.worker, self.pruner = worker or Worker(), pruner
        if pruner is not None:
            instance(pruner, Pruner, "pruner", "a Pruner")
        self.steps_an_epoch = -(-samples // recipe.batch_size)
        if adamw is None:
            adamw = optimizer(model, recipe.lr, recipe.ssm_lr, recipe.weight_decay)
        self.adamw = adamw
        self.schedule = schedule(adamw, recipe, self.steps)
        self.average: AveragedModel | None = None
        if recipe.ema > 0:
            by = partial(_average, recipe.ema)
            # statistics of norms too: a few small batches' are not the data's
            self.average = AveragedModel(self.bare, multi_avg_fn=by, use_buffers=True)  # type: ignore[call-arg]
        self.step = 0
        self.history: list[Epoch] = []
        self.device = next(model.parameters()).device
        # of the epoch: losses, scores
        self._sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        self._now = Epoch(1, 0.0, 0.0)
        self._captured: tuple[int, Captured] | None = None
        # where a recorded step finds them
        self._rates: list[Tensor] = []
        self._averaged = torch.zeros((), dtype=torch.int64, device=self.device)
        self._order = (-1, torch.empty(0, dtype=torch.int64))

    @staticmethod
    @abstractmethod
    def shown(score: float) -> str:
        """A score as it is printed."""

    @abstractmethod
    def batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the chosen samples, whose numbers are given, (batch, ...) each."""

    @abstractmethod
    def losses(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of loss and of score over inputs and targets; the first one is differentiated."""

    def begin(self, epoch: int) -> None:
        """Do what is to be done before the first step of an epoch, from 1."""

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.recipe.epochs * self.steps_an_epoch

    @property
    def bare(self) -> nn.Module:
        """The model without what distributes it."""
        wrapped = isinstance(self.model, nn.parallel.DistributedDataParallel)
        return self.model.module if wrapped else self.model

    @property
    def measured(self) -> nn.Module:
        """What is measured: the model with averaged parameters, as soon as there are any."""
        if self.average is None or self.average.n_averaged == 0:
            return self.bare
        return self.average.module

    def outputs(self, x: Tensor, model: nn.Module | None = None) -> Tensor:
        """What the model, or another one, gives of x in the recipe's precision, as float32."""
        kind = getattr(torch, self.recipe.precision)
        with torch.autocast(x.device.type, kind, enabled=kind is torch.bfloat16):
            y: Tensor = (model or self.model)(x)
        return y.float()

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
        if place == 0:
            self.begin(epoch + 1)
        size = self.recipe.batch_size
        chosen = self._order_of(epoch)[place * size : (place + 1) * size]
        seed = hash((self.recipe.seed, self.step)) % 2**63
        batch = self.batch(chosen, torch.Generator().manual_seed(seed))
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # what the user draws does not depend on us
            torch.manual_seed(seed + self.worker.rank)
            self.model.train()
            recorded = self._is_recorded(len(chosen))
            learn = self._recording(batch) if recorded else partial(self._learn, len(chosen))
            measured = learn(batch)
        self._set_rates()
        if place == 0:
            self._sums.zero_()
        self._sums[0] += measured[0].double() * len(chosen)
        self._sums[1] += measured[1]
        ends = place + 1 == self.steps_an_epoch
        if not devices or ends or place % _STEPS_UNSEEN == 0 or self._now.number != epoch + 1:
            samples = min((place + 1) * size, self.samples)
            self._now = Epoch(epoch + 1, *(self._sums / samples).tolist())
            self._check(self._now.loss)
        self.step += 1
        if self.pruner is not None:
            self.pruner.at(self.step / self.steps)
        if self.average is not None:
            if recorded:
                self.average.n_averaged += 1
            elif self.pruner is None or self.pruner.done:
                self.average.update_parameters(self.bare)
            else:  # weights of before would stand where zeros are to be
                self.average.n_averaged.zero_()
            if self.step == self.steps:
                self.bare.load_state_dict(self.average.module.state_dict())
        if ends:
            self.history.append(self._now)
        return self._now

    def _learn(self, total: int, batch: Sequence[Tensor]) -> Tensor:
        """Step on this worker's share of `total` samples: mean loss of all, sum of scores."""
        measured = self._differentiate(
            total, [part[self.worker.rank :: self.worker.count] for part in batch]
        )
        if self.worker.count > 1:
            torch.distributed.all_reduce(measured)
        if not measured.is_cuda:
            self._check(float(measured[0]))
        self._move()
        return measured

    def _differentiate(self, total: int, share: Sequence[Tensor]) -> Tensor:
        """Compute gradients of the mean loss of `total` samples: its share of it, its scores."""
        idle = len(share[0]) == 0
        if idle:  # it goes along: gradients are averaged over all workers
            share = [part.new_zeros(1, *part.shape[1:]) for part in share]
        loss, score = (0 * value if idle else value for value in self.losses(*share))
        loss = loss / total
        self.adamw.zero_grad()
        (loss * self.worker.count).backward()
        return torch.stack([loss.detach(), score.detach()])

    def _move(self) -> None:
        """Move parameters by their gradients."""
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adamw.step()

    def _is_recorded(self, total: int) -> bool:
        """Whether a step of `total` samples can be recorded, or has been."""
        whole = self.worker.count == 1 and total == self.recipe.batch_size
        # the optimizer's moments change with the rates of one cycle, and begin with the first step
        constant = self.recipe.schedule == "cosine" and bool(self.adamw.state)
        # of a model of others nobody knows what it does, and a pruner does not always do the same
        known = self.capturable and isinstance(self.bare, Chain) and self.pruner is None
        return self.device.type == "cuda" and whole and constant and known

    def _recording(self, batch: Sequence[Tensor]) -> Captured:
        """The step, recorded when tokens are first joined as they are now."""
        key = self.recipe.joined(self.step // self.steps_an_epoch + 1)
        if self._captured is None or self._captured[0] != key:
            self._captured = None  # its memory is free before the next one needs as much
            if not self._rates:
                for group in self.adamw.param_groups:
                    group["capturable"] = True
                    group["lr"] = torch.tensor(group["lr"], device=self.device)
                self._rates = [group["lr"] for group in self.adamw.param_groups]

            def update() -> None:
                self._move()
                if self.average is not None:
                    # as it does itself, but for its counter, which lies on the CPU
                    averages, now = _tensors(self.average.module), _tensors(self.bare)
                    _average(self.recipe.ema, averages, now, self._averaged)

            differentiate = partial(self._differentiate, len(batch[0]))
            self._captured = key, Captured(self.model, differentiate, update, batch)
        if self.average is not None:
            self._averaged.fill_(self.average.n_averaged)
        return self._captured[1]

    def _set_rates(self) -> None:
        """Set the rates of the next step, in place where a recorded one looks for them."""
        self.schedule.step()
        for group, rate in zip(self.adamw.param_groups, self._rates, strict=False):
            if group["lr"] is not rate:
                rate.fill_(group["lr"])
                group["lr"] = rate

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            epoch = self.step // self.steps_an_epoch + 1
            raise ValueError(f"the loss is {loss} in epoch {epoch}: lower the rates")

    def _order_of(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.recipe.seed)
            for _ in range(epoch + 1):
                order = torch.randperm(self.samples, generator=generator)
            self._order = (epoch, order)
        return self._order[1]

    def state(self) -> Plain:
        """All that `restore` needs to continue, but data, model class and recipe."""
        adamw = self.adamw.state_dict()
        for group in adamw["param_groups"]:  # as on any other device
            group.update(lr=float(group["lr"]), capturable=False, fused=None)
        return {
            "model": self.bare.state_dict(),
            "adamw": adamw,
            **({} if self.average is None else {"average": self.average.state_dict()}),
            "step": self.step,
            "sums": self._sums.cpu(),
            "history": [astuple(epoch) for epoch in self.history],
        }

    def restore(self, state: Plain) -> None:
        """Continue from what `state` gave."""
        self.bare.load_state_dict(state["model"])
        groups = zip(state["adamw"]["param_groups"], self.adamw.param_groups, strict=True)
        # on its device, which decides where the optimizer's counters lie
        ways = [{**group, "fused": mine["fused"]} for group, mine in groups]
        self.adamw.load_state_dict({**state["adamw"], "param_groups": ways})
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step = state["step"]
        # the rates themselves are the optimizer's
        self.schedule.__dict__.update(last_epoch=self.step, _step_count=self.step + 1)
        self._sums.copy_(state["sums"])
        self.history = [Epoch(*numbers) for numbers in state["history"]]


def _tensors(model: nn.Module) -> list[Tensor]:
    """Parameters and statistics of a model."""
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]


@torch.no_grad()
def _average(decay: float, averages: Sequence[Tensor], now: Sequence[Tensor], t: Tensor) -> None:
    """Take one more value into averages of t values, see `Recipe`; of integers, the last one."""
    weight = (9 / (10 + t)).clamp(min=1 - decay)
    for average, value in zip(averages, now, strict=True):
        if average.is_floating_point() or average.is_complex():
            average.lerp_(value, weight.to(average.dtype))
        else:
            average.copy_(value)
