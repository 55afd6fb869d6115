"""Which neurons go to which neurocore."""

from collections import Counter
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from lava_ssm.loihi2.describe import describe
from lava_ssm.loihi2.description import Description, Population
from lava_ssm.loihi2.limits import LIMITS, Limits
from lava_ssm.loihi2.part import Tables, tables
from lava_ssm.loihi2.system import SYSTEMS, System, find_system
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import flag, instance, integer, is_integer, shown
from lava_ssm.tables import Tabular, empty_table

Strategy = Literal["pack", "spread"]


class MappingError(ValueError):
    """A network that cannot be placed, and why."""


@dataclass(frozen=True)
class Core:
    """A neurocore in use, numbers from 0; whose neurons are on it, and what they take of it."""

    chip: int
    number: int
    population: str
    layer: str
    tables: Tables


@dataclass(frozen=True)
class Mapping(Tabular):
    """A network on the cores of a system; prints as the table of a compiler.

    `strategy` says how, in words, with the numbers given; `cores` are those in use, in order.
    """

    description: Description
    system: System
    strategy: str
    limits: Limits
    cores: tuple[Core, ...]

    @property
    def n_cores(self) -> int:
        """Cores in use."""
        return len(self.cores)

    @property
    def n_chips(self) -> int:
        """Chips in use."""
        return self.cores[-1].chip + 1

    @property
    def cores_of(self) -> dict[str, int]:
        """Cores of each population."""
        return Counter(core.population for core in self.cores)

    @property
    def cores_of_layer(self) -> dict[str, int]:
        """Cores of each layer."""
        return Counter(core.layer for core in self.cores)

    def rows(self) -> list[dict[str, float | int | str]]:
        """Give the core table as data, a row for each population.

        Shares in [0, 1] are those of a population's fullest core: `axons`, `neurons` (of neuron
        memory), `synapses`, `axon_map` of their tables' entries, `groups` of its 8 neuron groups,
        `total` of the core's memory.
        """
        limits, rows = self.limits, []
        for p in self.description.populations:
            fullest = max(
                (c.tables for c in self.cores if c.population == p.name), key=lambda t: t.total
            )
            rows.append(
                {
                    "population": p.name,
                    "layer": p.layer,
                    "kind": p.kind.value,
                    "n_neurons": p.n_neurons,
                    "axons": fullest.axons / limits.axons,
                    "groups": 1 / 8,
                    "neurons": fullest.neuron_units / limits.neuron_units,
                    "synapses": fullest.synapse_words / limits.synapse_words,
                    "axon_map": fullest.axon_map / limits.axon_map,
                    "total": fullest.total / limits.memory_words,
                    "cores": self.cores_of[p.name],
                }
            )
        return rows

    def to_json(self) -> dict[str, object]:
        """Everything as plain data, for a JSON file."""
        return {
            "network": self.description.name,
            "system": self.system.name,
            "strategy": self.strategy,
            "n_cores": self.n_cores,
            "n_chips": self.n_chips,
            "cores_of_layer": self.cores_of_layer,
            "populations": self.rows(),
        }

    def __rich__(self) -> Table:
        numbers = ("neurons", "AxonIn", "Neuron", "Synapse", "AxonMap", "Total", "cores")
        table = empty_table(
            f"{self.description.name} on {self.system.name}: {self.n_cores} of "
            f"{self.system.n_cores:,} cores, {self.strategy}",
            {"layer": False, **dict.fromkeys(numbers, True)},
            "model; shares are those of a population's fullest core",
        )
        before = None
        for row in self.rows():
            shares = ("axons", "neurons", "synapses", "axon_map", "total")
            table.add_row(
                str(row["layer"]) if row["layer"] != before else "",
                f"{row['n_neurons']:,} {str(row['kind']).removesuffix(' state')}",
                *(f"{row[key]:.2%}" for key in shares),
                str(row["cores"]),
            )
            before = row["layer"]
        return table


def map(  # the verb of the field, called `ssm.loihi2.map`
    network: Network | FixedNetwork | Description,
    system: str | System = "oheo-gulch",
    strategy: Strategy = "pack",
    neurons_per_core: int | None = None,
    cores_per_layer: int | MappingOf[str, int] | None = None,
    receiver: bool = False,
    limits: Limits = LIMITS,
) -> Mapping:
    """Place a network on neurocores.

    Every population has cores of its own; one that does not fit a core is cut.

    - `pack`: as the compiler of the public tables does: into as many equal pieces as it takes,
      each one neuron smaller than it could be, so that the remainder often takes one core more;
      every core lists all inputs of its population. Where those are too many, block connections
      are made as separate Processes, each with inputs of its own.
    - `spread`: layers of several populations get a target number of cores, shared out in the
      proportion of what `pack` needs; the neurons of a population are divided evenly, block
      connections made as separate Processes.

    Parameters
    ----------
    network
        A network, or a description.
    system
        Name or `System`: oheo-gulch, kapoho-point, alia-point, hala-point.
    strategy
        `pack` or `spread`.
    neurons_per_core
        With `pack`: neurons of a core, at most. None: what fits.
    cores_per_layer
        With `spread`: target, for each layer of several populations or by layer's name.
    receiver
        Whether an on-chip receiver of the outputs is placed too (see
        `Description.with_receiver`).
    limits
        Of a core.

    Raises
    ------
    MappingError
        The network does not fit: says what is too large, or how many chips it would take.
    ValueError
        An unknown system or strategy, or a target that is missing, too small, or not asked for.
    """
    described = describe(network)
    instance(limits, Limits, "limits", "a Limits")
    if flag(receiver, "receiver"):
        described = described.with_receiver()
    target = find_system(system)
    if strategy == "pack":
        if cores_per_layer is not None:
            raise ValueError("cores_per_layer is for strategy 'spread'")
        most = None
        if neurons_per_core is not None:
            most = integer(neurons_per_core, "neurons_per_core", 1)
        cuts = {p.name: _packed(described, p, limits, most) for p in described.populations}
        how = "pack" if most is None else f"pack, at most {most} neurons a core"
    elif strategy == "spread":
        if neurons_per_core is not None:
            raise ValueError("neurons_per_core is for strategy 'pack'")
        if cores_per_layer is None:
            raise ValueError("cores_per_layer: strategy 'spread' needs a target number of cores")
        cuts = _spread(described, cores_per_layer, limits)
        how = f"spread, {cores_per_layer} cores a layer"
    else:
        raise ValueError(f"strategy must be 'pack' or 'spread', got {strategy!r}")
    pieces = [
        (p, tables(described, p, size, limits, cuts[p.name].own_inputs))
        for p in described.populations
        for size in cuts[p.name].sizes
    ]
    _check_fits(described, len(pieces), target)
    cores = tuple(
        Core(*divmod(i, target.cores_per_chip), p.name, p.layer, entries)
        for i, (p, entries) in enumerate(pieces)
    )
    return Mapping(described, target, how, limits, cores)


