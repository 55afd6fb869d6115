"""What a model of another program computes: a graph of layers, sums, scales, not yet a chain.

Its nodes know no axes but channels: all they do is done to each token, or by a layer's state.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from lava_ssm import network
from lava_ssm.network.activation import Elementwise
from lava_ssm.numerics import RealArray

_numbers = itertools.count()


class ExchangeError(ValueError):
    """What another program made cannot come in: says what, where in its model, and what to do."""


@contextmanager
def place(path: str) -> Iterator[None]:
    """Name the module of another program's model in errors of what is made of it."""
    try:
        yield
    except ExchangeError:
        raise
    except KeyError as error:
        raise ExchangeError(f"{path}: has no {error}") from error
    except (TypeError, ValueError) as error:
        raise ExchangeError(f"{path}: {error}" if path else str(error)) from error


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """A value of each token, (channels,).

    Parameters
    ----------
    inputs
        What it is made of.
    width
        Channels.
    origin
        What it was in the other program, for readers.
    number
        Of its making: what it is made of has smaller ones.
    """

    inputs: tuple["Node", ...]
    width: int
    origin: str = ""
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(frozen=True, eq=False, repr=False)
class Input(Node):
    """What enters the model."""


@dataclass(frozen=True, eq=False, repr=False)
class Applied(Node):
    """A layer of synapses, of one input."""

    layer: network.FloatLayer = None  # type: ignore[assignment]  # always given


@dataclass(frozen=True, eq=False, repr=False)
class Activated(Node):
    """An activation."""

    activation: Elementwise = None  # type: ignore[assignment]  # always given


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Node):
    """scale * u + shift, a number a channel."""

    scale: RealArray = None  # type: ignore[assignment]  # always given
    shift: RealArray = None  # type: ignore[assignment]  # always given


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Node):
    """The sum of two values."""


def applied(x: Node, layer: network.FloatLayer, origin: str = "") -> Applied:
    """Give layer(x).

    Raises
    ------
    ValueError
        The layer takes another number of channels.
    """
    if layer.d_input != x.width:
        raise ExchangeError(
            f"{origin or type(layer).__name__}: takes {layer.d_input} channels, gets {x.width}"
        )
    return Applied((x,), layer.d_output, origin, layer=layer)


def activated(x: Node, activation: Elementwise, origin: str = "") -> Node:
    """Give the activation of x."""
    return Activated((x,), x.width, origin, activation=activation)


def scaled(x: Node, scale: RealArray, shift: RealArray, origin: str = "") -> Node:
    """Give scale * x + shift, broadcast to the channels of x."""
    s, t = (np.broadcast_to(np.asarray(v, np.float64), (x.width,)) for v in (scale, shift))
    return Scaled((x,), x.width, origin, scale=s, shift=t)


def part(x: Node, channels: slice, origin: str = "") -> Node:
    """Give some channels of x."""
    if isinstance(x, Applied) and isinstance(x.layer, network.Linear):
        bias = None if x.layer.bias is None else x.layer.bias[channels]
        return applied(x.inputs[0], network.Linear(x.layer.weights[channels], bias), x.origin)
    return applied(x, network.Linear(np.eye(x.width)[channels]), origin)


def added(x: Node, y: Node, origin: str = "") -> Node:
    """Give x + y."""
    if x.width != y.width:
        raise ExchangeError(f"{origin}: adds {x.width} and {y.width} channels")
    if x is y:
        return scaled(x, np.array(2.0), np.array(0.0), origin)
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Applied) and b.inputs and a.inputs[0] is b.inputs[0]:
            layer = _with_direct(a.layer, b)
            if layer is not None:
                return applied(a.inputs[0], layer, joined(a.origin, b.origin))
    return Sum((x, y), x.width, origin)


def _with_direct(layer: network.FloatLayer, other: Node) -> network.FloatLayer | None:
    """A layer that gives what this one gives and another value of its input, if there is one."""
    match layer, other:
        case network.Linear(), Applied(layer=network.Linear() as linear):
            biases = [b for b in (layer.bias, linear.bias) if b is not None]
            weights = layer.weights + linear.weights
            return network.Linear(weights, np.sum(biases, axis=0) if biases else None)
        case network.S4D(), Scaled(scale=scale, shift=shift):
            d = scale if layer.d is None else layer.d + scale
            bias = shift if layer.bias is None else layer.bias + shift
            return replace(layer, d=d, bias=bias if bias.any() else None)
        case network.S5(), Scaled(scale=scale, shift=shift):
            return replace(layer, d=layer.d + scale, bias=layer.bias + shift)
        case network.S5(relu=False), Applied(layer=network.Linear() as linear):
            return with_direct_map(layer, linear)
    return None


