"""What moves parameters, and how fast."""

import torch
from torch import nn

from lava_ssm.nn import LayerModule


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
        ]
    )
