"""What a torch model computes of an example, listened to while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from lava_ssm import network
from lava_ssm.exchange.graph import ExchangeError, Input, Node, activated, applied, place
from lava_ssm.exchange.systems import MAMBA, Arrays, Layers, mamba, min_grus, systems
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.readout import Readout
from lava_ssm.nn import LayerModule, export

Axis: TypeAlias = tuple[str, ...]
"""Which of batch, time and channels a tensor's axis is: one, several, none (of length one)."""
ORDERS: tuple[tuple[Axis, ...], ...] = (
    (("batch",), ("time",), ("channels",)),
    (("batch",), ("channels",), ("time",)),
    (("time",), ("batch",), ("channels",)),
)


class LayoutError(ExchangeError):
    """Axes of the example that are not those that the model takes."""


@dataclass(frozen=True)
class Signal:
    """A tensor that depends on the input.

    Parameters
    ----------
    node
        What it is of each token.
    axes
        Of the tensor.
    readout
        Of time, if it has been taken.
    spectrum
        Whether it is the Fourier transform of that.
    longer
        Whether there are tokens too many at the end: a convolution's.
    zeros
        How many are before the first.
    """

    node: Node
    axes: tuple[Axis, ...]
    readout: Readout = Readout.EVERY_TOKEN
    spectrum: bool = False
    longer: bool = False
    zeros: int = 0

    def axis(self, name: str) -> int:
        """Which axis is that of batch, time or channels.

        Raises
        ------
        LayoutError
            None is, or it is merged with another.
        """
        if (name,) in self.axes:
            return self.axes.index((name,))
        if name == "channels" and self.node.width == 1 and () in self.axes:  # the last of them
            return len(self.axes) - 1 - self.axes[::-1].index(())
        raise LayoutError(f"the tensor has axes {shown(self.axes)}: {name} is none of them")


def shown(axes: tuple[Axis, ...]) -> str:
    """Axes as text."""
    return "(" + ", ".join(" x ".join(axis) or "1" for axis in axes) + ")"


@dataclass(frozen=True)
class Call:
    """A function of torch, called with a signal.

    Parameters
    ----------
    tracer
        Who listens.
    name
        Of the function, without underscores.
    args, kwargs, result
        What it was given, and gave.
    """

    tracer: Tracer
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Tensor

    def get(self, i: int, name: str, default: Any = None) -> Any:
        """Argument by place or by name."""
        return self.args[i] if i < len(self.args) else self.kwargs.get(name, default)

    @property
    def x(self) -> Signal:
        """The first argument."""
        given = self.tracer.signal(self.get(0, "input"))
        if given is None:
            raise ExchangeError(f"{self.origin}: the input is not its first argument")
        return given

    @property
    def origin(self) -> str:
        """Which module called it."""
        return self.tracer.origin or f"torch.{self.name}"

    def follow(self, node: Node) -> Signal:
        """Give a signal of the same axes as the first argument."""
        return replace(self.x, node=node)


Handler: TypeAlias = Callable[[Call], Signal | tuple[Signal, ...]]


