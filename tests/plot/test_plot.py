"""Pictures show the numbers that the network has."""

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from lava_ssm import load, plot
from lava_ssm.network import S4D, Linear, Network
from tests.networks import random_s5_network

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def test_a_kernel_is_the_impulse_response_without_the_bias() -> None:
    layer = S4D([[0.5], [0.25]], [[1], [2]], [[1], [1]], bias=[7, 7])
    figure = plot.kernels(Network((layer,)), 4)
    (axes,) = figure.axes
    first, second = (line.get_ydata() for line in axes.lines)
    np.testing.assert_allclose(first, 2 * 0.5 ** np.arange(4))  # 2 Re(c a^k b)
    np.testing.assert_allclose(second, 4 * 0.25 ** np.arange(4))
    assert axes.get_title(loc="left") == "layer 0, S4D: answer to an impulse"


def test_a_pole_is_placed_by_its_memory_and_its_frequency() -> None:
    a = 0.9 * np.exp(2j * np.pi * 0.125)
    figure = plot.poles(Network((S4D([[a]], [[1]], [[1]]),)))
    plane, memory = (axes.collections[0].get_offsets()[0] for axes in figure.axes)
    np.testing.assert_allclose(plane, [a.real, a.imag])
    np.testing.assert_allclose(memory, [0.125, -1 / np.log(0.9)])


@pytest.mark.parametrize("name", ["ns4d-sdigits", "ns4d-sdigits-float"])
def test_messages_of_every_layer_are_drawn(name: str) -> None:
    network, x = load(name), np.random.default_rng(0).random((20, 1))
    figure = plot.messages(network, x)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == len(network.stages)
    assert images[1].get_array().shape == (32, 20)  # type: ignore[union-attr]
    outputs = next(a for a in figure.axes if a.get_title(loc="left").startswith("outputs"))
    wanted = network.to_float(network.run(x))[:, 0]
    np.testing.assert_allclose(outputs.lines[0].get_ydata(), wanted, rtol=1e-12)
    tokens = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(tokens, x[:, 0], atol=2.0**-20)


def test_outputs_are_drawn_on_each_other_and_their_error_is_told() -> None:
    network, fixed = load("ns4d-sdigits-float"), load("ns4d-sdigits")
    x = np.random.default_rng(0).random((20, 1))
    figure = plot.outputs(network, fixed, x)  # type: ignore[arg-type]
    both, off = figure.axes
    wanted, given = network.run(x), fixed.to_float(fixed.run(x))
    total = 10 * np.log10((wanted**2).sum() / ((given - wanted) ** 2).sum())
    assert f"{total:.1f} dB" in both.get_title(loc="left")
    assert off.get_ylabel() == "error (dB of signal)"


@pytest.mark.parametrize("draw", [plot.kernels, plot.poles])
def test_an_s5_network_can_be_drawn_and_one_without_states_not(draw: object) -> None:
    assert draw(random_s5_network(np.random.default_rng(0))).axes  # type: ignore[operator]
    with pytest.raises(ValueError, match="none of its layers is a linear system"):
        draw(Network((Linear([[1.0]]),)))  # type: ignore[operator]
    with pytest.raises(TypeError, match="network"):
        draw("text")  # type: ignore[operator]


def test_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one sequence, \(time, 1\)"):
        plot.messages(load("ns4d-sdigits"), np.zeros((2, 3, 1)))
