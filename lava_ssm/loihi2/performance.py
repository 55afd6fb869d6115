"""A model of time and energy on Loihi 2. Whatever it gives is modelled, never measured."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.table import Table

from lava_ssm.loihi2.constants import CONSTANTS, Constants
from lava_ssm.loihi2.describe import describe
from lava_ssm.loihi2.description import Description
from lava_ssm.loihi2.mapping import Mapping, map
from lava_ssm.loihi2.part import load
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import instance, integer, one_of, real_number
from lava_ssm.tables import Tabular, empty_table

Schedule = Literal["pipelined", "fall_through"]
SCHEDULES: tuple[Schedule, ...] = ("fall_through", "pipelined")


@dataclass(frozen=True)
class Interval:
    """A modelled value with the interval that the constants' ranges leave.

    Parameters
    ----------
    value
        With every constant at its value.
    low, high
        With every constant at the end of its range that makes this small, or large.
    """

    value: float
    low: float
    high: float

    def __contains__(self, x: float) -> bool:
        return self.low <= x <= self.high

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def __truediv__(self, other: "Interval") -> "Interval":
        return Interval(self.value / other.value, self.low / other.high, self.high / other.low)

    def __mul__(self, other: "Interval") -> "Interval":
        return Interval(self.value * other.value, self.low * other.low, self.high * other.high)

    def __or__(self, other: "Interval") -> "Interval":
        """Give this value, with the interval that covers both."""
        return Interval(self.value, min(self.low, other.low), max(self.high, other.high))

    def scaled(self, factor: float) -> "Interval":
        """Give a multiple, as of another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def text(self, digits: int = 3) -> str:
        """Give it with its interval, `12.4 (3.1 to 40)`."""
        ends = self.value, self.low, self.high
        v, low, high = (f"{float(f'{x:.{digits}g}'):,g}" for x in ends)
        return f"{v} ({low} to {high})"

    def to_json(self) -> dict[str, float]:
        """Plain data."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Estimate(Tabular):
    """What the model says of a network on a chip; prints as a table.

    Parameters
    ----------
    network, mapping
        Name of what was placed, and how.
    schedule
        `pipelined`, a token each step, or `fall_through`, one token in flight.
    steps
        Time steps from a token's entry to the end of its output, that of the entry included.
    step_times
        Modelled seconds of those steps: all alike when pipelined.
    bottlenecks
        Of each step, what takes longest: population and resource, or `floor`.
    latency
        Seconds from a token's entry to the end of its output.
    time_per_token
        Seconds from a token's entry to the next one's.
    static_power
        Watts of the chips in use, whatever they do.
    dynamic_energy
        Joules of a token's operations.
    operations, updates, messages
        Synaptic operations, neuron updates and messages of a token.
    n_cores, n_chips
        In use.
    constants
        The model's.
    """

    network: str
    mapping: str
    schedule: Schedule
    steps: int
    step_times: tuple[float, ...]
    bottlenecks: tuple[str, ...]
    latency: Interval
    time_per_token: Interval
    static_power: Interval
    dynamic_energy: Interval
    operations: float
    updates: int
    messages: float
    n_cores: int
    n_chips: int
    constants: Constants

    @property
    def throughput(self) -> Interval:
        """Tokens a second."""
        t = self.time_per_token
        return Interval(1 / t.value, 1 / t.high, 1 / t.low)

    @property
    def energy_per_token(self) -> Interval:
        """Joules of a token, static and dynamic."""
        return self.static_power * self.time_per_token + self.dynamic_energy

    @property
    def power(self) -> Interval:
        """Mean watts while tokens come as fast as they can."""
        return self.static_power + self.dynamic_energy / self.time_per_token

    @property
    def energy_delay_product(self) -> Interval:
        """Joule seconds of a token: its energy times its latency."""
        return self.energy_per_token * self.latency

    def sample_latency(self, n_tokens: int) -> Interval:
        """Seconds from the entry of a sample's first token to the end of its last output."""
        count = integer(n_tokens, "n_tokens", 1)
        t, last = self.time_per_token, self.latency
        return Interval(*((count - 1) * getattr(t, end) + getattr(last, end) for end in _ENDS))

    def sample_energy(self, n_tokens: int) -> Interval:
        """Joules of a sample by itself."""
        static = self.static_power * self.sample_latency(n_tokens)
        return static + self.dynamic_energy.scaled(n_tokens)

    def power_proxy(self, tokens_per_second: float) -> float:
        """Operations a second, as the Intel N-DNS challenge defines its power proxy.

        Synaptic operations plus 10 times neuron updates, a second; no constant enters.

        Parameters
        ----------
        tokens_per_second
            Rate at which tokens come in real time: 125 for hops of 8 ms.
        """
        rate = real_number(tokens_per_second, "tokens_per_second", "(0, inf)")
        return (self.operations + 10 * self.updates) * rate

    def pdp_proxy(self, tokens_per_second: float, latency: float | None = None) -> float:
        """Power-delay-product proxy of the N-DNS challenge: the power proxy times the latency.

        Parameters
        ----------
        latency
            Seconds; the challenge's includes the audio buffer and the encoder. None: the model's
            latency of the network alone.
        """
        seconds = self.latency.value if latency is None else latency
        return self.power_proxy(tokens_per_second) * real_number(seconds, "latency", "(0, inf)")

    def to_json(self) -> dict[str, object]:
        """Everything as plain data, for a JSON file; times in seconds, energies in joules."""
        intervals = (
            "latency",
            "time_per_token",
            "throughput",
            "energy_per_token",
            "dynamic_energy",
            "static_power",
            "power",
            "energy_delay_product",
        )
        plain = (
            "network",
            "mapping",
            "schedule",
            "steps",
            "operations",
            "updates",
            "messages",
            "n_cores",
            "n_chips",
        )
        return {
            "kind": "model",
            **{name: getattr(self, name) for name in plain},
            "step_times": list(self.step_times),
            "bottlenecks": list(self.bottlenecks),
            **{name: getattr(self, name).to_json() for name in intervals},
            "constants": {
                name: {"value": c.value, "low": c.low, "high": c.high, "unit": c.unit}
                for name, c in self.constants
            },
        }

    def __rich__(self) -> Table:
        table = empty_table(
            f"Model of {self.network}, {self.schedule.replace('_', '-')}",
            {"of a token": False, "model": True},
            "modelled, not measured; in brackets, what the constants' ranges leave",
        )
        rows = (
            ("mapping", f"{self.n_cores} cores, {self.n_chips} chip(s): {self.mapping}"),
            ("latency (us)", self.latency.scaled(1e6).text()),
            ("time to the next (us)", self.time_per_token.scaled(1e6).text()),
            ("throughput (1/s)", self.throughput.text()),
            ("energy (uJ)", self.energy_per_token.scaled(1e6).text()),
            ("of it dynamic (uJ)", self.dynamic_energy.scaled(1e6).text()),
            ("power (W)", self.power.text()),
            ("energy-delay product (pJ s)", self.energy_delay_product.scaled(1e12).text()),
            ("synaptic operations", f"{self.operations:,.0f}"),
            ("neuron updates", f"{self.updates:,}"),
            ("messages", f"{self.messages:,.0f}"),
            ("longest step", self.bottlenecks[int(np.argmax(self.step_times))]),
        )
        for row in rows:
            table.add_row(*row)
        return table


