"""States scaled by powers of two: no float network changes, fixed ones lose less."""

from dataclasses import replace

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.compress import W8A16, Formats, error_shares, quantize, report
from lava_ssm.compress.balance import found_scale
from lava_ssm.compress.kinds import kind_of
from lava_ssm.compress.kinds.s5 import balance_rows, fixed_s5
from lava_ssm.compress.ranges import observe
from lava_ssm.network import S5, Linear, Network
from tests.compress.test_s5 import data
from tests.networks import random_network, random_s5, random_s5_network


def uneven(layer: S5, rng: np.random.Generator) -> S5:
    """The same with states of which some are driven up to 2^8 times as much, and read as less."""
    scaled: S5 = kind_of(layer).scaled(layer, np.exp2(rng.integers(-4, 5, layer.d_state) * 1.0))
    return scaled


def test_scaled_states_give_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    layer = replace(random_s5(rng, 5, 8), drive_bias=rng.normal(size=8) + 1j, relu=True)
    other = kind_of(layer).scaled(layer, np.exp2(rng.integers(-9, 9, 8).astype(float)))
    assert not np.allclose(layer.b, other.b)
    x = rng.normal(size=(50, 5))
    np.testing.assert_array_equal(Network((layer,)).run(x), Network((other,)).run(x))


def test_rows_are_made_as_large_as_columns() -> None:
    rng = np.random.default_rng(1)
    layer = uneven(random_s5(rng, 6, 16), rng)
    spread = rng.uniform(0.1, 2, 6)
    level = kind_of(layer).scaled(layer, balance_rows(layer, spread))
    rows = np.sqrt((np.abs(level.b) ** 2) @ spread**2)
    ratio = rows / np.abs(level.c).max(axis=0)
    assert (ratio >= 0.5).all()
    assert (ratio <= 2).all()


def test_a_state_that_nothing_drives_is_left_alone() -> None:
    layer = random_s5(np.random.default_rng(2), 3, 4)
    silent = replace(layer, b=layer.b * np.array([1, 0, 1, 1])[:, np.newaxis])
    assert balance_rows(silent, np.ones(3))[1] == 1
    both = kind_of(silent).of_states(silent)
    assert both is not None
    assert found_scale(both, both)[1] == 1


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_scale_of_quantised_values_is_found_again(per_channel: bool) -> None:
    rng = np.random.default_rng(3)
    layer = random_s5(rng, 24, 16)
    k = np.exp2(rng.integers(-3, 4, 16).astype(float))
    kind = kind_of(layer)
    values = fixed_s5(kind.scaled(layer, k), Formats(per_channel=per_channel)).dequantize()
    before, behind = kind.of_states(layer), kind.of_states(values)
    assert before is not None
    assert behind is not None
    np.testing.assert_array_equal(found_scale(before, behind), k)
    np.testing.assert_array_equal(kind.scaled_like(layer, values).b, layer.b * k[:, np.newaxis])


def test_a_layer_without_states_is_not_scaled() -> None:
    layer = Linear(np.eye(2))
    assert kind_of(layer).scaled_like(layer, layer) == layer


def test_one_exponent_a_matrix_is_enough_for_states_driven_unevenly() -> None:
    rng = np.random.default_rng(4)
    net = random_s5_network(rng, 2, 24, 16)
    layers = tuple(uneven(la, rng) if isinstance(la, S5) else la for la in net.layers)
    net, seen, x = replace(net, layers=layers), data(0, 5), data(1, 5)
    error = {}
    for balance in (False, True):
        formats = Formats(per_channel=False, balance=balance)
        fixed = quantize(net, seen, formats, arithmetic=W8A16)
        shares = error_shares(net, fixed, x)
        error[balance] = shares["total"]
        assert shares["1 S5 b"] >= error[balance] - 1  # compared at the scale that they have
        assert shares["1 S5 c"] >= error[balance] - 1
    assert error[True] >= 25
    assert error[True] >= error[False] + 5
    rows = {t.name: t.sqnr for t in report(net, fixed, x).tensors}
    assert min(rows["1 S5 b"], rows["1 S5 c"]) > 20


def test_the_mean_of_what_states_send_is_taken_over_all_tokens() -> None:
    net, seen = Network((random_s5(np.random.default_rng(5), 8, 16),)), data(0, 8)
    shown = {}
    engine.run(net, seen, probe=lambda n, what, values: shown.update({(n, what): values}))
    mean = shown[0, "sent"].mean(axis=(0, 1))
    sent = observe(net, seen).moments[0].sent
    assert sent is not None
    np.testing.assert_allclose(sent.mean, mean)


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_what_rounding_takes_from_the_readout_of_mean_states_is_made_up_for(seed: int) -> None:
    """Rectified states have a mean; what C loses times it would be there in every token."""
    layer = random_s5(np.random.default_rng(seed), 8, 16)
    net, seen = Network((layer,)), data(0, 8)
    values = quantize(net, seen, Formats(per_channel=False), arithmetic=W8A16).dequantize()
    off = (values.run(seen) - net.run(seen)).reshape(-1, 8)
    steady, varying = np.abs(off.mean(axis=0)), off.std(axis=0)
    assert (steady < 0.14 * varying).all()


def test_shares_of_s4d_layers_are_told_by_tensor() -> None:
    rng = np.random.default_rng(8)
    net, x = random_network(rng), rng.uniform(0, 1, (3, 60, 2))
    fixed = quantize(net, x)
    shares = error_shares(net, fixed, x)
    assert {"1 S4D a", "1 S4D b", "1 S4D c"} <= set(shares)
    assert min(shares[f"1 S4D {key}"] for key in "abc") > shares["all"] - 1