def with_direct_map(s5: network.S5, linear: network.Linear) -> network.S5:
    """Give an S5 layer that gives S5(u) + W u + b: of two channels of u a state that forgets.

    Such a state has a = 0, receives u_i + i u_j, and 2 Re(c x) with c = (W_i - i W_j) / 2 is
    W_i u_i + W_j u_j.
    """
    w = linear.weights
    if not (w - np.diag(np.diag(w))).any():
        d, extra = np.diag(w), np.zeros((0, s5.d_model))
    else:
        d, extra = np.zeros(s5.d_model), np.eye(s5.d_model)
    pairs = np.concatenate([extra, np.zeros((len(extra) % 2, s5.d_model))])  # an even number
    b = pairs[::2] + 1j * pairs[1::2]
    n = len(b)
    return network.S5(
        np.concatenate([s5.a, np.zeros(n)]),
        np.concatenate([s5.b, b]),
        np.concatenate([s5.c, w @ b.conj().T / 2], axis=1),
        s5.d + d,
        np.concatenate([s5.drive_bias, np.zeros(n)]),
        s5.bias if linear.bias is None else s5.bias + linear.bias,
    )


def multiplied(x: Node, y: Node, origin: str = "") -> Node:
    """Give x * y, of linear maps of one value, one perhaps activated: a gated linear unit.

    Raises
    ------
    ExchangeError
        Another product of two values, for which there is no layer.
    """
    sigmoid = network.Activation.SIGMOID
    for a, b in ((x, y), (y, x)):
        v, f = b, network.Activation.NONE
        if isinstance(b, Activated):
            (v,), f = b.inputs, b.activation.activation
        if v is a and f is sigmoid:
            return activated(a, network.SiLU(), origin)
        for u in (v, *v.inputs):
            value, gate = _linear_of(a, u), _linear_of(v, u)
            if value is None or gate is None or a.width != v.width:
                continue
            if a is u and f is sigmoid:
                layer = network.Gate(gate.weights, bias_of(gate))
                return applied(u, layer, joined(v.origin, origin))
            biases = bias_of(value), bias_of(gate)
            glu = network.GLU(value.weights, gate.weights, *biases, f)
            return applied(u, glu, joined(a.origin if a is not u else v.origin, origin))
    raise ExchangeError(
        f"{origin}: multiplies two values; a network has (W u + b) f(V u + c) only, with a sigmoid "
        "or another activation f, or none. Train with that in its place"
    )


def _linear_of(value: Node, u: Node) -> network.Linear | None:
    """Give the linear map that a value is of u, if it is one."""
    if value is u:
        return network.Linear(np.eye(u.width))
    if isinstance(value, Applied) and value.inputs[0] is u:
        return value.layer if isinstance(value.layer, network.Linear) else None
    return None


def bias_of(linear: network.Linear) -> RealArray:
    """Give its bias, zeros if it has none."""
    return np.zeros(linear.d_output) if linear.bias is None else linear.bias


def joined(*origins: str) -> str:
    """Several origins as one text."""
    return " + ".join(dict.fromkeys(each for each in origins if each))


def with_scaled_input(
    layer: network.FloatLayer, scale: RealArray, shift: RealArray
) -> network.FloatLayer | None:
    """Give layer(scale * u + shift) as a layer of u; None: there is none."""
    match layer:
        case network.Linear(weights=w, bias=b):
            inner = w @ shift if b is None else b + w @ shift
            return network.Linear(w * scale, inner if inner.any() else None)
        case network.GLU(weights=w, gate=v, bias=b, gate_bias=c):
            biases = b + w @ shift, c + v @ shift
            return network.GLU(w * scale, v * scale, *biases, layer.activation)
        case network.S5():
            return layer.normalized(scale, shift)
        case network.Conv1d(weights=w, groups=groups) if not shift.any():
            of_group = scale.reshape(groups, 1, -1, 1)  # no shift: none is on the zeros before
            return replace(
                layer, weights=(w.reshape(groups, -1, *w.shape[1:]) * of_group).reshape(w.shape)
            )
        case network.S4D() if not shift.any():
            d = None if layer.d is None else layer.d * scale
            return replace(layer, b=layer.b * scale[:, np.newaxis], d=d)
    return None


def with_scaled_output(
    layer: network.FloatLayer, scale: RealArray, shift: RealArray
) -> network.FloatLayer | None:
    """Give scale * layer(u) + shift as a layer of u; None: there is none."""
    match layer:
        case network.Linear(weights=w, bias=b):
            outer = shift if b is None else scale * b + shift
            return network.Linear(w * scale[:, np.newaxis], outer if outer.any() else None)
        case network.Conv1d(weights=w, bias=b):
            outer = shift if b is None else scale * b + shift
            weights = w * scale[:, np.newaxis, np.newaxis]
            return replace(layer, weights=weights, bias=outer if outer.any() else None)
        case network.LayerNorm(weights=w, bias=b) | network.RMSNorm(weights=w, bias=b):
            return replace(layer, weights=w * scale, bias=b * scale + shift)
        case network.GLU(weights=w, bias=b) if not shift.any():
            return replace(layer, weights=w * scale[:, np.newaxis], bias=b * scale)
        case network.S5():
            c, d = layer.c * scale[:, np.newaxis], layer.d * scale
            return replace(layer, c=c, d=d, bias=layer.bias * scale + shift)
        case network.S4D():
            offset = shift if layer.bias is None else layer.bias * scale + shift
            return replace(
                layer,
                c=layer.c * scale[:, np.newaxis],
                d=None if layer.d is None else layer.d * scale,
                bias=offset if offset.any() else None,
            )
    return None
