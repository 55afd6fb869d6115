"""How large the states of filters get: what to choose exponents by.

`reference.floating.step` is the specification.
"""

# mypy: disable-error-code="no-untyped-def"

import os
from functools import cache
from typing import Any

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled_float, kernel, ready
from lava_ssm.engine.compiled.neurons.filters import in_vectors, reals_of, unit
from lava_ssm.engine.compiled.threads import Threads
from lava_ssm.engine.compiled.tokens import REAL, array_type
from lava_ssm.engine.compiled.vectors import filter_states, lanes_of
from lava_ssm.engine.compiled.writer import aligned
from lava_ssm.network import Filters
from lava_ssm.numerics import RealArray

_BLOCK = 64
"""Tokens that a channel takes in turn: their messages stay in the cache."""


@compiled_float
def _largest(states, units, peaks, lanes):
    """Raise peaks to the magnitudes of states, multiples of units; no number stays none."""
    for first in range(0, peaks.size, 2 * lanes):
        for i in range(first, first + lanes):
            re = abs(units[i] * states[i] - units[i + lanes] * states[i + lanes])
            im = abs(units[i] * states[i + lanes] + units[i + lanes] * states[i])
            peaks[i] = peaks[i] if re <= peaks[i] else re
            peaks[i + lanes] = peaks[i + lanes] if im <= peaks[i + lanes] else im


@cache
def _kernel() -> Any:
    def filtered(parameters, units, states, peaks, u, y):
        """Run inputs u (batch, time, channels) through filters from the zero state.

        Parameters
        ----------
        parameters
            float64, flat, as `reals_of` gives them.
        units
            float64, (groups, parts of states): of which the states are multiples.
        states
            float64, (groups, parts of states): those of one sequence.
        peaks
            float64, the same: their largest magnitudes; raised.
        y
            float64, as u: what the states of each channel add up to; written.
        """
        n, lanes = u.shape[1], u.shape[2] // peaks.shape[0]
        size = peaks.shape[1] // (2 * lanes)
        for k in range(u.shape[0]):
            states[...] = 0
            for first in range(0, n, _BLOCK):
                for g in range(peaks.shape[0]):
                    at, h = (4 * size * lanes * g, 0), lanes * g
                    for t in range(first, min(first + _BLOCK, n)):
                        given, sent = (u[k, t], h), (y[k, t], h)
                        filter_states(parameters, states[g], at, size, given, sent)
                        _largest(states[g], units[g], peaks[g], lanes)

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
    d, n, lanes = neurons.d_model, u.shape[-2], lanes_of(REAL)
    rows = np.pad(np.asarray(u, float).reshape(-1, n, d), [(0, 0), (0, 0), (0, -d % lanes)])
    y, n_groups = np.empty(rows.shape), rows.shape[-1] // lanes
    threads = Threads(len(rows), os.cpu_count() or 1)
    parameters, units = aligned(reals_of(neurons, REAL).ravel()), unit(neurons, REAL)
    parts = in_vectors(np.stack([units.real, units.imag], axis=-1), REAL).reshape(n_groups, -1)
    memory = [aligned(np.zeros((2, n_groups, 2 * lanes * neurons.d_state))) for _ in threads.ranges]
    run, table, cube = _kernel(), array_type(REAL, 2), array_type(REAL, 3)
    ready(run, (array_type(REAL, 1), *[table] * 3, cube, cube))
    threads.run(lambda i, part: run(parameters, parts, *memory[i], rows[part], y[part]))
    peaks = np.max([peaks for _, peaks in memory], axis=0)
    by_channel = np.moveaxis(peaks.reshape(n_groups, -1, 2, lanes).max(axis=2), 1, -1)
    return y[..., :d].reshape(u.shape), by_channel.reshape(-1, neurons.d_state)[:d]
