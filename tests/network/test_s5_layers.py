"""S5, gates, residuals and biases as descriptions, and in the file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lava_ssm
from lava_ssm.network import (
    GELU,
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS5,
    Gate,
    Linear,
    Network,
    ReLU,
    Residual,
)
from tests.networks import random_fixed_s5_network, random_s5_network

A = np.full(3, 0.5 + 0.1j)
B = np.ones((3, 2), complex)
M_A = np.full((3, 2), 100)
M_B, M_C = np.ones((3, 2, 2), int), np.ones((2, 3, 2), int)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: S5(A, B, B), r"c must have shape \(2, 3\), got \(3, 2\)"),
        (lambda: S5(A[:2], B, B.T), r"b must have shape \(2, d_model\)"),
        (lambda: S5(B, B, B.T), r"a must have shape \(d_state\)"),
        (lambda: S5(A * 2, B, B.T), r"3 states are unstable.*state 0 has \|a\| = 1.0198"),
        (lambda: S5(A, B * np.nan, B.T), "b must be finite"),
        (lambda: S5(A, B, B.T, d=np.ones(3)), r"d must have shape \(2,\), got \(3,\)"),
        (lambda: S5(A, B, B.T, drive_bias=[1.0]), r"drive_bias must have shape \(3,\)"),
        (lambda: FixedS5(M_A, M_B, M_C * -128), r"c: mantissas must lie in \[-127, 127\]"),
        (lambda: FixedS5(M_A, M_B * 128, M_C), r"b: .*\[-128, 127\] \(8 bits\), got 128"),
        (lambda: FixedS5(M_A, M_B, M_C, param_exponent=7), "3 states are unstable"),
        (lambda: FixedS5(M_A, M_B, M_C, state_shift=-1), r"state_shift must lie in \[0, 31\]"),
        (lambda: FixedS5(M_A, M_B, M_C, b_exponent=[7, 7]), r"shape \(3,\)"),
        (lambda: FixedS5(M_A, M_B, M_C, bias=[1 << 23, 0]), "bias: .*24 bits"),
        (lambda: FixedS5(M_A[:, :1], M_B, M_C), r"a must have shape \(d_state, 2\)"),
        (lambda: Gate(np.ones((2, 3))), "weights must be square"),
        (lambda: FixedGate(np.ones((2, 2), int), bias=[1]), r"bias must have shape \(2,\)"),
        (lambda: Linear(np.ones((2, 2)), [np.inf, 0]), "bias must be finite"),
        (lambda: FixedLinear([[1]], bias=[1, 2]), r"bias must have shape \(1,\)"),
        (lambda: Residual(0), "span must be an integer of at least 1"),
        (lambda: Residual(1.5), "span must be an integer"),
    ],
)
def test_impossible_layers_are_refused(make: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((Residual(1),), r"layers\[0\]: a Residual must follow"),
        ((GELU(), Linear([[1.0]])), r"layers\[0\]: a GELU must follow"),
        ((Linear([[1.0]]), ReLU(), Residual(1)), r"layers\[2\]: a Residual must follow"),
        ((Linear([[1.0]]), Residual(1), Residual(1)), r"layers\[2\]: a Residual must follow"),
        ((Linear([[1.0]]), Residual(2)), r"layers\[1\]: span 2 goes around more than the 1"),
        ((Linear([[1.0, 1.0]]), Residual(1)), "begins with 2 channels and ends with 1"),
        ((Linear([[1.0]]), GELU(), ReLU()), r"layers\[2\]: a ReLU must follow"),
    ],
)
def test_what_follows_no_layer_is_refused(layers: tuple, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Network(layers)


def test_exponents_that_shift_far_to_the_left_are_refused() -> None:
    with pytest.raises(
        ValueError, match="of stage 1 shifts the residual message to the left by 17"
    ):
        FixedNetwork((FixedLinear([[1]]), FixedLinear([[1]], 7, 17), Residual(1)))
    with pytest.raises(ValueError, match="the gate's product to the left by 25"):
        FixedNetwork((FixedGate([[1]], output_exponent=40),))
    with pytest.raises(ValueError, match="d u to the left by 26"):
        FixedNetwork((FixedS5(M_A, M_B, M_C, output_exponent=40),))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), per_channel=st.booleans(), n_layers=st.integers(0, 2))
def test_a_fixed_network_comes_back_equal(
    tmp_path: Path, seed: int, per_channel: bool, n_layers: int
) -> None:
    rng = np.random.default_rng(seed)
    net = random_fixed_s5_network(rng, n_layers, per_channel=per_channel, density=0.5)
    net.save(tmp_path / "net.safetensors")
    assert lava_ssm.load(tmp_path / "net.safetensors") == net


@pytest.mark.parametrize("relu", [True, False])
def test_a_float_network_comes_back_equal(tmp_path: Path, relu: bool) -> None:
    net = random_s5_network(np.random.default_rng(0), relu=relu)
    net.save(tmp_path / "net.safetensors")
    assert lava_ssm.load(tmp_path / "net.safetensors") == net


def test_dequantised_values_are_mantissas_over_powers_of_two() -> None:
    layer = FixedS5(
        M_A,
        M_B,
        -M_C,
        d=[3, 5],
        drive_bias=M_A,
        bias=[8, -8],
        b_exponent=[1, 2, 3],
        c_exponent=2,
        d_exponent=1,
        state_exponent=10,
        output_exponent=4,
    ).dequantize()
    assert layer.a[0] == (100 + 100j) / 2**15
    assert layer.b[:, 0].tolist() == [0.5 + 0.5j, 0.25 + 0.25j, 0.125 + 0.125j]
    assert layer.c[0, 0] == -0.25 - 0.25j
    assert layer.d.tolist() == [1.5, 2.5]
    assert layer.drive_bias[0] == (100 + 100j) / 1024
    assert layer.bias.tolist() == [0.5, -0.5]
    gate = FixedGate([[3]], 1, [4096]).dequantize()
    assert (gate.weights[0, 0], gate.bias[0]) == (1.5, 1.0)
    # a bias without an output exponent has the input's
    net = FixedNetwork((FixedLinear([[1]], 0, bias=[6]),), input_exponent=2)
    assert net.dequantize().layers[0].bias.tolist() == [1.5]
    with pytest.raises(ValueError, match="input_exponent"):
        net.layers[0].dequantize()


def test_parameters_are_those_of_the_published_sizes() -> None:
    # k = 0.5: H = 96, P = 64, 152,801 parameters; 64 of each block, dt, no discretised layer has
    net = random_s5_network(np.random.default_rng(0), 3, 96, 64, d_input=257, d_output=257)
    assert net.n_parameters + 3 * 64 == 152_801


def test_bytes_of_a_sparse_matrix_are_those_of_its_rows() -> None:
    weights = np.zeros((10, 100), int)
    weights[:, :5] = 100
    assert FixedLinear(weights).nbytes == 3 * 50 + 4 * 11
    assert FixedLinear(weights + 1).nbytes == 1000
