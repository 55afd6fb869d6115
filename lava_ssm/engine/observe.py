"""What sequences cause inside a float network."""

from collections import Counter

import numpy as np

from lava_ssm.engine import reference
from lava_ssm.engine.overflows import Tally
from lava_ssm.network import Filters, Network, Neurons
from lava_ssm.numerics import RealArray


def observe(network: Network, x: RealArray, probe: reference.Probe) -> None:
    """Show a probe what sequences x (..., time, d_input) cause, from the zero state.

    As `run` with a probe does, and many times faster: of filters' states it is shown the largest
    magnitudes alone, once.
    """
    from lava_ssm.engine import compiled  # loads Numba

    def filtered(
        neurons: Neurons, x: RealArray, u: RealArray, adds: bool, tally: Tally
    ) -> tuple[RealArray, RealArray] | None:
        if not isinstance(neurons, Filters) or not adds:
            return None
        sums, peaks = compiled.filtered(neurons, u)
        return peaks[..., np.newaxis], sums

    state = reference.zero_state(network, x.shape[:-2])
    tallies = [Counter[str]() for _ in network.stages]
    at_once = filtered if compiled.IS_COMPILED else None
    reference.advance(network, state, x, tallies, probe, at_once)
