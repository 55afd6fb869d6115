"""From a trained torch model to a network."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.exchange.chain import chain
from lava_ssm.exchange.functions import HANDLERS
from lava_ssm.exchange.graph import ExchangeError
from lava_ssm.exchange.tracing import ORDERS, Axis, LayoutError, Signal, Tracer, flat, shown
from lava_ssm.network.readout import Readout
from lava_ssm.nn import Chain, export
from lava_ssm.numerics import RealArray, reals

_NEAR = 1e-5
"""How far outputs may be from the model's, of the largest."""


def from_torch(model: nn.Module, example: ArrayLike | Tensor) -> network.Network:
    """Give the network that computes what a trained model computes.

    The model runs once on the example while it is listened to: whatever its modules are and however
    its `forward` connects them, each operation on what depends on its input becomes a part of a
    chain of layers, or is refused with the module that asked for it. Layers with states are known
    by the names of their parameters (S4D, and S4 with mode="diag", of state-spaces/s4, S5 of
    s5-pytorch, LRU, the minGRU of mingru-pytorch, Mamba) and seen to compute what these make. In
    the end network and model are compared on the example, on another one and, if the model takes
    it, a shorter one. The model stays as it is; it is run in evaluation mode and, where it can be,
    in float64.

    What is no layer of a network and need not be one:

    - a batch norm, a scale or a shift of channels goes into the layer before or behind it, or
      becomes a `Scale`;
    - a mean over time, or its last token, becomes the `Readout`; linear maps behind a mean come
      before it, which is the same;
    - dropout, identities and changes of layout go.

    Parameters
    ----------
    model
        A module that takes one tensor: (batch, time, channels), (batch, channels, time),
        (time, batch, channels), or (batch, time) of one channel, and gives outputs of each token,
        of the last, or of their mean, in any of these layouts.
    example
        Inputs such as the model is used on, in the model's layout; a few, of its length.

    Returns
    -------
    Network
        Takes (..., time, channels), whatever the model's layout. `made_by` tells of each layer what
        it was, see `Network.summary`.

    Raises
    ------
    ExchangeError
        A part of the model that a network has no layer for, by its path in the model, with what can
        be done about it; or a network that does not give what the model gives.
    TypeError
        Not a module, or no array of real numbers.
    """
    module = _plain(model)
    x = torch.from_numpy(np.array(reals(_as_array(example), "example")))
    if x.ndim not in (2, 3) or x.numel() == 0:
        raise ValueError(
            f"example must have shape (batch, time, channels), got {tuple(x.shape)}; give inputs "
            "in the layout that the model takes"
        )
    module, x = _exact(module, x)
    if isinstance(module, Chain):  # this library's own, which says what it is
        return export(module)
    orders = ORDERS if x.ndim == 3 else ORDERS_OF_ONE
    errors: list[LayoutError] = []
    for axes in orders:
        try:
            return _network(module, x, axes, model)
        except LayoutError as error:
            errors.append(error)
    tried = "; ".join(f"as {shown(axes)}: {e}" for axes, e in zip(orders, errors, strict=True))
    raise ExchangeError(f"the model takes its input in no layout that a network has: {tried}")


ORDERS_OF_ONE: tuple[tuple[Axis, ...], ...] = (
    (("batch",), ("time",)),
    (("time",), ("channels",)),
    (("channels",), ("time",)),
)


def _as_array(example: Any) -> Any:
    return example.detach().cpu().double().numpy() if isinstance(example, Tensor) else example


