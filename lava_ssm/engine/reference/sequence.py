"""Whole pieces of a sequence through a network, a stage at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed, floating
from lava_ssm.network import Connection, FixedNetwork, Network, Neurons, Population, Readout
from lava_ssm.numerics import SYNAPSE_BITS, DeviceArray, overflowing

Array: TypeAlias = np.ndarray
Probe: TypeAlias = Callable[[int, str, Array], None]
"""Called with the number of a population of `network.lowered`, what is shown, and the values: `sum`
(what its first input's synapse gives, no bias added; not of one that hands messages to several
neurons), `second` (the same of a second input), `activated` (what a table's entry is multiplied
with, of an activation that does so), `sent` (its messages), each (*batch, time, n_neurons), and
`state` (*batch, *state_shape), token by token, of a large batch a part at a time. What a synapse of
ones adds up is `sent` so too, (*batch, n_neurons)."""


AtOnce: TypeAlias = Callable[[Neurons, Array, Array, bool, Tally], tuple[Array, Array] | None]
"""Takes a population through all tokens: from its neurons, state and inputs (*batch, time, n), of
two inputs one behind the other along n, and whether its messages are added up at once, gives the
state after and the messages, or what they add up to. None: it does not, the walk goes on token by
token."""


def see_nothing(population: int, what: str, values: Array) -> None:
    """Probe nothing."""


@dataclass(frozen=True)
class State:
    """What a network carries from one token to the next.

    Parameters
    ----------
    populations
        For each population its states (*batch, *state_shape), or None for one without.
    total
        Running sum of a mean readout, (*batch, d_output); None for another readout.
    """

    populations: tuple[Array | None, ...]
    total: Array | None


def zero_state(network: Network | FixedNetwork, batch: tuple[int, ...]) -> State:
    """Give the state before a sample's first token, for streams of shape `batch`."""
    kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
    shapes = [p.neurons.state_shape for p in network.lowered]
    return State(
        populations=tuple(
            None if shape is None else np.zeros((*batch, *shape), kind) for shape in shapes
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
    at_once: AtOnce | None = None,
) -> tuple[Array, State]:
    """Run tokens (*batch, time, d_input) on from `state`.

    Parameters
    ----------
    at_once
        Takes states through all tokens, of which the probe is then shown what it gives alone. None:
        all are taken token by token.

    Returns
    -------
    tuple
        What the network emits at each token, (*batch, time, d_output), and the state after the
        last of them. Overflows are added to the stages' tallies.
    """
    rules = network.arithmetic if isinstance(network, FixedNetwork) else None
    arithmetic: Any = floating if rules is None else fixed
    populations = network.lowered
    # What many neurons send to be added up is so at once: of all tokens it would take much memory.
    adding = {
        c.source: c.synapse
        for p in populations
        for c in p.inputs
        if c.synapse.sums and c.source is not None and _is_stateful(populations[c.source])
    }
    last_read = {c.source: n for n, p in enumerate(populations) for c in p.connections}
    sent: dict[int | None, Array] = {None: tokens}  # by population

    def received(c: Connection, tally: Tally) -> Array:
        u = sent[c.source]
        made: Array = u if c.source in adding else arithmetic.received(c.synapse, u, tally)
        return made

    def step(n: int, x: Array, u: Array) -> tuple[Array, Array]:
        tally = tallies[populations[n].stage]
        x, out = arithmetic.step(populations[n].neurons, rules, x, u, tally)
        probe(n, "state", x)
        if n not in adding:
            return x, out
        probe(n, "sent", out)
        return x, arithmetic.received(adding[n], out, tally)

    def output(n: int, p: Population, s: Array, u: Array | None) -> Array:
        own = None if rules is None else p.rules(rules)
        y = arithmetic.output(p.neurons, own, s, u, tallies[p.stage])
        if p.residual is not None:
            y = arithmetic.residual(y, sent[p.residual.source], p.residual_shift)
        if p.activation.table is not None and p.activation.table.multiplies:
            probe(n, "activated", y)
        sums: Array = arithmetic.message(y, p.activation, own, tallies[p.stage], p.exponent)
        return sums

    after: list[Array | None] = []
    for n, (p, x) in enumerate(zip(populations, state.populations, strict=True)):
        s, u = [*(received(c, tallies[p.stage]) for c in p.inputs), None][:2]
        assert s is not None
        if s.shape[-1] == p.neurons.n_neurons:
            probe(n, "sum", s)
        if u is not None:
            probe(n, "second", u)
        if x is None:
            sent[n] = output(n, p, s, u)
        else:
            width = adding[n].n_out if n in adding else p.neurons.n_neurons
            both = s if u is None else np.concatenate([s, u], axis=-1)
            done = at_once and at_once(p.neurons, x, both, n in adding, tallies[p.stage])
            if done is None:
                x, sent[n] = _over_time(partial(step, n), x, both, width)
            else:
                x, sent[n] = done
                probe(n, "state", x)
        if n not in adding:
            probe(n, "sent", sent[n])
        after.append(x)
        for source in {c.source for c in p.connections}:
            if last_read[source] == n:  # of many states they would take much memory
                del sent[source]
    outputs = sent[len(populations) - 1]
    if state.total is None:
        return outputs, State(tuple(after), None)

    def add(total: Array, y: Array) -> tuple[Array, Array]:
        total = arithmetic.running_sum(total, y, rules, tallies[-1])
        return total, total

    sums = np.cumsum(np.concatenate([state.total[..., np.newaxis, :], outputs], -2), -2)
    if rules is None or not overflowing(sums, SYNAPSE_BITS).any():
        # a copy, as who receives outputs may divide them in place
        return sums[..., 1:, :], State(tuple(after), sums[..., -1, :].copy())
    total, outputs = _over_time(add, state.total, outputs, network.d_output)
    return outputs, State(tuple(after), total)


def _is_stateful(p: Population) -> bool:
    return p.neurons.state_shape is not None


_CACHED = 2**16
"""Numbers of a state that are taken through time together: more would not stay in the cache."""


def _over_time(
    step: Callable[[Array, Array], tuple[Array, Array]], carried: Array, u: Array, width: int
) -> tuple[Array, Array]:
    """Apply `step` to the tokens of u (*batch, time, d) in turn; carry, and stack the outputs.

    Of a batch so many sequences at a time as stay in a processor's cache.
    """
    y = np.empty_like(u, shape=(*u.shape[:-1], width))
    if u.ndim < 3 or carried.size <= _CACHED or isinstance(u, DeviceArray):
        return _in_turn(step, carried, u, y), y
    after = np.empty_like(carried)
    some = max(1, _CACHED * len(u) // carried.size)
    for first in range(0, len(u), some):
        part = slice(first, first + some)
        after[part] = _in_turn(step, carried[part], u[part], y[part])
    return after, y


def _in_turn(
    step: Callable[[Array, Array], tuple[Array, Array]], carried: Array, u: Array, y: Array
) -> Array:
    for t in range(u.shape[-2]):
        carried, y[..., t, :] = step(carried, u[..., t, :])
    return carried
