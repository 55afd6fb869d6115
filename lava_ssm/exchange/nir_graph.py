"""Networks as NIR graphs, and back: NIR's own nodes where it has them, and an extension.

`docs/nir-proposal.md` describes the extension's nodes. Every layer of `lava_ssm.network` that NIR
has no node for is one of them: its type is the layer's name behind `ssm.`, its parameters are the
layer's fields. A path around layers is an edge.
"""

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lava_ssm import extras, files, network
from lava_ssm.exchange.graph import ExchangeError, place
from lava_ssm.network import (
    LIF,
    FixedDense,
    FixedLIF,
    FixedNetwork,
    Layer,
    Linear,
    Network,
    Part,
    Readout,
    Residual,
    check_network,
    check_parts,
)
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.description import Description
from lava_ssm.numerics import Arithmetic, Overflow, Rounding, real_number

if TYPE_CHECKING:
    import h5py
    import nir

Value: TypeAlias = np.ndarray | str
Node: TypeAlias = Mapping[str, Any]
"""A node, or a graph, as `nir` writes it: plain data by name."""
_PREFIX = "ssm."
_KIND = "ssm.kind"
"""In the metadata of a node of NIR that `to_nir` wrote for a part of a chain: which."""
_SPIKING = ("IF", "LIF", "CubaLIF")
_PARTS = {kind.__name__: kind for kind in (LIF, FixedLIF, FixedDense)}
_DECAY_UNITY, _MESSAGE_SHIFT = 4096, 6
"""Of Lava's neurons in integers: what a decay is a fraction of, and the shift of their input."""
_KINDS: dict[str, type[Description]] = {
    f"{_PREFIX}{name}": kind
    for name, kind in vars(network).items()
    if isinstance(kind, type)
    and issubclass(kind, Layer | Elementwise | Residual)
    and kind.__dict__.get("__dataclass_fields__") is not None
    and name not in ("Linear", "Elementwise")
}


def to_nir(net: Network | FixedNetwork | list[Part] | tuple[Part, ...]) -> "nir.NIRGraph":
    """Give a network as a NIR graph; `nir.write` writes it, `from_nir` reads it again.

    A `Linear` becomes NIR's `Affine` or `Linear`, all else a node of the extension. Readout,
    exponents and rules of arithmetic are the graph's metadata.

    Parameters
    ----------
    net
        A network, or the parts of a hybrid chain (`lava_ssm.proc.parts` gives those of Lava's
        Processes). Of a chain each network is a graph in the graph; spiking neurons are NIR's
        `IF`, `LIF` or `CubaLIF` where these can say it, with times in steps, and synapses `Linear`.

    Raises
    ------
    TypeError, ValueError
        Not a network, or parts that `check_parts` refuses.
    MissingPackageError
        nir cannot be imported.
    """
    if isinstance(net, list | tuple):
        return _chain_graph(check_parts(net))
    check_network(net)
    with extras.needed("nir"):
        import nir

    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([net.d_input]))}
    edges: list[tuple[str, str]] = []
    entries: list[str] = []  # of each layer of synapses, what enters it
    last = "input"
    width = net.d_input
    for i, layer in enumerate(net.layers):
        name = f"layer_{i}"
        edges.append((last, name))
        if isinstance(layer, Layer):
            entries.append(last)
            before, width = layer.d_input, layer.d_output
        else:
            before = width
        if isinstance(layer, Residual):
            edges.append((entries[-layer.span], name))
        nodes[name] = _node(layer, before, width)
        last = name
    nodes["output"] = nir.Output(np.array([width]))
    edges.append((last, "output"))
    about: dict[str, object] = {f"{_PREFIX}readout": net.readout.value}
    if isinstance(net, FixedNetwork):
        rules = net.arithmetic
        about |= {
            f"{_PREFIX}{name}": value
            for name, value in (
                ("input_exponent", net.input_exponent),
                ("input_bits", net.input_bits),
                ("rounding", rules.rounding.value),
                ("overflow", rules.overflow.value),
                ("state_bits", rules.state_bits),
                ("message_bits", rules.message_bits),
            )
        }
    about |= {f"{_PREFIX}made_by.{key}": text for key, text in net.made_by.items()}
    return nir.NIRGraph(nodes, edges, about)


