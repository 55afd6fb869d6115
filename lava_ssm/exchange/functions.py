"""What each function of torch is in a network: the one table."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from lava_ssm import network
from lava_ssm.exchange.graph import (
    ExchangeError,
    activated,
    added,
    applied,
    multiplied,
    part,
    scaled,
)
from lava_ssm.exchange.tracing import Axis, Call, Handler, LayoutError, Signal, shown
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.readout import Readout
from lava_ssm.numerics import RealArray

Answer: TypeAlias = Signal | tuple[Signal, ...]


def _array(value: Any) -> RealArray:
    return np.asarray(value.detach().cpu().resolve_conj() if isinstance(value, Tensor) else value)


def _matrix(call: Call, value: Any) -> RealArray:
    array = _array(value)
    if array.dtype.kind == "c":
        raise ExchangeError(
            f"{call.origin}: its weights are complex, those of a linear layer must be real: give a "
            "state space of complex matrices as `nn.S5`, or as `network.S5` of its arrays"
        )
    return array


def _optional(value: Any) -> RealArray | None:
    return None if value is None else _array(value)


def _tokenwise(call: Call, affine: bool = False, zeros: bool = False) -> Signal:
    """See that what comes next may be done to each token; give the first argument."""
    x = call.x
    if x.spectrum or x.longer or (x.zeros and not zeros):
        raise ExchangeError(
            f"{call.origin}: works on a spectrum, an uncut convolution, or padded tokens"
        )
    if x.readout is Readout.MEAN_OVER_TIME and not affine:
        raise ExchangeError(
            f"{call.origin}: {call.name} follows the mean over time; a network takes the mean of "
            "its outputs, behind which only linear maps can come. Take the mean at the end, or "
            "the last token"
        )
    return x


def _last(call: Call, affine: bool = False) -> Signal:
    """The first argument, of which channels are the last axis."""
    x = _tokenwise(call, affine)
    if x.axis("channels") != len(x.axes) - 1:
        raise LayoutError(
            f"{call.origin}: works on the last axis, but channels are another: {shown(x.axes)}"
        )
    return x


def _linear(call: Call) -> Signal:
    x = _last(call, affine=True)
    layer = network.Linear(_matrix(call, call.get(1, "weight")), _optional(call.get(2, "bias")))
    return _put(call, x, layer)


def _put(call: Call, x: Signal, layer: network.FloatLayer) -> Signal:
    axes = tuple(("channels",) if i == x.axis("channels") else a for i, a in enumerate(x.axes))
    return replace(x, node=applied(x.node, layer, call.origin), axes=axes)


def _matmul(call: Call) -> Signal:
    x, other, swapped = _pair(call)
    if isinstance(other, Signal) or other.ndim != 2:
        raise ExchangeError(
            f"{call.origin}: multiplies two values as matrices (attention?); the maps of a network "
            "do not change. A state space layer in its place sees earlier tokens too"
        )
    place = len(x.axes) - (2 if swapped else 1)  # W x, or x W
    if x.axis("channels") != place:
        raise LayoutError(f"{call.origin}: multiplies {shown(x.axes)} along axis {place}")
    weights = _matrix(call, other)
    return _put(call, x, network.Linear(weights if swapped else weights.T))


def _conv1d(call: Call) -> Signal:
    """Take a convolution along time that sees the past alone."""
    x = call.x
    if x.axis("channels") != len(x.axes) - 2 or x.axis("time") != len(x.axes) - 1:
        raise LayoutError(f"{call.origin}: takes (batch, channels, time), got {shown(x.axes)}")
    weight, bias = _array(call.get(1, "weight")), _optional(call.get(2, "bias"))
    stride, padding, dilation = (
        _one(call.get(i, name, default))
        for i, name, default in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))
    )
    past = dilation * (weight.shape[-1] - 1)
    if padding == "valid" or (padding == "same" and not past):
        padding = 0
    if stride != 1 or (padding, x.zeros) not in {(past, 0), (0, past)}:
        raise ExchangeError(
            f"{call.origin}: a convolution that sees later tokens, or not all; a network takes "
            f"causal ones: {past} zeros before, none behind (padding={past}, of whose result the "
            "last are cut off), stride 1"
        )
    x = _tokenwise(call, affine=past == 0, zeros=True)
    taps = np.zeros((*weight.shape[:-1], past + 1))
    taps[..., ::dilation] = weight
    groups = int(call.get(6, "groups", 1))
    layer = network.Conv1d(taps, bias, groups)
    made = layer if past else network.Linear(layer.matrix, bias)
    return replace(_put(call, x, made), zeros=0, longer=padding > 0)


def _pad(call: Call) -> Signal:
    x = _tokenwise(call)
    if x.axis("time") != len(x.axes) - 1:
        raise LayoutError(f"{call.origin}: pads the last axis, time is another: {shown(x.axes)}")
    before, *others = call.get(1, "pad")
    plain = call.get(2, "mode", "constant") == "constant" and not call.get(3, "value")
    if any(others) or not plain:
        raise ExchangeError(f"{call.origin}: pads with something else than zeros before the start")
    return replace(x, zeros=int(before))


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) else value


def _activation(layer: Callable[[], Elementwise]) -> Handler:
    def handler(call: Call) -> Signal:
        x = _tokenwise(call)
        return call.follow(activated(x.node, layer(), call.origin))

    return handler


def _gelu(call: Call) -> Signal:
    if call.get(1, "approximate", "none") != "none":
        raise ExchangeError(
            f"{call.origin}: the GELU by a tanh; a network has the exact one, which is within "
            "0.0005 of it: set approximate = 'none', of a trained model too"
        )
    x = _tokenwise(call)
    return call.follow(activated(x.node, network.GELU(), call.origin))


def _softplus(call: Call) -> Signal:
    if call.get(1, "beta", 1) != 1:
        raise ExchangeError(f"{call.origin}: a softplus with another beta; a network's is 1")
    x = _tokenwise(call)
    return call.follow(activated(x.node, network.Softplus(), call.origin))


def _glu(call: Call) -> Signal:
    x = _tokenwise(call)
    if int(call.get(1, "dim", -1)) % len(x.axes) != x.axis("channels"):
        raise LayoutError(f"{call.origin}: gates along an axis that is not the channels'")
    half = x.node.width // 2
    value, gate = part(x.node, slice(half)), part(x.node, slice(half, None))
    return call.follow(
        multiplied(value, activated(gate, network.Sigmoid(), call.origin), call.origin)
    )


def _batch_norm(call: Call) -> Signal:
    x = _tokenwise(call, affine=True)
    mean, var = call.get(1, "running_mean"), call.get(2, "running_var")
    if mean is None or call.get(5, "training", False):
        raise ExchangeError(
            f"{call.origin}: takes its statistics of the batch; train it with "
            "track_running_stats=True"
        )
    if len(x.axes) > 1 and x.axis("channels") != 1:
        raise LayoutError(f"{call.origin}: channels are axis 1 of what it takes")
    weight, bias = _optional(call.get(3, "weight")), _optional(call.get(4, "bias"))
    eps = call.get(7, "eps", 1e-5)
    scale, shift = network.scale_and_shift(_array(mean), _array(var), weight, bias, eps)
    return call.follow(scaled(x.node, scale, shift, call.origin))


def _layer_norm(call: Call) -> Signal:
    x = _last(call)
    layer = network.LayerNorm(*_normalized(call, x, 2, 3), call.get(4, "eps", 1e-5))
    return _put(call, x, layer)


def _rms_norm(call: Call) -> Signal:
    x, eps = _last(call), call.get(3, "eps")
    eps = np.finfo(call.result.numpy().dtype).eps if eps is None else eps
    return _put(call, x, network.RMSNorm(*_normalized(call, x, 2), float(eps)))


def _normalized(call: Call, x: Signal, weight: int, bias: int = 9) -> tuple[RealArray, RealArray]:
    """Weights and biases, by their places, of a norm over channels alone."""
    n, shape = x.node.width, tuple(call.get(1, "normalized_shape"))
    if shape != (n,):
        raise ExchangeError(f"{call.origin}: normalises over {shape}, not over channels alone")
    weights, biases = _optional(call.get(weight, "weight")), _optional(call.get(bias, "bias"))
    return (
        np.ones(n) if weights is None else weights,
        np.zeros(n) if biases is None else biases,
    )


def _constant(call: Call, x: Signal, value: Any) -> RealArray:
    """A number, or one a channel: what is the same for all tokens."""
    array = _array(value)
    if array.ndim > len(x.axes):
        raise ExchangeError(f"{call.origin}: a constant of {array.ndim} axes")
    array = array.reshape((1,) * (len(x.axes) - array.ndim) + array.shape)
    place = x.axis("channels") if array.size > 1 else len(x.axes) - 1
    if array.size != array.shape[place]:
        raise ExchangeError(
            f"{call.origin}: {call.name} with a constant of another value at each token (places in "
            "a sequence?); a network does the same to all tokens"
        )
    return array.reshape(-1) if array.size > 1 else array.reshape(())


def _pair(call: Call) -> tuple[Signal, Any, bool]:
    """A signal, and what is combined with it: whether the signal comes second."""
    a, b = call.get(0, "input"), call.get(1, "other")
    x = call.tracer.signal(a)
    if x is not None:
        return x, call.tracer.signal(b) or b, False
    y = call.tracer.signal(b)
    assert y is not None
    return y, a, True


def _einsum(call: Call) -> Signal:
    """Take a product with a constant, of which nothing or channels alone are summed."""
    equation, *operands = call.args
    terms, _, output = equation.replace(" ", "").partition("->")
    known = [call.tracer.signal(value) for value in operands]
    x = next((signal for signal in known if signal), None)
    if x is None or len(known) != 2 or all(known) or "." in equation or not output:
        raise ExchangeError(
            f"{call.origin}: einsum {equation!r}; a network has that of a value and a constant, "
            "with letters for all axes"
        )
    constant = operands[known.index(None)]
    names, others = terms.split(",") if known[1] is None else terms.split(",")[::-1]
    new, axes = set(others) - set(names), dict(zip(names, x.axes, strict=True))
    if set(names) <= set(output):
        like = replace(x, axes=tuple(axes.get(i, ()) for i in output))
        sizes = dict(zip(others, constant.shape, strict=True))
        order = [others.index(i) for i in output if i in others]
        weights = _array(constant).transpose(order).reshape([sizes.get(i, 1) for i in output])
        return _times(call, like, weights)
    summed = {i for i in names if i not in output}
    if [axes[i] for i in summed] != [("channels",)] or len(others) != 2:
        raise ExchangeError(
            f"{call.origin}: einsum {equation!r} of {shown(x.axes)}; a network sums over channels"
        )
    matrix = _matrix(call, constant)
    layer = network.Linear(matrix.T if others[0] in summed else matrix)
    axes |= dict.fromkeys(new, ("channels",))
    node = applied(x.node, layer, call.origin)
    return replace(x, node=node, axes=tuple(axes[i] for i in output))


def _add(call: Call) -> Signal:
    return _sum(call, 1.0)


def _sub(call: Call) -> Signal:
    return _sum(call, -1.0)


def _rsub(call: Call) -> Signal:
    return _sum(replace(call, args=(call.get(1, "other"), call.get(0, "input"))), -1.0)


def _sum(call: Call, sign: float) -> Signal:
    x, other, swapped = _pair(call)
    factor = sign * float(call.kwargs.get("alpha", 1))
    zero = np.zeros(())
    if not isinstance(other, Signal):
        constant = _constant(call, x, other)
        if swapped:  # constant +- x
            return replace(x, node=scaled(x.node, np.array(factor), constant, call.origin))
        return replace(x, node=scaled(x.node, np.ones(()), factor * constant, call.origin))
    if x.axes != other.axes or x.readout is not other.readout:
        raise LayoutError(f"{call.origin}: adds {shown(x.axes)} and {shown(other.axes)}")
    y = other.node if factor == 1 else scaled(other.node, np.array(factor), zero, call.origin)
    return replace(x, node=added(x.node, y, call.origin))


def _mul(call: Call) -> Signal:
    x, other, _ = _pair(call)
    return _times(call, x, other)


def _times(call: Call, x: Signal, other: Any) -> Signal:
    if x.spectrum:
        return _filtered(call, x, other)
    if not isinstance(other, Signal):
        return replace(x, node=scaled(x.node, _constant(call, x, other), np.zeros(()), call.origin))
    if x.axes != other.axes or x.readout is Readout.MEAN_OVER_TIME:
        raise LayoutError(f"{call.origin}: multiplies {shown(x.axes)} and {shown(other.axes)}")
    return replace(x, node=multiplied(x.node, other.node, call.origin))


def _div(call: Call) -> Signal:
    x, other, swapped = _pair(call)
    if isinstance(other, Signal) or swapped:
        raise ExchangeError(f"{call.origin}: divides by what depends on its input")
    return replace(x, node=scaled(x.node, 1 / _constant(call, x, other), np.zeros(()), call.origin))


def _neg(call: Call) -> Signal:
    return call.follow(scaled(call.x.node, np.array(-1.0), np.zeros(()), call.origin))


def _rfft(call: Call) -> Signal:
    x = _tokenwise(call)
    if int(call.get(2, "dim", -1)) % len(x.axes) != x.axis("time"):
        raise LayoutError(f"{call.origin}: a Fourier transform along another axis than time")
    return replace(x, spectrum=True)


def _filtered(call: Call, x: Signal, other: Any) -> Signal:
    """Take a product with a kernel's spectrum as the system that has this kernel."""
    if isinstance(other, Signal) or x.axis("time") != len(x.axes) - 1:
        raise ExchangeError(f"{call.origin}: a product of spectra that is no convolution over time")
    kernel = np.fft.irfft(_array(other).reshape(-1, other.shape[-1]))  # (channels, 2 time)
    n = kernel.shape[-1] // 2
    return replace(x, node=applied(x.node, _system_of(call, kernel[:, :n]), call.origin))


