"""PyTorch: S4D and S5, models to train, and the way from them to a network description."""

from lava_ssm.extras import needed

with needed("torch"):
    import torch  # noqa: F401

from lava_ssm.nn.assign import assign, stretch
from lava_ssm.nn.augmentation import Wobble
from lava_ssm.nn.denoising import Denoising, DenoisingRecipe, match_level
from lava_ssm.nn.export import export
from lava_ssm.nn.initialization import Initialization
from lava_ssm.nn.ns4d import NS4D, SIZES
from lava_ssm.nn.s4d import S4D
from lava_ssm.nn.s5 import S5
from lava_ssm.nn.sparse_s5 import S5_SIZES, S5Block, SparseS5
from lava_ssm.nn.training import (
    Augment,
    Epoch,
    Fit,
    Recipe,
    Training,
    Worker,
    accuracy,
    evaluate,
    fit,
    fit_epochs,
    optimizer,
)

__all__ = [
    "NS4D",
    "S4D",
    "S5",
    "S5_SIZES",
    "SIZES",
    "Augment",
    "Denoising",
    "DenoisingRecipe",
    "Epoch",
    "Fit",
    "Initialization",
    "Recipe",
    "S5Block",
    "SparseS5",
    "Training",
    "Wobble",
    "Worker",
    "accuracy",
    "assign",
    "evaluate",
    "export",
    "fit",
    "fit_epochs",
    "match_level",
    "optimizer",
    "stretch",
]
