"""Draw the pictures of the documentation into docs/pictures: python -m scripts.pictures.

Two open README: a stream, as `make demo` draws it, and integers on floats.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib

import lava_ssm as ssm

matplotlib.use("agg")
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lava_ssm import files
from lava_ssm.cli.figure import draw_stream
from lava_ssm.network import FixedNetwork, Network

FOLDER = Path(__file__).parent.parent / "docs/pictures"
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "0.6"


def networks(name: str) -> tuple[Network, FixedNetwork]:
    """A network of the zoo, float and fixed."""
    network, fixed = ssm.load(f"{name}-float"), ssm.load(name)
    assert isinstance(network, Network)
    assert isinstance(fixed, FixedNetwork)
    return network, fixed


def stream(path: Path) -> None:
    """Draw an image as a stream of tokens: what `make demo` draws, of the zoo's network."""
    draw_stream(networks("ns4d-sdigits")[1], ssm.data.digits(), path)


def fixed_on_float(path: Path) -> None:
    """Draw the outputs of integers on those of floats."""
    network, fixed = networks("ns4d-sdigits")
    save(path, ssm.plot.outputs(network, fixed, ssm.data.digits().test.x[0]))


def messages(path: Path) -> None:
    """Draw what each layer sends."""
    save(path, ssm.plot.messages(networks("ns4d-sdigits")[1], ssm.data.digits().test.x[0]))


def kernels(path: Path) -> None:
    """Draw what layers remember of a token."""
    save(path, ssm.plot.kernels(networks("ns4d-sdigits")[1]))


def poles(path: Path) -> None:
    """Draw where the states' poles are."""
    save(path, ssm.plot.poles(networks("ns4d-sdigits")[1]))


def chip(path: Path) -> None:
    """Draw a network on the cores of a chip."""
    network = networks("ns4d-smnist")[1]
    loihi2 = ssm.loihi2
    loihi2.draw_chips(loihi2.map(network, strategy="spread", cores_per_layer=27), path)


def tokens(path: Path) -> None:
    """Draw what a state remembers of tokens: one complex state, turning and fading."""
    a, n = 0.94 * np.exp(2j * np.pi / 16), 64
    u = np.zeros(n)
    u[[4, 20, 36, 44]] = 1.0
    states = np.zeros(n, complex)
    for k in range(n):
        states[k] = a * (states[k - 1] if k else 0) + u[k]
    figure, axes = pyplot.subplots(3, 1, figsize=(8, 4), sharex=True, layout="constrained")
    axes[0].stem(u, linefmt=_GREY, markerfmt="k.", basefmt=" ")
    axes[0].set_ylabel("token $u_k$")
    axes[1].plot(states.real, color=_BLUE, marker=".", label="real")
    axes[1].plot(states.imag, color=_ORANGE, marker=".", label="imaginary")
    axes[1].set_ylabel("state $x_k$")
    axes[1].legend(ncols=2, fontsize=8, loc="upper left", frameon=False)
    axes[2].plot(np.maximum(2 * states.real, 0), color="black", marker=".")
    axes[2].set(ylabel="output $y_k$", xlabel="token k")
    axes[0].set_title(
        "one state that turns once in 16 tokens: tokens in time push it, others stop it",
        loc="left",
        fontsize=10,
    )
    for each in axes:
        bare(each)
    save(path, figure)


def exponents(path: Path) -> None:
    """Draw the numbers that mantissas of five bits stand for, with three exponents."""
    figure, axes = pyplot.subplots(figsize=(8, 2.6), layout="constrained")
    for row, (e, colour) in enumerate(((2, _BLUE), (3, _ORANGE), (4, "black"))):
        values = np.arange(-16, 16) * 2.0**-e
        axes.scatter(values, np.full(len(values), -row), marker="|", s=220, color=colour)
        axes.text(4.3, -row, f"exponent {e}: steps of 1/{2**e}", color=colour, va="center")
    axes.axvline(0.8, color=_GREY, lw=1, zorder=0)
    axes.annotate("0.8", (0.8, 0.55), ha="center", color="0.35")
    axes.set(xlim=(-4.4, 7.6), ylim=(-2.6, 0.9), yticks=[], xticks=range(-4, 5))
    axes.set_xlabel("value = mantissa · 2^-exponent, mantissas from -16 to 15", loc="left")
    bare(axes, "left")
    save(path, figure)


def schedules(path: Path) -> None:
    """Draw which layer works on which token at which step, in both schedules."""
    layers, n = 4, 4
    figure, both = pyplot.subplots(1, 2, figsize=(9, 2.5), layout="constrained", sharey=True)
    shades = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.85, n))
    for axes, period, title in (
        (both[0], layers + 1, "fall-through: a token at a time"),
        (both[1], 1, "pipelined: each layer another token"),
    ):
        for token in range(n):
            for layer in range(layers):
                x = token * period + layer
                axes.add_patch(
                    pyplot.Rectangle((x, layer), 1, 1, facecolor=shades[token], edgecolor="white")
                )
                colour = "white" if token < n / 2 else "black"
                axes.text(x + 0.5, layer + 0.5, token, ha="center", va="center", color=colour)
        axes.set(xlim=(0, layers * n + n - 1), ylim=(layers, 0), xlabel="time step", title=title)
        axes.set_yticks(np.arange(layers) + 0.5, [f"layer {i}" for i in range(layers)])
        bare(axes)
    save(path, figure)


def bare(axes: Axes, *more: str) -> None:
    """Leave out frames that say nothing."""
    axes.spines[["top", "right", *more]].set_visible(False)


def save(path: Path, figure: Figure) -> None:
    """Write a picture, the same bytes each time."""
    with matplotlib.rc_context({"svg.hashsalt": "lava_ssm", "svg.fonttype": "path"}):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=110, metadata=metadata)
    pyplot.close(figure)


PICTURES: dict[str, Callable[[Path], None]] = {
    "stream.png": stream,
    "fixed-on-float.svg": fixed_on_float,
    "messages.png": messages,
    "kernels.svg": kernels,
    "poles.png": poles,
    "chip.png": chip,
    "tokens.svg": tokens,
    "exponents.svg": exponents,
    "schedules.svg": schedules,
}


if __name__ == "__main__":
    files.check_folder(FOLDER, "docs/pictures")
    for name, draw in PICTURES.items():
        draw(FOLDER / name)
        print(FOLDER / name)