class Tracer(TorchFunctionMode):
    """Listens to what torch is asked to compute of tensors that depend on the input.

    Parameters
    ----------
    model
        Whose modules are to be named in errors.
    handlers
        What each function of torch is in a network, by name.
    """

    def __init__(self, model: nn.Module, handlers: dict[str, Handler]) -> None:
        super().__init__()
        self._handlers = handlers
        self._paths = {module: name for name, module in model.named_modules()}
        self._signals: dict[int, tuple[Tensor, Signal]] = {}  # by id, while the tensors live
        self._sizes: dict[str, int] = {}
        self._modules: list[nn.Module] = []
        self._inside = 0  # how many of these modules are taken as one, without a look inside
        self.kernels = [
            layer
            for module, path in self._paths.items()
            if not _is_whole(module)
            for (layer, *_) in _alternatives(module, path or type(module).__name__)
        ]

    def input(self, x: Tensor, axes: tuple[Axis, ...]) -> None:
        """Listen to what becomes of x."""
        width = x.shape[axes.index(("channels",))] if ("channels",) in axes else 1
        self._sizes = {axis[0]: n for axis, n in zip(axes, x.shape, strict=True)}
        self.track(x, Signal(Input((), int(width), "input"), axes))

    def sizes(self, signal: Signal) -> dict[str, int]:
        """How long an axis of batch, time or channels is."""
        return {**self._sizes, "channels": signal.node.width}

    @property
    def n_tokens(self) -> int:
        """Of the example."""
        return self._sizes["time"]

    def track(self, tensor: Tensor, signal: Signal) -> None:
        """Note what a tensor is."""
        self._signals[id(tensor)] = tensor, signal

    def signal(self, value: object) -> Signal | None:
        """What a value is; None: it does not depend on the input."""
        known = self._signals.get(id(value)) if isinstance(value, Tensor) else None
        return None if known is None else known[1]

    @property
    def path(self) -> str:
        """Of the module that computes now."""
        known = [self._paths[m] for m in self._modules if m in self._paths]
        return known[-1] if known else ""

    @property
    def origin(self) -> str:
        """The module that computes now, for readers."""
        if not self._modules:
            return ""
        name = type(self._modules[-1]).__name__
        return f"{self.path} ({name})" if self.path else name

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to torch and to the calls of modules."""
        before = hooks.register_module_forward_pre_hook(self._enter)
        behind = hooks.register_module_forward_hook(self._leave)
        try:
            with self, torch.no_grad():
                yield
        finally:
            before.remove()
            behind.remove()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if self._inside:
            return func(*args, **kwargs)
        inputs = [self.signal(value) for value in flat((args, kwargs))]
        result = func(*args, **kwargs)
        if not any(inputs) or next(_tensors(result), None) is None:
            return result
        name = _name(func)
        if name.endswith("_like") or name.startswith("new_"):
            return result  # of whose shape it is
        handler = self._handlers.get(name)
        if handler is None:
            raise ExchangeError(
                f"{self.origin or 'the model'}: calls {name!r} of what depends on its input, for "
                "which a network has no layer. It has: " + HAS
            )
        with place(self.origin):
            signals = handler(Call(self, name, args, kwargs, result))
        if isinstance(signals, Signal):
            self.track(result, signals)
        else:
            for tensor, signal in zip(result, signals, strict=True):
                self.track(tensor, signal)
        return result

    def _enter(self, module: nn.Module, args: tuple[object, ...]) -> None:
        self._modules.append(module)
        if self._inside or (_is_whole(module) and any(self.signal(v) for v in flat(args))):
            self._inside += 1

    def _leave(self, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        if self._inside:
            self._inside -= 1
            if not self._inside:
                with place(self.origin):
                    self._whole(module, args, output)
        self._modules.pop()

    def _whole(self, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        """Take what a module did as layers, seen to give the same."""
        given = next(v for v in _tensors(args) if self.signal(v))
        result = next(_tensors(output))
        signal = self.signal(given)
        assert signal is not None
        if given.ndim not in (2, 3) or result.shape[:-1] != given.shape[:-1]:
            raise ExchangeError(
                f"{self.origin}: gives {tuple(result.shape)} of {tuple(given.shape)}"
            )
        if signal.axis("time") != given.ndim - 2 or signal.axis("channels") != given.ndim - 1:
            raise LayoutError(f"{self.origin}: takes (batch, time, channels)")
        tokens, wanted = given.numpy(), result.numpy()
        alternatives = list(_alternatives(module, self.origin))
        off = [np.abs(network.Network(a).run(tokens) - wanted).max() for a in alternatives]
        if min(off) <= 1e-4 * np.abs(wanted).max():
            node = signal.node
            for layer in alternatives[int(np.argmin(off))]:
                if isinstance(layer, Elementwise):
                    node = activated(node, layer, self.origin)
                else:
                    node = applied(node, layer, self.origin)
            self.track(result, replace(signal, node=node))
            return
        kinds = ", ".join(type(layer).__name__ for layer in alternatives[0])
        raise ExchangeError(
            f"{self.origin}: its parameters are those of {kinds}, but it computes something else "
            "with them (both directions, a gate, norms inside, another discretisation?); what of "
            "it are layers of `lava_ssm.network` can be made of its arrays by hand"
        )


HAS = (
    "linear maps and causal convolutions, S4D, S5, LRU, minGRU, Mamba, ReLU, GELU, SiLU, sigmoid, "
    "tanh, softplus, GLU and its like (GEGLU, SwiGLU), batch, layer and RMS norms, "
    "scales and shifts of channels, residual paths, and the mean over time or the last token at "
    "the end; and the layers of lava_ssm.nn, such as MinGRU in the place of a GRU or LSTM. Leave "
    "what is not among them out of the model, or train with one of them in its place"
)


def _is_whole(module: nn.Module) -> bool:
    """Whether a module is a recurrence of which its parameters say all: not one's kernel."""
    known = (_is_rms_norm, _is_min_gru, _is_mamba)
    if isinstance(module, LayerModule) or any(is_one(module) for is_one in known):
        return True
    names = set(_own(module))
    return bool({"Lambda", "Lambda_re", "nu_log"} & names) or (
        hasattr(module, "seq") and "Lambda" in _own(module.seq)
    )


