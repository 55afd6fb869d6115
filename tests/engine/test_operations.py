"""Multiply-adds: counted by hand."""

import numpy as np
import pytest

from lava_ssm.engine import operations
from lava_ssm.network import (
    MLGRU,
    S4D,
    S5,
    Gate,
    Linear,
    MinGRU,
    Network,
    ReLU,
    SelectiveSSM,
)
from tests.networks import random_fixed_s5_network, random_s5_network


def test_zeros_of_weights_and_of_activations_are_skipped() -> None:
    net = Network((Linear([[1.0, 2.0], [0.0, 3.0]]), ReLU(), Linear([[1.0, 1.0]])))
    # tokens: (1, 0): one weight; (0, 1): two; (0, -1): two, and nothing left for the second layer
    count = operations(net, [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert count.dense == (4, 2)
    assert count.effective == pytest.approx(((1 + 2 + 2) / 3, (1 + 2 + 0) / 3))
    assert count.activity == pytest.approx((0.5, 0.5))
    assert count.total == pytest.approx(8 / 3)


def test_states_and_elements_count_as_said() -> None:
    s5 = S5(np.zeros(2), np.ones((2, 3), complex), np.ones((3, 2), complex), np.ones(3))
    count = operations(Network((s5,)), np.ones((1, 3)))
    # B: imaginary parts are zero: 2 x 3 of 12; the states are real: C gets 2 of 4 channels
    assert count.dense == (12 + 12 + 3 + 4 * 2,)
    assert count.effective == (6 + 2 * 3 + 3 + 8,)
    gate = operations(Network((Gate(np.ones((3, 3))),)), [[1.0, 0.0, 0.0]])
    assert (gate.dense, gate.effective) == ((9 + 3,), (3 + 1,))
    s4d = S4D(*np.full((3, 2, 4), 0.5 + 0j))
    assert operations(Network((s4d,)), np.ones((5, 2))).dense == (8 * 8,)


def test_fixed_and_float_networks_are_counted() -> None:
    rng = np.random.default_rng(0)
    for net in (random_s5_network(rng), random_fixed_s5_network(rng, d_input=5)):
        count = operations(net, rng.integers(-9, 10, (10, 5)))
        assert 0 < count.total <= sum(count.dense)


def test_a_gated_state_is_one_product_whatever_enters_it() -> None:
    net = Network((MLGRU(*np.ones((3, 3, 2))), MinGRU(np.eye(3), np.zeros((3, 3)))))
    counted = operations(net, np.ones((4, 2)))
    # three maps of 6 weights, a product a state and one of the output gate; two maps of 9
    assert counted.dense == (18 + 3 + 3, 18 + 3)
    assert counted.effective == (18 + 3 + 3, 3 + 3)


def test_a_selective_state_is_five_products() -> None:
    ones = [np.ones(shape) for shape in ((1, 3), (3, 1), (2, 3), (2, 3))]
    net = Network((SelectiveSSM(-np.ones((3, 2)), *ones, np.ones(3)),))
    # maps of 3, 3, 6 and 6; D x; of each state B, a rate, a table's entry, a decay and C; d x
    assert operations(net, np.ones((4, 3))).dense == (18 + 3 + 6 * 5 + 3,)