def from_nir(
    graph: "nir.NIRGraph | str | PathLike[str]", dt: float = 1.0
) -> Network | FixedNetwork | tuple[Part, ...]:
    """Read a network from a NIR graph, or from its file; of a hybrid graph the parts of a chain.

    Parameters
    ----------
    graph
        A chain from one input to one output of NIR's `Affine`, `Linear`, `Scale`, `IF`, `LIF`,
        `CubaLIF`, graphs of these, and the nodes of the extension; paths around them go into nodes
        of type `ssm.Residual`. What stands between spiking neurons becomes one network.
    dt
        A step, in the unit of the graph's time constants (by Euler's forward method); those of
        `to_nir` are in steps, whatever it is.

    Returns
    -------
    Network, FixedNetwork or tuple of Part
        Parts where there are spiking neurons, or a graph in the graph: `lava_ssm.proc.chain` makes
        Lava's Processes of them. Real parameters of neurons come back to their last digit or two,
        all else equal.

    Raises
    ------
    ExchangeError
        A node that no part is like, neurons that differ in what those of one `LIF` share, or a
        graph that is no chain.
    OSError
        There is no such file, or it is no HDF5 file.
    MissingPackageError
        nir cannot be imported.
    """
    step = real_number(dt, "dt", "(0, inf)")
    with extras.needed("nir"):
        import nir
    if isinstance(graph, nir.NIRNode):
        content: Node = graph.to_dict()
    else:
        content = _read(files.name_of(graph))
    with place(""):
        parts = _parts(content, step)
        if len(parts) == 1 and isinstance(parts[0], Network | FixedNetwork):
            return parts[0]
        return check_parts(parts)


def _chain_graph(parts: tuple[Part, ...]) -> "nir.NIRGraph":
    with extras.needed("nir"):
        import nir

    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([parts[0].d_input]))}
    for i, part in enumerate(parts):
        nodes[f"part_{i}"] = (
            to_nir(part) if isinstance(part, Network | FixedNetwork) else _part_node(part)
        )
    nodes["output"] = nir.Output(np.array([parts[-1].d_output]))
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


def _part_node(part: LIF | FixedLIF | FixedDense) -> "nir.NIRNode":
    """NIR's own node where there is one; what it has no name for is its metadata."""
    import nir

    about: dict[str, object] = {_KIND: type(part).__name__}
    if isinstance(part, FixedDense):
        about |= {"ssm.weight_exp": part.weight_exp, "ssm.num_message_bits": part.num_message_bits}
        return nir.Linear(part.weights * 2.0**part.weight_exp, metadata=about)
    if isinstance(part, FixedLIF):  # in units of a message: input and threshold are shifted alike
        du, dv = (part.du + 1) / _DECAY_UNITY, part.dv / _DECAY_UNITY
        bias = part.bias_mant * 2.0 ** (part.bias_exp - _MESSAGE_SHIFT)
        about["ssm.bias_exp"] = part.bias_exp
    else:
        du, dv, bias = part.du, part.dv, part.bias
    ones = np.ones(part.n)
    if dv == 0 and du == 1 and not np.any(bias):
        return nir.IF(ones, part.vth * ones, metadata=about)
    if dv == 0 or du == 0:  # NIR has no such neuron
        return _node(part, part.n, part.n)
    decay = {"v_leak": bias / dv * ones, "v_threshold": part.vth * ones, "metadata": about}
    if du == 1:
        return nir.LIF(ones / dv, ones / dv, **decay)
    return nir.CubaLIF(ones / du, ones / dv, ones / dv, w_in=ones / du, **decay)


def _node(layer: Any, d_input: int, d_output: int) -> "nir.NIRNode":
    import nir

    if isinstance(layer, Linear):
        if layer.bias is None:
            return nir.Linear(layer.weights)
        return nir.Affine(layer.weights, layer.bias)

    class Extension(nir.NIRNode):
        """A node of the extension: it writes itself as its type and its parameters."""

        def __init__(self) -> None:
            self.input_type = {"input": np.array([d_input])}
            self.output_type = {"output": np.array([d_output])}
            self.metadata: dict[str, object] = {}

        def to_dict(self) -> dict[str, object]:
            values = {f.name: getattr(layer, f.name) for f in fields(layer)}
            return {
                "type": _PREFIX + type(layer).__name__,
                **{
                    name: v.value if isinstance(v, Enum) else v
                    for name, v in values.items()
                    if v is not None
                },
            }

    return Extension()


def _read(path: str) -> Node:
    import h5py
    from nir.serialization import hdf2dict

    with open(path, "rb") as content:
        most = 10 * content.seek(0, 2) + 100_000_000
        try:
            with h5py.File(content, "r") as file:
                _check_plain(file, most, path)
                if "node" not in file:
                    raise ExchangeError(f"path: {path!r} holds no NIR graph")
                node: Node = hdf2dict(file["node"])
                return node
        except (OSError, RuntimeError) as error:
            raise ExchangeError(f"path: {path!r} cannot be read as HDF5: {error}") from error


