"""Causal convolutions: what they compute, what they refuse."""

from typing import Any

import numpy as np
import pytest

from lava_ssm.network import Conv1d, FixedConv1d, FixedNetwork, Network


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_each_output_is_a_sum_of_convolutions_along_time(groups: int) -> None:
    rng = np.random.default_rng(groups)
    w, b = rng.normal(size=(8, 4 // groups, 3)), rng.normal(size=8)
    u = rng.normal(size=(20, 4))
    wanted = np.tile(b, (20, 1))
    for o in range(8):
        first = o // (8 // groups) * (4 // groups)
        for j in range(4 // groups):
            wanted[:, o] += np.convolve(u[:, first + j], w[o, j, ::-1])[:20]
    net = Network((Conv1d(w, b, groups),))
    np.testing.assert_allclose(net.run(u, backend="reference"), wanted, rtol=0, atol=1e-12)
    stream = net.stream(backend="reference")
    pieces = [stream.run(u[:7]), stream.step(u[7])[np.newaxis], stream.run(u[8:])]
    np.testing.assert_allclose(np.concatenate(pieces), wanted, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(stream.state[0], u[-2:].T)


def test_a_kernel_of_one_token_has_no_state() -> None:
    net = Network((Conv1d([[[2.0]]]),))
    assert net.state_shapes == ()
    assert net.latency == 1
    assert net.run([[3.0]], backend="reference").tolist() == [[6.0]]


def test_integers_by_hand() -> None:
    """Two channels apart: (2 (1 u_-1 + 3 u_0)) >> 2, rounded down, and a bias."""
    conv = FixedConv1d([[[1, 3]], [[-1, 0]]], exponent=1, bias=[0, 10], groups=2)
    net = FixedNetwork((conv,))
    found = net.run(np.array([[1, 5], [2, 7], [0, 0]]), backend="reference")
    assert found.tolist() == [[1, 10], [3, 7], [1, 6]]


def test_messages_fit_the_word_that_a_state_is_set_to() -> None:
    net = FixedNetwork((FixedConv1d([[[1, 1]]]),))
    stream = net.stream(backend="reference")
    stream.state = (np.array([[2**23 - 1]]),)
    with pytest.raises(ValueError, match="24 bits"):
        stream.state = (np.array([[2**23]]),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": [[1.0]]}, r"weights must have shape \(d_output, d_input / groups, length\)"),
        ({"weights": np.zeros((2, 1, 0))}, "weights must have shape"),
        ({"weights": np.zeros((1, 1, 257))}, "at most 256 taps, got 257"),
        ({"groups": 2}, "groups: 2 do not divide 3"),
        ({"groups": 0}, "groups"),
        ({"bias": [1.0]}, r"bias must have shape \(3,\)"),
    ],
)
def test_what_a_convolution_refuses(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Conv1d(**{"weights": np.ones((3, 2, 4)), **given})
