"""What sequences cause inside a float network."""

from collections import Counter

from lava_ssm.engine import reference
from lava_ssm.network import Network
from lava_ssm.numerics import RealArray


def observe(network: Network, x: RealArray, probe: reference.Probe) -> None:
    """Show a probe what sequences x (..., time, d_input) cause, from the zero state.

    As `run` with a probe does, and many times faster: of filters' states it is shown the largest
    magnitudes alone, once.
    """
    from lava_ssm.engine import compiled  # loads Numba

    filtered = compiled.filtered if compiled.IS_COMPILED else None
    state = reference.zero_state(network, x.shape[:-2])
    tallies = [Counter[str]() for _ in network.stages]
    reference.advance(network, state, x, tallies, probe, filtered)
