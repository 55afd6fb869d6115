"""What layers and networks are on the chip: populations, synapses, shifts and delays by hand."""

from dataclasses import replace

import numpy as np
import pytest

from lava_ssm.network import (
    GELU,
    GLU,
    S4D,
    S5,
    Activation,
    Affine,
    Connection,
    Filters,
    FixedGate,
    FixedGLU,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Matrix,
    Network,
    Ones,
    Product,
    Recurrence,
    ReLU,
    Residual,
)
from tests.networks import random_network, random_s5_network


def place(c: Connection) -> tuple[int | None, str, int]:
    return c.source, c.name, c.delay


def test_a_linear_layer_is_a_matrix_and_a_sum() -> None:
    (p,) = Linear([[1.0, 2.0]], [3.0]).lowered()
    assert isinstance(p.neurons, Affine)
    assert (p.neurons.n_neurons, p.neurons.bias) == (1, [3.0])
    assert p.neurons.direct is None
    assert p.inputs[0].synapse.weights.tolist() == [[1, 2]]
    # s = e_u + exponent + 1 - e_y
    (p,) = FixedLinear([[1, 2]], [5], output_exponent=9).lowered(2)
    assert p.inputs[0].synapse.shift == 2 + 5 + 1 - 9
    assert FixedLinear([[1, 2]], 5).lowered(2)[0].inputs[0].synapse.shift == 5 + 1


