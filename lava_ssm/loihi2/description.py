"""What of a network matters to the chip: populations of neurons, and synapses between them.

Mapping and model know nothing of layers. `describe` derives a description from a network,
`published` builds those of the papers from their widths; a new kind of layer adds only its own
derivation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.numerics import RealArray, integer, member, reals
from lava_ssm.tables import Shaped, Tabular, empty_table

if TYPE_CHECKING:
    from rich.table import Table


class Neuron(Enum):
    """What a population's neurons compute."""

    RELAY = "relay"
    """Passes a sum on, rectified or not: relays, ReLU, delay lines, readouts."""
    REAL_STATE = "real state"
    """A diagonal state whose parameters are real."""
    COMPLEX_STATE = "complex state"
    GATE = "gate"
    """A product of two inputs, one of them through a sigmoid, with a residual."""
    TABLE = "table"
    """Passes a sum on by a table, or times what a table has for it."""
    PRODUCT = "product"
    """A product of two inputs, times a weight."""
    INVERSE_SQRT = "inverse root"
    """The inverse square root by Newton's steps."""
    GATED_STATE = "gated state"
    """A real state, a mean of itself and of an input, by a table that another input is looked up in
    (inferred: nothing public says that one neuron does both)."""
    SELECTIVE_STATE = "selective state"
    """A real state that decays by an exponential, taken by a table, of an input times its rate
    (inferred as well)."""
    TAP = "tap"
    """Sends a message again some tokens later."""


class Connectivity(Enum):
    """How synapses are laid out, which decides how many bits one takes and who gets what."""

    DENSE = "dense"
    """Every input to every neuron, zeros stored."""
    SPARSE = "sparse"
    """Only weights that are not zero, spread over all neurons."""
    BLOCK = "block"
    """Ones: every input to its own block of neurons, or each block to its own neuron."""


@dataclass(frozen=True)
class Population:
    """Neurons of one kind that work at the same time.

    Parameters
    ----------
    name
        Unique in its description.
    layer
        What it belongs to, for tables and pictures: `encoder`, `layer 0`, ..., `decoder`.
    kind
        What its neurons compute.
    n_neurons
        How many, at least 1.
    step
        Time steps from a token's entry to these neurons, at least 1.
    repeats
        Of a delay line: whose messages it repeats a step later, a population's name or `input`.

    Raises
    ------
    ValueError
        Too few neurons, or no step of delay.
    """

    name: str
    layer: str
    kind: Neuron
    n_neurons: int
    step: int
    repeats: str | None = None

    def __post_init__(self) -> None:
        for what, value in (("n_neurons", self.n_neurons), ("step", self.step)):
            object.__setattr__(self, what, integer(value, f"{what} of {self.name!r}", 1))
        object.__setattr__(self, "kind", member(Neuron, self.kind, f"kind of {self.name!r}"))


@dataclass(frozen=True, eq=False)
class Synapses(Shaped):
    """Connections from one population, or from the input, to another population.

    Parameters
    ----------
    source, target
        Names of populations; source None: the network's input.
    connectivity
        How they are laid out.
    fan_out
        Synapses of each input, (n_in,), at least 0; not whole where only the mean is known.
    activity
        Share of the tokens at which each input sends a message, (n_in,), in [0, 1]; one number
        for all. A zero is not sent.
    weight_bits
        Width of a weight, in [1, 8].

    Raises
    ------
    ValueError
        Shapes that differ, or values out of range.
    """

    source: str | None
    target: str
    connectivity: Connectivity
    fan_out: RealArray
    activity: RealArray
    weight_bits: int = WEIGHT_BITS

    def __post_init__(self) -> None:
        name = f"weight_bits of {self.name!r}"
        object.__setattr__(self, "weight_bits", integer(self.weight_bits, name, 1, WEIGHT_BITS))
        fan_out = reals(self.fan_out, "fan_out")
        activity = reals(self.activity, "activity")
        if fan_out.ndim != 1 or fan_out.size == 0 or (fan_out < 0).any():
            raise ValueError(
                f"fan_out of {self.name!r} must have shape (n_in,) and values of at least 0, got "
                f"shape {fan_out.shape}"
            )
        if activity.shape not in ((), fan_out.shape) or ((activity < 0) | (activity > 1)).any():
            raise ValueError(
                f"activity of {self.name!r} must be one number or have shape {fan_out.shape}, all "
                f"in [0, 1]; got shape {activity.shape}"
            )
        how = member(Connectivity, self.connectivity, f"connectivity of {self.name!r}")
        object.__setattr__(self, "connectivity", how)
        for name, values in (("fan_out", fan_out), ("activity", activity)):
            copy = np.broadcast_to(values, fan_out.shape).copy()
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)

    @property
    def name(self) -> str:
        """Source and target."""
        return f"{self.source or 'input'} -> {self.target}"

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.fan_out.size)

    @property
    def n_synapses(self) -> float:
        """Number of synapses."""
        return float(self.fan_out.sum())

    @property
    def messages(self) -> float:
        """Messages of a token."""
        return float(self.activity.sum())

    @property
    def operations(self) -> float:
        """Synaptic operations of a token: the synapses of every input that sends."""
        return float((self.activity * self.fan_out).sum())


