"""Training of a language model in a run folder. Loads no PyTorch before the text is there."""

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from lava_ssm import extras
from lava_ssm.train import folder as run_folder
from lava_ssm.train.folder import Plain


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


def train(
    asked: LanguageModel,
    folder: Path,
    data: Path | None = None,
    resume: bool | None = None,
    checkpoint_every: float = 60.0,
    command: str = "",
    console: Console | None = None,
) -> Plain:
    """Train, or go on with what is in the folder; give what `result.json` then holds.

    Parameters
    ----------
    data
        Folder of data sets, see `data.load_text`.
    resume
        Whether to go on with what is there; None: if there is anything.
    checkpoint_every, command, console
        See `run.Sitting`.

    Raises
    ------
    RunError
        The folder cannot be used as asked, or a parameter is no longer finite.
    Left
        A signal asked for it.
    OSError
        No text, or nothing may be written there.
    """
    config = asdict(asked)
    result = run_folder.begin(folder, config, resume)
    if result is not None:
        if console is not None:
            console.print("This training is finished; it gave:")
        return result
    extras.check("torch")

    from lava_ssm.data import load_text

    text = load_text(asked.text, data)

    from lava_ssm.train.language_run import LanguageRun  # loads PyTorch, which takes a while
    from lava_ssm.train.run import Sitting, carry_out

    sitting = Sitting(
        folder,
        resume is not False,
        checkpoint_every=checkpoint_every,
        command=command,
        console=console,
    )
    done = carry_out(LanguageRun(config, sitting, asked, text))
    assert done is not None
    return done


def read(folder: Path) -> LanguageModel:
    """Give what was trained in a run folder of a language model.

    Raises
    ------
    RunError
        It is none.
    """
    config = run_folder.read_config(folder)
    known = {name: config[name] for name in asdict(LanguageModel("")) if name in config}
    if "text" not in known:
        raise run_folder.RunError(f"{folder} is no run folder of `lava-ssm train-lm`")
    return LanguageModel(**known)
