"""A fixed network laid out for the kernel: flat arrays, and tables of populations and matrices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled import neurons
from lava_ssm.engine.compiled.cpu import HAS_ROUNDING_MODE, ROUNDING_MODE
from lava_ssm.engine.compiled.narrow_windows import HAS_NARROW_WINDOWS, NARROW
from lava_ssm.engine.compiled.pairs import HAS_PAIRS, MOST_INPUTS, in_blocks
from lava_ssm.engine.compiled.wide_windows import HAS_WIDE_WINDOWS, WIDE
from lava_ssm.engine.compiled.windows import LINE, aligned, in_windows
from lava_ssm.engine.compiled.words import OVERFLOW
from lava_ssm.network import (
    Activation,
    Affine,
    Connection,
    Filters,
    FixedNetwork,
    Matrix,
    Population,
    Product,
    Readout,
    Recurrence,
)
from lava_ssm.numerics import (
    SIGMOID_TABLE,
    SYNAPSE_BITS,
    Arithmetic,
    IntArray,
    RealArray,
    Rounding,
    dequantize,
    word_range,
)

FILTERS, RECURRENCE, AFFINE, PRODUCT = range(4)

POPULATION = np.dtype(
    [
        (name, np.int64)
        for name in (
            "operation",
            "stage",
            "size",  # neurons; of filters channels, of a recurrence states
            "source",  # number of the buffer of its input's messages
            "matrix",  # number of the matrix that these go through, or -1
            "second",  # the same of the second input, or -1
            "second_matrix",
            "residual",
            "out",  # buffer of its messages; of filters the sums over states
            "plain",  # whether messages are sums, rectified or not
            "wide",  # whether a product is shifted to the left
            "relu",
            "shift",  # of products; of states on their way out
            "residual_shift",
            "bias",  # where numbers begin
            "direct",
            "diagonal",
            "states",
            "d_state",
            "padded",
            "parameters",
            "channels",
        )
    ],
    align=True,
)
MATRIX = np.dtype(
    [
        (name, np.int64)
        for name in (
            "form",
            "rows",
            "columns",
            "first",  # where its weights begin
            "pointers",
            "outputs",  # where the numbers of its outputs begin
            "common_shift",
            "most_gain",
            "most",  # the largest message, by its format
        )
    ],
    align=True,
)
DENSE, PAIRS, PLACES, WIDE_WINDOWS, NARROW_WINDOWS = range(5)
SHAPES = {WIDE_WINDOWS: WIDE, NARROW_WINDOWS: NARROW}

CACHE = 1 << 20
"""Bytes of weights that stay near the processor from token to token: a second-level cache."""
IN_WIDE_WINDOWS = 0.4
"""Share of weights that are not zero up to which a matrix is laid out in windows, which do not skip
activations of zero: about where they are as fast as columns if 30 % of the activations are on
(measured on Zen 4; with 65 % they are at any density)."""
IN_NARROW_WINDOWS = 0.2
"""The same of narrow windows: about where they are as fast as pairs of columns if 30 % of the
activations are on (measured on Zen 3; with 65 % they are at 0.35)."""
SPARSE_IN_CACHE, SPARSE_BEYOND = 0.05, 0.12
"""The same of places, on CPUs that have no windows. To add one up by its place takes about twenty
times as long as in a vector, or eight times where the vectors come from further away than that
cache (measured on Zen 4)."""


LANES = 16
"""States of filters are padded to a multiple of this: the floats of a 512-bit vector."""


@dataclass(frozen=True)
class Layout:
    """What the kernel takes of a network.

    Parameters
    ----------
    populations, matrices
        Tables of POPULATION and MATRIX.
    weights
        int8: of each dense matrix its mantissas, (d_input, d_output); of each by places those
        that are not zero, input by input.
    places
        uint16: of each weight of a matrix by places its output.
    steps, tables
        Of matrices in windows, see `windows.in_windows`.
    pointers
        int64: of each matrix by places where the weights of each input begin, and the end; of each
        in windows the steps of each slice.
    shifts, offsets
        int32, of each matrix: the shift to the right of each output, and -2^16 times the sum of its
        weights; each filled up with zeros to a multiple of LINE.
    numbers
        float64: biases and direct paths, mantissas; the diagonals of recurrences, values.
    parameters
        float32 or float64: of filters (d_model, 6, padded), times 2**-param_exponent.
    channels
        float64, (..., neurons.N_COLUMNS): of filters each channel.
    table
        The sigmoid's, int32.
    rules
        int64: rounding mode, overflow, state_bits, message_bits, whether the readout is a sum.
    n_states
        Of filters, padded, and of recurrences.
    n_buffers, width
        Of messages between populations; the widest of them, rounded up to windows.
    """

    populations: NDArray[Any]
    matrices: NDArray[Any]
    weights: NDArray[np.int8]
    places: NDArray[np.uint16]
    steps: NDArray[np.uint8]
    tables: NDArray[np.int32]
    pointers: IntArray
    shifts: NDArray[np.int32]
    offsets: NDArray[np.int32]
    numbers: RealArray
    parameters: NDArray[Any]
    channels: RealArray
    table: NDArray[np.int32]
    rules: IntArray
    n_states: tuple[int, int]
    n_buffers: int
    width: int


def layout(network: FixedNetwork) -> Layout:
    """Lay a network out."""
    populations, rules = network.lowered, network.arithmetic
    synapses = [c.synapse for p in populations for c in p.inputs]
    writer = _Writer(sum(s.weights.size for s in synapses if isinstance(s, Matrix)), network)
    buffers = assigned_buffers(populations)
    table = np.zeros(len(populations), POPULATION)
    for n, (row, p) in enumerate(zip(table, populations, strict=True)):
        row["stage"], row["out"] = p.stage, buffers[n]
        row["relu"] = p.activation is Activation.RELU
        first, *others = p.inputs
        row["source"], row["matrix"] = buffers[first.source], writer.synapse(first)
        row["second"] = row["second_matrix"] = row["residual"] = -1
        for second in others:
            row["second"], row["second_matrix"] = buffers[second.source], writer.synapse(second)
        if p.residual is not None:
            row["residual"] = buffers[p.residual.source]
            row["residual_shift"] = min(p.residual_shift, 63)
        writer.neurons(row, p)
    return Layout(
        populations=table,
        matrices=np.array(writer.matrices, MATRIX),
        weights=aligned(np.concatenate(writer.weights)),
        places=np.concatenate(writer.places),
        steps=aligned(np.concatenate(writer.steps)),
        tables=np.concatenate(writer.tables),
        pointers=np.concatenate(writer.pointers),
        shifts=np.concatenate(writer.shifts),
        offsets=np.concatenate(writer.offsets),
        numbers=np.concatenate(writer.numbers),
        parameters=np.concatenate(writer.parameters),
        channels=np.concatenate(writer.channels),
        table=SIGMOID_TABLE.astype(np.int32),
        rules=np.append(rule_numbers(rules), network.readout is Readout.MEAN_OVER_TIME),
        n_states=writer.n_states,
        n_buffers=max(buffers.values()) + 1,
        width=-(-max(network.d_input, *map(width_of, populations)) // LINE) * LINE,
    )


def assigned_buffers(populations: tuple[Population, ...]) -> dict[int | None, int]:
    """Give each population, and the input (None), a buffer for what it sends, used anew when read.

    What filters' states add up to, their neurons work on in place.
    """
    last_read: dict[int | None, int] = {}
    for n, p in enumerate(populations):
        last_read |= dict.fromkeys((c.source for c in p.connections), n)
    taken: dict[int | None, int] = {None: 0}
    for n, p in enumerate(populations):
        if p.inputs[0].synapse.sums:
            taken[n] = taken[p.inputs[0].source]
            continue
        in_use = {b for s, b in taken.items() if last_read.get(s, n) >= n}
        taken[n] = next(b for b in range(len(populations) + 1) if b not in in_use)
    return taken


def width_of(p: Population) -> int:
    """Numbers that a population puts into its buffer."""
    return p.neurons.d_model if isinstance(p.neurons, Filters) else p.neurons.n_neurons


def form_of(weights: IntArray, n_weights: int) -> int:
    """How this CPU takes a matrix fastest, of a network of so many weights."""
    density = np.count_nonzero(weights) / weights.size
    if HAS_WIDE_WINDOWS:
        return WIDE_WINDOWS if density <= IN_WIDE_WINDOWS else DENSE
    if HAS_NARROW_WINDOWS and density <= IN_NARROW_WINDOWS:
        return NARROW_WINDOWS
    if HAS_PAIRS and weights.shape[1] <= MOST_INPUTS:
        return PAIRS
    sparse = SPARSE_IN_CACHE if n_weights <= CACHE else SPARSE_BEYOND
    return PLACES if density <= sparse and len(weights) <= 1 << 16 else DENSE


def _filled_up(values: IntArray) -> NDArray[np.int32]:
    """To whole lines, with zeros."""
    return np.pad(values, (0, -len(values) % LINE)).astype(np.int32)


class _Writer:
    """Puts arrays one behind another, and says where each begins."""

    def __init__(self, n_weights: int, network: FixedNetwork) -> None:
        self.n_weights, self.rules = n_weights, network.arithmetic
        self.input_bits = network.input_format.bits
        self.matrices: list[tuple[int, ...]] = []
        self.weights = [np.zeros(0, np.int8)]
        self.places = [np.zeros(0, np.uint16)]
        self.steps = [np.zeros(0, np.uint8)]
        self.tables = [np.zeros(0, np.int32)]
        self.pointers = [np.zeros(0, np.int64)]
        self.shifts = [np.zeros(0, np.int32)]
        self.offsets = [np.zeros(0, np.int32)]
        self.numbers = [np.zeros(0)]
        self.real = real_type(network)
        self.parameters: list[NDArray[Any]] = [np.zeros(0, self.real)]
        self.channels = [np.zeros((0, neurons.N_COLUMNS))]
        self.n_states = 0, 0

    def put(self, values: NDArray[Any]) -> int:
        begin = sum(map(len, self.numbers))
        self.numbers.append(values.ravel().astype(float))
        return begin

    def neurons(self, row: Any, p: Population) -> None:
        """Write what a population's neurons compute."""
        match p.neurons:
            case Filters() as filters:
                row["operation"], row["size"] = FILTERS, filters.d_model
                row["d_state"], row["padded"] = filters.d_state, padded(filters.d_state)
                row["parameters"] = sum(map(len, self.parameters))
                row["channels"] = sum(map(len, self.channels))
                self.parameters.append(scaled(filters, self.real).ravel())
                self.channels.append(channel_numbers(filters, self.rules, self.real))
                row["states"], others = self.n_states
                self.n_states = int(row["states"] + row["size"] * row["padded"]), others
            case Recurrence() as states:
                row["operation"], row["size"] = RECURRENCE, len(states.a)
                row["diagonal"] = self.put(dequantize(states.a.T, states.param_exponent))
                row["bias"] = self.put(states.bias.T)
                row["shift"], row["relu"] = states.state_shift, states.relu
                others, row["states"] = self.n_states
                self.n_states = others, int(row["states"] + row["size"])
            case Affine(size, direct, shift, bias):
                row["operation"], row["size"], row["direct"] = AFFINE, size, -1
                if direct is not None and direct.any():  # else zeros, shifted by nothing
                    row["direct"], row["shift"] = self.put(direct), min(shift, 63)
                bias = np.zeros(size) if bias is None else bias
                row["plain"] = not bias.any() and row["direct"] < 0 and p.residual is None
                row["bias"] = self.put(bias)
            case Product(bias, bias_u, shift):
                row["operation"], row["size"] = PRODUCT, len(bias)
                row["shift"], row["bias"] = min(shift, 63), self.put(bias)
                row["direct"] = self.put(np.zeros(len(bias)) if bias_u is None else bias_u)
        row["wide"] = row["shift"] < 0 or not HAS_ROUNDING_MODE

    def synapse(self, c: Connection) -> int:
        """Add a connection's matrix; gives its number, or -1 if it has none."""
        if not isinstance(c.synapse, Matrix):
            return -1
        bits = self.input_bits if c.source is None else self.rules.message_bits
        return self.matrix(c.synapse.weights, c.synapse.shift, bits)

    def matrix(self, weights: IntArray, amount: Any, bits: int) -> int:
        """Add a matrix (d_output, d_input) with the shift of its sums; gives its number.

        `bits` are those of what it is multiplied by.
        """
        d_output, d_input = weights.shape
        form = form_of(weights, self.n_weights)
        # beyond these a 32-bit sum is shifted to nothing
        shifts = np.clip(amount, -SYNAPSE_BITS, SYNAPSE_BITS - 1)
        row = np.zeros((), MATRIX)
        row["form"], row["rows"], row["columns"] = form, d_output, d_input
        row["first"], row["pointers"] = (sum(map(len, x)) for x in (self.weights, self.pointers))
        row["outputs"], row["common_shift"] = sum(map(len, self.shifts)), np.min(shifts)
        row["most_gain"] = 2 * np.abs(weights).sum(axis=1).max()
        row["most"] = (1 << (bits - 1)) - 1
        self.shifts.append(_filled_up(np.broadcast_to(shifts, d_output)))
        self.offsets.append(_filled_up(-(weights.sum(axis=1) << 16)))
        columns = weights.T  # (d_input, d_output)
        if form in SHAPES:
            steps, tables, pointers = in_windows(weights, SHAPES[form])
            self.pointers.append(pointers + sum(map(len, self.tables)))
            self.steps.append(steps.ravel())
            self.tables.append(tables)
        elif form == PLACES:
            inputs, outputs = np.nonzero(columns)
            counts = np.bincount(inputs, minlength=d_input)
            self.weights.append(columns[inputs, outputs].astype(np.int8))
            # places lie beside weights: those of dense matrices are left empty
            self.places.append(outputs.astype(np.uint16))
            self.pointers.append(np.concatenate([[0], np.cumsum(counts)]))
        else:
            laid_out = in_blocks(weights) if form == PAIRS else columns.astype(np.int8).ravel()
            self.weights.append(laid_out)
            self.places.append(np.zeros(laid_out.size, np.uint16))
        self.matrices.append(row.item())
        return len(self.matrices) - 1