@dataclass(frozen=True)
class Description(Tabular):
    """A network as the chip sees it.

    Parameters
    ----------
    name
        For tables.
    d_input
        Width of an input token.
    populations
        In the order of their steps.
    synapses
        Between them.

    Raises
    ------
    ValueError
        A name given twice or unknown, a population without input, or synapses that do not take
        at least one step.
    """

    name: str
    d_input: int
    populations: tuple[Population, ...]
    synapses: tuple[Synapses, ...]

    def __post_init__(self) -> None:
        names = [p.name for p in self.populations]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"populations must have names, all different; got {names}")
        fed = {s.target for s in self.synapses}
        for s in self.synapses:
            if s.target not in names or (s.source is not None and s.source not in names):
                raise ValueError(f"synapses {s.name!r}: no such population; there are {names}")
            if s.source is not None and self[s.source].step >= self[s.target].step:
                raise ValueError(f"synapses {s.name!r}: the target's step must come later")
        missing = [n for n in names if n not in fed]
        if missing:
            raise ValueError(f"populations without input: {missing}")

    def __rich__(self) -> "Table":
        title = f"{self.name}: {self.d_input} inputs, {self.n_synapses:,.0f} synapses"
        headings = ("population", "layer", "kind"), ("neurons", "step", "synapses onto them")
        columns = dict.fromkeys(headings[0], False) | dict.fromkeys(headings[1], True)
        table = empty_table(title, columns)
        for p in self.populations:
            onto = sum(s.n_synapses for s in self.inputs_of(p.name))
            cells = f"{p.n_neurons:,}", str(p.step), f"{onto:,.0f}"
            table.add_row(p.name, p.layer, p.kind.value, *cells)
        return table

    def __getitem__(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def inputs_of(self, name: str) -> tuple[Synapses, ...]:
        """Give the synapses onto a population."""
        return tuple(s for s in self.synapses if s.target == name)

    def outputs_of(self, name: str) -> tuple[Synapses, ...]:
        """Give the synapses from a population."""
        return tuple(s for s in self.synapses if s.source == name)

    @property
    def layers(self) -> tuple[str, ...]:
        """Labels of layers, in order."""
        return tuple(dict.fromkeys(p.layer for p in self.populations))

    @property
    def latency(self) -> int:
        """Time steps from a token's entry to its output."""
        return max(p.step for p in self.populations)

    @property
    def n_synapses(self) -> float:
        """All synapses."""
        return sum(s.n_synapses for s in self.synapses)

    @property
    def operations(self) -> float:
        """Synaptic operations of a token."""
        return sum(s.operations for s in self.synapses)

    @property
    def messages(self) -> float:
        """Messages of a token."""
        return sum(s.messages for s in self.synapses)

    @property
    def updates(self) -> int:
        """Neuron updates of a token: every neuron once."""
        return sum(p.n_neurons for p in self.populations)

    def with_activity(self, activity: Mapping[str | None, ArrayLike]) -> "Description":
        """Give the same network with other activities.

        Parameters
        ----------
        activity
            By source (None: the input): share of tokens at which each neuron sends. Delay lines
            send what they repeat. Sources that are not named keep theirs.
        """
        changed = []
        for s in self.synapses:
            origin = self._origin(s.source)
            new = activity.get(origin)
            changed.append(s if new is None else replace(s, activity=np.asarray(new)))
        return replace(self, synapses=tuple(changed))

    def _origin(self, source: str | None) -> str | None:
        """Of a delay line, the source whose messages it repeats; of others, themselves."""
        while source is not None and (repeated := self[source].repeats) is not None:
            source = None if repeated == "input" else repeated
        return source

    def with_receiver(self) -> "Description":
        """Add an on-chip receiver of the outputs: a relay for each, on a core of its own.

        The published deployments had one, to read results without the host in the way.
        """
        last = max(self.populations, key=lambda p: p.step)
        receiver = Population(
            "receiver", "receiver", Neuron.RELAY, last.n_neurons, step=last.step + 1
        )
        ones = Synapses(
            last.name, "receiver", Connectivity.BLOCK, np.ones(last.n_neurons), np.ones(())
        )
        return replace(
            self,
            populations=(*self.populations, receiver),
            synapses=(*self.synapses, ones),
        )
