"""A network in the integers of the chip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.network.activation import Elementwise
from lava_ssm.network.any_network import AnyNetwork
from lava_ssm.network.description import MESSAGE_EXPONENTS, exponent, made_by
from lava_ssm.network.float_network import Network
from lava_ssm.network.layer import FixedLayer
from lava_ssm.network.neurons import Affine, Bilinear, Filters, Product
from lava_ssm.network.population import Matrix
from lava_ssm.network.readout import Readout
from lava_ssm.network.residual import Residual
from lava_ssm.network.stage import Stage, stages
from lava_ssm.numerics import (
    CHIP,
    Arithmetic,
    Format,
    RealArray,
    dequantize,
    instance,
    integer,
    integers,
    member,
)

MOST_LEFT = 16
"""Bits that a neuron may shift to the left: a product of 24 and 17 bits stays below 2**63."""


@dataclass(frozen=True, eq=False)
class FixedNetwork(AnyNetwork[np.int64]):
    """Integers, their exponents and the rules of arithmetic: all that the chip computes.

    Parameters
    ----------
    layers
        Layers of synapses (FixedS4D, FixedS5, FixedLinear, ...); behind one of them a Residual, an
        activation (ReLU, GELU, ...), or both in this order.
    readout
        What is given back of the tokens.
    input_exponent
        Of an input token: value = mantissa * 2**-input_exponent; any integer.
    input_bits
        Width of an input mantissa. None: that of a message, or, where the first layer is an S4D,
        what its state can hold of it (24 bits less the state exponent).
    arithmetic
        Rounding, overflow and widths; the chip's by default.
    made_by
        What made the network, as text by key, for the reader of its file. Does not count when
        networks are compared.

    Raises
    ------
    TypeError, ValueError
        The layers do not fit together, or an exponent or width is out of range.
    """

    sums: ClassVar[bool] = True
    layers: tuple[FixedLayer | Residual | Elementwise, ...]
    readout: Readout = Readout.EVERY_TOKEN
    input_exponent: int = 0
    input_bits: int | None = None
    arithmetic: Arithmetic = CHIP
    made_by: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.layers, Sequence):
            self._set("layers", tuple(self.layers))
        self._set("readout", member(Readout, self.readout, "readout"))
        self._set("made_by", made_by(self.made_by))
        instance(self.arithmetic, Arithmetic, "arithmetic", "an Arithmetic")
        e = exponent(self.input_exponent, None, MESSAGE_EXPONENTS, "input_exponent")
        self._set("input_exponent", e)
        widest = self.arithmetic.message_bits
        for s in self._input_shifts():
            widest = min(widest, self.arithmetic.state_bits - s)
            if widest < 2:
                raise ValueError(
                    f"state_exponent: {s} of the first layer leaves the input {widest} of its "
                    f"state's {self.arithmetic.state_bits} bits, at least 2 are needed"
                )
        bits = widest if self.input_bits is None else self.input_bits
        self._set("input_bits", integer(bits, "input_bits", 2, widest))
        self._check_shifts()

    def _input_shifts(self) -> list[int]:
        """Bits by which states take the network's own input to the left, without a matrix."""
        return [
            int(np.max(p.neurons.state_exponent))
            for p in self.lowered
            if isinstance(p.neurons, Filters)
            and p.inputs[0].source is None
            and not isinstance(p.inputs[0].synapse, Matrix)
        ]

    def _check_shifts(self) -> None:
        """Refuse exponents at which a neuron would shift a product or a message out of 64 bits."""
        for p in self.lowered:
            shifts: dict[str, int] = {}
            match p.neurons:
                case Affine(direct=np.ndarray()):
                    shifts["d u"] = p.neurons.shift
                case Product():
                    shifts["the gate's product"] = p.neurons.shift
                case Bilinear():
                    shifts["what is weighted"] = p.neurons.weight_shift
            shifts["the residual message"] = p.residual_shift
            table = p.activation.table
            if table is not None and not table.multiplies:
                shifts[f"what a {p.activation.value} gives"] = table.entry_exponent - p.exponent
            for what, amount in shifts.items():
                if amount < -MOST_LEFT:
                    raise ValueError(
                        f"output_exponent: {self.exponents[p.stage + 1]} of stage {p.stage} shifts "
                        f"{what} to the left by {-amount}, at most {MOST_LEFT} are allowed"
                    )

    @cached_property
    def stages(self) -> tuple[Stage[FixedLayer], ...]:
        """Layers of synapses with what their neurons do."""
        return stages(self.layers, FixedLayer)

    @cached_property
    def exponents(self) -> tuple[int, ...]:
        """Exponent of the messages that enter each stage, and of the network's outputs."""
        chain = [self.input_exponent]
        for stage in self.stages:
            given = stage.layer.output_exponent
            chain.append(chain[-1] if given is None else given)
        return tuple(chain)

    @property
    def state_bits(self) -> tuple[int, ...]:
        """Width of each state's mantissas."""
        rules = self.arithmetic
        return tuple(
            rules.message_bits if neurons.holds_messages else rules.state_bits
            for neurons in self.states
        )

    @property
    def input_format(self) -> Format:
        """Format of an input token."""
        assert self.input_bits is not None
        return Format(self.input_bits, self.input_exponent)

    def _figures(self) -> str:
        rules = self.arithmetic
        words = f"{rules.message_bits}-bit messages, {rules.state_bits}-bit states"
        return f", {self.nbytes:,} bytes; {words}"

    @property
    def nbytes(self) -> int:
        """Bytes of the mantissas: 2, 4 or 8 bits a weight, two bytes a parameter of 9 to 16."""
        return sum(stage.layer.nbytes for stage in self.stages)

    def _values(self, outputs: ArrayLike) -> RealArray:
        return dequantize(integers(outputs, "outputs"), self.exponents[-1])

    def dequantize(self) -> Network:
        """Give the float network with the values of these mantissas."""
        entering = iter(self.exponents)
        layers = (
            layer.dequantize(next(entering)) if isinstance(layer, FixedLayer) else layer
            for layer in self.layers
        )
        return Network(tuple(layers), self.readout, self.made_by)


def check_network(network: object, name: str = "network") -> None:
    """Raise a TypeError for what is no network."""
    instance(network, Network | FixedNetwork, name, "a Network or a FixedNetwork")


def check_float(network: object, name: str = "network") -> None:
    """Raise a TypeError for what is no float network."""
    instance(network, Network, name, "a float Network")


def check_fixed(network: object, name: str = "network") -> None:
    """Raise a TypeError for what is no fixed network."""
    if isinstance(network, Network):
        raise TypeError(
            f"{name} must be a FixedNetwork, got Network: quantise it first (lava-ssm quantize, or "
            "lava_ssm.quantize)"
        )
    instance(network, FixedNetwork, name, "a FixedNetwork")
