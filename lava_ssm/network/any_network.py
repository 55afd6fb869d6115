"""What a float and a fixed network have in common.

Running a description is handed over to the engine, which alone can compute.
"""

from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lava_ssm.network.description import Description
from lava_ssm.network.layer import Layer
from lava_ssm.network.lowered import lowered
from lava_ssm.network.neurons import Stateful
from lava_ssm.network.population import Population
from lava_ssm.network.readout import Readout
from lava_ssm.network.stage import Stage
from lava_ssm.network.summary import summary
from lava_ssm.numerics import RealArray, integers, shown
from lava_ssm.tables import Tabular

if TYPE_CHECKING:
    from rich.table import Table

    from lava_ssm.engine import Backend, Stream

A = TypeVar("A", bound=np.generic)


class AnyNetwork(Tabular, Description, Generic[A]):
    """A chain of layers with a readout, whatever its arithmetic."""

    readout: Readout
    made_by: Mapping[str, str]
    sums: ClassVar[bool]
    """Whether a mean readout emits running sums: in integers."""

    @property
    def stages(self) -> tuple[Stage[Layer], ...]:
        """Layers of synapses with what their neurons do."""
        raise NotImplementedError

    @property
    def exponents(self) -> tuple[int, ...]:
        """Exponent of the messages that enter each stage, and of the outputs; 0 of real ones."""
        return (0,) * (len(self.stages) + 1)

    @cached_property
    def lowered(self) -> tuple[Population, ...]:
        """What the network is on the chip: populations, and the synapses onto them."""
        return lowered(self.stages, self.exponents)

    @property
    def states(self) -> tuple[Stateful, ...]:
        """Neurons that carry a state from token to token."""
        return tuple(p.neurons for p in self.lowered if isinstance(p.neurons, Stateful))

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each state that is carried from token to token, see `network.neurons`."""
        return tuple(neurons.state_shape for neurons in self.states)

    @property
    def state_bits(self) -> tuple[int | None, ...]:
        """Width of each state's mantissas, or None of real ones."""
        return (None,) * len(self.states)

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
        return self.lowered[-1].step

    def run(
        self: Any,
        x: ArrayLike,
        backend: "Backend | None" = None,
        n_threads: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> NDArray[A]:
        """Run whole sequences from the zero state and give what the network emits at each token.

        Parameters
        ----------
        x
            Tokens, shape (..., time, d_input). For a fixed network floats are values, rounded to
            the nearest mantissa of the input format, and integers are mantissas.
        backend
            "compiled" (None) or "reference": the same integers of a fixed network.
        n_threads
            Threads that the sequences are shared out among; None: one for each core. With two or
            more, two share the neurons of a single sequence, see `engine.Stream`.
        dtype
            Of a float network: float64 (None) or float32, in which it is computed.

        Returns
        -------
        ndarray
            Shape (..., time, d_output): logits of each token, or with a mean readout their mean up
            to there; mantissas (int64) from a fixed network, with a mean readout their running sum,
            see `to_float`.

        Raises
        ------
        ValueError
            A wrong shape, a value that is not finite, or beyond the input format's range.

        Warns
        -----
        OverflowWarning
            An integer of a fixed network left its word (`engine.run` gives the counts).
        """
        from lava_ssm.engine import run, warn_of_overflows

        result = run(self, x, backend=backend, n_threads=n_threads, dtype=dtype)
        warn_of_overflows(result.overflows)
        outputs: NDArray[A] = result.outputs
        return outputs

    def stream(
        self: Any,
        batch: tuple[int, ...] = (),
        reset_every: int | None = None,
        backend: "Backend | None" = None,
        n_threads: int | None = 1,
        dtype: DTypeLike | None = None,
    ) -> "Stream":
        """Start a stream: tokens one at a time or in pieces, the state carried.

        Parameters
        ----------
        batch
            Shape of the batch of streams that run side by side; () for one.
        reset_every
            Tokens of a sample: the state is zero at each sample's first token. None: never.
        backend, n_threads, dtype
            See `run`.
        """
        from lava_ssm.engine import Stream

        return Stream(self, batch, reset_every, backend, n_threads, dtype=dtype)

    def predict(self, x: ArrayLike) -> NDArray[np.intp]:
        """Give the class of each sequence (...,), or, reading out every token, (..., time).

        Parameters
        ----------
        x
            See `run`: for a fixed network integers are mantissas, not values.
        """
        classes = np.argmax(self.run(x), axis=-1)  # (..., time)
        if self.readout is Readout.EVERY_TOKEN:
            return classes
        if classes.shape[-1] == 0:
            raise ValueError("x: a sequence without tokens has no class")
        return classes[..., -1]

    def save(self: Any, path: str | PathLike[str]) -> None:
        """Write the network to one file, a safetensors file; `lava_ssm.load` reads it.

        The file is complete or not there: an older one is replaced only once the new one is
        written.
        """
        from lava_ssm.network.file import save

        save(self, path)

    def to_float(self, outputs: ArrayLike, tokens: ArrayLike | None = None) -> RealArray:
        """Logits of what `run`, a stream or a Lava graph emitted.

        Parameters
        ----------
        outputs
            Values of a float network, which are the logits, or mantissas of a fixed one, shape
            (..., time, d_output), or (d_output,) for one token.
        tokens
            Of a fixed network with a mean readout: how many tokens of its sample each output has
            summed, broadcast against (..., time). None: 1, 2, ... along time, which is right for
            whole samples; for pieces of them, and for single tokens, `Stream.to_float` knows the
            numbers.

        Raises
        ------
        TypeError
            Outputs that are no array of real numbers or, of a fixed network, integers.
        ValueError
            Outputs of another width, a running sum of one token without `tokens`, or `tokens` that
            are no integers of at least 1 or do not fit.
        """
        values = self._values(outputs)
        if values.ndim == 0 or values.shape[-1] != self.d_output:
            raise ValueError(
                f"outputs must have shape (..., {self.d_output}), d_output last; got {values.shape}"
            )
        if self.readout is not Readout.MEAN_OVER_TIME or not self.sums:
            return values
        if tokens is None:
            if values.ndim < 2:
                raise ValueError(
                    "tokens: of a single token's running sum, say how many tokens it has summed"
                )
            tokens = np.arange(1, values.shape[-2] + 1)
        try:
            counts = np.broadcast_to(integers(tokens, "tokens"), values.shape[:-1])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"tokens must be integers of at least 1 and fit {values.shape[:-1]}, got "
                f"{shown(tokens)}"
            ) from error
        if (counts < 1).any():
            raise ValueError(f"tokens must be integers of at least 1, got {shown(tokens)}")
        return values / counts[..., np.newaxis]

    def summary(self) -> str:
        """Say what the network is, a row a layer, with what follows each and what it was.

        "channels" are those that enter and leave, "step" is the time step, from a token's entry,
        at which the layer sends; of a fixed network, "exponent" is that of what it sends. Of a
        network that `exchange` made, "was" says what a layer was in the other program and what was
        folded into it.
        """
        return str(self)

    def __rich__(self) -> "Table":
        return self.as_table(type(self).__name__)

    def as_table(self, title: str) -> "Table":
        """Give the table of layers under a title, to which the network's own figures are added."""
        title = (
            f"{title}: {self.d_input} to {self.d_output} channels, "
            f"{self.readout.name.lower().replace('_', ' ')}, {self.n_parameters:,} parameters"
            f"{self._figures()}"
        )
        return summary(title, self.stages, self.lowered, self.exponents, self.made_by)

    def _figures(self) -> str:
        """Say what only one kind of network has."""
        return ""

    def _values(self, outputs: ArrayLike) -> RealArray:
        raise NotImplementedError
