"""Selective layers: integers worked by hand, floats by NumPy, and what is refused."""

from typing import Any

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.engine import Backend
from lava_ssm.network import FixedNetwork, FixedSelectiveSSM, Network, SelectiveSSM
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow

BACKENDS = pytest.mark.parametrize("backend", [None, "reference"])


def by_hand(**given: Any) -> FixedNetwork:
    """One state: a step of log 2, whatever enters; B = C = 2 x, drives and reads are products."""
    fields = {
        "a": [[-1024]],
        "down": [[0]],
        "up": [[0]],
        "b": [[1]],
        "c": [[1]],
        "a_exponent": 10,
        "b_exponent": 0,
        "c_exponent": 0,
        "step_sent": 16,
    }
    return FixedNetwork((FixedSelectiveSSM(**{**fields, **given}),))


@BACKENDS
def test_a_selective_state_by_hand(backend: Backend | None) -> None:
    found = engine.run(by_hand(), np.array([[100], [0], [10]]), backend=backend)
    # the table has round(2^16 log(1 + exp(-1/256))) = 45298 of 65536, a step of 0.69
    # v = trunc(45298 * 100 / 65536) = 69, q = 69 * 100; then 0; then trunc(6.91) * 10
    # w = 1024 * 45298 >> 6 = 724768, of step 176: T = round(2^15 (1 - e^-m) / m), m = 176.5 / 256
    # T = 23676; lost trunc(724768 * 23676 / 4096) = 4189357; 2^23 - that: 4199251
    # h = 6900, trunc(4199251 * 6900 / 2^23) = 3454, trunc(1729.04) + 60
    assert found.state[0].tolist() == [1789]
    assert found.outputs.ravel().tolist() == [6900 * 100, 0, 17890]


@BACKENDS
def test_a_direct_path_and_a_gate_by_hand(backend: Backend | None) -> None:
    net = by_hand(c=[[0]], d=[3 << 13], d_exponent=13, gated=True)
    found = engine.run(net, np.array([[100, -7]]), backend=backend)
    assert found.outputs.tolist() == [[-2100]]


@BACKENDS
def test_a_state_beyond_its_word_follows_the_rule(backend: Backend | None) -> None:
    tokens = np.array([[100]])  # 69 * 100 = 6900, in 12 bits
    for overflow, h in {Overflow.SATURATE: 2047, Overflow.WRAP: 6900 - 8192}.items():
        rules = Arithmetic(overflow=overflow, state_bits=12)
        net = FixedNetwork(by_hand().layers, arithmetic=rules)
        found = engine.run(net, tokens, backend=backend)
        assert found.state[0].tolist() == [h]
        assert found.overflows.stages[0][1] == {"state": 1}
    raising = Arithmetic(overflow=Overflow.RAISE, state_bits=12)
    with pytest.raises(FixedPointOverflow, match="state"):
        engine.run(FixedNetwork(by_hand().layers, arithmetic=raising), tokens, backend=backend)


@BACKENDS
@pytest.mark.parametrize("gated", [False, True])
def test_floats_are_the_papers_equations(gated: bool, backend: Backend | None) -> None:
    rng = np.random.default_rng(0)
    a, d, bias = -rng.uniform(0.1, 4, (5, 3)), rng.normal(size=5), rng.normal(size=5)
    down, up, b, c = (rng.normal(size=s) for s in ((2, 5), (5, 2), (3, 5), (3, 5)))
    u = rng.normal(size=(9, 10 if gated else 5))
    h, wanted = np.zeros((5, 3)), []
    for token in u:
        x, gate = token[:5], token[5:]
        step = np.log(1 + np.exp(up @ down @ x + bias))
        for i in range(5):
            for n in range(3):
                h[i, n] = np.exp(step[i] * a[i, n]) * h[i, n] + step[i] * (b @ x)[n] * x[i]
        y = h @ (c @ x) + d * x
        wanted.append(y * gate if gated else y)
    net = Network((SelectiveSSM(a, down, up, b, c, d, bias, gated),))
    np.testing.assert_allclose(engine.run(net, u, backend=backend).outputs, wanted, rtol=1e-11)


def test_a_state_is_read_and_set() -> None:
    net = Network(
        (
            SelectiveSSM(
                -np.ones((2, 3)), *(np.zeros(s) for s in ((1, 2), (2, 1))), *np.zeros((2, 3, 2))
            ),
        )
    )
    assert net.state_shapes == ((6,),)
    stream = net.stream((4,))
    stream.state = [np.arange(24.0).reshape(4, 6)]
    stream.step(np.zeros((4, 2)))
    np.testing.assert_allclose(stream.state[0], np.arange(24).reshape(4, 6) / 2)  # exp(-log 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [[1]]}, r"a: mantissas must lie in \[-32767, 0\], got 1"),
        ({"a": [1]}, r"a must have shape \(d_model, d_state\)"),
        ({"down": [[1, 2]]}, r"down must have shape \(rank, 1\)"),
        ({"up": [[1], [2]]}, r"up must have shape \(1, 1\)"),
        ({"c": [[1], [2]]}, r"c must have shape \(1, 1\)"),
        ({"b": [[128]]}, "b: mantissas must lie"),
        ({"bias": [1, 2]}, "bias must have shape"),
        ({"drive_sent": 1}, "drive_sent, up to state_exponent, must"),
        ({"state_sent": -17}, "state_sent, up to state_exponent, must"),
        ({"sum_sent": 1}, "sum_sent, without a gate output_exponent, must"),
        ({"step_sent": -7}, "a_exponent . step_sent must"),
        ({"scaled_sent": 63}, "drive_sent must"),
        ({"c_sent": -17}, "sum_sent must"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_hand(**given)


def test_a_rate_that_does_not_decay_is_refused() -> None:
    ones = np.ones((1, 1))
    with pytest.raises(ValueError, match="a must be negative, got 0"):
        SelectiveSSM(0 * ones, ones, ones, ones, ones)
    with pytest.raises(TypeError, match="gated"):
        SelectiveSSM(-ones, ones, ones, ones, ones, gated=1)  # type: ignore[arg-type]
