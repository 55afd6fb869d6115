"""A picture of a network at work."""

from pathlib import Path

import numpy as np

from lava_ssm import files
from lava_ssm.data import TokenData
from lava_ssm.extras import needed
from lava_ssm.network import FixedNetwork

with needed("matplotlib"):
    from matplotlib.figure import Figure


def draw_stream(fixed: FixedNetwork, data: TokenData, path: Path) -> None:
    """Draw the first test image as a stream: tokens, states of a layer, logits over time."""
    image = data.test.x[0]  # (time, 1)
    stream = fixed.stream()
    states, outputs = [], []
    for token in image:
        outputs.append(stream.step(token))
        states.append(stream.state[1][:, :, 0].ravel())  # real parts, second layer
    logits = fixed.to_float(np.array(outputs))  # (time, 10)
    last = logits[-1].argmax()

    figure = Figure(figsize=(11, 7), layout="constrained")
    grid = figure.subplot_mosaic(
        [["image", "tokens"], ["image", "states"], ["image", "logits"]],
        width_ratios=[1, 3],
    )
    grid["image"].imshow(image.reshape(data.image_shape or (8, -1)), cmap="gray_r")
    grid["image"].set_title(f"a {data.test.y[0]}, recognised as a {last}")
    grid["image"].set(xticks=[], yticks=[])
    grid["tokens"].step(range(len(image)), image[:, 0], where="mid", color="black")
    grid["tokens"].set(ylabel="token (pixel)", xticklabels=[])
    real = np.transpose(states)  # (states, time)
    peak = np.maximum(np.abs(real).max(axis=1, keepdims=True), 1)
    picture = grid["states"].imshow(
        real / peak, aspect="auto", cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest"
    )
    grid["states"].set(ylabel="states of layer 2", xticklabels=[])
    figure.colorbar(picture, ax=grid["states"], label="real part, of its peak")
    for digit, curve in enumerate(logits.T):
        if digit != last:
            grid["logits"].plot(curve, color="0.75", lw=1)
    grid["logits"].plot(logits[:, last], lw=2.5, label=f"{last}")
    grid["logits"].plot([], color="0.75", lw=1, label="other digits")
    grid["logits"].legend(loc="upper left", frameon=False)
    grid["logits"].set(xlabel="token", ylabel="mean logits so far")
    for name in ("tokens", "states", "logits"):
        grid[name].set_xlim(-0.5, len(image) + 0.5)
    files.write_figure(path, figure, dpi=120)
