"""A teacher of image sequences: a convolutional network that sees the whole image at once.

python benchmarks/image_teacher.py --data DATA       # --device cpu --epochs 1 --width 8

`lava-ssm train scifar --teacher benchmarks/image_teacher.py:teacher` learns from what is there.
Nine layers in the form of He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks"
(arXiv 1603.05027), trained with SGD and a rate that rises and falls. It sees the samples that the
student is trained with, not those kept aside.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from machine import say
from torch import Tensor, nn

from lava_ssm import data
from lava_ssm.train import Wobble, checkpoint
from lava_ssm.train.classifier_run import kept_aside

WEIGHTS = Path("runs/teacher.safetensors")
BATCH = 512


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
    """Logits (batch, classes) of images as sequences (batch, 1024, channels)."""

    def __init__(self, d_input: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.d_input = d_input
        self.layers = nn.Sequential(
            block(d_input, width),
            block(width, 2 * width, pool=True),
            Around(block(2 * width, 2 * width), block(2 * width, 2 * width)),
            block(2 * width, 4 * width, pool=True),
            block(4 * width, 8 * width, pool=True),
            Around(block(8 * width, 8 * width), block(8 * width, 8 * width)),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.decoder = nn.Linear(8 * width, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        images = x.view(len(x), 32, 32, self.d_input).permute(0, 3, 1, 2)  # channels lie last
        return 0.125 * self.decoder(self.layers(images))


def teacher() -> Teacher:
    """Give what `main` has trained."""
    state = checkpoint.read(WEIGHTS)
    model = Teacher(3, 10, len(state["layers.0.0.weight"]))
    model.load_state_dict(state)
    return model.to(memory_format=torch.channels_last)


def train(sets: data.TokenData, epochs: int, width: int, device: torch.device) -> Teacher:
    """Train one; say how it does on what is kept aside."""
    torch.manual_seed(0)
    train, kept = kept_aside(sets.train, None)
    x, y = torch.as_tensor(train.x, device=device), torch.as_tensor(train.y, device=device)
    model = Teacher(sets.d_input, sets.n_classes, width).to(device)
    model.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(model.parameters(), 0.4, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = max(1, len(x) // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        sgd, 0.4, total_steps=epochs * steps, pct_start=0.2, cycle_momentum=False
    )
    wobble, generator = Wobble((32, 32), shift=3, mirror=True), torch.Generator().manual_seed(0)
    start = time.monotonic()
    for epoch in range(epochs):
        model.train()
        for chosen in torch.randperm(len(x), generator=generator).to(device).split(BATCH)[:steps]:
            batch = wobble(x[chosen], generator)
            with torch.autocast(device.type, torch.bfloat16):
                logits = model(batch).float()
            sgd.zero_grad()
            nn.functional.cross_entropy(logits, y[chosen]).backward()
            sgd.step()
            rates.step()
        if epoch % 4 == 3 or epoch + 1 == epochs:
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
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args()
    device = torch.device(given.device)
    model = train(data.load("scifar", given.data), given.epochs, given.width, device)
    WEIGHTS.parent.mkdir(exist_ok=True)
    checkpoint.write(WEIGHTS, model.state_dict())


if __name__ == "__main__":
    main()
