"""Training: one loop for classifiers and denoisers, in memory or in a run folder.

A training in a run folder can be left by a signal, or killed, and is gone on with to the last bit.
What needs torch loads it when it is first used.
"""

from typing import TYPE_CHECKING

from lava_ssm.extras import when_used
from lava_ssm.train.denoiser import Denoiser
from lava_ssm.train.folder import Left, RunError

if TYPE_CHECKING:
    from lava_ssm.train.adamw import optimizer
    from lava_ssm.train.affine import RandomAffine
    from lava_ssm.train.classification import Augment, Training, accuracy, evaluate
    from lava_ssm.train.denoising import Denoising, match_level
    from lava_ssm.train.fitting import Fit, fit, fit_epochs
    from lava_ssm.train.loop import Epoch, Loop, Worker
    from lava_ssm.train.recipe import DenoisingRecipe, Recipe

__all__ = [
    "Augment",
    "Denoiser",
    "Denoising",
    "DenoisingRecipe",
    "Epoch",
    "Fit",
    "Left",
    "Loop",
    "RandomAffine",
    "Recipe",
    "RunError",
    "Training",
    "Worker",
    "accuracy",
    "evaluate",
    "fit",
    "fit_epochs",
    "match_level",
    "optimizer",
]

_WITH_TORCH = {
    "Augment": "classification",
    "Denoising": "denoising",
    "DenoisingRecipe": "recipe",
    "Epoch": "loop",
    "Fit": "fitting",
    "Loop": "loop",
    "RandomAffine": "affine",
    "Recipe": "recipe",
    "Training": "classification",
    "Worker": "loop",
    "accuracy": "classification",
    "evaluate": "classification",
    "fit": "fitting",
    "fit_epochs": "fitting",
    "match_level": "denoising",
    "optimizer": "adamw",
}

__getattr__ = when_used(__name__, _WITH_TORCH, "torch")
