"""S4D with a direct path and a bias, and gated linear units: as public S4 networks have them."""

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.compress import quantize, report, signal_to_error
from lava_ssm.compress.shares import error_shares
from lava_ssm.network import GLU, S4D, FixedGLU, FixedS4D, Linear, Network, ReLU, Residual


def public_network(rng: np.random.Generator, d: int = 8) -> Network:
    """encoder, a block of S4D with D, a rectifier, a GLU and its residual path, decoder."""
    a = rng.uniform(0.5, 0.95, (d, 6)) * np.exp(1j * rng.uniform(-1, 1, (d, 6)))
    b, c = rng.normal(size=(2, d, 6)) + 1j * rng.normal(size=(2, d, 6))
    encoder, gate, value, decoder = rng.normal(size=(4, d, d)) / np.sqrt(d)
    s4d = S4D(a, b / 4, c / 4, rng.normal(size=d), rng.normal(size=d) / 4)
    glu = GLU(value, gate, rng.normal(size=d) / 4, rng.normal(size=d))
    return Network((Linear(encoder), s4d, ReLU(), glu, Residual(2), Linear(decoder)))


@pytest.mark.parametrize("seed", range(3))
def test_a_public_s4_block_is_quantised_to_what_it_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = public_network(rng)
    x = rng.normal(size=(6, 80, 8))
    fixed = quantize(net, x)
    assert isinstance(fixed.layers[1], FixedS4D)
    assert isinstance(fixed.layers[3], FixedGLU)
    found = fixed.to_float(engine.run(fixed, x).outputs)
    assert signal_to_error(net.run(x), found) > 30
    names = {t.name for t in report(net, fixed, x).tensors}
    assert {"1 S4D d", "2 GLU weights", "2 GLU gate"} <= names
    shares = error_shares(net, fixed, x)
    assert min(shares[name] for name in ("1 S4D d", "1 S4D bias", "2 GLU weights")) > 30
