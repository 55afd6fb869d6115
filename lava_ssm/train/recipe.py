"""How to train: plain numbers, checked, saved with a run."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from lava_ssm.nn.inputs import size
from lava_ssm.numerics import integer, real_number


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    epochs, batch_size
        Passes over the samples, and samples a step (of all workers together).
    lr, ssm_lr, weight_decay
        Peak learning rates and decay, see `optimizer`.
    label_smoothing
        Share of each label that is spread over all classes, in [0, 1].
    warm_up
        Share of the steps in which the learning rate of the one-cycle schedule rises, in (0, 1).
    precision
        "bfloat16": factors of matrix products are rounded to it, which is faster on processors
        that know it; parameters, states and sums stay float32.
    seed
        Of the order of samples, the augmentation and dropout.

    Raises
    ------
    ValueError
        A number outside its range.
    """

    epochs: int
    batch_size: int = 50
    lr: float = 5e-3
    ssm_lr: float = 2e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.0
    warm_up: float = 0.3
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    _intervals: ClassVar[dict[str, str]] = {
        "lr": "(0, inf)",
        "ssm_lr": "(0, inf)",
        "weight_decay": "[0, inf)",
        "label_smoothing": "[0, 1]",
        "warm_up": "(0, 1)",
    }

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, size(getattr(self, name), name))
        for name, interval in self._intervals.items():
            object.__setattr__(self, name, real_number(getattr(self, name), name, interval))
        object.__setattr__(self, "seed", integer(self.seed, "seed"))
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be 'float32' or 'bfloat16', got {self.precision!r}")


@dataclass(frozen=True)
class DenoisingRecipe(Recipe):
    """How to train a denoiser: as a `Recipe` (of clips; nothing to smooth), and

    Parameters
    ----------
    snr
        Range in dB at which clips are mixed anew each time with noise of other clips; up to more
        than is measured at, so that speech is left alone where there is little to take away.
    octaves
        By how much voices are played faster or slower, up to so many octaves either way; noises
        half as much again. 0: not at all.
    message_limit
        Of messages of a relufied model: what they exceed it by, see `denoising.watched`, is added
        to the loss. None: they may be as large as they like.

    Raises
    ------
    ValueError
        A number outside its range.
    """

    epochs: int = 50
    batch_size: int = 32
    lr: float = 4e-3
    ssm_lr: float = 1e-3
    weight_decay: float = 0.04
    warm_up: float = 0.1
    snr: tuple[float, float] = (-5.0, 25.0)
    octaves: float = 0.0
    message_limit: float | None = None

    _intervals: ClassVar[dict[str, str]] = {
        **Recipe._intervals,
        "label_smoothing": "[0, 0]",
        "octaves": "[0, 2]",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.message_limit is not None:
            real_number(self.message_limit, "message_limit", "(0, inf)")
        low, high = (real_number(value, "snr", "(-inf, inf)") for value in self.snr)
        if low > high:
            raise ValueError(f"snr must be ascending, got {low}, {high}")
