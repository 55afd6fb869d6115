"""Pictures of what a network computes: its messages, and what integers change."""

from typing import TYPE_CHECKING

import numpy as np

from lava_ssm.engine import as_sequences, run
from lava_ssm.network import FixedNetwork, Network, check_fixed, check_float, check_network
from lava_ssm.plot.style import WIDTH, colours, panels, plain, pyplot, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

_MOST_LINES = 6


def messages(network: Network | FixedNetwork, x: "ArrayLike") -> "Figure":
    """Draw a stream: the tokens, what every layer sends of them, and the outputs.

    Parameters
    ----------
    network
        Float or fixed; of a fixed one the values of messages are drawn.
    x
        One sequence, (time, d_input).

    Raises
    ------
    TypeError, ValueError
        Not a network, or not one sequence of its tokens.
    """
    check_network(network)
    tokens = _one(network, x)
    sent: dict[int, NDArray[np.float64]] = {}
    populations, exponents = network.lowered, network.exponents

    def probe(population: int, what: str, values: "NDArray[np.generic]") -> None:
        stage = populations[population].stage
        if what == "sent" and populations[population].name == "neurons":
            e = exponents[stage + 1]  # 0 of a float network
            sent[stage] = np.asarray(values, np.float64) * 2.0**-e

    y = network.to_float(run(network, tokens, probe=probe).outputs)
    n = len(network.stages)
    figure, axes = panels(n + 2, 1.1, sharex=True)
    _lines(axes[0], tokens * 2.0 ** -exponents[0], "tokens")
    for i, stage in enumerate(network.stages):
        values = np.asarray(sent[i]).T  # (channels, time)
        top = float(np.abs(values).max()) or 1.0
        image = axes[i + 1].imshow(
            values, aspect="auto", cmap="PuOr", vmin=-top, vmax=top, interpolation="nearest"
        )
        axes[i + 1].set_ylabel("channel")
        axes[i + 1].set_title(f"{i} {type(stage.layer).__name__} sends", loc="left", fontsize=9)
        figure.colorbar(image, ax=axes[i + 1], pad=0.01, aspect=8)
    _lines(axes[-1], y, "outputs")
    axes[-1].set_xlabel("token")
    return figure


def outputs(network: Network, fixed: FixedNetwork, x: "ArrayLike") -> "Figure":
    """Draw the outputs of a float network and of the one quantised from it, and how far they are.

    Parameters
    ----------
    network, fixed
        Of the same tokens and outputs.
    x
        One sequence, (time, d_input).

    Raises
    ------
    TypeError, ValueError
        Not such networks, or not one sequence of their tokens.
    """
    check_float(network)
    check_fixed(fixed, "fixed")
    tokens = _one(network, x)
    wanted, y = network.run(tokens), fixed.to_float(fixed.run(tokens))
    figure, (both, off) = pyplot.subplots(
        2, 1, figsize=(WIDTH, 4.6), layout="constrained", sharex=True, height_ratios=(2, 1)
    )
    channels = some(wanted.shape[1], _MOST_LINES)
    for channel, colour in zip(channels, colours(len(channels)), strict=True):
        both.plot(wanted[:, channel], color=colour, lw=3, alpha=0.35)
        both.plot(y[:, channel], color=colour, lw=1, label=f"{channel}")
    error, signal = ((v**2).mean(-1) for v in (y - wanted, wanted))
    with np.errstate(divide="ignore"):
        off.plot(10 * np.log10(error / signal.mean()), color="black", lw=1)
        total = 10 * np.log10(signal.mean() / error.mean())
    both.set(ylabel="output")
    both.set_title(
        f"integers (thin) on floats (broad): {total:.1f} dB signal to error",
        loc="left",
        fontsize=10,
    )
    both.legend(title="channel", fontsize=8, title_fontsize=8, bbox_to_anchor=(1, 1))
    off.set(xlabel="token", ylabel="error (dB of signal)")
    for axes in (both, off):
        plain(axes)
    return figure


def _one(network: Network | FixedNetwork, x: "ArrayLike") -> "NDArray[np.float64]":
    """One sequence of a network's tokens."""
    values = np.asarray(as_sequences(network, x))
    if values.ndim != 2:
        raise ValueError(f"x must be one sequence, (time, {network.d_input}), got {values.shape}")
    return values


def _lines(axes: "Axes", values: "NDArray[np.float64]", what: str) -> None:
    channels = some(values.shape[1], _MOST_LINES)
    for channel, colour in zip(channels, colours(len(channels)), strict=True):
        axes.plot(values[:, channel], color=colour, lw=1.2, label=f"{channel}")
    axes.set_title(f"{what} (channels {', '.join(map(str, channels))})", loc="left", fontsize=9)
    plain(axes)
