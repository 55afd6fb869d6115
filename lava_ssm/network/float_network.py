"""A network in floating point."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.network.description import Description, made_by
from lava_ssm.network.linear import Linear
from lava_ssm.network.readout import Readout
from lava_ssm.network.relu import ReLU
from lava_ssm.network.run import Runnable, mean_divisor
from lava_ssm.network.s4d import S4D
from lava_ssm.network.stage import Stage, stages
from lava_ssm.numerics import RealArray, reals

FloatLayer: TypeAlias = S4D | Linear


@dataclass(frozen=True, eq=False)
class Network(Description, Runnable[np.float64]):
    """Layers in the order in which a token passes them, and a readout, in floating point.

    Parameters
    ----------
    layers
        S4D, Linear and ReLU; a ReLU follows one of the others.
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

    layers: tuple[FloatLayer | ReLU, ...]
    readout: Readout = Readout.EVERY_TOKEN
    made_by: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self._set("layers", tuple(self.layers))
        self._set("readout", Readout(self.readout))
        self._set("made_by", made_by(self.made_by))
        _ = self.stages

    @cached_property
    def stages(self) -> tuple[Stage[FloatLayer], ...]:
        """Layers with the rectifier behind them."""
        return stages(self.layers, (S4D, Linear))

    @property
    def d_input(self) -> int:
        """Width of an input token."""
        return self.stages[0].layer.d_input

    @property
    def d_output(self) -> int:
        """Width of an output token."""
        return self.stages[-1].layer.d_output

    @property
    def n_parameters(self) -> int:
        """Number of real parameters."""
        return sum(stage.layer.n_parameters for stage in self.stages)

    @property
    def latency(self) -> int:
        """Time steps from a token's entry to its output, each synapse on the way taking one."""
        return sum(stage.layer.n_synapses for stage in self.stages)

    def to_float(self, outputs: ArrayLike, tokens: ArrayLike | None = None) -> RealArray:
        """Logits of what `run`, a stream or a Lava graph emitted.

        Parameters
        ----------
        outputs
            Shape (..., time, d_output), or (d_output,) for one token.
        tokens
            With a mean readout: how many tokens of its sample each output has summed, broadcast
            against (..., time); None: 1, 2, ... along time.
        """
        values = reals(outputs, "outputs")
        if self.readout is Readout.MEAN_OVER_TIME:
            return values / mean_divisor(values, tokens)
        return values
