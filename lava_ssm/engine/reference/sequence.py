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
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Network,
    Readout,
)

Array: TypeAlias = NDArray[Any]
Probe: TypeAlias = Callable[[int, str, Array], None]
"""Called with a stage's number, what is seen, and the values. Token by token: `state` (*batch,
*state_shape) and, of S4D, `out` (what each state's neuron sends, *batch, d_model, d_state). At
once: `sum` (what the last synapse of a stage gives, no bias added), `message`, each (*batch, time,
d_output), and, of S5, `drive` (what the synapse to the states gives) and `sent` (what the states
send), each (*batch, time, 2 d_state)."""


def see_nothing(stage: int, what: str, values: Array) -> None:
    """Probe nothing."""


@dataclass(frozen=True)
class State:
    """What a network carries from one token to the next.

    Parameters
    ----------
    layers
        For each stage its states (*batch, *state_shape), or None for one without.
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
            None if layer.state_shape is None else np.zeros((*batch, *layer.state_shape), kind)
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
    network: FixedNetwork, state: State, tokens: Array, tallies: Sequence[Tally], probe: Probe
) -> tuple[Array, State]:
    rules, e = network.arithmetic, network.exponents
    messages = [tokens]  # that enter each stage
    after: list[Array | None] = []
    for i, (stage, x) in enumerate(zip(network.stages, state.layers, strict=True)):
        u, tally = messages[i], tallies[i]
        match stage.layer:
            case FixedLinear() as layer:
                y = fixed.linear(layer.weights, layer.shift(e[i]), u, tally)
                probe(i, "sum", y)
                y = y if layer.bias is None else y + layer.bias
            case FixedGate() as layer:
                sums = fixed.linear(layer.weights, layer.shift(e[i]), u, tally)
                probe(i, "sum", sums)
                y = fixed.gate(layer, rules, sums, u, e[i])
            case FixedS5() as layer:
                drive = fixed.linear(layer.weights_in, layer.drive_shift(e[i]), u, tally)
                probe(i, "drive", drive)

                def s5(
                    x: Array, v: Array, i: int = i, layer: FixedS5 = layer, tally: Tally = tally
                ) -> tuple[Array, Array]:
                    x, sent = fixed.s5_neurons(layer, rules, x, _paired(v), tally)
                    probe(i, "state", x)
                    return x, _flat(sent)

                x, sent = _over_time(s5, x, drive)
                probe(i, "sent", sent)
                sums = fixed.linear(layer.weights_out, layer.readout_shift, sent, tally)
                probe(i, "sum", sums)
                y = fixed.s5_output(layer, rules, sums, u, e[i])
            case FixedS4D() as layer:

                def s4d(
                    x: Array, u_t: Array, i: int = i, layer: FixedS4D = layer, tally: Tally = tally
                ) -> tuple[Array, Array]:
                    x, out = fixed.s4d_neurons(layer, rules, x, u_t[..., np.newaxis], tally)
                    probe(i, "state", x)
                    probe(i, "out", out)
                    return x, fixed.reduce_states(out, tally)

                x, y = _over_time(s4d, x, u)
                probe(i, "sum", y)
        if stage.residual is not None:
            y = fixed.residual(y, messages[stage.residual], e[stage.residual] - e[i + 1])
        after.append(x)
        messages.append(fixed.message(y, stage.relu, rules, tally))
        probe(i, "message", messages[-1])
    if state.total is None:
        return messages[-1], State(tuple(after), None)

    def add(total: Array, y_t: Array) -> tuple[Array, Array]:
        total = fixed.running_sum(total, y_t, rules, tallies[-1])
        return total, total

    total, outputs = _over_time(add, state.total, messages[-1])
    return outputs, State(tuple(after), total)


def _advance_float(
    network: Network, state: State, tokens: Array, probe: Probe
) -> tuple[Array, State]:
    messages = [tokens]  # that enter each stage
    after: list[Array | None] = []
    for i, (stage, x) in enumerate(zip(network.stages, state.layers, strict=True)):
        u = messages[i]
        match stage.layer:
            case Linear() as layer:
                y = u @ layer.weights.T
                probe(i, "sum", y)
                y = y if layer.bias is None else y + layer.bias
            case Gate() as layer:
                sums = u @ layer.weights.T
                probe(i, "sum", sums)
                y = floating.gate(layer, sums, u)
            case S5() as layer:
                drive = _flat(floating.s5_drive(layer, u))
                probe(i, "drive", drive)

                def s5(x: Array, v: Array, i: int = i, layer: S5 = layer) -> tuple[Array, Array]:
                    x, sent = floating.s5_neurons(layer, x, _paired(v))
                    probe(i, "state", x)
                    return x, _flat(sent)

                x, sent = _over_time(s5, x, drive)
                probe(i, "sent", sent)
                sums = floating.s5_readout(layer, _paired(sent))
                probe(i, "sum", sums)
                y = floating.s5_output(layer, sums, u)
            case S4D() as layer:

                def s4d(
                    x: Array, u_t: Array, i: int = i, layer: S4D = layer
                ) -> tuple[Array, Array]:
                    x, out = floating.s4d_neurons(layer, x, u_t[..., np.newaxis])
                    probe(i, "state", x)
                    probe(i, "out", out)
                    return x, out.sum(axis=-1)

                x, y = _over_time(s4d, x, u)
                probe(i, "sum", y)
        if stage.residual is not None:
            y = y + messages[stage.residual]
        after.append(x)
        messages.append(floating.message(y, stage.relu, stage.gelu))
        probe(i, "message", messages[-1])
    if state.total is None:
        return messages[-1], State(tuple(after), None)

    def add(total: Array, y_t: Array) -> tuple[Array, Array]:
        return total + y_t, total + y_t

    total, outputs = _over_time(add, state.total, messages[-1])
    return outputs, State(tuple(after), total)


def _flat(parts: Array) -> Array:
    """(..., d_state, 2) as a synapse has it, (..., 2 d_state): real parts, then imaginary ones."""
    return np.concatenate([parts[..., 0], parts[..., 1]], axis=-1)


def _paired(flat: Array) -> Array:
    """(..., 2 d_state), real parts, then imaginary ones, to (..., d_state, 2)."""
    return np.stack(np.split(flat, 2, axis=-1), axis=-1)


def _over_time(
    step: Callable[[Array, Array], tuple[Array, Array]], carried: Array | None, u: Array
) -> tuple[Array, Array]:
    """Apply `step` to the tokens of u (*batch, time, d) in turn; carry, and stack the outputs."""
    assert carried is not None
    y = np.empty_like(u)
    for t in range(u.shape[-2]):
        carried, y[..., t, :] = step(carried, u[..., t, :])
    return carried, y