def _system_of(call: Call, kernel: RealArray) -> network.S4D:
    """Give the system, of the model's modules, whose answer to an impulse is this kernel."""
    known = [
        layer
        for layer in call.tracer.kernels
        if isinstance(layer, network.S4D) and layer.d_model == len(kernel)
    ]
    for layer in known:
        impulse = np.zeros((kernel.shape[-1], layer.d_model))
        impulse[0] = 1
        plain = network.S4D(layer.a, layer.b, layer.c)  # a kernel has no direct path
        made = network.Network((plain,)).run(impulse).T
        if np.abs(made - kernel).max() <= 1e-4 * np.abs(kernel).max():
            return plain
    raise ExchangeError(
        f"{call.origin}: a convolution whose kernel is no known system's; known are S4D's and "
        f"those of S4 with mode='diag', one of a channel, forward in time ({len(known)} such "
        "systems in the model). Train with one of them, or export a diagonal system by hand, with "
        "`network.S4D.from_continuous`"
    )


def _irfft(call: Call) -> Signal:
    x = call.x
    length = call.get(1, "n")
    n = call.result.shape[-1] if length is None else int(length)
    if not x.spectrum or n < 2 * call.tracer.n_tokens - 1:
        raise ExchangeError(
            f"{call.origin}: a convolution in a circle, {n} places for {call.tracer.n_tokens} "
            "tokens; transforms must be twice as long as the sequence"
        )
    return replace(x, spectrum=False, longer=True)