@dataclass(frozen=True)
class _Cut:
    """A population's neurons on each of its cores, and whether a core lists only its inputs."""

    sizes: tuple[int, ...]
    own_inputs: bool = False


def _packed(
    description: Description, population: Population, limits: Limits, most: int | None
) -> _Cut:
    total = population.n_neurons
    for own_inputs in (False, True):
        for n_parts in range(1, total + 1):
            size = total if n_parts == 1 else max(1, total // n_parts - 1)
            if most is not None and size > most:
                continue
            excess = tables(description, population, size, limits, own_inputs).excess(limits)
            if excess is None:
                full, rest = divmod(total, size)
                return _Cut((size,) * full + ((rest,) if rest else ()), own_inputs)
            if size == 1:
                break
    raise MappingError(
        f"{description.name}: population {population.name!r} does not fit however it is cut: one "
        f"of its neurons needs {excess} in a core"
    )


def _spread(
    description: Description, target: int | MappingOf[str, int], limits: Limits
) -> dict[str, _Cut]:
    populations = description.populations
    counts = {p.name: len(_packed(description, p, limits, None).sizes) for p in populations}
    least = {p.name: _least(description, p, limits) for p in populations}
    for layer in _spread_layers(description, target):
        names = [p.name for p in populations if p.layer == layer]
        wanted = target[layer] if isinstance(target, MappingOf) else target
        counts |= _shared_out(
            layer, int(wanted), {n: counts[n] for n in names}, {n: least[n] for n in names}
        )
    cuts = {}
    for p in populations:
        n = min(counts[p.name], p.n_neurons)
        sizes = tuple(p.n_neurons // n + (i < p.n_neurons % n) for i in range(n))
        cuts[p.name] = _Cut(sizes, own_inputs=True)
    return cuts


def _spread_layers(description: Description, target: int | MappingOf[str, int]) -> tuple[str, ...]:
    if isinstance(target, MappingOf):
        unknown = set(target) - set(description.layers)
        if unknown:
            raise ValueError(
                f"cores_per_layer: no layer {sorted(unknown)}; there are {description.layers}"
            )
        values = list(target.values())
        layers = tuple(target)
    else:
        values = [target]
        layers = tuple(
            name
            for name in description.layers
            if sum(p.layer == name for p in description.populations) > 1
        )
    if not all(is_integer(v) and 1 <= v < 2**63 for v in values):
        raise ValueError(f"cores_per_layer must be integers of at least 1, got {shown(target)}")
    return layers


def _least(description: Description, population: Population, limits: Limits) -> int:
    """Fewest cores on which a population fits, evenly divided."""
    for n in range(1, population.n_neurons + 1):
        size = -(-population.n_neurons // n)
        if tables(description, population, size, limits, True).excess(limits) is None:
            return n
    raise AssertionError("packed already, so it fits")


def _shared_out(
    layer: str, wanted: int, packed: dict[str, int], least: dict[str, int]
) -> dict[str, int]:
    """Share out cores in proportion to `packed`, none below `least`: largest remainders."""
    if wanted < sum(least.values()):
        raise MappingError(
            f"cores_per_layer: {layer!r} needs at least {sum(least.values())} cores, got {wanted}"
        )
    exact = {name: wanted * n / sum(packed.values()) for name, n in packed.items()}
    counts = {name: max(least[name], int(share)) for name, share in exact.items()}
    while sum(counts.values()) < wanted:
        counts[max(counts, key=lambda name: exact[name] - counts[name])] += 1
    while sum(counts.values()) > wanted:
        spare = [name for name in counts if counts[name] > least[name]]
        counts[min(spare, key=lambda name: exact[name] - counts[name])] -= 1
    return counts


def _check_fits(description: Description, n_cores: int, system: System) -> None:
    if n_cores <= system.n_cores:
        return
    chips = -(-n_cores // system.cores_per_chip)
    larger = [s for s in SYSTEMS.values() if s.n_chips >= chips]
    enough = f"; {larger[0].name} has {larger[0].n_chips}" if larger else ""
    raise MappingError(
        f"{description.name} needs {n_cores:,} cores, {system.name} has {system.n_cores:,} on "
        f"{system.n_chips} chip{'s' * (system.n_chips > 1)}: it would take {chips} chips{enough}"
    )