def padded(d_state: int) -> int:
    """Round a number of states up to full vectors."""
    return -(-d_state // LANES) * LANES


def real_type(network: FixedNetwork) -> type:
    """Type of the floats in which states are kept."""
    operations = [p.neurons for p in network.lowered]
    bits = max((op.param_bits for op in operations if isinstance(op, Filters)), default=2)
    return float_type(network.arithmetic, bits)


def float_type(rules: Arithmetic, param_bits: int) -> type:
    """float32 where a state fits it and rounding twice is rounding once; float64 otherwise."""
    single = rules.state_bits <= 24 and param_bits <= 24 and rules.rounding is not Rounding.NEAREST
    return np.float32 if single else np.float64


def scaled(layer: Filters, real: type) -> NDArray[Any]:
    """Give a, b, c times 2**-param_exponent, (d_model, 6, padded): exact in `real`."""
    p = np.broadcast_to(layer.param_exponent, layer.d_model)
    values = np.concatenate([layer.a, layer.b, layer.c], axis=-1)  # (d_model, d_state, 6)
    rows: NDArray[Any] = np.zeros((layer.d_model, 6, padded(layer.d_state)), real)
    rows[..., : layer.d_state] = np.moveaxis(values, -1, 1) * np.exp2(-p)[:, np.newaxis, np.newaxis]
    return rows


def channel_numbers(layer: Filters, rules: Arithmetic, real: type) -> NDArray[np.float64]:
    """Give each channel's exponents, and the limits within which floats are exact.

    Within `U_LIMIT` of its input and `X_LIMIT` of its new state no word overflows, no integer
    leaves the float's significant bits, and no sum over states its 32 bits.
    """
    numbers = np.zeros((layer.d_model, neurons.N_COLUMNS))
    p = np.broadcast_to(layer.param_exponent, layer.d_model)
    s = np.broadcast_to(layer.state_exponent, layer.d_model)
    b = np.abs(layer.b).max(axis=(1, 2)) * np.exp2(-p)
    c = np.abs(layer.c).sum(axis=2).max(axis=1) * np.exp2(-p)
    exact = 2.0 ** (np.finfo(real).nmant + 1)
    most = float(word_range(rules.state_bits)[1])
    # |out| <= 2 (|c_re x_re| + |c_im x_im|) 2^-s and a unit of rounding, d_state of them
    largest_out = 2.0 ** (SYNAPSE_BITS - 1) / layer.d_state - 4
    largest_c_x = np.minimum(exact, largest_out * np.exp2(s - 1)) - 4
    numbers[:, neurons.PARAM_EXPONENT] = p
    numbers[:, neurons.STATE_EXPONENT] = s
    numbers[:, neurons.UP], numbers[:, neurons.DOWN] = np.exp2(s), np.exp2(1 - s)
    with np.errstate(divide="ignore"):
        numbers[:, neurons.U_LIMIT] = np.floor(np.minimum(most, exact / b) * np.exp2(-s))
        numbers[:, neurons.X_LIMIT] = np.floor(np.minimum(most, largest_c_x / c))
    if not HAS_ROUNDING_MODE or layer.param_bits + rules.state_bits > np.finfo(np.float64).nmant:
        numbers[:, neurons.U_LIMIT] = -1  # never in floats
    numbers[:, neurons.B_NORM] = b * np.exp2(s)  # of u, not of v
    return numbers


def rule_numbers(rules: Arithmetic) -> NDArray[np.int64]:
    """Lay the rules of arithmetic out."""
    modes = [ROUNDING_MODE[rules.rounding], OVERFLOW[rules.overflow]]
    return np.array([*modes, rules.state_bits, rules.message_bits], np.int64)
