"""A teacher of image sequences: a convolutional network that sees the whole image at once.

python benchmarks/image_teacher.py --data DATA       # --device cpu --epochs 1 --width 8
python benchmarks/image_teacher.py psmnist --device cpu --epochs 8 --width 12

`lava-ssm train scifar --teacher benchmarks/image_teacher.py:scifar` learns from what is there,
`smnist` and `psmnist` likewise; it puts permuted pixels in their places.
Nine layers in the form of He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks"
(arXiv 1603.05027), trained with SGD and a rate that rises and falls. It sees the samples that the
student is trained with, not those kept aside.
"""

import argparse
import functools
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import say
from torch import Tensor, nn

from lava_ssm import data
from lava_ssm.train import RandomAffine, checkpoint
from lava_ssm.train.classifier_run import kept_aside

RUNS = Path("runs")
BATCH = 512
MOVES = {  # what the images of a task may do; digits are not mirrored
    "scifar": {"shift": 3, "mirror": True},
    "smnist": {"turn": 10, "scale": 0.1, "shift": 2},
    "psmnist": {"turn": 10, "scale": 0.1, "shift": 2},
}


def block(d_input: int, d_output: int, pool: bool = False) -> nn.Sequential:
    """Convolution, norm, ReLU, perhaps half the height and width."""
    layers = [
        nn.Conv2d(d_input, d_output, 3, padding=1, bias=False),
        nn.BatchNorm2d(d_output),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Around(nn.Sequential):
    """Its layers, and a path around them."""

    def forward(self, x: Tensor) -> Tensor:
        """Give x and what its layers make of it."""
        return x + super().forward(x)


class Teacher(nn.Module):
    """Logits (batch, classes) of images as sequences (batch, pixels, channels) in any order."""

    def __init__(
        self, height: int, width: int, d_input: int, classes: int, channels: int = 64
    ) -> None:
        super().__init__()
        self.image = (height, width, d_input)
        self.place: Tensor
        self.register_buffer("place", torch.arange(height * width))  # token of each pixel
        self.layers = nn.Sequential(
            block(d_input, channels),
            block(channels, 2 * channels, pool=True),
            Around(block(2 * channels, 2 * channels), block(2 * channels, 2 * channels)),
            block(2 * channels, 4 * channels, pool=True),
            block(4 * channels, 8 * channels, pool=True),
            Around(block(8 * channels, 8 * channels), block(8 * channels, 8 * channels)),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.decoder = nn.Linear(8 * channels, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        rows = x[:, self.place].view(len(x), *self.image)
        images = rows.permute(0, 3, 1, 2)  # channels lie last
        return 0.125 * self.decoder(self.layers(images))


def weights(task: str) -> Path:
    """Where its teacher is written."""
    return RUNS / f"teacher-{task}.safetensors"


def trained(task: str) -> Teacher:
    """Give what `main` has trained."""
    state = checkpoint.read(weights(task))
    side, d_input = math.isqrt(len(state["place"])), state["layers.0.0.weight"].shape[1]
    classes, channels = len(state["decoder.weight"]), len(state["layers.0.0.weight"])
    model = Teacher(side, side, d_input, classes, channels)
    model.load_state_dict(state)
    return model.to(memory_format=torch.channels_last)


scifar, smnist, psmnist = (functools.partial(trained, task) for task in MOVES)


def train(
    sets: data.TokenData, moves: dict[str, Any], epochs: int, channels: int, device: torch.device
) -> Teacher:
    """Train one on images that are moved; say how it does on what is kept aside."""
    torch.manual_seed(0)
    train, kept = kept_aside(sets.train, None)
    x, y = torch.as_tensor(train.x, device=device), torch.as_tensor(train.y, device=device)
    assert sets.image_shape is not None
    model = Teacher(*sets.image_shape, sets.d_input, sets.n_classes, channels)
    order = None if sets.order is None else torch.as_tensor(sets.order)
    if order is not None:
        model.place.copy_(order.argsort())
    model.to(device)
    model.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(model.parameters(), 0.4, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = max(1, len(x) // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        sgd, 0.4, total_steps=epochs * steps, pct_start=0.2, cycle_momentum=False
    )
    move = RandomAffine(sets.image_shape, sets.order, **moves)
    generator = torch.Generator().manual_seed(0)
    start = time.monotonic()
    for epoch in range(epochs):
        model.train()
        for chosen in torch.randperm(len(x), generator=generator).to(device).split(BATCH)[:steps]:
            batch = move(x[chosen], generator)
            with torch.autocast(device.type, torch.bfloat16):
                logits = model(batch).float()
            sgd.zero_grad()
            nn.functional.cross_entropy(logits, y[chosen]).backward()
            sgd.step()
            rates.step()
        if epoch % 4 == 3 or epoch + 1 == epochs or device.type == "cpu":
            right = accuracy(model, torch.as_tensor(kept.x, device=device), kept.y)
            seconds = time.monotonic() - start
            say("teacher", {"epochs": epoch + 1, "kept aside": right, "seconds": seconds})
    return model


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: np.ndarray) -> float:
    """Share of x that is classified rightly."""
    model.eval()
    found = [model(part).argmax(-1).cpu() for part in x.split(BATCH)]
    return float((torch.cat(found).numpy() == y).mean())


def main() -> None:
    """Train, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", default="scifar", choices=MOVES)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args()
    device = torch.device(given.device)
    sets = data.load(given.task, given.data)
    model = train(sets, MOVES[given.task], given.epochs, given.width, device)
    RUNS.mkdir(exist_ok=True)
    checkpoint.write(weights(given.task), model.state_dict())


if __name__ == "__main__":
    main()
