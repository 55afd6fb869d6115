"""Matrices of float networks."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled_float
from lava_ssm.engine.compiled.matrix.dense import active


@compiled_float
def add_real(matrix, data, u, y):
    """W u, four inputs that are not zero at a time, as `dense.add_dense`."""
    weights, numbers = data.weights, data.wide
    first, n = np.uint64(matrix.first), np.uint64(matrix.rows)
    for i in range(n):
        y[i] = 0
    n_active = active(u, matrix.columns, numbers)
    whole = n_active & ~np.uint64(3)
    for k in range(np.uint64(0), whole, np.uint64(4)):
        j0, j1 = np.uint64(numbers[k]), np.uint64(numbers[k + np.uint64(1)])
        j2, j3 = np.uint64(numbers[k + np.uint64(2)]), np.uint64(numbers[k + np.uint64(3)])
        u0, u1, u2, u3 = u[j0], u[j1], u[j2], u[j3]
        r0, r1, r2, r3 = first + j0 * n, first + j1 * n, first + j2 * n, first + j3 * n
        for i in range(n):
            y[i] += (
                weights[r0 + i] * u0
                + weights[r1 + i] * u1
                + weights[r2 + i] * u2
                + weights[r3 + i] * u3
            )
    for k in range(whole, n_active):
        j = np.uint64(numbers[k])
        v, row = u[j], first + j * n
        for i in range(n):
            y[i] += weights[row + i] * v
