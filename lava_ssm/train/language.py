"""Training a language model: each token of a text from those before it."""

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm.compress import Pruner
from lava_ssm.nn.evaluating import evaluating
from lava_ssm.nn.inputs import check_finite, size
from lava_ssm.train.loop import Loop, Worker
from lava_ssm.train.recipe import Recipe

EPOCH = 2**20
"""Tokens of an epoch: texts are too long for one to be a pass."""


class LanguageModelling(Loop[Recipe]):
    """Training of a language model with cross entropy, see `Loop`.

    A sample is a piece of the text from anywhere, drawn anew each time. The score is the
    log-likelihood, in nats a token.

    Parameters
    ----------
    model
        Gives logits (batch, time, vocabulary) of one-hot tokens of that shape.
    tokens
        Numbers of the text's tokens, int64, (time,).
    context
        Tokens of a sample that are foretold, from the zero state; less than `tokens` has.
    recipe, worker, adamw, pruner
        See `Loop`; labels are not smoothed, tokens not joined, and nobody teaches.
    epoch
        Tokens of an epoch; None: 2^20.

    Raises
    ------
    ValueError
        Such a recipe, a text that is too short, or a parameter that is not finite.
    """

    def __init__(
        self,
        model: nn.Module,
        tokens: np.ndarray,
        context: int,
        recipe: Recipe,
        worker: Worker | None = None,
        adamw: torch.optim.AdamW | None = None,
        pruner: Pruner | None = None,
        epoch: int | None = None,
    ) -> None:
        check_finite(model)
        context = size(context, "context")
        if len(tokens) <= context:
            raise ValueError(
                f"context must be less than the text's {len(tokens)} tokens, got {context}"
            )
        for name, none in (("label_smoothing", 0), ("distillation", 0), ("join", (1,))):
            if getattr(recipe, name) != none:
                raise ValueError(f"recipe: {name} is not for language models")
        self.tokens, self.context = _on_device_of(model, tokens), context
        samples = max(1, (epoch or EPOCH) // context)
        super().__init__(model, samples, recipe, worker, adamw, pruner)

    @staticmethod
    def shown(score: float) -> str:
        """A score as it is printed."""
        return f"perplexity {np.exp(-score):.3f}"

    def batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens (batch, context), and those that follow them."""
        starts = torch.randint(len(self.tokens) - self.context, chosen.shape, generator=random)
        places = starts[:, None] + torch.arange(self.context + 1)
        pieces = self.tokens[places.to(self.tokens.device)]
        return pieces[:, :-1], pieces[:, 1:]

    def losses(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over pieces of their mean cross entropies, and of what is likely."""
        loss = cross_entropy(self.outputs(one_hot(x, self.model)), target)
        return loss, -loss.detach()


def _on_device_of(model: nn.Module, tokens: np.ndarray) -> Tensor:
    return torch.from_numpy(tokens).to(next(model.parameters()).device)


def one_hot(tokens: Tensor, model: nn.Module) -> Tensor:
    """Give tokens as a model takes them, (..., time, vocabulary)."""
    like = next(model.parameters())
    return nn.functional.one_hot(tokens, model.d_input).to(like)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Sum over pieces of their mean cross entropies in nats a token."""
    loss = nn.functional.cross_entropy(logits.mT, target, reduction="none")
    return loss.mean(-1).sum()


@torch.no_grad()
def evaluate(model: nn.Module, tokens: np.ndarray, context: int, batch_size: int = 32) -> float:
    """Mean cross entropy of a text's tokens, in nats, in whole pieces from the zero state.

    Parameters
    ----------
    tokens
        Their numbers, int64, (time,), more than `context`; what does not fill a piece is left out.
    context
        Tokens of a piece.
    """
    pieces = _on_device_of(model, tokens).unfold(0, context + 1, context)
    total = 0.0
    with evaluating(model):
        for some in pieces.split(batch_size):
            logits = model(one_hot(some[:, :-1], model))
            total += float(cross_entropy(logits.float(), some[:, 1:]))
    return total / len(pieces)
