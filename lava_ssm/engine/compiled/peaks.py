"""How large the states of filters get: what to choose exponents by.

`reference.floating.step` is the specification.
"""

# mypy: disable-error-code="no-untyped-def"

import os
from functools import cache
from typing import Any

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled_float, kernel, ready
from lava_ssm.engine.compiled.neurons.filters import padded, scaled
from lava_ssm.engine.compiled.threads import Threads
from lava_ssm.engine.compiled.tokens import REAL, array_type
from lava_ssm.engine.compiled.vectors import filter_states
from lava_ssm.engine.compiled.writer import aligned
from lava_ssm.network import Filters
from lava_ssm.numerics import RealArray

_BLOCK = 64
"""Tokens that a channel takes in turn: their messages stay in the cache."""


@compiled_float
def _largest(re, im, peaks):
    """Raise peaks to the magnitudes of states; what is no number stays in them."""
    for i in range(peaks.size):
        size = max(abs(re[i]), abs(im[i]))
        peaks[i] = peaks[i] if size <= peaks[i] else size


@cache
def _kernel() -> Any:
    def filtered(parameters, re, im, peaks, u, y):
        """Run inputs u (batch, time, d_model) through filters from the zero state.

        Parameters
        ----------
        parameters
            float64, (d_model * 6 * padded,), as `scaled` gives them.
        re, im
            float64, (d_model, padded): the states of one sequence.
        peaks
            float64, (d_model, padded): largest magnitude of a state's parts; raised.
        y
            float64, (batch, time, d_model): what the states of each channel add up to; written.
        """
        size, n = peaks.shape[1], u.shape[1]
        for k in range(u.shape[0]):
            re[...] = 0
            im[...] = 0
            for first in range(0, n, _BLOCK):
                for h in range(peaks.shape[0]):
                    for t in range(first, min(first + _BLOCK, n)):
                        at = 6 * size * h, 0
                        y[k, t, h] = filter_states(parameters, re[h], im[h], at, size, u[k, t, h])
                        _largest(re[h], im[h], peaks[h])

    return kernel(filtered)


def filtered(neurons: Filters, u: RealArray) -> tuple[RealArray, RealArray]:
    """Run inputs through filters of a float network, from the zero state.

    Parameters
    ----------
    u
        (*batch, time, d_model).

    Returns
    -------
    tuple
        What the states of each channel add up to, as u; and the largest magnitude of the real or
        imaginary part of each state, (d_model, d_state).
    """
    d, size, n = neurons.d_model, padded(neurons.d_state), u.shape[-2]
    rows = np.ascontiguousarray(u, float).reshape(-1, n, d)
    y = np.empty(rows.shape)
    threads = Threads(len(rows), os.cpu_count() or 1)
    parameters = aligned(scaled(neurons, np.dtype(float)).ravel())
    memory = [aligned(np.zeros((3, d, size))) for _ in threads.ranges]
    run, table, cube = _kernel(), array_type(REAL, 2), array_type(REAL, 3)
    ready(run, (array_type(REAL, 1), table, table, table, cube, cube))
    threads.run(lambda i, part: run(parameters, *memory[i], rows[part], y[part]))
    peaks = np.max([peaks for _, _, peaks in memory], axis=0)
    return y.reshape(u.shape), peaks[:, : neurons.d_state]
