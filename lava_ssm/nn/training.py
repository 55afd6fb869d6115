"""Training a classifier of token sequences."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lava_ssm.nn.s4d import S4D


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
        Peak learning rate of linear maps and of c.
    ssm_lr
        Peak learning rate of dt, A and B.
    weight_decay
        Of what learns with `lr`.
    """
    slow = [
        p
        for module in model.modules()
        if isinstance(module, S4D)
        for name, p in module.named_parameters()
        if name != "c"
    ]
    ids = {id(p) for p in slow}
    rest = [p for p in model.parameters() if id(p) not in ids]
    return torch.optim.AdamW(
        [
            {"params": slow, "lr": ssm_lr, "weight_decay": 0.0},
            {"params": rest, "lr": lr, "weight_decay": weight_decay},
        ]
    )


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
    if len(x) == 0 or len(x) != len(labels):
        raise ValueError(f"x, labels: need as many labels as samples, got {len(labels)}, {len(x)}")
    adamw = optimizer(model) if adamw is None else adamw
    steps = -(-len(x) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adamw, [group["lr"] for group in adamw.param_groups], total_steps=epochs * steps
    )
    order = torch.Generator().manual_seed(seed)
    model.train()
    for number in range(1, epochs + 1):
        loss_sum, right = 0.0, 0
        for batch in torch.randperm(len(x), generator=order).split(batch_size):
            logits = model(x[batch])
            loss = nn.functional.cross_entropy(
                logits, labels[batch], label_smoothing=label_smoothing
            )
            if not torch.isfinite(loss):
                raise ValueError(f"the loss is {loss.item()} in epoch {number}: lower the rates")
            adamw.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adamw.step()
            schedule.step()
            loss_sum += loss.item() * len(batch)
            right += int((logits.argmax(-1) == labels[batch]).sum())
        yield Epoch(number, loss_sum / len(x), right / len(x))
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
