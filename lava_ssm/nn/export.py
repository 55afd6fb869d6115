"""From a torch model to a network description: NumPy arrays only."""

import copy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from lava_ssm import network
from lava_ssm.network.float_network import FloatLayer
from lava_ssm.nn.ns4d import NS4D
from lava_ssm.nn.s4d import S4D
from lava_ssm.nn.s5 import S5
from lava_ssm.nn.sparse_s5 import SparseS5

Layer: TypeAlias = FloatLayer | network.Residual | network.ReLU | network.GELU


def export(model: nn.Module, readout: str | network.Readout | None = None) -> network.Network:
    """Describe a trained model as a float `Network`.

    Parameters
    ----------
    model
        An `NS4D` or `SparseS5`, an `S4D` or `S5`, or a `torch.nn.Sequential` of `S4D`, `S5`,
        `Linear`, `ReLU` and `GELU`. Norms of a `SparseS5` are folded into its S5 layers, with
        their running statistics.
    readout
        Of the network; None: the model's own, or, for other modules, every token.

    Returns
    -------
    Network
        Its arrays are float64 copies, its states discretised.

    Raises
    ------
    TypeError
        A module that has no description.
    ValueError
        Parameters that are not finite, an unstable state.
    """
    if isinstance(model, NS4D | SparseS5):
        readout = model.readout if readout is None else readout
    if isinstance(model, NS4D):
        modules = list(model.layers)
    elif isinstance(model, SparseS5):
        modules = _modules(model)
    else:
        modules = list(model) if isinstance(model, nn.Sequential) else [model]
    made_by = {"model": str(model), "torch": torch.__version__}
    layers: list[Layer] = []
    for i, module in enumerate(modules):
        if isinstance(module, network.Residual):
            layers.append(module)
            continue
        try:
            layers.append(_describe(module))
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {i}: {error}") from None
    chosen = network.Readout(readout or network.Readout.EVERY_TOKEN)
    return network.Network(tuple(layers), chosen, made_by)


def _modules(model: SparseS5) -> list[Any]:
    modules: list[Any] = [model.encoder, *([nn.ReLU()] if model.relu else [])]
    for block in model.blocks:
        activation = nn.ReLU() if block.relu else nn.GELU()
        modules += [(block.norm, block.s5), activation, _Gate(block.gate), network.Residual(2)]
        if block.relu:
            modules.append(nn.ReLU())
    return [*modules, model.decoder]


@dataclass(frozen=True)
class _Gate:
    """A linear map that is a gate's."""

    linear: nn.Linear


@torch.no_grad()
def _describe(module: Any) -> Layer:
    match module:
        case S4D():
            return network.S4D(*_exact(module))
        case S5():
            d = np.asarray(module.d.double().cpu())
            a, b, c = _exact(module)
            return network.S5(a, b, c, d, relu=module.relu)
        case (nn.BatchNorm1d() as norm, S5() as s5):
            layer = _describe(s5)
            assert isinstance(layer, network.S5)
            return layer.normalized(*_scale_and_shift(norm))
        case nn.Linear():
            weights = np.asarray(module.weight.double().cpu())
            if module.bias is None:
                return network.Linear(weights)
            return network.Linear(weights, np.asarray(module.bias.double().cpu()))
        case _Gate(linear):
            weight, bias = (np.asarray(p.double().cpu()) for p in (linear.weight, linear.bias))
            return network.Gate(weight, bias)
        case nn.ReLU():
            return network.ReLU()
        case nn.GELU(approximate="none"):
            return network.GELU()
        case _:
            raise TypeError(
                f"cannot export {type(module).__name__}; a network has S4D, S5, Linear, ReLU and "
                "GELU"
            )


def _exact(module: S4D | S5) -> list[np.ndarray]:
    """Discretised parameters in double precision."""
    return [np.asarray(values) for values in copy.deepcopy(module).cpu().double().discretized()]


def _scale_and_shift(norm: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """What a batch norm does to each channel, with its running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, var, weight, bias = (
        np.asarray(v.double().cpu())
        for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return network.scale_and_shift(mean, var, weight, bias, norm.eps)
