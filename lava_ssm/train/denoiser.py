"""Training of a denoiser in a run folder. Loads no PyTorch before the clips are there."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lava_ssm.train import sitting as sittings
from lava_ssm.train.folder import Plain, RunError, base_of
from lava_ssm.train.sitting import Sitting

if TYPE_CHECKING:
    from lava_ssm.compress.pruning import Allocation
    from lava_ssm.train.denoiser_run import DenoiserRun

PARTS = ("training_set", "validation_set", "test_set")
_WIDTH, _STATES = 192, 128
"""H and P of the published width k = 1."""


@dataclass(frozen=True)
class Denoiser:
    """What to train.

    Parameters
    ----------
    k
        Width: H = 192 k channels, P = 128 k states.
    relu
        Whether the model is relufied, from the start or, with `start`, before it is trained on.
    sparsity
        Share of weights that are zero at the end; 0: dense.
    allocation, end
        See `compress.Pruner`; `end` 0 is one-shot.
    start
        Run folder of a trained model of this width to train on; None: from random weights.
    epochs, batch_size, lr, ssm_lr, ema, octaves, message_limit, seed
        See `DenoisingRecipe`.
    dropout
        See `nn.SparseS5`.
    """

    k: float = 0.5
    relu: bool = False
    sparsity: float = 0.0
    allocation: "Allocation" = "erk"
    end: float = 0.7
    start: str | None = None
    epochs: int = 20
    batch_size: int = 8
    lr: float = 4e-3
    ssm_lr: float = 1e-3
    dropout: float = 0.0
    ema: float = 0.0
    octaves: float = 0.5
    message_limit: float | None = None
    seed: int = 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Channels and states.

        Raises
        ------
        RunError
            There are none of this width.
        """
        if not 0 < self.k <= 16:
            raise RunError(f"k must lie in (0, 16], got {self.k:g}")
        width, states = round(_WIDTH * self.k), round(_STATES * self.k)
        if states < 8 or states % 8:
            raise RunError(f"k must make 128 k a multiple of 8, got k = {self.k:g}")
        return width, states


def train(denoiser: Denoiser, sitting: Sitting, data: Path, limit: int | None = None) -> Plain:
    """Train, or go on, see `sitting.train`.

    Parameters
    ----------
    data
        Folder with `training_set`, `validation_set` and `test_set`.
    limit
        Use so many clips of each only.
    """
    config = {**asdict(denoiser), "limit": limit, "data": _identity(data)}
    config["base"] = base_of(denoiser.start)

    def make() -> "DenoiserRun":
        denoiser.sizes  # noqa: B018  refused now
        from lava_ssm.data import ndns

        clips = {part: ndns(data / part)[:limit] for part in PARTS}

        from lava_ssm.train.denoiser_run import DenoiserRun

        return DenoiserRun(config, sitting, denoiser, clips)

    return sittings.train(config, sitting, make)


def _identity(data: Path) -> str | None:
    """Tell one mini N-DNS from another by what it was made of; None of other data."""
    about = data / "about.json"
    return hashlib.sha256(about.read_bytes()).hexdigest() if about.is_file() else None
