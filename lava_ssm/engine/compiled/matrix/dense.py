"""Matrices by the columns of the inputs that are not zero."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.matrix.form import Form, Row
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.numerics import IntArray


def lay_out(writer: Writer, row: Row, weights: IntArray) -> None:
    """(d_input, d_output), flat."""
    row["first"] = writer.put("weights", weights.T)


@compiled
def twice(u):
    """2 u, still in 32 bits: Numba would widen it."""
    return np.int32(2 * u)


@compiled
def active(u, d_input, numbers):
    """Write the numbers of the inputs that are not zero; gives how many.

    Without a branch: which ones are zero changes from token to token, and no processor guesses it.
    """
    n = np.uint64(0)
    for j in range(np.uint64(d_input)):
        numbers[n] = j
        n += np.uint64(u[j] != 0)
    return n


@compiled
def add_dense(matrix, data, u, y, most):
    """Add up, four inputs that are not zero at a time to spare loads of the sums."""
    weights, numbers = data.weights, data.wide
    n, base = np.uint64(matrix.rows), np.uint64(matrix.first)  # unsigned: no indices from the end
    for i in range(n):
        y[i] = 0
    n_active = active(u, matrix.columns, numbers)
    whole = n_active & ~np.uint64(3)
    for k in range(np.uint64(0), whole, np.uint64(4)):
        j0, j1 = np.uint64(numbers[k]), np.uint64(numbers[k + np.uint64(1)])
        j2, j3 = np.uint64(numbers[k + np.uint64(2)]), np.uint64(numbers[k + np.uint64(3)])
        u0, u1, u2, u3 = twice(u[j0]), twice(u[j1]), twice(u[j2]), twice(u[j3])
        r0, r1, r2, r3 = base + j0 * n, base + j1 * n, base + j2 * n, base + j3 * n
        for i in range(n):
            y[i] += np.int32(
                weights[r0 + i] * u0
                + weights[r1 + i] * u1
                + weights[r2 + i] * u2
                + weights[r3 + i] * u3
            )
    for k in range(whole, n_active):
        j = np.uint64(numbers[k])
        v, row = twice(u[j]), base + j * n
        for i in range(n):
            y[i] += np.int32(weights[row + i] * v)


@compiled
def add_dense_wide(matrix, data, u, totals):
    """The same in 64 bits."""
    weights, first, d_output = data.weights, matrix.first, matrix.rows
    for j in range(matrix.columns):
        row, v = weights[first + j * d_output : first + (j + 1) * d_output], 2 * np.int64(u[j])
        for i in range(d_output):
            totals[i] += row[i] * v


DENSE = Form("dense", lay_out, add_dense, add_dense_wide)
