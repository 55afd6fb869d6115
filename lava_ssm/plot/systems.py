"""Pictures of the systems in a network: what they remember, and for how long."""

from typing import TYPE_CHECKING

import numpy as np

from lava_ssm.network import Filters, FixedNetwork, Network, Recurrence, check_network
from lava_ssm.numerics import integer
from lava_ssm.plot.style import WIDTH, colours, panels, plain, pyplot, some

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_MOST_LINES = 8
_LONGEST = 512


def kernels(network: Network | FixedNetwork, n_tokens: int | None = None) -> "Figure":
    """Draw what each linear system (S4D, S5) answers to a single token: its memory.

    Of a channel it is the output of that channel after an impulse into it, less what comes without
    any; at most eight channels of a layer, evenly apart.

    Parameters
    ----------
    network
        Float, or fixed: then of the values of its mantissas.
    n_tokens
        How far to look; None: until what is remembered has died away, 512 at most.

    Raises
    ------
    TypeError, ValueError
        Not a network, or one without a linear system.
    """
    systems = _systems(network)
    figure, all_axes = panels(len(systems), 1.5)
    for axes, (i, a, layer) in zip(all_axes, systems, strict=True):
        n = _memory(a) if n_tokens is None else integer(n_tokens, "n_tokens", 1)
        channels = some(layer.layers[0].d_input, _MOST_LINES)  # type: ignore[union-attr]
        x = np.zeros((len(channels) + 1, n, layer.d_input))
        x[np.arange(len(channels)), 0, channels] = 1
        y = layer.run(x)
        for k, (channel, colour) in enumerate(zip(channels, colours(len(channels)), strict=True)):
            axes.plot(y[k, :, channel] - y[-1, :, channel], color=colour, lw=1.2, label=channel)
        kind = type(layer.layers[0]).__name__
        axes.set_title(f"layer {i}, {kind}: answer to an impulse", loc="left", fontsize=10)
        axes.set(ylabel="output", xlim=(0, max(n - 1, 1)))
        axes.legend(title="channel", fontsize=7, title_fontsize=7, ncols=2, loc="upper right")
        plain(axes)
    all_axes[-1].set_xlabel("tokens since the impulse")
    return figure


def poles(network: Network | FixedNetwork) -> "Figure":
    """Draw the states' poles in the unit circle, and what they mean: how long, how fast.

    A state with a = r exp(i phi) falls to 1/e in -1 / log r tokens and turns phi / (2 pi) times a
    token.

    Parameters
    ----------
    network
        Float, or fixed: then of the values of its mantissas.

    Raises
    ------
    TypeError, ValueError
        Not a network, or one without a linear system.
    """
    systems = _systems(network)
    figure, (plane, memory) = pyplot.subplots(
        1, 2, figsize=(WIDTH, 4.2), layout="constrained", width_ratios=(1, 1.3)
    )
    circle = np.exp(2j * np.pi * np.linspace(0, 1, 400))
    plane.plot(circle.real, circle.imag, color="0.6", lw=1)
    markers = "osD^vP*X"
    for k, ((i, a, layer), colour) in enumerate(zip(systems, colours(len(systems)), strict=True)):
        label = f"{i} {type(layer.layers[0]).__name__}"
        style = {"s": 9, "color": colour, "marker": markers[k % len(markers)], "lw": 0}
        plane.scatter(a.real, a.imag, label=label, **style)
        radius = np.clip(np.abs(a), 1e-300, 1 - 1e-16)
        memory.scatter(np.abs(np.angle(a)) / (2 * np.pi), -1 / np.log(radius), label=label, **style)
    plane.set(xlabel="real part of a", ylabel="imaginary part of a", aspect="equal")
    plane.set_title("poles in the unit circle", loc="left", fontsize=10)
    memory.set(xlabel="frequency (turns a token)", ylabel="memory (tokens to 1/e)", yscale="log")
    memory.set_title("how long, and how fast", loc="left", fontsize=10)
    memory.legend(title="layer", fontsize=8, title_fontsize=8, markerscale=2)
    for axes in (plane, memory):
        plain(axes)
    return figure


def _systems(
    network: Network | FixedNetwork,
) -> "list[tuple[int, NDArray[np.complex128], Network]]":
    """Of each layer that is a linear system: its number, its poles, and a network of it alone."""
    check_network(network)
    values = network.dequantize() if isinstance(network, FixedNetwork) else network
    systems = [
        (p.stage, np.ravel(p.neurons.a), Network((values.stages[p.stage].layer,)))
        for p in values.lowered
        if isinstance(p.neurons, Filters | Recurrence)
    ]
    if not systems:
        raise ValueError("network: none of its layers is a linear system, such as S4D and S5")
    return systems


def _memory(a: "NDArray[np.complex128]") -> int:
    """Tokens after which half of the states have fallen to a fiftieth."""
    radius = float(np.median(np.abs(a)))
    return int(np.clip(np.log(0.02) / np.log(max(radius, 1e-3)), 16, _LONGEST))