def _transpose(call: Call) -> Signal:
    i, j = (int(call.get(k, f"dim{k - 1}")) for k in (1, 2))
    order = list(range(len(call.x.axes)))
    order[i], order[j] = order[j], order[i]
    return _ordered(call, order)


def _mirrored(call: Call) -> Signal:
    order = list(range(len(call.x.axes)))
    return _ordered(call, [*order[:-2], *order[:-3:-1]])


def _permute(call: Call) -> Signal:
    given = call.args[1:] or (call.kwargs["dims"],)
    order = given[0] if isinstance(given[0], tuple | list) else given
    return _ordered(call, [int(i) for i in order])


def _ordered(call: Call, order: list[int]) -> Signal:
    return replace(call.x, axes=tuple(call.x.axes[i] for i in order))


def _reshape(call: Call) -> Signal:
    """Regroup axes: none is split that was one to begin with."""
    x, left = call.x, []
    sizes = call.tracer.sizes(x)
    for axis in x.axes:
        left += list(axis)
    axes: list[Axis] = []
    for i, size in enumerate(call.result.shape):
        group: Axis = ()
        product = 1
        while left and (product < size or (size == 1 and not group and sizes[left[0]] == 1)):
            product *= sizes[left[0]]
            group = (*group, left.pop(0))
        if product != size:
            raise LayoutError(
                f"{call.origin}: {call.name} to {tuple(call.result.shape)} divides axis {i} anew "
                "(heads, patches?); a network has tokens of channels"
            )
        long = tuple(name for name in group if sizes[name] > 1)
        axes.append(long or group[:1])  # what is left out is of length one
    return replace(x, axes=tuple(axes))


