"""A part of a population on a core: what it takes of the core's tables, and what it has to do."""

from dataclasses import dataclass

import numpy as np

from lava_ssm.loihi2.constants import Constants
from lava_ssm.loihi2.description import Connectivity, Description, Population, Synapses
from lava_ssm.loihi2.limits import WORD_BITS, Limits


@dataclass(frozen=True)
class Tables:
    """Entries that a part takes of a core's tables; one of the axon map for each neuron."""

    neurons: int
    neuron_units: int
    axons: int
    synapse_words: int
    axon_map: int

    def excess(self, limits: Limits) -> str | None:
        """What of it does not fit a core, in words; None if all does."""
        for what, used, most in (
            ("neurons", self.neurons, limits.neurons),
            ("units of neuron memory", self.neuron_units, limits.neuron_units),
            ("axons", self.axons, limits.axons),
            ("synapse words", self.synapse_words, limits.synapse_words),
            ("axon map entries", self.axon_map, limits.axon_map),
            ("axons and synapse words", self.axons + self.synapse_words, limits.synaptic_words),
            ("words of all tables", self.total, limits.memory_words),
        ):
            if used > most:
                return f"{used:,} {what}, of at most {most:,}"
        return None

    @property
    def total(self) -> int:
        """Words of all tables together."""
        return self.neuron_units + self.axons + self.synapse_words + self.axon_map


def tables(
    description: Description,
    population: Population,
    neurons: int,
    limits: Limits,
    own_inputs: bool = False,
) -> Tables:
    """Give what `neurons` neurons of a population take.

    `own_inputs`: block connections are made as separate Processes, so that a core lists only the
    inputs of its own blocks. The compiler lists all inputs of a Process on each of its cores.
    """
    share = neurons / population.n_neurons
    inputs = description.inputs_of(population.name)
    return Tables(
        neurons=neurons,
        neuron_units=neurons * limits.units(population.kind),
        axons=sum(_axons(s, share if own_inputs else 1.0) for s in inputs),
        synapse_words=sum(_words(s, share, limits) for s in inputs),
        axon_map=neurons,
    )


def _axons(synapses: Synapses, share: float) -> int:
    used = int(np.count_nonzero(synapses.fan_out))
    if synapses.connectivity is Connectivity.BLOCK:
        return int(np.ceil(share * used - 1e-9))
    return used


def _words(synapses: Synapses, share: float, limits: Limits) -> int:
    bits = limits.bits(synapses.connectivity, synapses.weight_bits)
    if synapses.connectivity is Connectivity.BLOCK:  # a share of the inputs, with all of theirs
        words = share * np.ceil(bits * synapses.fan_out / WORD_BITS).sum()
    else:  # all inputs, with a share of theirs
        words = np.ceil(bits * share * synapses.fan_out / WORD_BITS).sum()
    return int(np.ceil(words - 1e-9))


@dataclass(frozen=True)
class Load:
    """What a part has to do in a time step that brings its population a token.

    `passes` are those of microcode for one update, `messages_out` those that leave the core: one
    for each core that listens.
    """

    updates: float
    passes: float
    operations: float
    words: float
    messages_in: float
    messages_out: float

    def times(self, constants: Constants) -> dict[str, float]:
        """Seconds that each resource is busy."""
        messages = max(self.messages_in, self.messages_out)
        return {
            "neurons": 1e-9 * self.updates * self.passes * constants.t_dend.value,
            "synapses": 1e-9 * self.operations * constants.t_syn.value,
            "memory": 1e-9 * self.words * constants.t_mem.value,
            "link": 1e-9 * messages * constants.t_message.value,
        }


def load(
    description: Description,
    population: Population,
    neurons: int,
    n_cores: dict[str, int],
    limits: Limits,
    constants: Constants,
) -> Load:
    """Give the load of `neurons` neurons of a population.

    Parameters
    ----------
    n_cores
        Cores of each population: a message to neurons on many cores is sent to each of them.
    """
    share = neurons / population.n_neurons
    operations = words = messages_in = messages_out = 0.0
    for s in description.inputs_of(population.name):
        operations += share * s.operations
        mean_words = _words(s, share, limits) / s.n_in
        words += mean_words * s.messages
        messages_in += s.messages * _reached(s, share)
    for s in description.outputs_of(population.name):
        cores = n_cores.get(s.target, 1)
        copies = 1.0 if s.connectivity is Connectivity.BLOCK else cores * _reached(s, 1 / cores)
        messages_out += share * s.messages * copies
    passes = constants.passes(population.kind).value
    return Load(neurons, passes, operations, words, messages_in, messages_out)


def _reached(synapses: Synapses, share: float) -> float:
    """Share of the messages that meet a synapse among a share of the neurons."""
    if synapses.connectivity is Connectivity.BLOCK:
        return share
    fan_out = synapses.n_synapses / synapses.n_in
    return float(1 - (1 - share) ** fan_out)
