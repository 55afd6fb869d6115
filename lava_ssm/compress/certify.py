"""Exponents at which no input within its format can make an integer overflow."""

from collections.abc import Callable

import numpy as np

from lava_ssm.compress.bounds import Bounds, Overflowing, Responses, bounds
from lava_ssm.compress.interval import Interval
from lava_ssm.compress.ranges import Observed, Ranges
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import RealArray

_ROUNDS = 200
_STEP = 2**0.25
"""By which a stage's bounds are taken to be larger where rounding makes an integer overflow."""


class Certificate:
    """What is proven of networks with the values of one, for inputs that end where data do.

    Parameters
    ----------
    values
        The float network of the quantised parameters.
    x
        Calibration data, (..., time, d_input). Inputs end at the next power of two, running sums
        with their number of tokens.

    Attributes
    ----------
    reach
        Where inputs end: they lie in [-reach, reach).
    """

    def __init__(self, values: Network, x: RealArray) -> None:
        self._values, self._tokens = values, x.shape[-2]
        self._responses: Responses = {}
        peak = float(np.abs(x).max())
        # with 8 bits or more, what is nearly the power rounds to a mantissa below it
        self.reach = 2.0 ** int(np.frexp(peak * 1.01)[1])
        ends = np.full(values.d_input, self.reach)
        self._bounds = bounds(values, Interval(-ends, ends), self._tokens, self._responses)

    def overflowing(self, fixed: FixedNetwork) -> Overflowing | None:
        """Say where some input may make an integer overflow; None: it is proven that none can."""
        form, d = fixed.input_format, fixed.d_input
        ends = (np.full(d, float(end)) for end in (form.min_mantissa, form.max_mantissa))
        return bounds(fixed, Interval(*ends), self._tokens, self._responses).overflowing

    def ranges(self, build: Callable[[Observed], FixedNetwork]) -> Observed | Overflowing:
        """Find ranges with which a network can be proven, or say what may overflow with all.

        Parameters
        ----------
        build
            Makes the network with the largest exponents that leave headroom for ranges.
        """
        margins = np.ones(len(self._values.stages))
        first: dict[int, Overflowing] = {}
        for _ in range(_ROUNDS):
            ranges = _ranges(self._bounds, margins)
            where = self.overflowing(build(ranges))
            if where is None:
                return ranges
            first.setdefault(where.stage, where)  # later ones are made by the margins
            margins[where.stage] *= _STEP
        return first[int(np.argmax(margins))]


def _ranges(of: Bounds, margins: RealArray) -> Observed:
    stages = tuple(
        Ranges(inputs, peaks).times(m)
        for m, inputs, peaks in zip(margins, of.inputs, of.peaks, strict=True)
    )
    return Observed(stages, (), of.total * float(margins[-1]))
