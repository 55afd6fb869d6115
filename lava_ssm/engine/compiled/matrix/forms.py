"""All forms of matrices, and which one a matrix takes."""

import numpy as np

from lava_ssm.engine.compiled.matrix.dense import DENSE
from lava_ssm.engine.compiled.matrix.dots import DOTS, HAS_DOTS
from lava_ssm.engine.compiled.matrix.form import GRAIN, MATRIX, Form, Row
from lava_ssm.engine.compiled.matrix.narrow_windows import HAS_NARROW_WINDOWS, NARROW_WINDOWS
from lava_ssm.engine.compiled.matrix.pairs import HAS_PAIRS, MOST_INPUTS, PAIRS
from lava_ssm.engine.compiled.matrix.places import MOST_OUTPUTS, PLACES
from lava_ssm.engine.compiled.matrix.wide_windows import (
    HAS_WIDE_WINDOWS,
    WIDE_WINDOWS_2,
    WIDE_WINDOWS_4,
)
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Matrix
from lava_ssm.numerics import SYNAPSE_BITS, IntArray

FORMS = (
    DENSE,
    *[PAIRS] * HAS_PAIRS,
    *[NARROW_WINDOWS] * HAS_NARROW_WINDOWS,
    *[WIDE_WINDOWS_2, WIDE_WINDOWS_4] * HAS_WIDE_WINDOWS,
    *[DOTS] * HAS_DOTS,
    PLACES,
)
"""Those that this CPU has."""

IN_WIDE_WINDOWS = 0.4
"""Share of weights that are not zero up to which a matrix is laid out in windows, which do not skip
activations of zero: about where they are as fast as pairs of columns if 30 % of the activations are
on (measured on Zen 5; with 65 % they are at any density)."""
IN_NARROW_WINDOWS = 0.2
"""The same of narrow windows (with 65 % of the activations on they are at 0.35)."""
IN_PLACES = 0.1
"""The same of places, on CPUs that have no windows: about where they are as fast as columns if the
network stays in the second cache (measured with the features of SSE4 alone)."""


def form_of(weights: IntArray) -> Form:
    """How this CPU takes a matrix fastest."""
    density, (d_output, d_input) = np.count_nonzero(weights) / weights.size, weights.shape
    if HAS_WIDE_WINDOWS and density <= IN_WIDE_WINDOWS:
        # little of the last slice of four vectors is empty, and it ends where one of two would
        is_filled = -d_output % 64 < min(GRAIN, d_output // 8 + 1)
        return WIDE_WINDOWS_4 if is_filled else WIDE_WINDOWS_2
    if HAS_NARROW_WINDOWS and density <= IN_NARROW_WINDOWS:
        return NARROW_WINDOWS
    if HAS_DOTS and d_input <= MOST_INPUTS:  # sums of bytes fit 32 bits
        return DOTS
    if HAS_PAIRS and d_input <= MOST_INPUTS:
        return PAIRS
    return PLACES if density <= IN_PLACES and d_output <= MOST_OUTPUTS else DENSE


def lay_out(writer: Writer, synapse: Matrix, bits: int) -> Row:
    """Put a matrix, which is multiplied by messages of so many bits, into the writer's arrays."""
    weights = synapse.weights
    row = np.zeros((), MATRIX)
    row["rows"], row["columns"] = weights.shape
    if writer.rules is None:
        row["first"] = writer.put("weights", weights.T)
        return row
    form = form_of(weights)
    form.lay_out(writer, row, weights)
    # beyond these a 32-bit sum is shifted to nothing
    shifts = np.clip(synapse.shift, -SYNAPSE_BITS, SYNAPSE_BITS - 1)
    row["form"], row["common_shift"] = FORMS.index(form), np.min(shifts)
    row["outputs"] = writer.put_lines("shifts", np.broadcast_to(shifts, len(weights)))
    writer.put_lines("offsets", -(weights.sum(axis=1) << 16))
    row["most_gain"] = 2 * np.abs(weights).sum(axis=1).max()
    row["most"] = (1 << (bits - 1)) - 1
    return row
