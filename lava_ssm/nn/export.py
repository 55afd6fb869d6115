"""Between a torch model and a network description, both ways: directions of one table."""

from collections.abc import Callable
from operator import attrgetter
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.network.activation import Elementwise
from lava_ssm.nn.activation import Positive
from lava_ssm.nn.chain import Chain, Residual, parts_of
from lava_ssm.nn.few_bits import FewBits
from lava_ssm.nn.layer import MODULES, LayerModule, check_module
from lava_ssm.numerics import instance, member

_ACTIVATIONS: dict[type[Elementwise], type[nn.Module]] = {
    network.ReLU: nn.ReLU,
    network.GELU: nn.GELU,
    network.SiLU: nn.SiLU,
    network.Sigmoid: nn.Sigmoid,
    network.Tanh: nn.Tanh,
    network.Softplus: nn.Softplus,
    network.Positive: Positive,
}
Inverse: TypeAlias = Callable[[Tensor], Tensor]
Layer = network.FloatLayer | network.Residual | Elementwise


def export(model: nn.Module, readout: str | network.Readout | None = None) -> network.Network:
    """Describe a trained model as a float `Network`.

    Parameters
    ----------
    model
        A `Chain`, as `NS4D`, `SparseS5` and what `module` gives are; one of its layers; or a
        `torch.nn.Sequential` of them. A norm is folded into the S5 layer behind it, with its
        running statistics.
    readout
        Of the network; None: the model's own, or, for other modules, every token.

    Returns
    -------
    Network
        Its arrays are float64 copies, its states discretised.

    Raises
    ------
    TypeError
        No torch module, or one that has no description.
    ValueError
        Parameters that are not finite, an unstable state.
    """
    check_module(model)
    if readout is None:
        readout = model.readout if isinstance(model, Chain) else network.Readout.EVERY_TOKEN
    made_by = {"model": str(model), "torch": torch.__version__}
    layers: list[Layer] = []
    for i, part in enumerate(parts_of(model)):
        try:
            layers.append(_described(part))
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {i}: {error}") from None
    return network.Network(tuple(layers), member(network.Readout, readout, "readout"), made_by)


def _described(part: nn.Module) -> Layer:
    if isinstance(part, LayerModule):
        return part.describe()
    if isinstance(part, Residual):
        return network.Residual(part.span)
    for kind, module in _ACTIVATIONS.items():
        plain = getattr(part, "approximate", "none") == "none" and getattr(part, "beta", 1) == 1
        if isinstance(part, module) and plain:
            return kind()
    known = ", ".join(kind.__name__ for kind in (*MODULES, *_ACTIVATIONS))
    raise TypeError(
        f"cannot export {type(part).__name__}: of lava_ssm.nn and torch.nn there can be {known} "
        "and Residual; of models of other modules `exchange.from_torch` makes a network"
    )


def module(net: network.Network) -> Chain:
    """Make a torch model of a float network, to train on: the inverse of `export`.

    A description holds discretised states, and many continuous systems have the same: the model's
    are those with the decay that models begin with, see `assign`. Weights of a pruned network that
    are zero stay zero while the model, or a copy, is trained: their gradients are.

    Parameters
    ----------
    net
        Any float network; of a fixed one `dequantize()`.

    Returns
    -------
    Chain
        Computes what the network does, up to the precision of torch's default type.

    Raises
    ------
    TypeError
        Not a float network.
    """
    network.check_float(net, "net")
    parts: list[nn.Module] = []
    for layer in net.layers:
        if isinstance(layer, network.FloatLayer):
            parts.append(MODULES[type(layer)].like(layer))
        elif isinstance(layer, network.Residual):
            parts.append(Residual(layer.span))
        else:
            parts.append(_ACTIVATIONS[type(layer)]())
    model = Chain(parts, net.readout)
    assign(model, net)
    model.hold_zeros()
    return model


@torch.no_grad()
def assign(model: Chain, net: network.Network) -> None:
    """Give a model the parameters of a float network of the same layers.

    Of the continuous systems with the discretised states of an S4D or S5 layer it gets the one at
    which Re(A) is -1/2 (of S4D, whose channels have one step, the median of it), as S4D-Lin,
    S4D-LegS and S5 begin. What the model computes is the network's, up to its precision.

    Parameters
    ----------
    model
        Of the network's sizes and kinds of layers, its states complex, discretised by "zoh".
    net
        What `export` made of such a model, or a float network of the zoo.

    Raises
    ------
    TypeError
        Not a `Chain` and a float network.
    ValueError
        The model has other layers than the network; it is left as it was.
    """
    instance(model, Chain, "model", "a Chain, such as an NS4D")
    network.check_float(net, "net")
    parts = parts_of(model)
    if len(parts) != len(net.layers):
        raise ValueError(
            f"the model has {len(parts)} layers, the network {len(net.layers)}: they must be alike"
        )
    values: list[tuple[Tensor, Tensor]] = []
    for i, (part, layer) in enumerate(zip(parts, net.layers, strict=True)):
        if isinstance(part, LayerModule) and isinstance(layer, part.kind):
            try:
                if part.constants() != {name: getattr(layer, name) for name in part.constants()}:
                    raise ValueError(_another(part))
                values += pairs(part, layer)
            except ValueError as error:
                raise ValueError(f"layer {i}: {error}") from None
        elif isinstance(part, LayerModule) or _described(part) != layer:
            raise ValueError(f"layer {i}: the model has {part}, the network {type(layer).__name__}")
    for parameter, value in values:
        parameter.copy_(value)


def pairs(part: LayerModule, layer: network.FloatLayer) -> list[tuple[Tensor, Tensor]]:
    """Parameters, and what they are to be."""
    values, own = part.parameters_of(layer), _trained(part)
    if own.keys() != values.keys():
        raise ValueError(_another(part))
    found = []
    for name, value in values.items():
        parameter, inverse = own[name]
        if parameter.shape != value.shape:
            raise ValueError(
                f"{name} has shape {tuple(parameter.shape)} in the model, "
                f"{value.shape} in the network"
            )
        wanted = torch.from_numpy(value.copy())
        if inverse is not None:
            if torch.equal(attrgetter(name)(part).to(wanted), wanted):
                continue  # what is behind the weights on the grid may stay
            wanted = inverse(wanted)
        found.append((parameter, wanted))
    return found


def _trained(part: LayerModule) -> dict[str, tuple[Tensor, Inverse | None]]:
    """Parameters by the names of what they are used as, and the way back to them, if any."""
    trained: dict[str, tuple[Tensor, Inverse | None]] = {}
    for name, parameter in part.named_parameters():
        inverse = None
        if name.endswith(".original"):  # of weights on a grid
            module = part.get_submodule(name.removesuffix(".original") + ".0")
            inverse = module.right_inverse if isinstance(module, FewBits) else None
            name = name.removesuffix(".original").replace("parametrizations.", "")
        trained[name] = parameter, inverse
    return trained


def _another(part: LayerModule) -> str:
    return f"the model has {part}, the network another {part.kind.__name__}"