def _alternatives(module: nn.Module, path: str) -> Iterator[Layers]:
    """Give the layers, behind each other, that a module may be, by its parameters' names."""
    inner = getattr(module, "seq", module)
    for name in ("bidir", "bidirectional", "liquid"):
        if getattr(inner, name, False) and not isinstance(inner, nn.RNNBase):
            raise ExchangeError(
                f"{path}: has {name}=True; a network runs forward in time, with systems that do "
                f"not change. Train it with {name}=False"
            )
    with place(path):
        if isinstance(module, LayerModule):
            yield (export(module).stages[0].layer,)
        elif _is_rms_norm(module):
            (weights,) = _own(module).values()
            given = (getattr(module, name, None) for name in ("eps", "variance_epsilon"))
            zeros = np.zeros(weights.size)
            for eps in [e for e in given if e] or [1e-5, 1e-6, 1e-8, 1e-12]:
                for w in (weights, weights + 1.0):  # as some begin at zero
                    yield (network.RMSNorm(w.reshape(-1), zeros, eps),)
        elif _is_min_gru(module):
            yield from min_grus(_own(module.to_hidden_and_gate), _own(module.to_out))
        elif _is_mamba(module):
            yield mamba(_own(module), tuple(_own(getattr(module, name)) for name in MAMBA))
        else:
            for system in systems(_own(inner)):
                yield (system,)


def _is_rms_norm(module: nn.Module) -> bool:
    """Whether it is one that somebody wrote, which is known by its name and its one array."""
    return type(module).__name__.endswith("RMSNorm") and len(_own(module)) == 1


def _is_min_gru(module: nn.Module) -> bool:
    """Whether it is a minGRU of mingru-pytorch."""
    linear = (getattr(module, "to_hidden_and_gate", None), getattr(module, "to_out", None))
    return isinstance(linear[0], nn.Linear) and isinstance(linear[1], nn.Linear | nn.Identity)


def _is_mamba(module: nn.Module) -> bool:
    """Whether it is the block of the public Mamba, as all its programs name its parts."""
    parts = [getattr(module, name, None) for name in MAMBA]
    plain = all(isinstance(part, nn.Linear | nn.Conv1d) for part in parts)
    return plain and {"A_log", "D"} <= set(_own(module))


def _own(module: object) -> Arrays:
    """Parameters and buffers of a module without its parts', as arrays."""
    if not isinstance(module, nn.Module):
        return {}
    both = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {name: v.detach().resolve_conj().cpu().numpy() for name, v in both}


def flat(values: object) -> Iterator[object]:
    """All that nested sequences and mappings hold."""
    if isinstance(values, tuple | list):
        for value in values:
            yield from flat(value)
    elif isinstance(values, dict):
        yield from flat(tuple(values.values()))
    else:
        yield values


def _tensors(values: object) -> Iterator[Tensor]:
    return (value for value in flat(values) if isinstance(value, Tensor))


_SAME = {"iadd": "add", "radd": "add", "imul": "mul", "rmul": "mul", "multiply": "mul"}
_SAME |= {"isub": "sub", "itruediv": "div", "truediv": "div", "true_divide": "div", "divide": "div"}
_SAME |= {"subtract": "sub", "rmatmul": "matmul", "mm": "matmul", "bmm": "matmul"}


def _name(func: Any) -> str:
    """Of a function of torch: methods, operators and what works in place are one."""
    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":  # of a property
        name = func.__self__.__name__
    name = name.strip("_")
    return _SAME.get(name, name)
