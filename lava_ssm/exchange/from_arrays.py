"""From the arrays of a trained network alone, by the names that their program gives them."""

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal, Protocol, get_args

import numpy as np

from lava_ssm import network
from lava_ssm.exchange.chain import chain
from lava_ssm.exchange.graph import (
    ExchangeError,
    Input,
    Node,
    activated,
    added,
    applied,
    multiplied,
    part,
    place,
    scaled,
)
from lava_ssm.exchange.systems import KINDS, s4d, sparse_rnns
from lava_ssm.network.discretization import Discretization
from lava_ssm.network.readout import Readout
from lava_ssm.numerics import as_array, flag, integer, member, one_of

Kind = Literal["s4d", "s5", "lru", "sparse-rnns", "lava-s4d"]


def from_state_dict(
    state: Mapping[str, object],
    kind: Kind,
    *,
    prenorm: bool = False,
    readout: Readout | str | None = None,
    discretization: Discretization = "zoh",
    d_state: int = 1,
) -> network.Network:
    """Give the network of a trained model's arrays, without the model's code.

    Names alone do not say what a model computes with its arrays: where its code can be had,
    `from_torch` is safer, since it compares both.

    Parameters
    ----------
    state
        Arrays or tensors by name, as `load(path, weights_only=True)` of PyTorch gives them; nested
        mappings too, and those that hold the arrays as "model", "state_dict" or "params".
    kind
        - "s4d": the S4D of state-spaces/s4, one block or the model of its example: an encoder,
          residual blocks with a layer or batch norm each, mean over time, a decoder.
        - "s5": an `S5` of s5-pytorch.
        - "lru": a linear recurrent unit (nu_log, theta_log, gamma_log, B, C, D).
        - "sparse-rnns": a relufied S5 network of SparseRNNs with batch norms.
        - "lava-s4d": a, b, c of Lava's `S4d` Processes, (channels * d_state,) each.
    prenorm
        Of "s4d": whether norms stand before the blocks.
    readout
        "every", "last" or "mean"; None: the mean of an "s4d" with a decoder, else every token.
    discretization
        "zoh" or "bilinear", of s4d, s5 and sparse-rnns.
    d_state
        Of "lava-s4d": states of a channel.

    Raises
    ------
    ExchangeError
        Arrays that are missing or left over: says which; or that make no network.
    """
    one_of(kind, get_args(Kind), "kind")
    arrays = _Arrays(_flat(state))
    method = discretization
    taken: Readout | None = None
    match kind:
        case "s4d":
            output, taken = _s4d(arrays, method, flag(prenorm, "prenorm"))
        case "s5" | "lru":
            output = _one(arrays, kind, method)
        case "sparse-rnns":
            output = _sparse_rnns(arrays, method)
        case _:
            abc = (arrays.take(name) for name in "abc")
            output = _alone(_lava(abc, integer(d_state, "d_state", 1)))
    arrays.check_empty(kind)
    chosen = taken or Readout.EVERY_TOKEN
    chosen = chosen if readout is None else member(Readout, readout, "readout")
    return chain(output, chosen, {"model": kind})


class S4dProcess(Protocol):
    """What a Process of `lava.proc.s4d` has: its parameters."""

    proc_params: Any


def from_lava(process: S4dProcess) -> network.Network:
    """Give the network of an `S4d`, `SigmaS4dDelta` or `SigmaS4dDeltaLayer` of Lava, in float.

    That is what Lava's own float models compute of it: y = 2 Re(c x). A layer's channels have their
    states behind each other; of the others each neuron is a channel of one state.
    """
    given = process.proc_params
    shape = tuple(int(n) for n in given.get("shape"))
    n = integer(given.get("d_states") or 1, "d_states", 1)
    size = (int(np.prod(shape)) * n,)
    abc = (np.broadcast_to(as_array(given.get(name), name), size) for name in "abc")
    return chain(_alone(_lava(abc, n)), Readout.EVERY_TOKEN, {"model": type(process).__name__})


def _lava(abc: Iterator[np.ndarray], d_state: int) -> network.S4D:
    arrays = list(abc)
    if any(v.size % d_state for v in arrays):
        raise ExchangeError(
            f"d_state: {d_state} states a channel, but a, b, c have {[v.size for v in arrays]}"
        )
    return network.S4D(*(np.reshape(v.astype(complex), (-1, d_state)) for v in arrays))


def _alone(layer: network.FloatLayer) -> Node:
    return applied(Input((), layer.d_input), layer, "")


def _flat(state: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Arrays of nested mappings, their names joined by dots."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state must map names to arrays, got {type(state).__name__}")
    for name in ("state_dict", "model", "model_state_dict"):
        wrapped = state.get(name)
        if not prefix and isinstance(wrapped, Mapping):
            state = wrapped
    for name, value in state.items():
        if isinstance(value, Mapping):
            inner = "" if name in ("params", "batch_stats") else f"{name}."
            yield from _flat(value, prefix + inner)
        else:
            yield prefix + str(name), value


