"""From a torch model to a network description: NumPy arrays only."""

import copy

import numpy as np
import torch
from torch import nn

from lava_ssm import network
from lava_ssm.nn.ns4d import NS4D
from lava_ssm.nn.s4d import S4D


def export(model: nn.Module, readout: str | network.Readout | None = None) -> network.Network:
    """Describe a trained model as a float `Network`.

    Parameters
    ----------
    model
        An `NS4D`, an `S4D`, or a `torch.nn.Sequential` of `S4D`, `Linear` without bias and `ReLU`.
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
        A linear layer with a bias, parameters that are not finite, an unstable state.
    """
    if isinstance(model, NS4D):
        modules = list(model.layers)
        readout = model.readout if readout is None else readout
    else:
        modules = list(model) if isinstance(model, nn.Sequential) else [model]
    made_by = {"model": str(model), "torch": torch.__version__}
    layers = []
    for i, module in enumerate(modules):
        try:
            layers.append(_describe(module))
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {i}: {error}") from None
    chosen = network.Readout(readout or network.Readout.EVERY_TOKEN)
    return network.Network(tuple(layers), chosen, made_by)


@torch.no_grad()
def _describe(module: nn.Module) -> network.S4D | network.Linear | network.ReLU:
    match module:
        case S4D():
            exact = copy.deepcopy(module).cpu().double().discretized()
            return network.S4D(*(np.asarray(values) for values in exact))
        case nn.Linear():
            if module.bias is not None:
                raise ValueError("a Linear must have no bias (bias=False)")
            return network.Linear(np.asarray(module.weight.double().cpu()))
        case nn.ReLU():
            return network.ReLU()
        case _:
            raise TypeError(
                f"cannot export {type(module).__name__}; a network has S4D, Linear "
                "without bias, and ReLU"
            )
