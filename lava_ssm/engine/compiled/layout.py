"""A network laid out for the kernel: a table of populations, one of matrices, and flat arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lava_ssm.engine.compiled.arguments import Kinds
from lava_ssm.engine.compiled.cpu import ROUNDING_MODE
from lava_ssm.engine.compiled.matrix import MATRIX, Row, lay_out
from lava_ssm.engine.compiled.neurons import OPERATIONS, Operation
from lava_ssm.engine.compiled.neurons.filters import float_type
from lava_ssm.engine.compiled.neurons.messages import ACTIVATIONS
from lava_ssm.engine.compiled.parts import halves, whole, width_of
from lava_ssm.engine.compiled.words import OVERFLOW
from lava_ssm.engine.compiled.writer import LINE, Writer
from lava_ssm.network import (
    Connection,
    Copies,
    Filters,
    FixedNetwork,
    Matrix,
    Network,
    Population,
    Readout,
)
from lava_ssm.numerics import Arithmetic, Overflow, Rounding

COMMON = (
    "operation",  # its number in `OPERATIONS`
    "stage",
    "size",  # numbers that it puts into its buffer
    "source",  # number of the buffer of its input's messages
    "source_at",  # where they begin in it
    "matrix",  # number of the matrix that these go through, or -1
    "adds",  # so many of these are added up for each neuron, or 0
    "source_bits",  # which have so many bits, where they are added up
    "first",  # of what is copied, see `Copies`
    "count",  # 0: nothing
    "each",
    "second",  # the same of the second input, or -1
    "second_at",
    "second_matrix",
    "second_first",
    "second_count",
    "second_each",
    "residual",
    "residual_at",
    "residual_shift",
    "out",  # buffer of its messages; of filters the sums over states
    "out_at",
    "awaits",  # how far the other thread has to be before, see `Part`
    "tells",  # whether that is told how far this one is
    "activation",
    "exponent",  # of its messages, where a table is looked up with them
    "entries",  # where the table begins
    "step_exponent",
    "message_bits",  # of its messages
)
POPULATION = np.dtype(
    [
        (name, np.int64)
        for name in dict.fromkeys([*COMMON, *(f for each in OPERATIONS for f in each.fields)])
    ],
    align=True,
)
"""A population in the table of all: what all have, and the fields of each operation."""
RULES = np.dtype(
    [
        (name, np.int64)
        for name in ("rounding", "overflow", "state_bits", "message_bits", "sums", "thread")
    ],
    align=True,
)
"""Rules of arithmetic, whether the readout is a running sum, and whose they are, see `turns`."""
NO_NEURONS = -1
"""In the place of the operation: a thread has nothing to do."""
_FLOAT = Arithmetic(Rounding.NEAREST, Overflow.WRAP)
"""What a float network has in their place."""


def kinds(real: DTypeLike, is_fixed: bool) -> Kinds:
    """Give the arrays that a kernel takes, with their types and dimensions."""
    number: DTypeLike = np.float64 if is_fixed else real
    message: DTypeLike = np.int32 if is_fixed else real
    return {
        # of a network: see `Writer`
        "populations": (POPULATION, 1),
        "matrices": (MATRIX, 1),
        "rules": (RULES, 1),
        "weights": (np.int8 if is_fixed else real, 1),
        "places": (np.uint16, 1),  # outputs of weights
        "steps": (np.uint8, 1),  # of windows
        "tables": (np.int32, 1),  # where each step's window begins
        "pointers": (np.int64, 1),  # where weights or steps begin
        "shifts": (np.int32, 1),  # to the right, of each output
        "offsets": (np.int32, 1),  # -2^16 times the sum of its weights
        "numbers": (number, 1),  # of operations: biases, diagonals
        "integers": (np.int32, 1),  # of operations: tables
        "parameters": (real, 1),  # of filters
        "packed": (np.int16, 1),  # the same, mantissas
        "scales": (real, 1),  # of filters' channels
        # of sequences, (batch, ...): what is carried from token to token
        "states": (real, 2),
        "carried": (number, 2),
        "totals": (np.int64 if is_fixed else np.float64, 2),
        # of a thread
        "counts": (np.int64, 2),  # (stages, len(OVERFLOWED))
        "limits": (np.float64, 1),  # see `Tokens`
        "buffers": (message, 3),  # (buffers, tokens of a block, width): messages
        # of two threads that share the neurons of a sequence, else empty
        "turns": (np.int64, 1),  # see `turns`
        "threads": (np.int64, 3),  # tables of both, see `Arguments`
        # to write on
        "sums": (message, 2),  # (2, width)
        "wide": (np.int64, 1),  # (width + 1,)
        "doubles": (number, 2),  # (2, width)
        "window": (np.uint8, 1),  # (4 width,)
        "reached": (real, 2),  # (2, 2 channels of a group); the first zeros
        "widened": (real, 1),  # the parameters of a group
        "kept": (real, 1),  # the states of a group
    }


CARRIED = ("states", "carried", "totals")


@dataclass(frozen=True)
class Layout:
    """What the kernel takes of a network.

    Parameters
    ----------
    arrays
        Of the network, see `kinds`.
    tables
        Of POPULATION, one a thread.
    real
        Type of the floats of filters.
    n_states, n_carried
        Of a sequence, see `Writer`.
    n_buffers, width
        Of messages between populations; the widest of them, rounded up to whole lines.
    """

    arrays: Mapping[str, np.ndarray]
    tables: Sequence[NDArray[np.void]]
    real: np.dtype
    n_states: int
    n_carried: int
    n_buffers: int
    width: int


def layout(
    network: FixedNetwork | Network, dtype: np.dtype | None = None, n_threads: int = 1
) -> Layout:
    """Lay a network out for one thread or two; a float one in floats of a kind, float64 if None."""
    populations = network.lowered
    rules = network.arithmetic if isinstance(network, FixedNetwork) else None
    real = dtype or np.dtype(np.float64) if rules is None else _real(populations, rules)
    filters = [p.neurons for p in populations if isinstance(p.neurons, Filters)]
    n_parameters = sum(6 * each.n_neurons for each in filters) // n_threads  # each has its cache
    writer = Writer(kinds(real, rules is not None), rules, n_parameters)
    if n_threads == 1:
        parts, completed = [whole(populations)], [n - 1 for n in range(len(populations))]
    else:
        parts, completed = halves(populations)
    buffers = assigned_buffers(populations, completed)
    tables = [np.zeros(len(populations), POPULATION) for _ in parts]
    matrices: list[Row] = []

    def bits_of(source: int | None) -> int:
        if not isinstance(network, FixedNetwork):
            return 0
        if source is None:
            return network.input_format.bits
        return populations[source].rules(network.arithmetic).message_bits

    def matrix(c: Connection) -> int:
        if not isinstance(c.synapse, Matrix):
            return -1
        matrices.append(lay_out(writer, c.synapse, bits_of(c.source)))
        return len(matrices) - 1

    for table, of_thread in zip(tables, parts, strict=True):
        for n, (row, part) in enumerate(zip(table, of_thread, strict=True)):
            p, row["awaits"], row["tells"] = part.population, part.awaits, part.tells
            if p is None:
                row["operation"] = NO_NEURONS
                continue
            row["stage"], row["out"], row["out_at"] = p.stage, buffers[n], part.out
            row["source_at"] = part.begins[0]
            first, *others = p.inputs
            row["source"], row["matrix"] = buffers[first.source], matrix(first)
            if first.synapse.sums and row["source"] != row["out"]:
                row["adds"] = first.synapse.n_in // first.synapse.n_out
                row["source_bits"] = bits_of(first.source)
            for c, prefix in zip(p.inputs, ("", "second_"), strict=False):
                if isinstance(c.synapse, Copies):
                    for name in ("first", "count", "each"):
                        row[prefix + name] = getattr(c.synapse, name)
            row["second"] = row["second_matrix"] = row["residual"] = -1
            for second in others:
                row["second"], row["second_matrix"] = buffers[second.source], matrix(second)
                row["second_at"] = part.begins[1]
            if p.residual is not None:
                row["residual"], row["residual_at"] = buffers[p.residual.source], part.begins[-1]
            lay_out_neurons(writer, row, p, OPERATIONS)
    sums = network.readout is Readout.MEAN_OVER_TIME
    return Layout(
        arrays={
            **writer.arrays,
            "matrices": np.array([row.item() for row in matrices], MATRIX),
            "rules": rules_of(rules or _FLOAT, sums),
        },
        tables=tables,
        real=real,
        n_states=writer.n_states,
        n_carried=writer.n_carried,
        n_buffers=max(buffers.values()) + 1,
        width=-(-max(network.d_input, *map(width_of, populations)) // LINE) * LINE,
    )


def lay_out_neurons(
    writer: Writer, row: np.void, p: Population, operations: Sequence[Operation]
) -> None:
    """Lay out what a population makes of its sums; where its messages lie is in `row`."""
    row["size"], row["residual_shift"] = width_of(p), min(p.residual_shift, 63)
    row["activation"] = ACTIVATIONS[p.activation]
    if writer.rules is not None:
        row["message_bits"] = p.rules(writer.rules).message_bits
    if (activating := p.activation.table) is not None and writer.rules is not None:
        row["exponent"], row["step_exponent"] = p.exponent, activating.step_exponent
        row["entries"] = writer.put("integers", activating.entries)
    number, operation = next(
        (i, each) for i, each in enumerate(operations) if isinstance(p.neurons, each.neurons)
    )
    row["operation"] = number
    operation.lay_out(writer, row, p.neurons)


def rules_of(rules: Arithmetic, sums: bool = False) -> NDArray[np.void]:
    """Lay the rules of arithmetic out."""
    modes = ROUNDING_MODE[rules.rounding], OVERFLOW[rules.overflow]
    return np.array([(*modes, rules.state_bits, rules.message_bits, sums, 0)], RULES)


def of_thread(rules: NDArray[np.void], number: int) -> NDArray[np.void]:
    """Give the rules of a thread."""
    copy = rules.copy()
    copy["thread"] = number
    return copy


def assigned_buffers(
    populations: tuple[Population, ...], completed: Sequence[int]
) -> dict[int | None, int]:
    """Give each population, and the input (None), a buffer for what it sends, used anew when read.

    What filters' states add up to, their neurons work on in place. `completed` has, of each
    population, up to which one all are done when it begins.
    """
    last_read: dict[int | None, int] = {}
    for n, p in enumerate(populations):
        last_read |= dict.fromkeys((c.source for c in p.connections), n)
    taken: dict[int | None, int] = {None: 0}
    for n, p in enumerate(populations):
        source = p.inputs[0].source
        of_filters = source is not None and isinstance(populations[source].neurons, Filters)
        if p.inputs[0].synapse.sums and of_filters:
            taken[n] = taken[source]
            continue
        in_use = {b for s, b in taken.items() if last_read.get(s, n) > completed[n]}
        taken[n] = next(b for b in range(len(populations) + 1) if b not in in_use)
    return taken


def _real(populations: tuple[Population, ...], rules: Arithmetic) -> np.dtype:
    """Type of the floats in which the states of filters are kept."""
    operations = [p.neurons for p in populations]
    bits = max((op.param_bits for op in operations if isinstance(op, Filters)), default=2)
    return float_type(rules, bits)
