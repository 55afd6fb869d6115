"""What an operation brings, for the kernels of fixed and of float networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.numerics import ComplexArray, IntArray

Memory: TypeAlias = Mapping[str, np.ndarray]
"""What is carried from token to token, a sequence a row: `states`, `carried`."""
Part: TypeAlias = tuple[str, IntArray]
"""A part of a state: in which array of `Memory`, and in which columns of it."""


class Operation(NamedTuple):
    """How an operation of `network.neurons` is laid out, and computed by kernels.

    Parameters
    ----------
    neurons
        Its class.
    fields
        Integers of its own in its populations' rows.
    lay_out
        `lay_out(writer, row, neurons)` puts its arrays into the writer's, and fills its fields.
    step, step_float
        For kernels of fixed and of float networks: `step(row, data, k, n)` takes n tokens of
        sequence k through the population, from buffer to buffer.
    parts
        `parts(row)`: where a population's state is, which on a new last axis make it up as
        `neurons.state_shape` has it. None: it has no state.
    forget
        `forget(row, memory)` follows where a state was set: what else was known of it is not.
    unit
        `unit(neurons, real)`: complex numbers of which the states of a float network are kept as
        multiples, or None: as they are.
    """

    neurons: type
    fields: Sequence[str]
    lay_out: Callable[[Writer, np.void, Any], None]
    step: Callable[..., None]
    step_float: Callable[..., None]
    parts: Callable[[np.void], Sequence[Part]] | None = None
    forget: Callable[[np.void, Memory], None] | None = None
    unit: Callable[[Any, np.dtype], ComplexArray] | None = None


def real_states(row: np.void) -> Sequence[Part]:
    """See `parts` of `Operation`: a real state a neuron."""
    return [("carried", row["states"] + np.arange(row["size"]))]
