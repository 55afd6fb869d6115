"""A fixed network of S5 layers, gates and residual paths, laid out for its kernel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.narrow_windows import HAS_NARROW_WINDOWS, NARROW
from lava_ssm.engine.compiled.pairs import HAS_PAIRS, MOST_INPUTS, in_blocks
from lava_ssm.engine.compiled.program import rule_numbers
from lava_ssm.engine.compiled.wide_windows import HAS_WIDE_WINDOWS, WIDE
from lava_ssm.engine.compiled.windows import LINE, aligned, in_windows
from lava_ssm.network import FixedGate, FixedLinear, FixedNetwork, FixedS5, Readout, Stage
from lava_ssm.numerics import SIGMOID_TABLE, SYNAPSE_BITS, IntArray, RealArray, dequantize

# Columns of the table of stages.
KIND, D_INPUT, D_OUTPUT, D_STATE, RELU, RESIDUAL, RESIDUAL_SHIFT = range(7)
MATRIX, MATRIX_OUT = range(7, 9)  # numbers of the stage's matrices
BIAS, DIRECT, DIAGONAL, DRIVE_BIAS, STATES = range(9, 14)  # where their numbers begin
STATE_SHIFT, STATE_RELU, PRODUCT_SHIFT = range(14, 17)
N_STAGE_COLUMNS = 17
LINEAR, GATE, S5 = range(3)

# Columns of the table of matrices.
FORM, ROWS, COLUMNS, FIRST, POINTERS, OUTPUTS, COMMON_SHIFT, MOST_GAIN, MOST = range(9)
# OUTPUTS: where the numbers of its outputs begin. MOST: the largest message, by its format.
N_MATRIX_COLUMNS = 9
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


@dataclass(frozen=True)
class BlockProgram:
    """What the kernel takes of a network.

    Parameters
    ----------
    stages, matrices
        int64 tables, (n_stages, N_STAGE_COLUMNS), (n_matrices, N_MATRIX_COLUMNS).
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
        float64: biases and d, mantissas; the diagonals a, values.
    table
        The sigmoid's, int32.
    rules
        See `program.Program`.
    n_states, width
        Complex states of all stages; widest token or state vector, rounded up to windows.
    """

    stages: IntArray
    matrices: IntArray
    weights: NDArray[np.int8]
    places: NDArray[np.uint16]
    steps: NDArray[np.uint8]
    tables: NDArray[np.int32]
    pointers: IntArray
    shifts: NDArray[np.int32]
    offsets: NDArray[np.int32]
    numbers: RealArray
    table: NDArray[np.int32]
    rules: IntArray
    n_states: int
    width: int


def block_program(network: FixedNetwork) -> BlockProgram:
    """Lay a network out."""
    writer = _Writer(sum(map(_n_weights, network.stages)))
    stages: tuple[Stage[Any], ...] = network.stages
    e = network.exponents
    rows = []
    n_states = 0
    width, messages = network.d_input, network.arithmetic.message_bits
    for i, stage in enumerate(stages):
        layer = stage.layer
        row = np.zeros(N_STAGE_COLUMNS, np.int64)
        row[D_INPUT], row[D_OUTPUT], row[RELU] = layer.d_input, layer.d_output, stage.relu
        row[RESIDUAL] = -1 if stage.residual is None else stage.residual
        if stage.residual is not None:
            row[RESIDUAL_SHIFT] = min(e[stage.residual] - e[i + 1], 63)
        width = max(width, layer.d_output)
        bits = messages if i else network.input_format.bits
        match layer:
            case FixedLinear():
                row[KIND] = LINEAR
                row[MATRIX] = writer.matrix(layer.weights, layer.shift(e[i]), bits)
                bias = np.zeros(layer.d_output, np.int64) if layer.bias is None else layer.bias
                row[BIAS] = writer.put(bias)
            case FixedGate():
                row[KIND] = GATE
                row[MATRIX] = writer.matrix(layer.weights, layer.shift(e[i]), bits)
                row[BIAS] = writer.put(layer.bias)
                row[PRODUCT_SHIFT] = min(layer.product_shift(e[i]), 63)
            case FixedS5():
                row[KIND], row[D_STATE], row[STATES] = S5, layer.d_state, n_states
                n_states += layer.d_state
                width = max(width, 2 * layer.d_state)
                row[MATRIX] = writer.matrix(layer.weights_in, layer.drive_shift(e[i]), bits)
                row[MATRIX_OUT] = writer.matrix(layer.weights_out, layer.readout_shift, messages)
                row[BIAS], row[DIRECT] = writer.put(layer.bias), writer.put(layer.d)
                row[DIAGONAL] = writer.put(dequantize(layer.a.T, layer.param_exponent))
                row[DRIVE_BIAS] = writer.put(layer.drive_bias.T)
                row[STATE_SHIFT] = layer.state_shift
                row[STATE_RELU] = layer.relu
                if layer.d.any():  # else zeros, shifted by nothing
                    row[PRODUCT_SHIFT] = min(layer.direct_shift(e[i]), 63)
        rows.append(row)
    mean = network.readout is Readout.MEAN_OVER_TIME
    return BlockProgram(
        stages=np.array(rows),
        matrices=np.array(writer.matrices),
        weights=aligned(np.concatenate(writer.weights)),
        places=np.concatenate(writer.places),
        steps=aligned(np.concatenate(writer.steps)),
        tables=np.concatenate(writer.tables),
        pointers=np.concatenate(writer.pointers),
        shifts=np.concatenate(writer.shifts),
        offsets=np.concatenate(writer.offsets),
        numbers=np.concatenate(writer.numbers),
        table=SIGMOID_TABLE.astype(np.int32),
        rules=np.append(rule_numbers(network.arithmetic)[:4], int(mean)),
        n_states=n_states,
        width=-(-width // LINE) * LINE,
    )


def _n_weights(stage: Stage[Any]) -> int:
    """Weights of a stage, zeros among them."""
    if isinstance(stage.layer, FixedS5):
        return int(stage.layer.weights_in.size + stage.layer.weights_out.size)
    return int(stage.layer.weights.size)


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

    def __init__(self, n_weights: int) -> None:
        self.n_weights = n_weights
        self.matrices: list[IntArray] = []
        self.weights = [np.zeros(0, np.int8)]
        self.places = [np.zeros(0, np.uint16)]
        self.steps = [np.zeros(0, np.uint8)]
        self.tables = [np.zeros(0, np.int32)]
        self.pointers = [np.zeros(0, np.int64)]
        self.shifts = [np.zeros(0, np.int32)]
        self.offsets = [np.zeros(0, np.int32)]
        self.numbers = [np.zeros(0)]

    def put(self, values: NDArray[Any]) -> int:
        begin = sum(map(len, self.numbers))
        self.numbers.append(values.ravel().astype(float))
        return begin

    def matrix(self, weights: IntArray, amount: Any, bits: int) -> int:
        """Add a matrix (d_output, d_input) with the shift of its sums; gives its number.

        `bits` are those of what it is multiplied by.
        """
        d_output, d_input = weights.shape
        row = np.zeros(N_MATRIX_COLUMNS, np.int64)
        form = form_of(weights, self.n_weights)
        row[FORM], row[ROWS], row[COLUMNS] = form, d_output, d_input
        row[POINTERS], row[OUTPUTS] = sum(map(len, self.pointers)), sum(map(len, self.shifts))
        row[MOST_GAIN] = 2 * np.abs(weights).sum(axis=1).max()
        row[MOST] = (1 << (bits - 1)) - 1
        # beyond these a 32-bit sum is shifted to nothing
        shifts = np.clip(amount, -SYNAPSE_BITS, SYNAPSE_BITS - 1)
        row[COMMON_SHIFT] = np.min(shifts)
        self.shifts.append(_filled_up(np.broadcast_to(shifts, d_output)))
        self.offsets.append(_filled_up(-(weights.sum(axis=1) << 16)))
        columns = weights.T  # (d_input, d_output)
        row[FIRST] = sum(map(len, self.weights))
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
        self.matrices.append(row)
        return len(self.matrices) - 1