def _check_plain(file: "h5py.File", most: int, path: str) -> None:
    """Refuse what HDF5 allows besides arrays in a tree: loops, links, other files, bombs."""
    import h5py

    groups, known, size = [file["/"]], {h5py.h5o.get_info(file.id).addr}, 0
    while groups:
        group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ExchangeError(f"path: {path!r}: {name!r} is a link to elsewhere")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in known:
                raise ExchangeError(f"path: {path!r}: {name!r} is there twice, or holds itself")
            known.add(address)
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ExchangeError(f"path: {path!r}: {name!r} lies in another file")
                size += item.nbytes
                if size > most:
                    raise ExchangeError(f"path: {path!r} unpacks to more than {most} bytes")


def _parts(content: Node, dt: float) -> list[Part]:
    nodes, edges = content.get("nodes"), content.get("edges")
    if nodes is None or edges is None:
        raise ExchangeError(f"graph: a NIRGraph is needed, got a {_text(content.get('type'))}")
    pairs = [(_text(a), _text(b)) for a, b in edges]
    names = _chain({name: _text(node["type"]) for name, node in nodes.items()}, pairs)
    about = content.get("metadata") or {}
    parts: list[Part] = []
    layers: list[Any] = []
    entries: list[str] = []
    for before, name in pairwise(names[:-1]):
        node = nodes[name]
        with place(name):
            others = _other_parts(node, dt)
            if others is None:
                layer = _layer(node, name, pairs, before, entries)
                if isinstance(layer, Layer):
                    entries.append(before)
                layers.append(layer)
                continue
        if layers:
            parts.append(_network(layers, about))
        parts += others
        layers, entries = [], []
    if layers or not parts:
        parts.append(_network(layers, about))
    return parts


def _other_parts(node: Node, dt: float) -> list[Part] | None:
    """What a node is that is no layer; None: a layer."""
    kind, about = _text(node["type"]), node.get("metadata") or {}
    if kind == "NIRGraph":
        return _parts(node, dt)
    written = _text(about[_KIND]) if _KIND in about else None
    if written == FixedDense.__name__:
        scale = int(about["ssm.weight_exp"])
        weights = np.rint(np.asarray(node["weight"]) * 2.0**-scale).astype(np.int64)
        return [FixedDense(weights, scale, int(about["ssm.num_message_bits"]))]
    if kind in _SPIKING:
        if written is None:
            return [_neurons(node, dt)]
        neurons = _neurons(node, 1.0)
        if written == LIF.__name__:
            return [neurons]
        exp = np.asarray(about["ssm.bias_exp"])
        return [
            FixedLIF(
                neurons.n,
                round(neurons.du * _DECAY_UNITY) - 1,
                round(neurons.dv * _DECAY_UNITY),
                round(neurons.vth),
                np.rint(neurons.bias * 2.0 ** (_MESSAGE_SHIFT - exp)).astype(np.int64),
                exp,
            )
        ]
    described = _PARTS.get(kind.removeprefix(_PREFIX)) if kind.startswith(_PREFIX) else None
    return None if described is None else [_described(described, node)]


def _neurons(node: Node, dt: float) -> LIF:
    """Neurons of NIR by Euler's method, voltages in units in which an input of 1 is one of 1."""
    n = np.size(node["v_threshold"])

    def shared(name: str, value: Any) -> float:
        first: float = np.ravel(value)[0]
        if np.any(np.asarray(value) != first):
            raise ValueError(f"{name}: neurons of one LIF share it, and here they differ")
        return float(first)

    if np.any(node.get("v_reset", 0.0)):
        raise ValueError("v_reset must be 0: Lava's LIF has no other")
    gain, bias = np.asarray(node["r"], float) * dt, np.zeros(n)
    du, dv = 1.0, 0.0
    taus = [node[name] for name in ("tau", "tau_mem", "tau_syn") if name in node]
    if any(np.min(tau) < dt for tau in taus):
        raise ValueError(
            f"tau: {min(map(np.min, taus)):g} is less than a step, dt = {dt:g}: give `from_nir` "
            "dt, a step in the unit of the graph's time constants"
        )
    if "tau_syn" in node:
        du = dt / shared("tau_syn", node["tau_syn"])
        gain = gain * (node["w_in"] / np.asarray(node["tau_syn"])) * dt
    if "v_leak" in node:
        tau = node["tau_mem" if "tau_mem" in node else "tau"]
        dv = dt / shared("tau", tau)
        gain = gain / tau
        bias = np.asarray(node["v_leak"]) * dv / gain
    if np.any(gain <= 0):
        raise ValueError("r, w_in: must be above 0")
    vth = shared("v_threshold", node["v_threshold"] / gain)
    return LIF(n, du, dv, vth, np.ravel(bias))