def _mean(call: Call) -> Signal:
    x = _tokenwise(call, affine=True)
    dims = call.get(1, "dim")
    axes = [] if dims is None else [int(d) % len(x.axes) for d in np.atleast_1d(dims)]
    if axes != [x.axis("time")]:
        error = LayoutError if axes == [x.axis("batch")] else ExchangeError
        raise error(f"{call.origin}: a mean over {shown(x.axes)} that is not over time")
    return _pooled(x, Readout.MEAN_OVER_TIME, keepdim=bool(call.get(2, "keepdim", False)))


def _pooled(x: Signal, readout: Readout, keepdim: bool = False) -> Signal:
    time = x.axis("time")
    instead: tuple[Axis, ...] = ((),) if keepdim else ()
    return replace(x, axes=(*x.axes[:time], *instead, *x.axes[time + 1 :]), readout=readout)


def _average_pool(call: Call) -> Signal:
    x = _tokenwise(call, affine=True)
    if _one(call.get(1, "output_size")) != 1 or x.axis("time") != len(x.axes) - 1:
        raise ExchangeError(f"{call.origin}: pools over something else than all of time")
    return _pooled(x, Readout.MEAN_OVER_TIME, keepdim=True)


def _select(call: Call) -> Signal:
    index: list[object] = [slice(None)] * (int(call.get(1, "dim")) % len(call.x.axes))
    return _indexed(call, (*index, int(call.get(2, "index"))))


