"""What a neurocore holds, and what a neuron and a synapse take of it."""

from dataclasses import dataclass

from lava_ssm.loihi2.description import Connectivity, Neuron
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.numerics import real_number

WORD_BITS = 64


@dataclass(frozen=True)
class Limits:
    """Limits of a neurocore's tables, and costs in them.

    The limits and the units of a neuron are those of compiler tables printed in public notebooks.
    The costs of a synapse and the sharing of synaptic memory are **fitted** to the percentages in
    those tables, which they reproduce: no document states them. All can be set.

    Parameters
    ----------
    neurons
        Neurons of a core, at most (vendor).
    neuron_units
        Units of neuron memory (compiler tables).
    units_relay, units_real_state, units_complex_state, units_gate
        Units a neuron takes (compiler tables; of a gate: assumed).
    units_table, units_product, units_inverse_sqrt, units_tap
        The same of later kinds (assumed).
    axons, synapse_words, axon_map
        Entries of the three tables, at most (compiler tables). A word has 64 bits.
    synaptic_words
        Axons and synapse words together, at most: they share 128 KB (fitted).
    memory_words
        Of all tables together, to which the printed totals refer (fitted).
    bits_dense, bits_sparse, bits_block
        Bits a synapse takes: with zeros stored; of a sparse matrix, its index included; of ones
        in blocks (fitted). A list begins with a new word for each axon and core. A weight of fewer
        than 8 bits takes as many less (inferred: the tables are all of 8 bits).

    Raises
    ------
    ValueError
        One of them is below 1.
    """

    neurons: int = 8192
    neuron_units: int = 4095
    units_relay: int = 1
    units_real_state: int = 2
    units_complex_state: int = 3
    units_gate: int = 3
    units_table: int = 3
    units_product: int = 3
    units_inverse_sqrt: int = 3
    units_tap: int = 2
    units_gated_state: int = 3
    units_selective_state: int = 3
    axons: int = 16_000
    synapse_words: int = 16_000
    axon_map: int = 16_000
    synaptic_words: int = 16_000
    memory_words: int = 20_000
    bits_dense: float = 16.0
    bits_sparse: float = 20.0
    bits_block: float = 14.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            real_number(value, name, "[1, inf)")

    def units(self, kind: Neuron) -> int:
        """Units of neuron memory that such a neuron takes."""
        return int(getattr(self, f"units_{kind.name.lower()}"))

    def bits(self, connectivity: Connectivity, weight_bits: int = WEIGHT_BITS) -> float:
        """Bits that such a synapse takes."""
        whole = float(getattr(self, f"bits_{connectivity.name.lower()}"))
        return max(1.0, whole - (WEIGHT_BITS - weight_bits))


LIMITS = Limits()
"""Of the public tables."""
