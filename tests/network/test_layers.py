"""Descriptions refuse what cannot be, and say what is allowed."""

import copy
import pickle

import numpy as np
import pytest

from lava_ssm.network import (
    S4D,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Linear,
    Network,
    Readout,
    ReLU,
)
from tests.networks import random_fixed_network, random_network

ONE = np.full((2, 3), 0.5 + 0.1j)
M = np.full((2, 3, 2), 100)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: S4D(ONE, ONE, ONE[:1]), r"\(d_model, d_state\)"),
        (lambda: S4D(ONE[0], ONE[0], ONE[0]), r"\(d_model, d_state\)"),
        (lambda: S4D(ONE[:0], ONE[:0], ONE[:0]), r"\(d_model, d_state\)"),
        (lambda: S4D(ONE * np.nan, ONE, ONE), "a must be finite"),
        (lambda: S4D(ONE, ONE * np.inf, ONE), "b must be finite"),
        (lambda: S4D(ONE * 0 + 1j, ONE, ONE), r"unstable.*state 0 of channel 0 has \|a\| = 1"),
        (lambda: FixedS4D(M, M, M[..., :1]), r"\(d_model, d_state, 2\)"),
        (lambda: FixedS4D(M[..., :1], M[..., :1], M[..., :1]), "real, imaginary"),
        (lambda: FixedS4D(M * 41, M, M), "6 states are unstable"),
        (lambda: FixedS4D(M, M * 328, M), r"b: .*\[-32768, 32767\] \(16 bits\), got 32800"),
        (lambda: FixedS4D(M, M, M, param_exponent=32), r"param_exponent must lie in \[0, 31\]"),
        (lambda: FixedS4D(M, M, M, param_exponent=[12] * 3), r"shape \(2,\)"),
        (lambda: FixedS4D(M, M, M, state_exponent=-1), "state_exponent"),
        (lambda: FixedS4D(M, M, M, param_bits=25), r"param_bits must be an integer in \[2, 24\]"),
        (lambda: Linear([[1.0, np.nan]]), r"weights must be finite, got nan at \(0, 1\)"),
        (lambda: Linear([1.0]), r"\(d_output, d_input\)"),
        (lambda: FixedLinear([[128]]), r"\[-128, 127\].*got 128 at \(0, 0\)"),
        (lambda: FixedLinear([[1], [1]], exponent=[1, 2, 3]), r"exponent .*\(2,\)"),
        (lambda: FixedLinear([[1]], output_exponent=5000), "output_exponent"),
        (lambda: FixedLinear([[1]], output_exponent=[]), "output_exponent must be one integer"),
        (lambda: FixedNetwork((FixedLinear([[1]]),), input_exponent=[1]), "input_exponent"),
        (
            lambda: FixedNetwork((FixedS4D(M, M, M, state_exponent=23),)),
            r"state_exponent: 23 of the first layer leaves the input 1 of its state's 24 bits",
        ),
    ],
)
def test_impossible_layers_are_refused(make: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()  # type: ignore[operator]


def test_mantissas_are_integers() -> None:
    with pytest.raises(TypeError, match="weights must be integers"):
        FixedLinear([[0.5]])
    with pytest.raises(TypeError, match="a must be integers"):
        FixedS4D(M * 0.5, M, M)


def test_a_state_just_inside_the_unit_circle_is_stable_and_one_on_it_is_not() -> None:
    inside, on = np.array([[[4095, 0]]]), np.array([[[4096, 0]]])
    FixedS4D(inside, inside, inside)
    with pytest.raises(ValueError, match=r"\|a\| = 1$"):
        FixedS4D(on, on, on)
    # 3/5 and 4/5 of 5 * 2^9: exactly on the circle of radius 5 * 2^9 / 2^12 < 1, not of 2^11
    rim = np.array([[[1536, 2048]]])
    FixedS4D(rim, rim, rim, param_exponent=12)
    with pytest.raises(ValueError, match="unstable"):
        FixedS4D(rim, rim, rim, param_exponent=11)


@pytest.mark.parametrize(
    ("layers", "error", "text"),
    [
        ((), ValueError, "at least one layer"),
        ((ReLU(), Linear([[1.0]])), ValueError, r"layers\[0\]: a ReLU must follow"),
        ((Linear([[1.0]]), ReLU(), ReLU()), ValueError, r"layers\[2\]: a ReLU must follow"),
        ((Linear([[1.0]]), S4D(ONE, ONE, ONE)), ValueError, "takes 2 channels.*gives 1"),
        ((Linear([[1.0]]), FixedLinear([[1]])), TypeError, r"layers\[1\] must be one of"),
        ((Linear([[1.0]]), "relu"), TypeError, r"layers\[1\]"),
        (Linear([[1.0]]), TypeError, "layers must be a sequence"),
    ],
)
def test_layers_that_do_not_fit_together_are_refused(
    layers: tuple, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Network(layers)


def test_input_is_no_wider_than_a_message() -> None:
    with pytest.raises(ValueError, match=r"input_bits must be an integer in \[2, 24\]"):
        FixedNetwork((FixedLinear([[1]]),), input_bits=25)
    with pytest.raises(ValueError, match=r"\[2, 18\]"):
        FixedNetwork((FixedS4D(M, M, M),), input_bits=24)


def test_readout_is_one_of_three() -> None:
    assert Network((Linear([[1.0]]),), readout="mean").readout is Readout.MEAN_OVER_TIME
    with pytest.raises(ValueError, match="median"):
        Network((Linear([[1.0]]),), readout="median")


@pytest.mark.parametrize("kind", ["i1", "<i2", ">i8", "i8", "u4"])
def test_arrays_given_stay_the_givers(kind: str) -> None:
    given = np.ones((2, 2), kind)
    layer = FixedLinear(given, exponent=given[0])
    given[:] = 3  # it may, and the layer does not see it
    assert layer.weights.tolist() == [[1, 1], [1, 1]]
    assert layer.exponent.tolist() == [1, 1]  # type: ignore[union-attr]
    assert not layer.weights.flags.writeable


def test_arrays_cannot_be_changed_and_are_copies() -> None:
    weights = np.ones((2, 2))
    layer = Linear(weights)
    weights[0, 0] = 7
    assert layer.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 7


def test_copies_are_equal_and_as_frozen() -> None:
    net = random_fixed_network(np.random.default_rng(0), per_channel=True)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin == net
        with pytest.raises(ValueError, match="read-only"):
            twin.layers[0].weights[0, 0] = 0


def test_made_by_maps_texts_to_texts() -> None:
    for wrong in (None, {"seed": 0}):
        with pytest.raises(TypeError, match="made_by must map texts to texts"):
            Network((Linear([[1.0]]),), made_by=wrong)


def test_equal_by_content() -> None:
    make = random_fixed_network
    assert make(np.random.default_rng(0)) == make(np.random.default_rng(0))
    assert make(np.random.default_rng(0)) != make(np.random.default_rng(1))
    assert FixedLinear([[1]], 3) != FixedLinear([[1]], 4)
    assert Linear([[1.0]]) != FixedLinear([[1]])


def test_messages_keep_their_exponent_through_s4d_and_change_it_in_linear_layers() -> None:
    s4d = FixedS4D(M, M, M)
    up = FixedLinear(np.ones((2, 2), int), 5, output_exponent=9)
    down = FixedLinear(np.ones((1, 2), int), [3])
    net = FixedNetwork((s4d, up, ReLU(), s4d, down), input_exponent=2)
    assert net.exponents == (2, 2, 9, 9, 9)
    assert [stage.activation.value for stage in net.stages] == ["none", "relu", "none", "none"]
    # s = e_u + e_w + 1 - e_y
    assert up.shift(2) == 2 + 5 + 1 - 9
    assert down.shift(9) == [4]


def test_sizes() -> None:
    net = random_fixed_network(np.random.default_rng(0), 2, d_model=6, d_state=3)
    assert (net.d_input, net.d_output) == (2, 4)
    weights, states = 2 * 6 + 2 * 36 + 6 * 4, 2 * 6 * 3
    assert net.n_parameters == weights + 6 * states
    assert net.nbytes == weights + 2 * 6 * states
    assert net.latency == 1 + 2 * 3 + 1  # encoder, (expansion, reduction, linear) twice, decoder


def test_dequantised_values_are_mantissas_over_powers_of_two() -> None:
    s4d = FixedS4D(M, M, -M, param_exponent=[10, 12]).dequantize()
    assert s4d.a[0, 0] == 100 / 1024 + 100j / 1024
    assert s4d.c[1, 0] == -100 / 4096 - 100j / 4096
    linear = FixedLinear([[3], [3]], exponent=[1, -1]).dequantize()
    assert linear.weights.tolist() == [[1.5], [6.0]]
    float_net = random_network(np.random.default_rng(0))
    assert isinstance(float_net, Network)
