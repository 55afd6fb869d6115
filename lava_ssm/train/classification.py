"""Training a classifier of token sequences."""

from collections.abc import Callable

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
from lava_ssm.train.loop import AfterStep, Loop, Worker
from lava_ssm.train.recipe import Recipe

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Changes sequences (batch, time, d_input) at random, by the numbers of the generator alone."""


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
        model's parameters.
    recipe, worker, adamw, after_step
        See `Loop`.
    augment
        What is done to each step's sequences first.

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
        after_step: AfterStep | None = None,
    ) -> None:
        check_finite(model)
        self.augment, self.model = augment, model
        self.x = sequences(x, self.bare)
        n_classes = number_of_classes(self.bare, self._first)
        self.labels = classes(labels, len(self.x), n_classes).to(self.x.device)
        super().__init__(model, len(self.x), recipe, worker, adamw, after_step)

    def _first(self) -> Tensor:
        """A sequence as the model gets it."""
        x = self.x[:1]
        return x if self.augment is None else self.augment(x, torch.Generator())

    @staticmethod
    def shown(score: float) -> str:
        """A score as it is printed."""
        return f"accuracy {score:.2%}"

    def batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Sequences (batch, time, d_input), augmented, and their classes (batch,)."""
        x = self.x[chosen]
        return x if self.augment is None else self.augment(x, random), self.labels[chosen]

    def losses(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of cross entropies, and how many are classified rightly."""
        logits = self.outputs(x)
        loss = nn.functional.cross_entropy(
            logits, target, label_smoothing=self.recipe.label_smoothing, reduction="sum"
        )
        return loss, (logits.argmax(-1) == target).sum()


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