class _Arrays:
    """Arrays by name, each to be taken once."""

    def __init__(self, items: Iterator[tuple[str, object]]) -> None:
        self._left: dict[str, np.ndarray] = {}
        for name, value in items:
            if name.rpartition(".")[2] != "num_batches_tracked":
                self._left[name] = _numbers(value, name)
        while len({name.partition(".")[0] for name in self._left}) == 1 and all(
            "." in name for name in self._left
        ):  # of what is wrapped around the model
            self._left = {name.partition(".")[2]: value for name, value in self._left.items()}

    def take(self, name: str) -> np.ndarray:
        """An array that there has to be."""
        if name not in self._left:
            raise ExchangeError(f"state: has no {name!r}; it has {self._names()}")
        return self._left.pop(name)

    def maybe(self, name: str) -> np.ndarray | None:
        """An array, or None."""
        return self._left.pop(name, None)

    def under(self, prefix: str, *names: str) -> dict[str, np.ndarray]:
        """Those of these arrays of one module that there are."""
        there = [name for name in names if prefix + name in self._left]
        return {name: self._left.pop(prefix + name) for name in there}

    def places(self, ending: str) -> list[str]:
        """What stands before a name, wherever it is, in the order of its numbers."""
        found = [
            name.removesuffix(ending)
            for name in self._left
            if name == ending or name.endswith(f".{ending}")
        ]
        return sorted(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p)])

    def check_empty(self, kind: str) -> None:
        """Refuse arrays that nothing was made of."""
        if self._left:
            raise ExchangeError(
                f"state: {self._names()} left over, which the kind {kind!r} does not have; give "
                "the model itself to `from_torch`"
            )

    def _names(self) -> str:
        names = list(self._left)
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return ", ".join(map(repr, names[:8])) + more if names else "no arrays"


def _numbers(value: Any, name: str) -> np.ndarray:
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().resolve_conj()
        if value.is_floating_point():
            value = value.double()  # NumPy has no bfloat16
        value = value.numpy()
    array = np.asarray(as_array(value, name))
    if array.dtype.kind not in "iufc":
        raise ExchangeError(f"state: {name!r} holds no numbers")
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _one(arrays: _Arrays, kind: str, method: Discretization) -> Node:
    """The one layer of a kind that there is, by the name of an array of it."""
    of = KINDS[kind]
    prefixes = arrays.places(of.names[0])
    if not prefixes:
        arrays.take(of.names[0])
    if len(prefixes) != 1:
        raise ExchangeError(
            f"state: has {len(prefixes)} layers with {of.names[0]!r}, needs one; give a model of "
            "several to `from_torch`"
        )
    with place(prefixes[0].removesuffix(".") or kind):
        return _alone(of.make(arrays.under(prefixes[0], *of.names, *of.more), method))


def _linear(arrays: _Arrays, x: Node | None, name: str, flax: bool = False) -> Node:
    weights = arrays.take(f"{name}.{'kernel' if flax else 'weight'}")
    if weights.ndim == 3 and weights.shape[2] == 1:  # of a convolution of one token
        weights = weights[..., 0]
    layer = network.Linear(weights.T if flax else weights, arrays.maybe(f"{name}.bias"))
    return applied(x or Input((), layer.d_input), layer, name)


def _s4d(arrays: _Arrays, method: Discretization, prenorm: bool) -> tuple[Node, Readout | None]:
    prefixes = arrays.places("kernel.log_dt")
    if not prefixes:
        arrays.take("kernel.log_dt")
    whole = arrays.places("encoder.weight") != []
    x = _linear(arrays, None, "encoder") if whole else None
    norms = [p for p in arrays.places("weight") if "norm" in p]
    if norms and len(norms) != len(prefixes):
        names = ", ".join(p.removesuffix(".") for p in norms)
        raise ExchangeError(
            f"state: has {len(prefixes)} blocks and {len(norms)} norms ({names}), needs one each "
            "or none; give the model itself to `from_torch`"
        )
    for prefix, norm in zip_longest(prefixes, norms):
        with place(prefix.removesuffix(".")):
            layer = s4d(
                {
                    **arrays.under(f"{prefix}kernel.", *KINDS["s4d"].names),
                    **arrays.under(prefix, "D"),
                },
                method,
            )
            x = x or Input((), layer.d_input)
            z = _norm(arrays, x, norm) if prenorm and norm else x
            y = activated(applied(z, layer, prefix.removesuffix(".")), network.GELU())
            y = _linear(arrays, y, f"{prefix}output_linear.0")
            half = y.width // 2
            gate = activated(part(y, slice(half, None)), network.Sigmoid())
            y = multiplied(part(y, slice(half)), gate)
            if not whole:
                return y, None
            x = added(x, y, prefix.removesuffix("."))
            x = _norm(arrays, x, norm) if norm and not prenorm else x
    assert x is not None
    return _linear(arrays, x, "decoder"), Readout.MEAN_OVER_TIME


def _norm(arrays: _Arrays, x: Node, prefix: str) -> Node:
    own = arrays.under(prefix, "weight", "bias", "running_mean", "running_var")
    if "running_mean" not in own:
        layer = network.LayerNorm(own["weight"], own["bias"])
        return applied(x, layer, prefix.removesuffix("."))
    statistics = own["running_mean"], own["running_var"]
    both = network.scale_and_shift(*statistics, own["weight"], own["bias"])
    return scaled(x, *both, prefix.removesuffix("."))


def _sparse_rnns(arrays: _Arrays, method: Discretization) -> Node:
    x = activated(_linear(arrays, None, "encoder", flax=True), network.ReLU())
    for prefix in arrays.places("Lambda_re"):
        block = prefix.rstrip(".").rpartition(".")[0]
        with place(block):
            layer = sparse_rnns(arrays.under(prefix, *KINDS["sparse-rnns"].names), method)
            (norm,) = (p for p in arrays.places("mean") if p.startswith(f"{block}."))
            own = arrays.under(norm, "mean", "var", "scale", "bias")
            both = network.scale_and_shift(
                own["mean"], own["var"], own.get("scale"), own.get("bias")
            )
            y = activated(applied(scaled(x, *both, norm), layer, prefix), network.ReLU())
            (gate,) = (p for p in arrays.places("kernel") if p.startswith(f"{block}."))
            v = _linear(arrays, y, gate.removesuffix("."), flax=True)
            v = activated(v, network.Sigmoid())
            x = activated(added(x, multiplied(y, v), block), network.ReLU())
    return _linear(arrays, x, "decoder", flax=True)
