"""How to train: plain numbers, checked, saved with a run."""

from dataclasses import dataclass
from itertools import accumulate
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
        Share of the steps in which learning rates rise, in (0, 1).
    precision
        "bfloat16": factors of matrix products are rounded to it, which is faster on processors
        that know it; parameters, states and sums stay float32.
    seed
        Of the order of samples, the augmentation and dropout.
    schedule
        "one-cycle": rates rise and fall along cosines, AdamW's first moment does the reverse
        (Smith, Topin, "Super-Convergence", arXiv 1708.07120). "cosine": rates rise along a line
        and fall to zero along a cosine.
    ema
        d of the exponential moving average of the parameters and of norms' statistics: that is what
        is measured, and what the model has in the end. In [0, 1); 0: none. After step k from 0,

            m_k = d_k m_{k-1} + (1 - d_k) p_k,   m_0 = p_0,   d_k = min(d, (1 + k) / (10 + k)),

        so that an early average does not lag (as `tf.train.ExponentialMovingAverage` has it, with
        `num_updates`). Of a model that is pruned, steps count once no more weights become zero.
    join
        How many tokens are taken as one, their mean. Several, as (4, 2, 1): one after the other,
        each for as many epochs as cost the same, with the steps of the state space layers
        (`nn.stretch`) as long as the tokens.
    distillation
        w of the loss (1 - w) cross entropy + w T^2 KL(softmax(teacher / T) | softmax(logits / T))
        (Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531,
        section 2); in [0, 1], above 0 with a teacher.
    temperature
        T of it, above 0.

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
    schedule: Literal["one-cycle", "cosine"] = "one-cycle"
    ema: float = 0.0
    join: int | tuple[int, ...] = 1
    distillation: float = 0.0
    temperature: float = 2.0

    _intervals: ClassVar[dict[str, str]] = {
        "lr": "(0, inf)",
        "ssm_lr": "(0, inf)",
        "weight_decay": "[0, inf)",
        "label_smoothing": "[0, 1]",
        "warm_up": "(0, 1)",
        "ema": "[0, 1)",
        "distillation": "[0, 1]",
        "temperature": "(0, inf)",
    }

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, size(getattr(self, name), name))
        for name, interval in self._intervals.items():
            object.__setattr__(self, name, real_number(getattr(self, name), name, interval))
        object.__setattr__(self, "seed", integer(self.seed, "seed"))
        for name, members in (
            ("precision", ("float32", "bfloat16")),
            ("schedule", ("one-cycle", "cosine")),
        ):
            if getattr(self, name) not in members:
                raise ValueError(
                    f"{name} must be {' or '.join(map(repr, members))}, got {getattr(self, name)!r}"
                )
        joins = [self.join] if isinstance(self.join, int) else self.join
        object.__setattr__(self, "join", tuple(size(tokens, "join") for tokens in joins))
        if len(self.stages) > self.epochs:
            raise ValueError(
                f"join must have at most {self.epochs} stages, one an epoch, got {self.stages}"
            )

    @property
    def stages(self) -> tuple[int, ...]:
        """How many tokens are one, of each stage."""
        return (self.join,) if isinstance(self.join, int) else self.join

    def joined(self, epoch: int) -> int:
        """How many tokens are one in an epoch, from 1."""
        # of tokens joined by four an epoch costs a quarter, so there are four times as many
        ends = [round(self.epochs * end / sum(self.stages)) for end in accumulate(self.stages)]
        for i, tokens in enumerate(self.stages):
            still_to_come = len(ends) - 1 - i
            if epoch <= min(max(ends[i], i + 1), self.epochs - still_to_come):
                return tokens
        raise ValueError(f"epoch must lie in [1, {self.epochs}], got {epoch}")


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
        "distillation": "[0, 0]",
        "octaves": "[0, 2]",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stages != (1,):
            raise ValueError(f"join must be 1 for a denoiser, got {self.join}")
        if self.message_limit is not None:
            real_number(self.message_limit, "message_limit", "(0, inf)")
        low, high = (real_number(value, "snr", "(-inf, inf)") for value in self.snr)
        if low > high:
            raise ValueError(f"snr must be ascending, got {low}, {high}")
