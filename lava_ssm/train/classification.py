"""Training a classifier of token sequences."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lava_ssm.compress import Pruner
from lava_ssm.data import joined
from lava_ssm.nn import stretch
from lava_ssm.nn.evaluating import evaluating
from lava_ssm.nn.inputs import (
    Given,
    check_finite,
    classes,
    number_of_classes,
    sequences,
    size,
)
from lava_ssm.train.folder import Plain
from lava_ssm.train.loop import Loop, Worker
from lava_ssm.train.recipe import Recipe

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Changes sequences (batch, time, d_input) at random, by the numbers of the generator alone."""


Pairs: TypeAlias = Dataset[tuple[Tensor, Tensor]] | DataLoader[tuple[Tensor, Tensor]]
"""Pairs of a sequence (time, d_input) and its class."""


class Training(Loop[Recipe]):
    """Training of a classifier with cross entropy, see `Loop`; its score is the accuracy.

    Parameters
    ----------
    model
        Gives logits (batch, d_output) of x (batch, time, d_input); or the same in PyTorch's
        `DistributedDataParallel`.
    x, labels
        Sequences (samples, time, d_input) and their classes (samples,), whole numbers in
        [0, d_output): tensors or arrays of any real type. Sequences are rounded to the type of the
        model's parameters. Or x is a torch `Dataset` or `DataLoader` of pairs of them, which is
        gone through once, and labels is None.
    recipe, worker, adamw, pruner
        See `Loop`.
    augment
        What is done to each step's sequences first.
    teacher
        Whose logits are learned too, see `Recipe`: a model of the same classes. It gets the same
        sequences, with `teacher_join` tokens as one.

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
        x: Given | Pairs,
        labels: Given | None,
        recipe: Recipe,
        augment: Augment | None = None,
        worker: Worker | None = None,
        adamw: torch.optim.AdamW | None = None,
        pruner: Pruner | None = None,
        teacher: nn.Module | None = None,
        teacher_join: int = 1,
    ) -> None:
        check_finite(model)
        if (teacher is None) is (recipe.distillation > 0):
            raise ValueError(
                "teacher: there must be one if and only if distillation is above 0, got "
                f"{type(teacher).__name__} and {recipe.distillation}"
            )
        self.augment, self.model, self.join = augment, model, recipe.joined(1)
        x, labels = _taken(x, labels)
        self.x = sequences(x, self.bare)
        for tokens in (*recipe.stages, teacher_join):
            joined(self.x[:1], tokens)  # refused now
        n_classes = number_of_classes(self.bare, self._first)
        self.teacher, self.teacher_join = teacher, teacher_join
        if teacher is not None and number_of_classes(teacher, self._taught) != n_classes:
            raise ValueError(f"teacher must have the model's {n_classes} classes")
        self.labels = classes(labels, len(self.x), n_classes).to(self.x.device)
        super().__init__(model, len(self.x), recipe, worker, adamw, pruner)

    def _first(self) -> Tensor:
        """A sequence as the model gets it."""
        x = self.x[:1]
        x = x if self.augment is None else self.augment(x, torch.Generator())
        return joined(x, self.join)

    def _taught(self) -> Tensor:
        """A sequence as the teacher gets it."""
        return joined(self.x[:1], self.teacher_join)

    def begin(self, epoch: int) -> None:
        """Make the steps of the state space layers as long as the tokens of the epoch."""
        before, self.join = self.recipe.joined(max(1, epoch - 1)), self.recipe.joined(epoch)
        if self.join != before:
            for model in {self.bare, self.measured}:
                stretch(model, self.join / before)

    def restore(self, state: Plain) -> None:
        super().restore(state)
        self.join = self.recipe.joined(max(1, -(-self.step // self.steps_an_epoch)))

    @staticmethod
    def shown(score: float) -> str:
        """A score as it is printed."""
        return f"accuracy {score:.2%}"

    def batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Sequences (batch, time, d_input), augmented, and their classes (batch,)."""
        chosen = chosen.to(self.x.device, non_blocking=True)
        x = self.x[chosen]
        return x if self.augment is None else self.augment(x, random), self.labels[chosen]

    def losses(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of cross entropies, and how many are classified rightly."""
        logits = self.outputs(joined(x, self.join))
        loss = nn.functional.cross_entropy(
            logits, target, label_smoothing=self.recipe.label_smoothing, reduction="sum"
        )
        if self.teacher is not None:
            w, t = self.recipe.distillation, self.recipe.temperature
            with evaluating(self.teacher), torch.no_grad():
                taught = self.outputs(joined(x, self.teacher_join), self.teacher)
            divergence = nn.functional.kl_div(
                (logits / t).log_softmax(-1),
                (taught / t).log_softmax(-1),
                reduction="sum",
                log_target=True,
            )
            loss = (1 - w) * loss + w * t**2 * divergence
        return loss, (logits.argmax(-1) == target).sum()


def _taken(x: Given | Pairs, labels: Given | None) -> tuple[Given, Given]:
    """Sequences and labels, of a data set all that is in it."""
    if not isinstance(x, Dataset | DataLoader):
        if labels is None:
            raise TypeError("labels must be integers, the class of each sample, got None")
        return x, labels
    if labels is not None:
        raise TypeError(f"labels must be None, as {type(x).__name__} has labels of its own")
    try:
        pairs = list(x if isinstance(x, DataLoader) else DataLoader(x, batch_size=500))
        parts = list(zip(*((sequence, label) for sequence, label in pairs), strict=True))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            "x must give pairs of a sequence (time, d_input) and its class, all sequences as "
            f"long: {error}"
        ) from error
    if not parts:
        raise ValueError("x: no samples")
    return torch.cat(parts[0]), torch.cat(parts[1])


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
