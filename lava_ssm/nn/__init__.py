"""PyTorch: S4D layers and models to train, and the way from them to a network description."""

from lava_ssm.nn.augmentation import Wobble
from lava_ssm.nn.export import export
from lava_ssm.nn.initialization import Initialization
from lava_ssm.nn.ns4d import NS4D, SIZES
from lava_ssm.nn.s4d import S4D
from lava_ssm.nn.training import Epoch, Recipe, Training, Worker, accuracy, evaluate, fit, optimizer

__all__ = [
    "NS4D",
    "S4D",
    "SIZES",
    "Epoch",
    "Initialization",
    "Recipe",
    "Training",
    "Wobble",
    "Worker",
    "accuracy",
    "evaluate",
    "export",
    "fit",
    "optimizer",
]
