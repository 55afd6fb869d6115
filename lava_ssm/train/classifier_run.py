"""A classifier, trained or fine-tuned, in its run folder."""

import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import lava_ssm
from lava_ssm import compress, data, nn, zoo
from lava_ssm.compress import FixedModel
from lava_ssm.data.own import classes_of
from lava_ssm.extras import needed
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import CHIP, Arithmetic, RealArray
from lava_ssm.train.affine import RandomAffine
from lava_ssm.train.classification import Augment, Training, accuracy, evaluate
from lava_ssm.train.folder import NETWORK, Plain, RunError, join_of, last_of, read_classifier
from lava_ssm.train.recipe import Recipe
from lava_ssm.train.run import Run, device_of, load_best
from lava_ssm.train.sitting import Sitting

with needed("torch"):
    import torch


@dataclass(frozen=True)
class _Family:
    """Models of one kind.

    Parameters
    ----------
    make, sizes, always
        What makes one, of which sizes by name, with which other arguments.
    has_norms
        Whether it has norms of its own, folded when it is exported; otherwise it is S4D with an
        initialisation to choose.
    arithmetic
        In which it is fine-tuned.
    """

    make: Callable[..., nn.Chain]
    sizes: dict[str, Plain]
    always: Plain
    has_norms: bool
    arithmetic: Arithmetic


_FAMILIES = (
    _Family(nn.NS4D, nn.SIZES, {}, has_norms=False, arithmetic=CHIP),
    _Family(nn.SparseS5, nn.S5_SIZES, {"relu": True}, has_norms=True, arithmetic=compress.W8A16),
)
_FAMILY_OF = {name: family for family in _FAMILIES for name in family.sizes}

_REPORTED = 16
"""Samples on which quantisation is reported."""


