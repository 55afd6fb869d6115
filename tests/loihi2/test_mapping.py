"""Mapping: against the compiler tables printed in public notebooks, and against the limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import image

from lava_ssm import loihi2
from lava_ssm.loihi2 import Neuron
from lava_ssm.network import S4D, FixedNetwork, Linear, Network, ReLU
from tests.networks import random_fixed_network, random_network

# Rows of the compiler's tables: percentages of AxonIn, Neurons, Synapses, AxonMap, Total; cores.
# None: depends on the zeros in trained weights.
H128_N4 = [
    (0.02, 3.13, None, 0.80, None, 1),
    (0.80, 25.01, 0.80, 3.20, 8.96, 1),
    (3.20, 3.13, 3.20, 0.80, 6.41, 1),
    (0.80, 3.13, None, 0.80, None, 1),
    (0.80, 0.24, None, 0.06, None, 1),
    (0.06, 0.24, 0.06, 0.06, 0.21, 1),  # receiver
]
LAYER_OF_H128_N64 = [
    (0.80, 99.98, 2.80, 12.79, 33.59, 5),
    (51.20, 1.54, 25.20, 0.39, 61.76, 3),
    (0.80, 3.13, None, 0.80, None, 1),
]
LAYER_OF_H256_N16 = [
    (1.60, 99.98, 3.21, 12.79, 34.55, 3),
    (25.60, 6.25, 25.60, 1.60, 43.52, 1),
    (1.60, 3.10, 51.20, 0.79, 43.52, 3),
]
COLUMNS = ("axons", "neurons", "synapses", "axon_map", "total")


def percentages(mapping: loihi2.Mapping) -> list[tuple[float | int, ...]]:
    return [(*(100 * row[c] for c in COLUMNS), row["cores"]) for row in mapping.rows()]


def assert_rows(rows: list, published: list) -> None:
    assert len(rows) == len(published)
    for row, expected in zip(rows, published, strict=True):
        for got, wanted in zip(row, expected, strict=True):
            if wanted is not None:
                assert got == pytest.approx(wanted, abs=0.0151), (row, expected)


def test_one_layer_of_four_real_states_takes_the_compilers_table() -> None:
    mapping = loihi2.map(loihi2.ns4d(128, 4, 1, real=True), receiver=True)
    assert mapping.n_cores == 6
    assert_rows(percentages(mapping), H128_N4)


def test_layers_of_64_real_states_take_the_compilers_table() -> None:
    one = loihi2.map(loihi2.ns4d(128, 64, 1, real=True))
    assert one.n_cores == 11
    assert_rows(percentages(one)[1:-1], LAYER_OF_H128_N64)
    four = loihi2.map(loihi2.ns4d(128, 64, 4, real=True))
    assert four.n_cores == 38
    assert_rows(percentages(four)[1:-1], 4 * LAYER_OF_H128_N64)


def test_a_wide_layer_takes_the_compilers_table() -> None:
    mapping = loihi2.map(loihi2.ns4d(256, 16, 1, real=True))
    assert mapping.cores_of_layer["layer 0"] == 7
    assert_rows(percentages(mapping)[1:-1], LAYER_OF_H256_N16)


@pytest.mark.parametrize(
    ("description", "cores_per_layer", "published"),
    [
        (loihi2.ns4d(64, 32, 4, d_input=1), 7, 31),
        (loihi2.ns4d(128, 64, 4), 27, 111),
    ],
    ids=["small", "large"],
)
def test_published_deployments_come_out_by_a_stated_spread(
    description: loihi2.Description, cores_per_layer: int, published: int
) -> None:
    mapping = loihi2.map(
        description, strategy="spread", cores_per_layer=cores_per_layer, receiver=True
    )
    assert mapping.n_cores == published
    assert mapping.n_chips == 1
    assert f"{cores_per_layer} cores a layer" in mapping.strategy
    assert set(mapping.cores_of_layer.values()) == {1, cores_per_layer}


def test_a_network_maps_as_the_description_of_its_widths() -> None:
    rng = np.random.default_rng(0)
    size = (128, 64)
    a = rng.uniform(0.1, 0.9, size)
    layers = [Linear(rng.normal(size=(128, 3)))]
    for _ in range(4):
        dense = Linear(rng.normal(size=(128, 128)))
        layers += [S4D(a, rng.normal(size=size), rng.normal(size=size)), ReLU(), dense, ReLU()]
    layers.append(Linear(rng.normal(size=(10, 128))))
    mapping = loihi2.map(Network(tuple(layers)))
    assert mapping.n_cores == 38
    assert mapping.description.layers == ("encoder", *(f"layer {i}" for i in range(4)), "decoder")
    assert percentages(mapping) == percentages(loihi2.map(loihi2.ns4d(128, 64, 4, real=True)))


def test_states_with_imaginary_parts_take_three_units_and_real_ones_two() -> None:
    complex_net = random_fixed_network(np.random.default_rng(1), n_layers=1, d_model=5, d_state=4)
    states = loihi2.map(complex_net).cores[1].tables
    assert (states.neurons, states.neuron_units) == (20, 60)
    layers = list(complex_net.layers)
    real = [v * [1, 0] for v in (layers[1].a, layers[1].b, layers[1].c)]
    layers[1] = type(layers[1])(*real)
    states = loihi2.map(FixedNetwork(tuple(layers), input_exponent=8)).cores[1].tables
    assert (states.neurons, states.neuron_units) == (20, 40)


@settings(max_examples=40, deadline=None)
@given(
    d_model=st.integers(1, 700),
    d_state=st.integers(1, 80),
    n_layers=st.integers(1, 4),
    cores=st.none() | st.integers(60, 200),
    sparse=st.booleans(),
)
def test_every_neuron_is_placed_once_and_no_core_is_overfull(
    d_model: int, d_state: int, n_layers: int, cores: int | None, sparse: bool
) -> None:
    build = loihi2.s5 if sparse else loihi2.ns4d
    description = build(d_model, d_state, n_layers)
    options = {} if cores is None else {"strategy": "spread", "cores_per_layer": cores}
    mapping = loihi2.map(description, "alia-point", **options)
    for p in description.populations:
        entries = [c.tables for c in mapping.cores if c.population == p.name]
        assert sum(t.neurons for t in entries) == p.n_neurons
        assert all(t.excess(loihi2.LIMITS) is None for t in entries)
    places = [(c.chip, c.number) for c in mapping.cores]
    assert len(set(places)) == len(places)
    assert max(number for _, number in places) < 120


def test_neurons_per_core_bounds_a_pack() -> None:
    mapping = loihi2.map(loihi2.ns4d(64, 32, 1), neurons_per_core=300)
    assert max(c.tables.neurons for c in mapping.cores) <= 300
    assert "at most 300" in mapping.strategy


def test_what_does_not_fit_is_refused_with_the_number_of_chips() -> None:
    large = loihi2.ns4d(256, 64, 8)
    with pytest.raises(loihi2.MappingError, match=r"oheo-gulch has 120 on 1 chip") as refused:
        loihi2.map(large)
    assert "it would take 2 chips; kapoho-point has 8" in str(refused.value)
    mapping = loihi2.map(large, "kapoho-point")
    assert mapping.n_chips == 2
    assert {c.chip for c in mapping.cores} == {0, 1}


def test_a_neuron_with_too_many_inputs_is_named() -> None:
    wide = Network((Linear(np.ones((3, 17_000))),))
    with pytest.raises(loihi2.MappingError, match=r"stage0\.neurons.*17,000 axons.*16,000"):
        loihi2.map(wide)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"system": "loihi-3"}, "system must be one of oheo-gulch"),
        ({"strategy": "squeeze"}, "strategy must be 'pack' or 'spread'"),
        ({"strategy": "spread"}, "needs a target"),
        ({"strategy": "spread", "cores_per_layer": 2}, "'layer 0' needs at least 3 cores, got 2"),
        ({"strategy": "spread", "cores_per_layer": {"layer 9": 3}}, "no layer"),
        ({"strategy": "spread", "cores_per_layer": 0}, "at least 1"),
        ({"cores_per_layer": 4}, "for strategy 'spread'"),
        ({"neurons_per_core": 0}, "neurons_per_core must be an integer of at least 1"),
    ],
)
def test_bad_options_are_refused(options: dict, text: str) -> None:
    network = random_network(np.random.default_rng(0))
    with pytest.raises(ValueError, match=text):
        loihi2.map(network, **options)


def test_limits_can_be_set_and_are_checked() -> None:
    small = loihi2.Limits(neuron_units=100)
    mapping = loihi2.map(loihi2.ns4d(16, 8, 1), limits=small)
    assert all(c.tables.neuron_units <= 100 for c in mapping.cores)
    with pytest.raises(ValueError, match=r"axons must lie in \[1, inf\)"):
        loihi2.Limits(axons=0)


def test_tables_print_and_are_plain_data() -> None:
    mapping = loihi2.map(loihi2.ns4d(128, 64, 1, real=True))
    text = str(mapping)
    assert "11 of 120 cores" in text
    assert "99.98%" in text
    assert "model" in text
    assert mapping.to_json()["cores_of_layer"] == {"encoder": 1, "layer 0": 9, "decoder": 1}


def test_chips_are_drawn_in_the_colours_of_layers(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "chips.png"
    loihi2.draw_chips(loihi2.map(loihi2.ns4d(16, 8, 2)), path)
    pixels = image.imread(path)[..., :3]
    colours = {tuple(c) for c in (255 * pixels).astype(int).reshape(-1, 3)}
    blue, orange, green = (31, 119, 180), (255, 127, 14), (44, 160, 44)  # encoder, layers 0 and 1
    assert {blue, orange, green} <= colours
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no folder"):
        loihi2.draw_chips(loihi2.map(loihi2.ns4d(16, 8, 2)), tmp_path / "none" / "chips.png")


def test_descriptions_check_themselves() -> None:
    relay = loihi2.Population("a", "encoder", Neuron.RELAY, 3, 1)
    block = loihi2.Connectivity.BLOCK
    ones = np.ones(3)
    loihi2.Description("d", 3, (relay,), (loihi2.Synapses(None, "a", block, ones, ones),))
    with pytest.raises(ValueError, match="populations without input"):
        loihi2.Description("d", 3, (relay,), ())
    with pytest.raises(ValueError, match="no such population"):
        loihi2.Description("d", 3, (relay,), (loihi2.Synapses("b", "a", block, ones, ones),))
    with pytest.raises(ValueError, match="step must come later"):
        loihi2.Description("d", 3, (relay,), (loihi2.Synapses("a", "a", block, ones, ones),))
    with pytest.raises(ValueError, match=r"activity .* in \[0, 1\]"):
        loihi2.Synapses(None, "a", block, ones, 2 * ones)
    with pytest.raises(ValueError, match="n_neurons of 'a'"):
        loihi2.Population("a", "encoder", Neuron.RELAY, 0, 1)
    with pytest.raises(TypeError, match="must be a Network"):
        loihi2.describe("network")  # type: ignore[arg-type]
