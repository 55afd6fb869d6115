"""From the graph of what a model computes to the chain of layers that a network is."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lava_ssm import network
from lava_ssm.exchange.graph import (
    Activated,
    Applied,
    ExchangeError,
    Input,
    Node,
    Scaled,
    Sum,
    joined,
    with_scaled_input,
    with_scaled_output,
)
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.readout import Readout


def chain(output: Node, readout: Readout, made_by: Mapping[str, str]) -> network.Network:
    """Give the network whose outputs are this value of each token.

    Parameters
    ----------
    output
        With all that it is made of.
    readout
        Of the network.
    made_by
        As of `Network`; what each layer was in the other program is added.

    Raises
    ------
    ExchangeError
        Paths that are no path around layers of one chain.
    """
    output = _folded(output)
    uses = _uses(output)
    layers = _Layers(uses)
    for node in reversed(_way(output, _depths(output))):
        layers.take(node)
    if not layers.layers:
        raise ExchangeError("the model gives back its input: it has no layer")
    origins = {f"layers[{i}]": text for i, text in layers.origins.items() if text}
    return network.Network(tuple(layers.layers), readout, {**made_by, **origins})


def _nodes(output: Node) -> list[Node]:
    """All that a value is made of, and itself, each behind what it is made of."""
    known = {output}
    waiting = [output]
    while waiting:
        new = set(waiting.pop().inputs) - known
        known |= new
        waiting += new
    return sorted(known, key=lambda node: node.number)


def _uses(output: Node) -> Counter[Node]:
    return Counter(x for node in _nodes(output) for x in node.inputs)


def _folded(output: Node) -> Node:
    """Put scales into the layers before or behind them, or make them layers."""
    uses, done = _uses(output), dict[Node, Node]()
    for node in _nodes(output):
        inputs = tuple(done[x] for x in node.inputs)
        new: Node = replace(node, inputs=inputs)
        x = inputs[0] if inputs else None
        alone = bool(inputs) and uses[node.inputs[0]] == 1
        if isinstance(node, Scaled) and alone and isinstance(x, Scaled):
            both = node.scale * x.scale, node.scale * x.shift + node.shift
            origin = joined(x.origin, node.origin)
            new = Scaled(x.inputs, node.width, origin, node.number, *both)
        elif isinstance(node, Scaled) and alone and isinstance(x, Applied):
            layer = with_scaled_output(x.layer, node.scale, node.shift)
            if layer is not None:
                new = replace(x, layer=layer, origin=_with(x, node))
        elif isinstance(node, Applied) and alone and isinstance(x, Scaled):
            layer = with_scaled_input(node.layer, x.scale, x.shift)
            if layer is not None:
                new = replace(node, inputs=x.inputs, layer=layer, origin=_with(node, x))
        done[node] = new
    return _as_layers(done[output])


def _with(node: Node, folded: Node) -> str:
    return joined(node.origin, f"{folded.origin} (folded)" if folded.origin else "")


def _as_layers(output: Node) -> Node:
    """Make layers of the scales that are left."""
    done: dict[Node, Node] = {}
    for node in _nodes(output):
        inputs = tuple(done[x] for x in node.inputs)
        new: Node = replace(node, inputs=inputs)
        if isinstance(node, Scaled):
            layer = network.Scale(node.scale, node.shift)
            new = Applied(inputs, node.width, node.origin, node.number, layer)
        done[node] = new
    return done[output]


def _depths(output: Node) -> dict[Node, int]:
    depths: dict[Node, int] = {}
    for node in _nodes(output):
        depths[node] = 1 + max((depths[x] for x in node.inputs), default=-1)
    return depths


def _way(output: Node, depths: Mapping[Node, int]) -> list[Node]:
    """The longest way from the output back to the input."""
    way = [output]
    while way[-1].inputs:
        way.append(max(way[-1].inputs, key=lambda x: depths[x]))
    if not isinstance(way[-1], Input):
        raise AssertionError("what is made of nothing is the input")
    return way


class _Layers:
    """Layers of a chain, as a way through the graph is gone along."""

    def __init__(self, uses: Mapping[Node, int]) -> None:
        self.layers: list[network.FloatLayer | network.Residual | Elementwise] = []
        self.origins: dict[int, str] = {}
        self._uses = uses
        self._n_stages = 0
        self._sent_by: dict[Node, int] = {}  # stages up to the one that sends a value
        self._before: Node | None = None

    def take(self, node: Node) -> None:
        """Put what makes this value of the one before it behind the layers."""
        match node:
            case Applied():
                self._stage(node.layer, node.origin)
            case Activated():
                self._may_follow(Elementwise, node)
                self.layers.append(node.activation)
            case Sum():
                self._add(node)
        self._sent_by[node] = self._n_stages
        self._before = node

    def _stage(self, layer: network.FloatLayer, origin: str) -> None:
        self.origins[len(self.layers)] = origin
        self.layers.append(layer)
        self._n_stages += 1

    def _add(self, node: Sum) -> None:
        before = self._before
        (around,) = (x for x in node.inputs if x is not before)
        if around not in self._sent_by:
            raise ExchangeError(
                f"{node.origin or 'a sum'}: adds two paths that both have layers; a network is a "
                "chain, and its paths around layers have none. Train with a plain x + f(x)"
            )
        self._may_follow(network.Residual, node)
        self.layers.append(network.Residual(self._n_stages - self._sent_by[around]))

    def _may_follow(self, kind: type, node: Node) -> None:
        """See that the last layer can have a residual path, or an activation, behind it."""
        last = self.layers[-1] if self.layers else None
        before = self._before
        assert before is not None
        fits = isinstance(last, network.FloatLayer | network.Residual) and not (
            kind is network.Residual and isinstance(last, network.Residual)
        )
        if not fits or self._uses[before] > 1:
            self._stage(network.Linear(np.eye(node.width)), f"{node.origin} (identity before it)")
