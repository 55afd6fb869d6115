"""Matrices of float networks."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled_float


@compiled_float
def add_real(matrix, data, u, y):
    """W u, four inputs at a time to spare loads of the sums; weights are (d_input, d_output)."""
    weights = data.weights
    row, n = np.uint64(matrix.first), np.uint64(matrix.rows)
    for i in range(n):
        y[i] = 0
    j, d_input = 0, matrix.columns
    while j + 4 <= d_input:
        u0, u1, u2, u3 = u[j], u[j + 1], u[j + 2], u[j + 3]
        for i in range(n):
            at = row + i
            y[i] += (
                weights[at] * u0
                + weights[at + n] * u1
                + weights[at + n + n] * u2
                + weights[at + n + n + n] * u3
            )
        row += np.uint64(4) * n
        j += 4
    while j < d_input:
        for i in range(n):
            y[i] += weights[row + i] * u[j]
        row += n
        j += 1
