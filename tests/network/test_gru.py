"""Gated linear recurrences: integers worked by hand, floats by NumPy, and what is refused."""

from typing import Any

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.engine import Backend
from lava_ssm.network import MLGRU, FixedMinGRU, FixedMLGRU, FixedNetwork, MinGRU, Network
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow

BACKENDS = pytest.mark.parametrize("backend", [None, "reference"])


def logistic(v: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-v))


@BACKENDS
def test_a_min_gru_by_hand(backend: Backend | None) -> None:
    # gates of sums of zero: the table's entry is 16400 of 32768, for z as for 1 - z of -0
    net = FixedNetwork((FixedMinGRU([[1]], [[0]], 0, 0, state_exponent=1, output_exponent=0),))
    found = engine.run(net, np.array([[100], [0], [-100]]), backend=backend)
    # c = 200, 0, -200; 200 - trunc(100.1), trunc(50.05), -200 + trunc(125.1); messages are halves
    assert found.outputs.ravel().tolist() == [50, 25, -37]
    assert found.state[0].tolist() == [-75]


@BACKENDS
def test_an_mlgru_by_hand(backend: Backend | None) -> None:
    # silu of 4096 at 8 fraction bits is 4096 T[16] = 4096 * 32768 / 32768, beyond its table
    layer = FixedMLGRU(
        [[1]], [[0]], [[0]], 0, 0, 0, value_exponent=8, state_shift=2, output_exponent=8
    )
    net = FixedNetwork((layer,), input_exponent=7)
    found = engine.run(net, np.array([[2048], [0]]), backend=backend)
    # h = 4 c + trunc(16400 (0 - 4 c) / 32768) = 8184, then trunc(16400 h / 32768)
    assert found.state[0].tolist() == [4095]
    # y = trunc(16400 (h >> 2) / 32768)
    assert found.outputs.ravel().tolist() == [1023, 511]


@BACKENDS
def test_a_candidate_beyond_its_word_follows_the_rule(backend: Backend | None) -> None:
    layer = FixedMinGRU([[1]], [[0]], 0, 0, state_exponent=5)
    tokens = np.array([[100]])  # c = 100 << 5 = 3200, in 8 bits
    expected = {Overflow.SATURATE: 127 - 63, Overflow.WRAP: -128 + 64}
    for overflow, h in expected.items():
        net = FixedNetwork((layer,), arithmetic=Arithmetic(overflow=overflow, state_bits=8))
        found = engine.run(net, tokens, backend=backend)
        assert found.state[0].tolist() == [h]
        assert found.overflows.stages[0][1] == {"input": 1}
    raising = FixedNetwork((layer,), arithmetic=Arithmetic(overflow=Overflow.RAISE, state_bits=8))
    with pytest.raises(FixedPointOverflow, match="input"):
        engine.run(raising, tokens, backend=backend)


@BACKENDS
def test_floats_are_the_papers_equations(backend: Backend | None) -> None:
    rng = np.random.default_rng(0)
    w, v, f = rng.normal(size=(3, 4, 3))
    b, b_v, b_f = rng.normal(size=(3, 4))
    x = rng.normal(size=(2, 9, 3))
    h, k = np.zeros((2, 2, 4))
    y, o = np.zeros((2, 2, 9, 4))
    for t in range(9):
        z, c = logistic(x[:, t] @ v.T + b_v), x[:, t] @ w.T + b
        h = (1 - z) * h + z * c
        forget = logistic(x[:, t] @ f.T + b_f)
        k = forget * k + (1 - forget) * c * logistic(c)
        y[:, t], o[:, t] = h, z * k
    for layer, wanted in ((MinGRU(w, v, b, b_v), y), (MLGRU(w, f, v, b, b_f, b_v), o)):
        found = engine.run(Network((layer,)), x, backend=backend).outputs
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_a_state_is_read_and_set() -> None:
    net = Network((MinGRU(np.eye(2), np.zeros((2, 2))),))
    stream = net.stream((3,))
    stream.state = [np.arange(6.0).reshape(3, 2)]
    stream.step(np.zeros((3, 2)))
    assert stream.state[0].tolist() == [[0, 0.5], [1, 1.5], [2, 2.5]]


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (FixedMinGRU, {"gate": [[-128]]}, r"gate: mantissas must lie in \[-127, 127\], got -128"),
        (FixedMinGRU, {"output_exponent": 1}, "output_exponent must lie in .*, got 1 and state"),
        (FixedMinGRU, {"state_exponent": 17}, r"\[state_exponent - 16, state_exponent\], got 0"),
        (FixedMinGRU, {"gate": [[1, 2]]}, "weights, gate must have one shape"),
        (FixedMLGRU, {"forget": [[1, 2]]}, "weights, forget must have one shape"),
        (FixedMLGRU, {"state_shift": 17}, "state_shift must"),
        (FixedMLGRU, {"forget_bias": [1, 2]}, "forget_bias must have shape"),
        (MLGRU, {"gate": [[np.nan]]}, "gate"),
    ],
)
def test_what_is_wrong_is_named(kind: Any, given: dict[str, Any], message: str) -> None:
    maps = {"weights": [[1]], "gate": [[1]]} | ({} if kind is FixedMinGRU else {"forget": [[1]]})
    with pytest.raises(ValueError, match=message):
        kind(**{**maps, **given})
