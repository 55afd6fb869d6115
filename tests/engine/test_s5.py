"""S5 layers, gates and residuals: the reference against Python integers, SciPy and a simulator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.signal import dlsim

from lava_ssm.engine import Backend, run
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import (
    GELU,
    S5,
    Activation,
    FixedNetwork,
    FixedS5,
    Gate,
    Linear,
    Network,
    Readout,
    ReLU,
    Residual,
)
from lava_ssm.numerics import (
    SIGMOID,
    Arithmetic,
    Overflow,
    Rounding,
    multiply_shift,
    quantize,
    shift,
    sigmoid,
)
from tests.networks import (
    random_fixed_s5_network,
    random_network,
    random_s5,
    random_s5_network,
)


def test_a_stream_cut_anywhere_gives_the_same_integers() -> None:
    rng = np.random.default_rng(0)
    net = random_fixed_s5_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.integers(-3000, 3000, (2, 30, net.d_input))
    whole = run(net, x)
    assert whole.outputs.any()
    stream = net.stream(batch=(2,))
    pieces = [stream.run(x[:, a:b]) for a, b in ((0, 1), (1, 12), (12, 12), (12, 30))]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole.outputs)
    for seen, wanted in zip(stream.state, whole.state, strict=True):
        assert seen.shape == (2, 3, 2)
        np.testing.assert_array_equal(seen, wanted)


def test_float_states_are_those_of_scipys_linear_system() -> None:
    rng = np.random.default_rng(1)
    layer = random_s5(rng, d_model=4, d_state=3, relu=False)
    # real form: each complex state as two real ones
    a = block_diag(*[[[v.real, -v.imag], [v.imag, v.real]] for v in layer.a])
    b = np.stack([layer.b.real, layer.b.imag], 1).reshape(6, 4)
    c = np.stack([2 * layer.c.real, -2 * layer.c.imag], -1).reshape(4, 6)
    bias = np.stack([layer.drive_bias.real, layer.drive_bias.imag], 1).reshape(6, 1)
    x = rng.normal(size=(40, 4))
    # SciPy's output is C x of the state before the update: of the state after it, C A x + C B u
    inputs = np.concatenate([x, np.ones((40, 1))], axis=1)
    drive = np.concatenate([b, bias], axis=1)
    direct = np.concatenate([np.diag(layer.d), layer.bias[:, np.newaxis]], axis=1)
    _, expected, _ = dlsim((a, drive, c @ a, c @ drive + direct, 1.0), inputs)
    np.testing.assert_allclose(Network((layer,)).run(x), expected, rtol=1e-10, atol=1e-10)


def test_the_rectifier_of_states_leaves_the_recurrence_alone() -> None:
    rng = np.random.default_rng(2)
    plain_layer, x = random_s5(rng, 3, 5, relu=False), rng.normal(size=(20, 3))
    arrays = (plain_layer.a, plain_layer.b, plain_layer.c, plain_layer.d, plain_layer.drive_bias)
    rectified = S5(*arrays, plain_layer.bias, relu=True)
    one, other = run(Network((plain_layer,)), x), run(Network((rectified,)), x)
    np.testing.assert_array_equal(one.state[0], other.state[0])
    state = one.state[0][:, 0] + 1j * one.state[0][:, 1]
    kept = state * (state.real > 0)
    wanted = 2 * (plain_layer.c @ kept).real + plain_layer.d * x[-1] + plain_layer.bias
    np.testing.assert_allclose(other.outputs[-1], wanted, rtol=1e-12)
    assert (state.real <= 0).any()


def test_a_block_follows_its_equations() -> None:
    rng = np.random.default_rng(3)
    net = random_s5_network(rng, n_layers=1)
    encoder, s5, _, gate, _, _, decoder = net.layers
    x = rng.normal(size=(10, 5))
    h = x @ encoder.weights.T + encoder.bias
    z = np.maximum(Network((s5,)).run(h), 0)
    g = z / (1 + np.exp(-(z @ gate.weights.T + gate.bias)))
    wanted = np.maximum(g + h, 0) @ decoder.weights.T + decoder.bias
    np.testing.assert_allclose(net.run(x), wanted, rtol=1e-12)


def test_gelu_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")

    x = np.linspace(-4, 4, 50)[:, np.newaxis]
    expected = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(Network((Linear([[1.0]]), GELU())).run(x), expected, atol=1e-12)


def test_a_residual_goes_around_as_many_layers_as_it_says() -> None:
    double, triple = Linear([[2.0]]), Linear([[3.0]])
    assert Network((double, triple, Residual(1))).run([[1.0]]) == 6 + 2
    assert Network((double, triple, Residual(2))).run([[1.0]]) == 6 + 1
    assert Network((double, Linear([[-3.0]]), Residual(2), ReLU())).run([[1.0]]) == 0


def test_normalisation_folds_into_the_layer() -> None:
    rng = np.random.default_rng(4)
    layer, scale, move = random_s5(rng, 4, 3), rng.normal(size=4), rng.normal(size=4)
    x = rng.normal(size=(15, 4))
    folded = Network((layer.normalized(scale, move),)).run(x)
    np.testing.assert_allclose(folded, Network((layer,)).run(scale * x + move), rtol=1e-10)


def test_table_of_the_sigmoid_is_as_near_as_it_says_for_every_input() -> None:
    v = np.arange(-(2**17), 2**17)
    # an input stands for itself and for what a shift that rounded down has dropped
    for value in (v / 4096, (v + 0.999) / 4096):
        error = np.abs(sigmoid(v) / 2**15 - 1 / (1 + np.exp(-value)))
        assert error.max() <= SIGMOID.error + 1 / 4096 / 4
    assert np.abs(sigmoid(v) / 2**15 - 1 / (1 + np.exp(-v / 4096))).max() <= SIGMOID.error
    assert np.all(np.diff(sigmoid(v)) >= 0)


def test_overflows_of_every_kind_are_counted() -> None:
    rng = np.random.default_rng(5)
    net = random_fixed_s5_network(rng, arithmetic=Arithmetic(state_bits=10, message_bits=8))
    x = rng.integers(-128, 128, (20, 5))
    tallies = [tally for _, tally in run(net, x).overflows.stages]
    assert sum(t["state"] for t in tallies) > 0
    assert sum(t["message"] for t in tallies) > 0


def test_layers_without_states_have_none_and_s4d_keeps_its_shape() -> None:
    rng = np.random.default_rng(6)
    net = random_s5_network(rng, n_layers=1)
    assert [s.shape for s in run(net, rng.normal(size=(3, 5))).state] == [(3, 2)]
    assert random_network(rng).stream().state[0].shape == (6, 3, 2)
    gate = Network((Gate(np.zeros((2, 2))),))
    np.testing.assert_allclose(gate.run([[4.0, -2.0]]), [[2.0, -1.0]])


# One S5 layer, 8 states, 6 channels, 200 steps, by the fixed-point simulator of
# IntelLabs/SparseRNNs (commit b623aea): 8-bit B (9 fraction bits), C (7), D (5), 16-bit diagonal
# (15), input (12), states (14), output (11). It shifts by FLOOR and saturates words of 16 bits.
GOLDEN = Path(__file__).parent / "s5_layer.npz"
SIXTEEN = Arithmetic(Rounding.FLOOR, Overflow.SATURATE, state_bits=16, message_bits=16)


def _saturated(x: np.ndarray) -> np.ndarray:
    return fixed.word(x, 16, Overflow.SATURATE, "message", Tally())


def test_recurrence_and_output_equal_another_simulator_step_by_step() -> None:
    golden = {name: v.astype(np.int64) for name, v in np.load(GOLDEN).items()}
    u, state = golden["u"], np.zeros((8, 2), np.int64)
    a = np.stack([golden["A_re"], golden["A_im"]], -1)
    # a synapse has twice its mantissas: one bit more to shift
    drive = np.stack(
        [fixed.linear(golden[f"B_{part}"], 9 + 12 + 1 - 14, u, Tally()) for part in ("re", "im")],
        -1,
    )
    for t in range(200):
        state = fixed.diagonal_step(a, np.array(15), SIXTEEN, state, drive[t], Tally())
        np.testing.assert_array_equal(state, np.stack([golden["x_re"][t], golden["x_im"][t]], -1))
        sent = fixed.complex_relu(state)
        np.testing.assert_array_equal(
            sent, np.stack([golden["xrelu_re"][t], golden["xrelu_im"][t]], -1)
        )
        re, im = (
            _saturated(fixed.linear(golden[f"C_{part}"], 7 + 14 + 1 - 11, sent[:, k], Tally()))
            for k, part in enumerate(("re", "im"))
        )
        direct = _saturated(shift(golden["D"] * u[t], 5 + 12 - 11, Rounding.FLOOR))
        y = _saturated(2 * _saturated(re - im) + direct)
        np.testing.assert_array_equal(y, golden["y"][t])


@pytest.mark.parametrize("backend", ["reference", "compiled"])
def test_a_layer_equals_another_simulators(backend: Backend) -> None:
    golden = {name: v.astype(np.int64) for name, v in np.load(GOLDEN).items()}

    def layer(c_re: np.ndarray, c_im: np.ndarray, d: np.ndarray) -> FixedNetwork:
        s5 = FixedS5(
            *(np.stack([golden[f"{name}_re"], golden[f"{name}_im"]], -1) for name in "AB"),
            np.stack([c_re, c_im], -1),
            d,
            b_exponent=9,
            c_exponent=8,  # 7, and a bit more to shift: the sum is doubled behind the shift here
            d_exponent=5,
            state_exponent=14,
            output_exponent=11,
            relu=True,
        )
        return FixedNetwork((s5,), input_exponent=12, arithmetic=SIXTEEN)

    # That simulator shifts the sums over real parts, over imaginary ones and D u each on their own,
    # before it adds them: so each comes of a layer of its own. No word overflows.
    none, d = np.zeros((6, 8), np.int64), golden["D"]
    re, im, direct = (
        net.stream(backend=backend)
        for net in (
            layer(golden["C_re"], none, 0 * d),
            layer(none, -golden["C_im"], 0 * d),  # a layer subtracts what is imaginary
            layer(none, none, d),
        )
    )
    for t in range(200):
        u = golden["u"][t]
        y = 2 * (re.step(u) - im.step(u)) + direct.step(u)
        np.testing.assert_array_equal(y, golden["y"][t])
        wanted = np.stack([golden["x_re"][t], golden["x_im"][t]], -1)
        for stream in (re, im, direct):
            np.testing.assert_array_equal(stream.state[0], wanted)
    assert re.overflows.total == im.overflows.total == direct.overflows.total == 0

    # the layer itself shifts once, and its products are doubled before: less than two apart
    net = layer(golden["C_re"], golden["C_im"], d)
    whole = replace(net, layers=(replace(net.layers[0], c_exponent=7),))
    off = run(whole, golden["u"], backend=backend).outputs - golden["y"]
    assert off.min() >= -2
    assert off.max() <= 1


@pytest.mark.parametrize("d_input", [3, 5])
def test_random_s5_networks_take_any_width(d_input: int) -> None:
    net = random_s5_network(np.random.default_rng(7), d_input=d_input)
    assert net.run(np.zeros((4, d_input))).shape == (4, 4)


OPERATIONS = np.load(Path(__file__).parent / "simulator_operations.npz")  # of the same simulator


@pytest.mark.parametrize(
    ("name", "e_x", "e_u", "e_b", "e_y"), [("dense0", 12, 12, 13, 10), ("dense1", 15, 13, 15, 14)]
)
def test_a_dense_layer_with_bias_and_relu_equals_another_simulators(
    name: str, e_x: int, e_u: int, e_b: int, e_y: int
) -> None:
    x, w, b = (OPERATIONS[f"{name}_{part}"].astype(np.int64) for part in ("x", "W", "b"))
    u = shift(x, e_x - e_u, Rounding.FLOOR)
    # weights have 7 fraction bits, and a synapse has twice their mantissas
    y = _saturated(fixed.linear(w.T, e_u + 7 + 1 - e_y, u, Tally()))
    y = _saturated(y + shift(b, e_b - e_y, Rounding.FLOOR))
    np.testing.assert_array_equal(y, OPERATIONS[f"{name}_y"])
    relu = fixed.message(y, Activation.RELU, SIXTEEN, Tally())
    np.testing.assert_array_equal(relu, OPERATIONS[f"{name}_relu"])


def test_elementary_operations_equal_another_simulators() -> None:
    for name, amount in (("mul0", 14 + 14 - 14), ("mul1", 12 + 15 - 11)):
        a, b = (OPERATIONS[f"{name}_{part}"] for part in "ab")
        y = _saturated(multiply_shift(a, b, amount, Rounding.FLOOR))
        np.testing.assert_array_equal(y, OPERATIONS[f"{name}_y"])
    x = np.stack([OPERATIONS["crelu_re"], OPERATIONS["crelu_im"]], -1)
    wanted = np.stack([OPERATIONS["crelu_out_re"], OPERATIONS["crelu_out_im"]], -1)
    np.testing.assert_array_equal(fixed.complex_relu(x), wanted)
    for rule, rounding in (("FLOOR", Rounding.FLOOR), ("ROUND", Rounding.NEAREST)):
        for e in (0, 8):
            found = quantize(OPERATIONS["from_fp_x"], 16, e, rounding, Overflow.SATURATE)
            np.testing.assert_array_equal(found, OPERATIONS[f"from_fp_{rule}_exp{e}"])
