"""Matrices in each form of this CPU, against NumPy's integers of 64 bits."""

import numpy as np
import pytest

from lava_ssm.engine.compiled import layout
from lava_ssm.engine.compiled.matrix import FORMS, forms
from lava_ssm.network import FixedLinear, FixedNetwork
from lava_ssm.numerics import Arithmetic, Overflow, Rounding


@pytest.mark.parametrize("zeros", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("bits", [8, 15, 16, 23, 24, 31, 32])
@pytest.mark.parametrize("form", [form.name for form in FORMS])
def test_sums_are_exact_and_wrap(
    form: str, bits: int, zeros: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The greatest and the least message, groups of zeros, weights of both signs, odd widths."""
    number = [each.name for each in FORMS].index(form)
    monkeypatch.setattr(forms, "form_of", lambda weights: FORMS[number])
    rng = np.random.default_rng(bits)
    weights = rng.integers(-128, 128, (83, 61))
    weights[0], weights[1] = 127, -128
    half = 1 << (bits - 1)
    u = rng.integers(-half, half, (9, 61))
    u[0], u[1] = half - 1, -half
    u[rng.random(u.shape) < zeros] = 0
    arithmetic = Arithmetic(Rounding.TOWARD_ZERO, Overflow.WRAP, 32, 32)
    net = FixedNetwork(
        (FixedLinear(weights, 3, -4),), input_exponent=0, input_bits=32, arithmetic=arithmetic
    )
    assert set(layout.layout(net).arrays["matrices"]["form"]) == {number}

    sums = 2 * u @ weights.T
    wrapped = (sums + 2**31) % 2**32 - 2**31
    run = net.run(u, backend="compiled")
    np.testing.assert_array_equal(run, wrapped >> 8)