class ClassifierRun(Run):
    """A training of a classifier, see `Run`.

    Parameters
    ----------
    sets
        The data set.

    Raises
    ------
    RunError
        Or several processes are to train a model that they cannot.
    """

    score = "accuracy"
    loop: Training

    def __init__(self, config: Plain, sitting: Sitting, sets: data.TokenData) -> None:
        count = 1 if sitting.worker is None else sitting.worker.count
        if count > 1 and (config["norm"] or _FAMILY_OF[config["model"]].has_norms):
            what = "--norm" if config["norm"] else f"--model {config['model']}"
            raise RunError(
                f"{what}: {count} processes would each normalise "
                "by their own share of a step's samples, and learn something else than one process "
                "does; train it without torchrun"
            )
        if len(sets.train) == 0:
            raise RunError(f"{config['task']}: no samples")
        self.data = _named_as_before(sets, config)
        super().__init__(config, sitting)

    def prepare(self) -> Training:
        """Make the model, and the loop that trains it."""
        config, device = self.config, device_of(self.sitting.device)
        recipe = Recipe(**config["recipe"], join=config["join"])
        train, self.kept = kept_aside(self.data.train.first(config["limit"]), config["validation"])
        torch.manual_seed(recipe.seed)
        bare = build(config, self.data)
        if config["start"] is not None:
            _begin_with(bare, config, recipe.stages[0])
        model: torch.nn.Module = bare
        if "finetune" in config:
            model = self._to_finetune(bare, config["finetune"])
        model.to(device)
        if self.worker.count > 1:
            model = torch.nn.parallel.DistributedDataParallel(model)
        teacher, join = _teacher(config["teacher"], self.data.classes)
        return Training(
            model,
            train.x,
            train.y,
            recipe,
            self._augmentation(config["affine"]),
            self.worker,
            teacher=None if teacher is None else teacher.to(device),
            teacher_join=join,
        )

    def _augmentation(self, affine: Plain) -> Augment | None:
        if not any(affine.values()):
            return None
        if self.data.image_shape is None:
            raise RunError(f"{', '.join(affine)}: {self.data.name} has no images to move")
        order = None if self.data.order is None else self.data.order.tolist()
        return RandomAffine(self.data.image_shape, order, **affine)

    def _to_finetune(self, model: nn.Chain, asked: Plain) -> FixedModel:
        """Give the fixed model of a trained one."""
        load_best(model, Path(asked["run"]))
        if self.config["norm"] or self.config["dropout"]:
            model = nn.module(nn.export(model))  # norms folded
        formats = compress.PAPER if asked["formats"] == "paper" else compress.Formats()
        seen = self._calibration(asked["calibration"])
        rules = _FAMILY_OF[self.config["model"]].arithmetic

        def quantized(network: Network) -> FixedNetwork:
            return compress.quantize(network, seen, formats, arithmetic=rules)

        return self.finetuned(model, quantized, seen[:_REPORTED], asked["scales"])

    def _calibration(self, samples: int) -> RealArray:
        """Tokens (samples, time, d_input) that exponents are chosen by."""
        join = last_of(self.config["join"])
        return data.joined(self.data.train.first(samples).x, join).astype(np.float64)

    def about(self) -> str:
        """Samples, and their tokens."""
        return (
            f"{self.data.name}: {self.loop.samples} samples of "
            f"{self.kept.x.shape[1] // self.loop.join} tokens to train, {len(self.kept)} kept "
            f"aside, {len(self.data.test)} to test"
        )

    def measure(self) -> tuple[float, float]:
        """Accuracy and mean loss of what was kept aside."""
        kept = self.kept.joined(self.loop.join)
        return evaluate(self.loop.measured, kept.x, kept.y)

    def may_be_best(self) -> bool:
        """Whether tokens are joined as they are in the end."""
        return self.loop.join == self.loop.recipe.stages[-1]

    def results(self) -> Plain:
        """Export the best network; give its accuracy on the test set."""
        test, model = self.data.test.joined(self.loop.join), self.loop.bare
        right = accuracy(model, test.x, test.y)
        network: Network | FixedNetwork
        if isinstance(model, FixedModel):
            network = model.network()
            seen = self._calibration(self.config["finetune"]["calibration"])
            self.report("report", nn.export(model.model), network, seen[:_REPORTED])
        else:
            network = nn.export(model)
        made_by = {"config": json.dumps(self.config)}
        if self.data.classes:
            made_by["classes"] = json.dumps(self.data.classes)
        self.save(network, NETWORK, self.data.name, made_by)
        return {"test_accuracy": right, "test_samples": len(test)}


def _named_as_before(sets: data.TokenData, config: Plain) -> data.TokenData:
    """Give data with the labels of the run that is fine-tuned, by the names of its classes.

    Raises
    ------
    ValueError
        They have a class that the run has not, or the run's are not known and data have changed.
    """
    if "finetune" not in config:
        return sets
    run = Path(config["finetune"]["run"])
    trained = run / NETWORK
    classes = classes_of(lava_ssm.load(trained).made_by) if trained.is_file() else ()
    if classes and sets.classes:
        return sets.labelled_as(classes)
    if read_classifier(run)["data"] not in (None, config["data"]):
        raise RunError(
            f"{config['task']} has changed since {run} was trained with it, and the names of its "
            "classes then are not known: finish that training first, or train anew"
        )
    return sets


def _begin_with(model: nn.Chain, config: Plain, join: int) -> None:
    """Give a model the parameters of a run's best network, or of a float network.

    Raises
    ------
    RunError
        There is none of this name, or it is of another model, or damaged.
    """
    start = str(config["start"])
    folder = Path(start)
    if folder.is_dir():
        load_best(model, folder)
        before = last_of(read_classifier(folder)["join"])
    else:
        try:
            network = lava_ssm.load(start)
        except FileNotFoundError as error:
            raise RunError(
                f"--start: {start!r} holds no trained network: it is no run folder, no file, and "
                f"no network of the zoo ({', '.join(f'{name}-float' for name in zoo.NAMES)})"
            ) from error
        if not isinstance(network, Network) or _FAMILY_OF[config["model"]].has_norms:
            raise RunError(
                f"--start: {start!r} must be a float network and the model an n-S4D; a fixed "
                "network, or an S5 whose norms are folded, cannot be trained on"
            )
        nn.assign(model, network)
        before = join_of(network)
    nn.stretch(model, join / before)


