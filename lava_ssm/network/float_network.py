"""A network in floating point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.network.activation import Elementwise
from lava_ssm.network.any_network import AnyNetwork
from lava_ssm.network.description import made_by
from lava_ssm.network.layer import FloatLayer
from lava_ssm.network.readout import Readout
from lava_ssm.network.residual import Residual
from lava_ssm.network.stage import Stage, stages
from lava_ssm.numerics import RealArray, member, reals


@dataclass(frozen=True, eq=False)
class Network(AnyNetwork[np.float64]):
    """Layers in the order in which a token passes them, and a readout, in floating point.

    Parameters
    ----------
    layers
        Layers of synapses (S4D, S5, Linear, ...); behind one of them a Residual, an activation
        (ReLU, GELU, ...), or both in this order.
    readout
        What is given back of the tokens.
    made_by
        What made the network, as text by key, for the reader of its file. Does not count when
        networks are compared.

    Raises
    ------
    TypeError, ValueError
        The layers do not fit together.
    """

    sums: ClassVar[bool] = False
    layers: tuple[FloatLayer | Residual | Elementwise, ...]
    readout: Readout = Readout.EVERY_TOKEN
    made_by: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.layers, Sequence):
            self._set("layers", tuple(self.layers))
        self._set("readout", member(Readout, self.readout, "readout"))
        self._set("made_by", made_by(self.made_by))
        _ = self.stages

    @cached_property
    def stages(self) -> tuple[Stage[FloatLayer], ...]:
        """Layers of synapses with what their neurons do."""
        return stages(self.layers, FloatLayer)

    def _values(self, outputs: ArrayLike) -> RealArray:
        return reals(outputs, "outputs")
