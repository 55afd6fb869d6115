"""A training in one call."""

import copy
from collections.abc import Iterator, Sequence
from typing import overload

import torch
from rich.console import Console
from torch import nn

from lava_ssm.nn.inputs import Given
from lava_ssm.train import memory
from lava_ssm.train.classification import Pairs, Training, evaluate
from lava_ssm.train.loop import Epoch
from lava_ssm.train.progress import Shown
from lava_ssm.train.recipe import Recipe


class Fit(Sequence[Epoch]):
    """What `fit` gives: the epochs of a training that is over.

    Attributes
    ----------
    model : torch.nn.Module
        What was trained, in evaluation mode.
    history : list of Epoch
        How each epoch went; the same as the sequence itself.
    validation : list of tuple
        After each epoch, accuracy and loss of what was not trained with; empty without such.
    """

    def __init__(
        self,
        model: nn.Module,
        history: list[Epoch],
        validation: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.model, self.history, self.validation = model, history, list(validation)

    @property
    def best(self) -> int:
        """Number of the epoch whose parameters the model has: the last one of the best accuracy."""
        if not self.validation:
            return len(self.history)
        ranks = [(accuracy, -loss, i) for i, (accuracy, loss) in enumerate(self.validation, 1)]
        return max(ranks)[-1]

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
        text = f"{len(self)} epochs, loss {last.loss:.4f}, accuracy {last.accuracy:.2%}"
        if self.validation:
            text += f"; validation {self.validation[self.best - 1][0]:.2%} after {self.best}"
        return f"<Fit: {text}>"


def fit(
    model: nn.Module,
    x: Given | Pairs,
    labels: Given | None = None,
    epochs: int = 10,
    batch_size: int = 50,
    adamw: torch.optim.AdamW | None = None,
    label_smoothing: float = 0.0,
    seed: int = 0,
    progress: bool | None = None,
    validation: tuple[Given, Given] | None = None,
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
        Whether to show on standard error how it goes; None: on a terminal and in notebooks.
    validation
        Sequences and labels that are not trained with, to choose the best epoch by.

    Returns
    -------
    Fit
        How each epoch went. The model is in evaluation mode then; with `validation` it has the
        parameters of the best epoch.

    Raises
    ------
    TypeError, ValueError
        See `Training` and `Recipe`; or the loss is no longer finite.
    """
    recipe = Recipe(epochs, batch_size, label_smoothing=label_smoothing, seed=seed)
    training, console = Training(model, x, labels, recipe, adamw=adamw), Console(stderr=True)
    if progress is None:
        progress = console.is_terminal or console.is_jupyter
    with Shown(training, console if progress else None) as shown, memory.kept():
        if validation is None:
            return Fit(model, list(_epochs(training, shown)))
        evaluate(model, *validation)  # refused now
        measured: list[tuple[float, float]] = []
        best = model.state_dict()
        for _ in _epochs(training, shown):
            measured.append(evaluate(model, *validation))
            done = Fit(model, training.history, measured)
            if done.best == len(measured):
                best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return done


def fit_epochs(
    model: nn.Module,
    x: Given | Pairs,
    labels: Given | None = None,
    epochs: int = 10,
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


def _epochs(training: Training, shown: Shown | None = None) -> Iterator[Epoch]:
    try:
        while training.step < training.steps:
            now = training.advance()
            ends = training.step % training.steps_an_epoch == 0
            if shown is not None:
                shown.step(now, ends)
            if ends:
                yield now
    finally:
        training.model.eval()