def _getitem(call: Call) -> Signal:
    index = call.get(1, "index")
    return _indexed(call, index if isinstance(index, tuple) else (index,))


def _narrow(call: Call) -> Signal:
    start, length = int(call.get(2, "start")), int(call.get(3, "length"))
    index = [slice(None)] * (int(call.get(1, "dim")) % len(call.x.axes))
    return _indexed(call, (*index, slice(start, start + length)))


def _indexed(call: Call, index: tuple[object, ...]) -> Signal:
    x = call.x
    if Ellipsis in index:
        where = index.index(Ellipsis)
        named = len(index) - 1 - sum(i is None for i in index)
        fill = (slice(None),) * (len(x.axes) - named)
        index = (*index[:where], *fill, *index[where + 1 :])
    node, axes, readout, longer = x.node, list[Axis](), x.readout, x.longer
    rest = iter(x.axes)
    shape = iter(call.get(0, "input").shape)
    for i in index:
        if i is None:
            axes.append(())
            continue
        axis, size = next(rest), next(shape)
        if axis == ("time",) and isinstance(i, int) and not longer and i in (-1, size - 1):
            readout = Readout.LAST_TOKEN
        elif axis == ("time",) and not longer and _span(i, size) == (size - 1, size):
            readout = Readout.LAST_TOKEN
            axes.append(())
        elif axis == ("time",) and longer and _span(i, size) == (0, call.tracer.n_tokens):
            longer = False
            axes.append(axis)
        elif axis == ("channels",) and isinstance(i, slice) and i.step in (None, 1):
            node = node if _span(i, size) == (0, size) else part(node, i, call.origin)
            axes.append(axis)
        elif axis == ("channels",) and isinstance(i, int):
            node = part(node, slice(i % size, i % size + 1), call.origin)
        elif axis == () and i in (0, -1):
            pass
        elif _span(i, size) == (0, size):
            axes.append(axis)
        else:
            error = LayoutError if axis == ("batch",) else ExchangeError
            raise error(
                f"{call.origin}: takes [{', '.join(map(_written, index))}] of {shown(x.axes)}; a "
                "network gives every token or the last, of channels in their order"
            )
    return replace(x, node=node, axes=(*axes, *rest), readout=readout, longer=longer)


