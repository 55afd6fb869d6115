"""Sparse matrices as the weights that are not zero with their places, input by input.

For CPUs that have no windows.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.matrix.dense import active, twice
from lava_ssm.engine.compiled.matrix.form import Form, Row
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.numerics import IntArray

MOST_OUTPUTS = 1 << 16
"""Their numbers have 16 bits."""


def lay_out(writer: Writer, row: Row, weights: IntArray) -> None:
    """Places lie beside weights: those of other matrices are left empty."""
    inputs, outputs = np.nonzero(weights.T)
    row["first"] = writer.put("weights", weights[outputs, inputs])
    ends = row["first"] + np.cumsum(np.bincount(inputs, minlength=weights.shape[1]))
    row["pointers"] = writer.put("pointers", np.append(row["first"], ends))
    row["places"] = writer.put("places", outputs)


@compiled
def add_places(matrix, data, u, y, most):
    """Add up the weights that are not zero of the inputs that are not."""
    weights, places, pointers, numbers = data.weights, data.places, data.pointers, data.wide
    for i in range(matrix.rows):
        y[i] = 0
    start, apart = np.uint64(matrix.pointers), np.uint64(matrix.places - matrix.first)
    for k in range(active(u, matrix.columns, numbers)):
        j = np.uint64(numbers[k])
        v = twice(u[j])
        begin, end = pointers[start + j], pointers[start + j + np.uint64(1)]
        for at in range(np.uint64(begin), np.uint64(end)):
            y[np.uint64(places[at + apart])] += np.int32(weights[at] * v)


@compiled
def add_places_wide(matrix, data, u, totals):
    """The same in 64 bits."""
    weights, places, pointers, first = data.weights, data.places, data.pointers, matrix.pointers
    apart = matrix.places - matrix.first
    for j in range(matrix.columns):
        for at in range(pointers[first + j], pointers[first + j + 1]):
            totals[places[at + apart]] += 2 * np.int64(weights[at]) * np.int64(u[j])


PLACES = Form("places", lay_out, add_places, add_places_wide)