_ENDS: tuple[Literal["value", "low", "high"], ...] = ("value", "low", "high")


def estimate(
    network: Network | FixedNetwork | Description,
    mapping: Mapping | None = None,
    schedule: Schedule = "pipelined",
    constants: Constants = CONSTANTS,
) -> Estimate:
    """Model time and energy of a network on Loihi 2.

    A time step takes as long as its slowest part,

        T = max over cores of ( passes x updates x t_dend, operations x t_syn, words x t_mem,
                                messages x t_message ),  at least the floor

    (the form of arXiv 2601.10035). Pipelined, every population has a token each step. Falling
    through, only those `s` steps from the entry have one in step `s`, and a token takes the sum of
    its steps; neurons without a token are taken to cost nothing. Energy is static power times
    time, plus the token's operations and updates at so much each: the same in both schedules.

    Parameters
    ----------
    network
        A description from `count` has the messages of real tokens; a network, or `describe`,
        takes every message to be sent: an upper bound.
    mapping
        Of the same network; None: `map(network)`.
    schedule
        `pipelined` or `fall_through`.
    constants
        The model's.

    Raises
    ------
    ValueError
        A mapping of another network, or an unknown schedule.
    """
    one_of(schedule, SCHEDULES, "schedule")
    described = describe(network)
    placed = map(described) if mapping is None else mapping
    instance(placed, Mapping, "mapping", "what `map` gives")
    instance(constants, Constants, "constants", "Constants")
    if len(placed.description.populations) == len(described.populations) + 1:
        described = described.with_receiver()
    if placed.description.populations != described.populations:
        raise ValueError(
            f"mapping is that of {placed.description.name!r}, not of {described.name!r}: their "
            "populations differ"
        )
    points = {end: _point(described, placed, schedule, constants.at(end)) for end in _ENDS}

    def interval(name: str) -> Interval:
        return Interval(*(getattr(points[end], name) for end in _ENDS))

    return Estimate(
        network=described.name,
        mapping=placed.strategy,
        schedule=schedule,
        steps=described.latency + 1,
        step_times=points["value"].step_times,
        bottlenecks=points["value"].bottlenecks,
        latency=interval("latency"),
        time_per_token=interval("time_per_token"),
        static_power=interval("static_power"),
        dynamic_energy=interval("dynamic_energy"),
        operations=described.operations,
        updates=described.updates,
        messages=described.messages,
        n_cores=placed.n_cores,
        n_chips=placed.n_chips,
        constants=constants,
    )


@dataclass(frozen=True)
class _Point:
    """The model at one set of values."""

    step_times: tuple[float, ...]
    bottlenecks: tuple[str, ...]
    time_per_token: float
    static_power: float
    dynamic_energy: float

    @property
    def latency(self) -> float:
        return sum(self.step_times)


def _point(
    description: Description, mapping: Mapping, schedule: Schedule, constants: Constants
) -> _Point:
    floor = constants.step_floor if mapping.n_chips == 1 else constants.step_floor_many
    base = (1e-6 * floor.value, "floor")
    slowest = dict.fromkeys(range(description.latency + 1), base)  # step from entry: time, what
    for p in description.populations:
        pieces = {c.tables.neurons for c in mapping.cores if c.population == p.name}
        largest = max(pieces)
        work = load(description, p, largest, mapping.cores_of, mapping.limits, constants).times(
            constants
        )
        resource = max(work, key=lambda name: work[name])
        if work[resource] > slowest[p.step][0]:
            slowest[p.step] = (work[resource], f"{p.name}: {resource}")
    if schedule == "pipelined":
        slowest = dict.fromkeys(slowest, max(slowest.values(), key=lambda step: step[0]))
    times = tuple(time for time, _ in slowest.values())
    dynamic = 1e-12 * (
        description.operations * constants.energy_syn.value
        + description.updates * constants.energy_update.value
    )
    return _Point(
        step_times=times,
        bottlenecks=tuple(what for _, what in slowest.values()),
        time_per_token=times[0] if schedule == "pipelined" else sum(times),
        static_power=mapping.n_chips * constants.static_power.value,
        dynamic_energy=dynamic,
    )