@pytest.mark.parametrize("is_fixed", [False, True])
def test_an_s4d_layer_spreads_its_channels_and_adds_its_states_up(is_fixed: bool) -> None:
    part = np.arange(12).reshape(2, 3, 2)
    if is_fixed:
        layer = FixedS4D(part, part, part, 13, [4, 5])
    else:
        layer = S4D(*3 * [0.01 * (part[..., 0] + 1j * part[..., 1])])
    states, neurons = layer.lowered(7)
    assert (states.name, neurons.name) == ("states", "neurons")
    assert isinstance(states.neurons, Filters)
    assert states.neurons.is_complex
    assert (states.neurons.n_neurons, states.neurons.state_shape) == (6, (2, 3, 2))
    assert states.inputs[0].synapse == Ones(2, 6)
    assert [place(c) for c in neurons.inputs] == [(0, "reduction", 0)]
    assert neurons.inputs[0].synapse == Ones(6, 2)
    assert neurons.neurons.n_neurons == 2
    if is_fixed:
        assert states.neurons.param_exponent == 13
        assert states.neurons.state_exponent.tolist() == [4, 5]
    # channel by channel
    np.testing.assert_array_equal(Ones(2, 6).weights(int).toarray(), [[1, 0]] * 3 + [[0, 1]] * 3)
    np.testing.assert_array_equal(
        Ones(6, 2).weights(int).toarray(), [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    )


def test_an_s5_layer_has_real_parts_before_imaginary_ones() -> None:
    layer = S5([0.5j], [[1 + 2j, 3j]], [[4 + 5j], [6.0]], [7.0, 8.0], [9 + 1j], [1.0, 2.0], True)
    states, neurons = layer.lowered()
    assert isinstance(states.neurons, Recurrence)
    assert (states.neurons.n_neurons, states.neurons.state_shape) == (2, (1, 2))
    assert states.neurons.relu
    assert states.inputs[0].synapse.weights.tolist() == [[1, 0], [2, 3]]
    # y = 2 Re(C x) = 2 (C_re x_re - C_im x_im)
    assert neurons.inputs[0].synapse.weights.tolist() == [[8, -10], [12, 0]]
    assert [place(c) for c in neurons.inputs] == [(0, "reduction", 0), (None, "direct", 0)]
    assert neurons.neurons.direct.tolist() == [7, 8]
    assert neurons.neurons.bias.tolist() == [1, 2]


def test_the_shifts_of_a_fixed_s5_layer_follow_from_its_exponents() -> None:
    layer = FixedS5(
        np.zeros((2, 2), int),
        np.ones((2, 3, 2), int),
        np.ones((3, 2, 2), int),
        b_exponent=[6, 7],
        c_exponent=5,
        d_exponent=14,
        state_exponent=12,
        state_shift=3,
        output_exponent=8,
    )
    states, neurons = layer.lowered(10)
    assert states.inputs[0].synapse.shift.tolist() == [5, 6, 5, 6]  # e_u + e_b + 1 - e_x
    assert states.neurons.state_shift == 3
    assert neurons.inputs[0].synapse.shift == 12 - 3 + 5 - 8  # e_x - k + e_c - e_y
    assert neurons.neurons.shift == 10 + 14 - 8  # e_u + e_d - e_y


def test_a_gate_multiplies_its_input_by_what_its_matrix_gives() -> None:
    (p,) = Gate(np.eye(2), [1.0, 2.0]).lowered()
    assert isinstance(p.neurons, Product)
    assert [place(c) for c in p.inputs] == [(None, "synapse", 0), (None, "product", 0)]
    assert p.inputs[1].synapse == Ones(2, 2)
    (p,) = FixedGate(np.eye(2, dtype=int), 7, output_exponent=9).lowered(10)
    assert p.inputs[0].synapse.shift == 10 + 7 + 1 - 12
    assert p.neurons.shift == 10 + 15 - 9
    assert FixedGate([[1]]).lowered(10)[0].neurons.shift == 15


def test_an_s4d_layer_may_have_a_direct_path_and_a_bias() -> None:
    layer = FixedS4D(*np.full((3, 2, 1, 2), 1), d=[3, 4], bias=[5, 6], d_exponent=9)
    neurons = layer.lowered(7)[1]
    assert [place(c) for c in neurons.inputs] == [(0, "reduction", 0), (None, "direct", 0)]
    assert neurons.neurons.direct.tolist() == [3, 4]
    assert neurons.neurons.shift == 9  # the output has the input's exponent
    assert neurons.neurons.bias.tolist() == [5, 6]


def test_a_direct_path_and_its_exponent_come_together() -> None:
    part = np.ones((2, 1, 2), int)
    for given in ({"d": [1, 2]}, {"d_exponent": 3}):
        with pytest.raises(ValueError, match="d, d_exponent: give both"):
            FixedS4D(part, part, part, **given)
    with pytest.raises(ValueError, match=r"d must have shape \(2,\)"):
        FixedS4D(part, part, part, d=[1], d_exponent=3)
    with pytest.raises(ValueError, match=r"bias must have shape \(2,\)"):
        S4D(*np.full((3, 2, 1), 0.5), bias=[1.0])


def test_a_gated_linear_unit_multiplies_two_matrices_sums() -> None:
    (p,) = GLU([[1.0, 2.0]], [[3.0, 4.0]], [5.0], [6.0]).lowered()
    assert isinstance(p.neurons, Product)
    assert (p.neurons.bias, p.neurons.bias_u) == ([6], [5])
    assert [c.synapse.weights.tolist() for c in p.inputs] == [[[3, 4]], [[1, 2]]]
    layer = FixedGLU([[1]], [[2]], 6, [7], value_exponent=9, output_exponent=8)
    (p,) = layer.lowered(10)
    assert p.inputs[0].synapse.shift.tolist() == [10 + 7 + 1 - 12]
    assert p.inputs[1].synapse.shift == 10 + 6 + 1 - 9
    assert p.neurons.shift == 9 + 15 - 8


def test_a_unit_with_another_activation_is_two_sums_and_their_product() -> None:
    """GEGLU: both sums are messages, what opens is activated at the exponent that it has."""
    layer = FixedGLU([[1]], [[2]], 6, [7], [3], [4], 9, 8, "gelu", 11)
    gates, values, product = layer.lowered(10)
    assert gates.inputs[0].synapse.shift.tolist() == [10 + 7 + 1 - 11]
    assert (gates.activation, gates.exponent) == (Activation.GELU, 11)
    assert values.inputs[0].synapse.shift == 10 + 6 + 1 - 9
    assert (gates.neurons.bias, values.neurons.bias) == ([4], [3])
    assert [place(c) for c in product.inputs] == [(0, "a", 0), (1, "b", 0)]
    assert (product.neurons.shift, product.neurons.weights) == (9 + 11 - 8, None)
    # to the left behind the product, where no bits are below it
    product = replace(layer, output_exponent=23).lowered(10)[2].neurons
    assert (product.shift, product.weights, product.weight_shift) == (0, [1], -3)


def test_a_units_exponents_are_those_that_its_neurons_have() -> None:
    for given, text in (
        ({"gate_sum_exponent": 11}, "gate_sum_exponent of a sigmoid must be .*12"),
        ({"activation": "gelu", "output_exponent": 29}, r"output_exponent must be .*28"),
        ({"activation": "gelu", "output_exponent": -51}, r"output_exponent must be .*-50"),
        ({"activation": "softmax"}, "activation must be an? Activation or one of"),
    ):
        with pytest.raises(ValueError, match=text):
            FixedGLU([[1]], [[2]], **given)


def test_paths_around_layers_are_delayed_so_that_tokens_meet() -> None:
    """linear (1 step), S5 (2), gate (1), S4D (2): a path takes what its way has more than one."""
    s5 = FixedS5(np.zeros((1, 2), int), np.ones((1, 2, 2), int), np.ones((2, 1, 2), int))
    gate = FixedGate(np.ones((2, 2), int), output_exponent=3)
    s4d = FixedS4D(*np.full((3, 2, 1, 2), 1))
    encoder = FixedLinear(np.ones((2, 2), int), output_exponent=4)
    net = FixedNetwork(
        (encoder, Residual(1), s5, ReLU(), gate, Residual(2), s4d, Residual(4), ReLU()),
        input_exponent=6,
    )
    populations = net.lowered
    assert [p.stage for p in populations] == [0, 1, 1, 2, 3, 3]
    assert [p.step for p in populations] == [1, 2, 3, 4, 5, 6]
    assert net.latency == 6
    assert [[place(c) for c in p.connections] for p in populations] == [
        [(None, "synapse", 0), (None, "residual", 0)],
        [(0, "expansion", 0)],
        [(1, "reduction", 0), (0, "direct", 1)],
        [(2, "synapse", 0), (2, "product", 0), (0, "residual", 2)],
        [(3, "expansion", 0)],
        [(4, "reduction", 0), (None, "residual", 5)],
    ]
    # exponents: input 6, then 4, 0, 3, 3; a message is shifted from its own to the output's
    assert net.exponents == (6, 4, 0, 3, 3)
    assert [p.residual_shift for p in populations] == [6 - 4, 0, 0, 4 - 3, 0, 6 - 3]
    relu, none = Activation.RELU, Activation.NONE
    assert [p.activation for p in populations] == [none, none, relu, none, none, relu]


def test_activations_follow_the_last_neurons_of_a_layer_alone() -> None:
    net = Network((S4D([[0.5]], [[1.0]], [[1.0]]), GELU(), Linear([[1.0]]), ReLU()))
    assert [p.activation.value for p in net.lowered] == ["none", "gelu", "relu"]


def test_a_networks_states_and_widths_are_those_of_its_populations() -> None:
    rng = np.random.default_rng(0)
    for net in (random_network(rng), random_s5_network(rng)):
        assert net.state_shapes == tuple(x.shape for x in net.stream().state)
        for p in net.lowered:
            for c in p.connections:
                assert c.synapse.n_out == p.neurons.n_neurons
                before = (
                    net.d_input if c.source is None else net.lowered[c.source].neurons.n_neurons
                )
                assert c.synapse.n_in == before
            assert isinstance(p.inputs[0].synapse, Matrix | Ones)
