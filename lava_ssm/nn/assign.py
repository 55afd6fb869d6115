"""From a network description back to a torch model, to train on."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.nn.ns4d import NS4D
from lava_ssm.nn.s4d import S4D
from lava_ssm.numerics import real_number


@torch.no_grad()
def assign(model: NS4D, net: network.Network) -> None:
    """Give a model the parameters of a float network: the inverse of `export`.

    A description holds discretised states, and many continuous systems have the same: each channel
    gets the step at which the median of its Re(A) is -1/2, as S4D-Lin and S4D-LegS begin. What the
    model computes is the network's, up to float32.

    Parameters
    ----------
    model
        Of the network's sizes and kinds of layers, its S4D layers with complex states and "zoh".
    net
        What `export` made of such a model, or a float network of the zoo.

    Raises
    ------
    TypeError
        Not an `NS4D` and a float network.
    ValueError
        The model has other layers than the network; it is left as it was.
    """
    if not isinstance(model, NS4D) or not isinstance(net, network.Network):
        raise TypeError(
            f"model, net must be an NS4D and a Network, got {type(model).__name__}, "
            f"{type(net).__name__}"
        )
    modules = list(model.layers)
    if len(modules) != len(net.layers):
        raise ValueError(
            f"the model has {len(modules)} layers, the network {len(net.layers)}: "
            "they must be alike"
        )
    found: list[dict[str, Tensor]] = []
    for i, (module, layer) in enumerate(zip(modules, net.layers, strict=True)):
        match module, layer:
            case nn.Linear(bias=None), network.Linear(bias=None):
                found.append({"weight": torch.from_numpy(layer.weights.copy())})
            case (
                S4D(discretization="zoh", a_im=nn.Parameter()),
                network.S4D(d=None, bias=None),
            ):
                found.append(_continuous(layer))
            case nn.ReLU(), network.ReLU():
                found.append({})
            case _:
                raise ValueError(
                    f"layer {i}: the model has {module}, the network {type(layer).__name__}"
                )
        for name, values in found[-1].items():
            wanted = module.get_parameter(name).shape
            if values.shape != wanted:
                raise ValueError(
                    f"layer {i}: {name} has shape {tuple(wanted)} in the model, "
                    f"{tuple(values.shape)} in the network"
                )
    for module, parameters in zip(modules, found, strict=True):
        for name, values in parameters.items():
            module.get_parameter(name).copy_(values)


def _continuous(layer: network.S4D) -> dict[str, Tensor]:
    """Parameters of `S4D` whose discretisation is the layer's: A = log(a) / dt, B = b A / (a-1)."""
    # neither a state that forgets at once (a = 0) nor one that stands still has a useful logarithm
    size = np.clip(np.abs(layer.a), 1e-12, 1 - 1e-12)
    log_a = np.log(size) + 1j * np.angle(layer.a)  # (d_model, d_state)
    dt = 2 * np.median(-log_a.real, axis=1, keepdims=True)
    big_a = log_a / dt
    big_b = layer.b * big_a / np.expm1(log_a)
    return {
        "log_dt": torch.from_numpy(np.log(dt[:, 0])),
        "log_a_re": torch.from_numpy(np.log(-big_a.real)),
        "a_im": torch.from_numpy(big_a.imag.copy()),
        "b": torch.view_as_real(torch.from_numpy(big_b)),
        "c": torch.view_as_real(torch.from_numpy(layer.c.copy())),
    }


@torch.no_grad()
def stretch(model: nn.Module, factor: float) -> None:
    """Make the steps of all state space layers `factor` times as long, in place.

    A model that was trained with tokens that each stand for four sees the same of single ones when
    its steps are a quarter as long.

    Parameters
    ----------
    model
        Any module with `S4D` or `S5` layers.
    factor
        Above 0.

    Raises
    ------
    ValueError
        It is not.
    """
    factor = real_number(factor, "factor", "(0, inf)")
    for module in model.modules():
        log_dt = getattr(module, "log_dt", None)
        if isinstance(log_dt, nn.Parameter):
            log_dt.add_(math.log(factor))