def _written(index: object) -> str:
    """An index as Python's text has it; of many numbers that they are."""
    if isinstance(index, slice):
        ends = (index.start, index.stop, index.step)[: 2 if index.step is None else 3]
        return ":".join("" if i is None else str(i) for i in ends)
    return str(index) if index is None or isinstance(index, int) else "numbers"


def _span(index: object, size: int) -> tuple[int, int] | None:
    if not isinstance(index, slice) or index.step not in (None, 1):
        return None
    start, stop, _ = index.indices(size)
    return start, stop


def _parts(call: Call) -> tuple[Signal, ...]:
    x = _tokenwise(call)
    dim = int(call.get(2, "dim", 0)) % len(x.axes)
    if dim != x.axis("channels"):
        raise ExchangeError(f"{call.origin}: cuts {shown(x.axes)} along axis {dim}")
    ends = np.cumsum([0, *(piece.shape[dim] for piece in call.result)])
    return tuple(
        replace(x, node=part(x.node, slice(int(a), int(b)), call.origin))
        for a, b in itertools.pairwise(ends)
    )


def _softmax(call: Call) -> Signal:
    raise ExchangeError(
        f"{call.origin}: {call.name} at the end; leave it out, the largest output is the same"
    )


def _same(call: Call) -> Signal:
    return call.x


def _dropout(call: Call) -> Signal:
    if call.get(2, "training", False):
        raise ExchangeError(f"{call.origin}: drops values out although the model is not trained")
    return call.x


HANDLERS: dict[str, Handler] = {
    "linear": _linear,
    "matmul": _matmul,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "conv1d": _conv1d,
    "relu": _activation(network.ReLU),
    "gelu": _gelu,
    "silu": _activation(network.SiLU),
    "sigmoid": _activation(network.Sigmoid),
    "tanh": _activation(network.Tanh),
    "softplus": _softplus,
    "glu": _glu,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "pad": _pad,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "einsum": _einsum,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "fft_rfft": _rfft,
    "fft_irfft": _irfft,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "swapdims": _transpose,
    "t": _mirrored,
    "T": _mirrored,
    "mT": _mirrored,
    "permute": _permute,
    "mean": _mean,
    "adaptive_avg_pool1d": _average_pool,
    "select": _select,
    "getitem": _getitem,
    "narrow": _narrow,
    "chunk": _parts,
    "split": _parts,
    "tensor_split": _parts,
}
HANDLERS |= dict.fromkeys(
    ("reshape", "view", "flatten", "unflatten", "unsqueeze", "squeeze", "view_as"), _reshape
)
HANDLERS |= dict.fromkeys(
    ("clone", "contiguous", "cpu", "data", "detach", "double", "float", "to", "type", "type_as"),
    _same,
)
HANDLERS |= dict.fromkeys(
    ("dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_dropout"), _dropout
)