def _plain(model: nn.Module) -> nn.Module:
    """Take off what is wrapped around a model to run it elsewhere."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch module, got {type(model).__name__}; of a state dict, "
            "`from_state_dict` makes a network"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ExchangeError(
            "a scripted model says no more what its modules are: give the model before "
            "torch.jit.script, or its state dict to `from_state_dict`"
        )
    for wrapped in ("_orig_mod", "module"):  # of torch.compile, of DataParallel
        inner = getattr(model, wrapped, None)
        if isinstance(inner, nn.Module) and len(list(model.children())) == 1:
            return _plain(inner)
    return model


@torch.no_grad()
def _exact(model: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    """Give a copy in float64 that is not trained, or as the model is if it cannot run in that."""
    wider = {torch.float32: torch.float64, torch.float16: torch.float64}
    wider |= {torch.bfloat16: torch.float64, torch.complex64: torch.complex128}
    own = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    single = copy.deepcopy(model).cpu().eval()
    double = copy.deepcopy(single)._apply(lambda t: t.to(wider.get(t.dtype, t.dtype)))
    try:
        double(x)
    except RuntimeError:  # it makes tensors of its own, in float32, or looks numbers up
        for name, part in model.named_modules():
            if isinstance(part, nn.Embedding | nn.EmbeddingBag):
                raise ExchangeError(
                    f"{name or 'the model'} ({type(part).__name__}): looks tokens up by number; a "
                    "network takes them one-hot: put a Linear without bias in its place, with the "
                    "transposed weights"
                ) from None
        try:
            single(x.to(own))
        except RuntimeError as error:
            raise ValueError(
                f"example: the model cannot be run on one of shape {tuple(x.shape)}: {error}"
            ) from error
        return single, x.to(own)
    return double, x


def _network(
    module: nn.Module, x: Tensor, axes: tuple[Axis, ...], model: nn.Module
) -> network.Network:
    tracer = Tracer(module, HANDLERS)
    tracer.input(x, axes)
    with tracer.listening():
        output = module(x)
    signal = _output(tracer, output)
    made_by = {"model": type(model).__name__, "torch": torch.__version__}
    made = chain(signal.node, signal.readout, made_by)
    time, another = axes.index(("time",)), _another(x, axes)
    shorter = another.narrow(time, 0, (x.shape[time] + 1) // 2)
    for inputs in (x, another, shorter):
        tokens = _tokens(inputs, axes)
        try:
            with torch.no_grad():
                wanted = _outputs(_first(module(inputs)), signal)
        except Exception:  # of its own kind, if it takes one length alone
            if inputs is shorter:
                break
            raise
        if wanted.ndim == 3 and wanted.shape[1] != tokens.shape[1]:
            break  # it gives one length alone
        _compare(made, tokens, wanted, type(model).__name__)
    return made


def _first(output: object) -> Tensor:
    """The first tensor of what a model gives."""
    return next(value for value in flat(output) if isinstance(value, Tensor))


def _output(tracer: Tracer, output: object) -> Signal:
    signal = tracer.signal(_first(output))
    if signal is None:
        raise ExchangeError(
            "the model's output is made of its input by something that cannot be listened to "
            "(torch.vmap, scripted functions, NumPy, an index alone: write y[-1, :] for y[-1])"
        )
    if signal.spectrum or signal.longer:
        raise ExchangeError("the model gives a spectrum, or a convolution longer than its input")
    return signal


def _another(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Other inputs of the same size: what is constant must not have come of the example."""
    return x.flip(axes.index(("time",))) * 0.75 + x.mean() * 0.125


def _tokens(x: Tensor, axes: tuple[Axis, ...]) -> RealArray:
    """As (batch, time, channels)."""
    return _ordered(x, axes, ("batch", "time", "channels"))


def _outputs(y: Tensor, signal: Signal) -> RealArray:
    """As (batch, time, channels), or, of a last token or mean, (batch, channels)."""
    every = signal.readout is Readout.EVERY_TOKEN
    return _ordered(
        y, signal.axes, ("batch", "time", "channels") if every else ("batch", "channels")
    )


def _ordered(x: Tensor, axes: tuple[Axis, ...], order: tuple[str, ...]) -> RealArray:
    array = np.asarray(x.double().numpy())
    names = [name for axis in axes for name in axis]
    sizes = []
    for axis, size in zip(axes, array.shape, strict=True):
        if len(axis) > 1:
            raise ExchangeError(
                f"the model gives {shown(axes)}: its output must have time apart from the batch"
            )
        sizes += [size] * len(axis)
    array = array.reshape(sizes)
    for name in set(order) - set(names):  # of length one
        array, names = array[np.newaxis], [name, *names]
    return array.transpose([names.index(name) for name in order])


def _compare(made: network.Network, x: RealArray, wanted: RealArray, name: str) -> None:
    given = made.run(x)
    given = given if made.readout is Readout.EVERY_TOKEN else given[..., -1, :]
    off = np.abs(given - wanted).max() / max(np.abs(wanted).max(), 1e-300)
    if not off <= _NEAR:
        raise ExchangeError(
            f"the network differs from {name} by {off:.2g} of the largest output: the model "
            "computes what it was not seen to compute (with what is random, or kept between calls, "
            "or the length of sequences?)"
        )
