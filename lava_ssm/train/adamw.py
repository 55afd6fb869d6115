"""What moves parameters, and how fast."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from lava_ssm.nn import LayerModule
from lava_ssm.train.recipe import Recipe


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
        if isinstance(module, LayerModule)
        for name, p in module.named_parameters(recurse=False)
        if name in module.slow
    ]
    ids = {id(p) for p in slow}
    rest = [p for p in model.parameters() if id(p) not in ids]
    return torch.optim.AdamW(
        [
            {"params": slow, "lr": ssm_lr, "weight_decay": 0.0},
            {"params": rest, "lr": lr, "weight_decay": weight_decay},
        ],
        fused=all(p.is_cuda for p in [*slow, *rest]),
    )


def schedule(adamw: torch.optim.AdamW, recipe: Recipe, steps: int) -> LRScheduler:
    """How the rates go, which are the peaks now, see `Recipe`."""
    if recipe.schedule == "one-cycle":
        peaks = [group["lr"] for group in adamw.param_groups]
        return OneCycleLR(adamw, peaks, total_steps=steps, pct_start=recipe.warm_up)
    rising = math.ceil(recipe.warm_up * steps)

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return LambdaLR(adamw, share)
