"""Whole pieces of a sequence through a network, a stage at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed, floating
from lava_ssm.network import (
    S4D,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Linear,
    Network,
    Readout,
)

Array: TypeAlias = NDArray[Any]
Probe: TypeAlias = Callable[[int, str, Array], None]
"""Called with a stage's number, what is seen, and the values: `state` (*batch, d_model, d_state, 2)
and `out` (what each state's neuron sends, *batch, d_model, d_state) token by token, `sum` (the
synapses' output) and `message` (*batch, time, d_output) at once."""


def see_nothing(stage: int, what: str, values: Array) -> None:
    """Probe nothing."""


@dataclass(frozen=True)
class State:
    """What a network carries from one token to the next.

    Parameters
    ----------
    layers
        For each stage its states (*batch, d_model, d_state, 2), or None for a linear one.
    total
        Running sum of a mean readout, (*batch, d_output); None for another readout.
    """

    layers: tuple[Array | None, ...]
    total: Array | None


def zero_state(network: Network | FixedNetwork, batch: tuple[int, ...]) -> State:
    """Give the state before a sample's first token, for streams of shape `batch`."""
    kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
    layers = [stage.layer for stage in network.stages]
    return State(
        layers=tuple(
            np.zeros((*batch, layer.d_model, layer.d_state, 2), kind)
            if isinstance(layer, S4D | FixedS4D)
            else None
            for layer in layers
        ),
        total=np.zeros((*batch, network.d_output), kind)
        if network.readout is Readout.MEAN_OVER_TIME
        else None,
    )


def advance(
    network: Network | FixedNetwork,
    state: State,
    tokens: Array,
    tallies: Sequence[Tally],
    probe: Probe = see_nothing,
) -> tuple[Array, State]:
    """Run tokens (*batch, time, d_input) on from `state`.

    Returns
    -------
    tuple
        What the network emits at each token, (*batch, time, d_output), and the state after the
        last of them. Overflows are added to the stages' tallies.
    """
    if isinstance(network, FixedNetwork):
        return _advance_fixed(network, state, tokens, tallies, probe)
    return _advance_float(network, state, tokens, probe)


def _advance_fixed(
    network: FixedNetwork, state: State, u: Array, tallies: Sequence[Tally], probe: Probe
) -> tuple[Array, State]:
    rules = network.arithmetic
    after: list[Array | None] = []
    for i, (stage, x) in enumerate(zip(network.stages, state.layers, strict=True)):
        layer, tally = stage.layer, tallies[i]
        if isinstance(layer, FixedLinear):
            y = fixed.linear(layer.weights, layer.shift(network.exponents[i]), u, tally)
        else:

            def step(
                x: Array, u_t: Array, i: int = i, layer: FixedS4D = layer, tally: Tally = tally
            ) -> tuple[Array, Array]:
                x, out = fixed.s4d_neurons(layer, rules, x, u_t[..., np.newaxis], tally)
                probe(i, "state", x)
                probe(i, "out", out)
                return x, fixed.reduce_states(out, tally)

            x, y = _over_time(step, x, u)
        after.append(x)
        probe(i, "sum", y)
        u = fixed.message(y, stage.relu, rules, tally)
        probe(i, "message", u)
    if state.total is None:
        return u, State(tuple(after), None)

    def add(total: Array, y_t: Array) -> tuple[Array, Array]:
        total = fixed.running_sum(total, y_t, rules, tallies[-1])
        return total, total

    total, sums = _over_time(add, state.total, u)
    return sums, State(tuple(after), total)


def _advance_float(network: Network, state: State, u: Array, probe: Probe) -> tuple[Array, State]:
    after: list[Array | None] = []
    for i, (stage, x) in enumerate(zip(network.stages, state.layers, strict=True)):
        layer = stage.layer
        if isinstance(layer, Linear):
            y = u @ layer.weights.T
        else:

            def step(x: Array, u_t: Array, i: int = i, layer: S4D = layer) -> tuple[Array, Array]:
                x, out = floating.s4d_neurons(layer, x, u_t[..., np.newaxis])
                probe(i, "state", x)
                probe(i, "out", out)
                return x, out.sum(axis=-1)

            x, y = _over_time(step, x, u)
        after.append(x)
        probe(i, "sum", y)
        u = floating.message(y, stage.relu)
        probe(i, "message", u)
    if state.total is None:
        return u, State(tuple(after), None)

    def add(total: Array, y_t: Array) -> tuple[Array, Array]:
        return total + y_t, total + y_t

    total, sums = _over_time(add, state.total, u)
    return sums, State(tuple(after), total)


def _over_time(
    step: Callable[[Array, Array], tuple[Array, Array]], carried: Array | None, u: Array
) -> tuple[Array, Array]:
    """Apply `step` to the tokens of u (*batch, time, d) in turn; carry, and stack the outputs."""
    assert carried is not None
    y = np.empty_like(u)
    for t in range(u.shape[-2]):
        carried, y[..., t, :] = step(carried, u[..., t, :])
    return carried, y
