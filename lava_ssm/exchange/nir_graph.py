"""Networks as NIR graphs, and back: NIR's own nodes where it has them, and an extension.

`docs/nir-proposal.md` describes the extension's nodes. Every layer of `lava_ssm.network` that NIR
has no node for is one of them: its type is the layer's name behind `ssm.`, its parameters are the
layer's fields. A path around layers is an edge.
"""

from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lava_ssm import extras, files, network
from lava_ssm.exchange.graph import ExchangeError, place
from lava_ssm.network import FixedNetwork, Layer, Linear, Network, Readout, Residual, check_network
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.description import Description
from lava_ssm.numerics import Arithmetic, Overflow, Rounding

if TYPE_CHECKING:
    import nir

Value: TypeAlias = np.ndarray | str
_PREFIX = "ssm."
_KINDS: dict[str, type[Description]] = {
    f"{_PREFIX}{name}": kind
    for name, kind in vars(network).items()
    if isinstance(kind, type)
    and issubclass(kind, Layer | Elementwise | Residual)
    and kind.__dict__.get("__dataclass_fields__") is not None
    and name not in ("Linear", "Elementwise")
}


def to_nir(net: Network | FixedNetwork) -> "nir.NIRGraph":
    """Give a network as a NIR graph; `nir.write` writes it, `from_nir` reads it again.

    A `Linear` becomes NIR's `Affine` or `Linear`, all else a node of the extension. Readout,
    exponents and rules of arithmetic are the graph's metadata.

    Raises
    ------
    TypeError
        Not a network.
    MissingPackageError
        nir cannot be imported.
    """
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
    about: dict[str, Any] = {f"{_PREFIX}readout": net.readout.value}
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


def from_nir(graph: "nir.NIRGraph | str | PathLike[str]") -> Network | FixedNetwork:
    """Read a network from a NIR graph, or from its file.

    Parameters
    ----------
    graph
        A chain from one input to one output of NIR's `Affine`, `Linear`, `Scale` and the nodes of
        the extension; paths around them go into nodes of type `ssm.Residual`.

    Raises
    ------
    ExchangeError
        A node that no layer is like (spiking neurons are Processes of Lava, `lava_ssm.proc`), or a
        graph that is no chain.
    OSError
        There is no such file, or it is no HDF5 file.
    MissingPackageError
        nir cannot be imported.
    """
    with extras.needed("nir"):
        import nir
    if isinstance(graph, nir.NIRNode):
        content: Mapping[str, Any] = graph.to_dict()
    else:
        content = _read(files.name_of(graph))
    with place(""):
        return _network(content)


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
            self.metadata: dict[str, Any] = {}

        def to_dict(self) -> dict[str, Any]:
            values = {f.name: getattr(layer, f.name) for f in fields(layer)}
            return {
                "type": _PREFIX + type(layer).__name__,
                **{name: v for name, v in values.items() if v is not None},
            }

    return Extension()


def _read(path: str) -> Mapping[str, Any]:
    import h5py
    from nir.serialization import hdf2dict

    with h5py.File(path, "r") as file:
        if "node" not in file:
            raise ExchangeError(f"path: {path!r} holds no NIR graph")
        content: Mapping[str, Any] = hdf2dict(file["node"])
        return content


def _network(content: Mapping[str, Any]) -> Network | FixedNetwork:
    about = content.get("metadata") or {}
    nodes, edges = content.get("nodes"), content.get("edges")
    if nodes is None or edges is None:
        raise ExchangeError(f"graph: a NIRGraph is needed, got a {_text(content.get('type'))}")
    pairs = [(_text(a), _text(b)) for a, b in edges]
    names = _chain({name: _text(node["type"]) for name, node in nodes.items()}, pairs)
    layers: list[Any] = []
    entries: list[str] = []
    for before, name in pairwise(names[:-1]):
        node = nodes[name]
        with place(name):
            layer = _layer(node, name, pairs, before, entries)
        if isinstance(layer, Layer):
            entries.append(before)
        layers.append(layer)

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
            raise ExchangeError(f"{names[-1]}: what is behind it is no chain of layers")
        names.append(ways[0])
    if len(names) != len(types):
        raise ExchangeError("graph: there are nodes beside the chain from its input to its output")
    return names


def _is_next(name: str, names: list[str], edges: list[tuple[str, str]]) -> bool:
    """Whether a residual sum stands right behind: all that enters it has been passed."""
    return {a for a, b in edges if b == name} <= set(names) and len(names) > 1


def _layer(
    node: Mapping[str, Any],
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
            return Linear(np.diag(np.ravel(values["scale"])))
        case "ssm.Residual":
            begins = [a for a, b in edges if b == name and a != before]
            begin = begins[0] if begins else before
            if begin not in entries:
                raise ValueError("its path begins at no layer of the chain")
            return Residual(len(entries) - entries.index(begin))
    if kind not in _KINDS:
        raise ValueError(
            f"a {kind} is no layer of a network; there are Affine, Linear, Scale, "
            f"{', '.join(sorted(_KINDS))}"
        )
    allowed = {f.name for f in fields(_KINDS[kind])}
    unknown = sorted(set(values) - allowed)
    if unknown:
        raise ValueError(f"{kind} has no {', '.join(unknown)}")
    return _KINDS[kind](**{k: _plain(v) for k, v in values.items()})


def _plain(value: Any) -> Any:
    """A number or truth value of Python, or an array."""
    array = np.asarray(value)
    return array.item() if array.shape == () else array


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