def _teacher(name: str | None, classes: tuple[str, ...]) -> tuple[torch.nn.Module | None, int]:
    """Give what is learned from, and how many tokens are one of its.

    Raises
    ------
    RunError
        There is none of this name, or it is no float network, or one of other classes.
    """
    if name is None:
        return None, 1
    if ":" in name and not Path(name).exists():
        return _made_by(name), 1
    try:
        network = lava_ssm.load(Path(name) / NETWORK if Path(name).is_dir() else name)
    except FileNotFoundError as error:
        raise RunError(f"--teacher: {name!r} holds no trained network: {error}") from error
    if not isinstance(network, Network):
        raise RunError(f"--teacher: {name!r} must be a float network")
    known = classes_of(network.made_by)
    if known and classes and known != classes:
        raise RunError(
            f"--teacher: {name!r} has the classes {', '.join(known)}, they must be "
            f"{', '.join(classes)}"
        )
    return nn.module(network), join_of(network)


def _made_by(name: str) -> torch.nn.Module:
    """Give the model that FILE.py:FUNCTION makes."""
    path, _, function = name.rpartition(":")
    sys.path.insert(0, str(Path(path).parent))  # as of a script: what lies beside it is found
    try:
        teacher = runpy.run_path(path)[function]()
    except (KeyError, OSError, ImportError) as error:
        raise RunError(f"--teacher: {name!r}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    if not isinstance(teacher, torch.nn.Module):
        raise RunError(f"--teacher: {name!r} must give a torch module, got {teacher!r}")
    return teacher


def build(config: Plain, of: data.TokenData) -> nn.Chain:
    """Make the network that a configuration asks for.

    Raises
    ------
    RunError
        An S4D initialisation for an S5 network.
    """
    # steps such that the slowest and the fastest states see a sequence alike, whatever its length
    stages = Recipe(**config["recipe"], join=config["join"]).stages
    longest, join = of.train.x.shape[1], stages[0]
    dt_min, dt_max = config["dt"]
    short = longest < 256
    common: Plain = {
        "d_input": of.d_input * (config["differences"] + 1),
        "d_output": of.n_classes,
        "readout": config["readout"],
        "dt_min": (dt_min if dt_min is not None else 1e-2 if short else 1e-3) * join,
        "dt_max": (dt_max if dt_max is not None else 0.5 if short else 0.1) * join,
    }
    name, family = config["model"], _FAMILY_OF[config["model"]]
    if not family.has_norms:
        common["init"] = config["init"]
    elif config["init"] != "lin":
        raise RunError(f"--init is of S4D, not of {name}: S5 begins with HiPPO; leave it out")
    elif config["norm"]:
        raise RunError(f"--norm is of n-S4D; {name} has norms of its own: leave it out")
    model = family.make(**family.sizes[name], **family.always, **common)
    if config["differences"]:
        first = nn.differences(data.joined(of.train.x, stages[-1]), config["differences"])
        model = nn.Chain({"differences": first, "model": model}, model.readout)
    if config["norm"] or config["dropout"]:
        nn.regularize(model, config["dropout"], config["norm"])
    return model


def kept_aside(samples: data.Split, share: float | None) -> tuple[data.Split, data.Split]:
    """What to train with, and what is kept aside; always the same."""
    if share is None and len(np.unique(samples.groups)) > 1:
        aside = samples.groups == samples.groups.max()
        return samples.at(~aside), samples.at(aside)
    wanted = len(samples) // 20 if share is None else round(share * len(samples))
    kept = max(10, len(np.unique(samples.y)), min(2000, wanted) if share is None else wanted)
    return samples.set_aside(kept)
