"""Training of a language model in a run folder. Loads no PyTorch before the text is there."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lava_ssm.train import sitting as sittings
from lava_ssm.train.folder import Plain, RunError, base_of, read_config
from lava_ssm.train.sitting import Sitting

if TYPE_CHECKING:
    from lava_ssm.train.language_run import LanguageRun


@dataclass(frozen=True)
class LanguageModel:
    """What to train.

    Parameters
    ----------
    text
        A name of `lava_ssm.data.TEXTS`, or the path of a text file.
    d_model, n_layers, bits
        See `nn.MatMulFreeLM`; of the maps of `nn.Mamba`, None: real.
    context
        Tokens of a sample.
    epochs, batch_size, lr, weight_decay, warm_up, precision, ema, seed
        See `train.Recipe`; an epoch is a million tokens.
    finetune
        Run folder of a trained model of this kind, which is quantised and trained on in integers;
        None: a float model is trained from random weights.
    calibration
        Samples by which exponents are chosen then.
    mixer
        Of tokens: "mlgru" (`nn.MatMulFreeLM`) or "mamba" (`nn.Mamba`).
    """

    text: str
    d_model: int = 128
    n_layers: int = 2
    bits: int | None = 2
    context: int = 128
    epochs: int = 10
    batch_size: int = 32
    lr: float = 4e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.1
    precision: str = "float32"
    ema: float = 0.0
    seed: int = 0
    finetune: str | None = None
    calibration: int = 64
    mixer: str = "mlgru"


def train(asked: LanguageModel, sitting: Sitting, data: Path | None = None) -> Plain:
    """Train, or go on, see `sitting.train`.

    Parameters
    ----------
    data
        Folder of data sets, see `data.load_text`.
    """
    config = {**asdict(asked), "base": base_of(asked.finetune)}

    def make() -> "LanguageRun":
        from lava_ssm.data import load_text

        text = load_text(asked.text, data)

        from lava_ssm.train.language_run import LanguageRun

        return LanguageRun(config, sitting, asked, text)

    return sittings.train(config, sitting, make)


def read(folder: Path) -> LanguageModel:
    """Give what was trained in a run folder of a language model.

    Raises
    ------
    RunError
        It is none.
    """
    config = read_config(folder)
    known = {name: config[name] for name in asdict(LanguageModel("")) if name in config}
    if "text" not in known:
        raise RunError(f"{folder} is no run folder of `lava-ssm train-lm`")
    return LanguageModel(**known)
