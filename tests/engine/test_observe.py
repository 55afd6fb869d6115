"""What sequences cause inside a float network, by machine code and by the reference."""

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.engine import reference
from lava_ssm.network import S4D, Linear, Network, ReLU


@pytest.mark.parametrize("shape", [(7,), (5, 150), (2, 3, 70)])
def test_states_peak_where_the_reference_has_them(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)

    def states(d: int, n: int) -> S4D:
        a = rng.uniform(0.3, 0.99, (d, n)) * np.exp(1j * rng.uniform(-3, 3, (d, n)))
        b, c = rng.normal(size=(2, d, n)) + 1j * rng.normal(size=(2, d, n))
        return S4D(a, b, c, rng.normal(size=d), rng.normal(size=d))

    layers = (states(3, 5), ReLU(), Linear(rng.normal(size=(4, 3))), states(4, 17))
    network = Network(layers)
    x = rng.normal(size=(*shape, 3))
    wanted: dict[tuple[int, str], np.ndarray] = {}
    found: dict[tuple[int, str], np.ndarray] = {}

    def into(peaks: dict[tuple[int, str], np.ndarray]) -> reference.Probe:
        def see(population: int, what: str, values: np.ndarray) -> None:
            inner = 2 if what == "state" else 1  # real and imaginary parts are one state's
            peak = np.abs(values).reshape(-1, *values.shape[-inner:]).max(axis=0)
            peak = peak.max(axis=-1) if what == "state" else peak
            key = population, what
            peaks[key] = np.maximum(peaks.get(key, peak), peak)

        return see

    engine.run(network, x, probe=into(wanted))
    engine.observe(network, x, into(found))
    states_of = [key for key in found if key[1] == "state"]
    assert len(states_of) == 2
    for key, values in found.items():
        np.testing.assert_allclose(values, wanted[key], rtol=1e-9, atol=1e-12)