def _network(layers: list[Any], about: Node) -> Network | FixedNetwork:
    def said(name: str, otherwise: Any = None) -> Any:
        value = about.get(_PREFIX + name, otherwise)
        return _text(value) if isinstance(value, bytes) else value

    made_by = {
        name.removeprefix(f"{_PREFIX}made_by."): _text(text)
        for name, text in about.items()
        if name.startswith(f"{_PREFIX}made_by.")
    }
    readout = Readout(said("readout", Readout.EVERY_TOKEN.value))
    if f"{_PREFIX}input_exponent" not in about:
        return Network(tuple(layers), readout, made_by)
    rules = Arithmetic(
        Rounding(said("rounding")),
        Overflow(said("overflow")),
        int(said("state_bits")),
        int(said("message_bits")),
    )
    numbers = int(said("input_exponent")), int(said("input_bits"))
    return FixedNetwork(tuple(layers), readout, *numbers, rules, made_by)


def _chain(types: Mapping[str, str], edges: list[tuple[str, str]]) -> list[str]:
    """Names from the input to the output, paths around layers left out."""
    ends = {kind: [n for n, t in types.items() if t == kind] for kind in ("Input", "Output")}
    for kind, found in ends.items():
        if len(found) != 1:
            raise ExchangeError(f"graph: one {kind} is needed, there are {len(found)}")
    behind: dict[str, list[str]] = {name: [] for name in types}
    for a, b in edges:
        behind[a].append(b)
    # of several nodes behind one, those that are residual sums are reached by the longest way
    names = [ends["Input"][0]]
    while names[-1] != ends["Output"][0]:
        ways = behind[names[-1]]
        if len(ways) > 1:
            ways = [
                n for n in ways if types[n] != f"{_PREFIX}Residual" or _is_next(n, names, edges)
            ]
        if len(ways) != 1 or ways[0] in names:
            raise ExchangeError(
                f"{names[-1]}: what is behind it is no chain of layers; a path around layers goes "
                "into an ssm.Residual"
            )
        names.append(ways[0])
    if len(names) != len(types):
        raise ExchangeError("graph: there are nodes beside the chain from its input to its output")
    return names


def _is_next(name: str, names: list[str], edges: list[tuple[str, str]]) -> bool:
    """Whether a residual sum stands right behind: all that enters it has been passed."""
    return {a for a, b in edges if b == name} <= set(names) and len(names) > 1


def _layer(
    node: Node,
    name: str,
    edges: list[tuple[str, str]],
    before: str,
    entries: list[str],
) -> Any:
    kind = _text(node["type"])
    values = {k: v for k, v in node.items() if k not in ("type", "metadata")}
    match kind:
        case "Affine":
            return Linear(values["weight"], np.ravel(values["bias"]))
        case "Linear":
            return Linear(values["weight"])
        case "Scale":
            return network.Scale(np.ravel(values["scale"]))
        case "ssm.Residual":
            begins = [a for a, b in edges if b == name and a != before]
            begin = begins[0] if begins else before
            if begin not in entries:
                raise ValueError("its path begins at no layer of the chain")
            return Residual(len(entries) - entries.index(begin))
    if kind not in _KINDS:
        raise ValueError(
            f"a {kind} is no layer of a network, and no neuron of a chain; there are Affine, "
            f"Linear, Scale, {', '.join((*_SPIKING, *sorted(_KINDS)))}"
        )
    return _described(_KINDS[kind], node)


def _described(kind: type[Description], node: Node) -> Any:
    values = {k: _plain(v) for k, v in node.items() if k not in ("type", "metadata")}
    unknown = sorted(set(values) - {f.name for f in fields(kind)})
    if unknown:
        raise ValueError(f"{_PREFIX}{kind.__name__} has no {', '.join(unknown)}")
    return kind(**values)


def _plain(value: Any) -> Any:
    """A number, truth value or text of Python, or an array."""
    if isinstance(value, bytes | str):
        return _text(value)
    array = np.asarray(value)
    return array.item() if array.shape == () else array


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
