"""A language model in its run folder."""

import math
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch

from lava_ssm import compress, language, nn
from lava_ssm.compress import FixedModel
from lava_ssm.data import Text
from lava_ssm.language import VOCABULARY, Characters
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.network import file as network_file
from lava_ssm.numerics import RealArray
from lava_ssm.train.figures import write_report
from lava_ssm.train.folder import FIXED, NETWORK, START, Plain, RunError
from lava_ssm.train.language import LanguageModelling, evaluate
from lava_ssm.train.language_model import LanguageModel
from lava_ssm.train.recipe import Recipe
from lava_ssm.train.run import Run, Sitting, load_best

_REPORTED = 16
"""Samples on which quantisation is reported."""


def _model(asked: LanguageModel, vocabulary: int) -> nn.Chain:
    """Give the model that is asked for, of random weights."""
    if asked.mixer == "mlgru":
        return nn.MatMulFreeLM(vocabulary, asked.d_model, asked.n_layers, bits=asked.bits)
    if asked.mixer != "mamba":
        raise RunError(f"mixer must be 'mlgru' or 'mamba', got {asked.mixer!r}")
    model = nn.Mamba(vocabulary, vocabulary, asked.d_model, asked.n_layers)
    if asked.bits is not None:
        nn.few_bits(model.get_submodule("blocks"), asked.bits)
    return model


class LanguageRun(Run):
    """A training of a language model, see `Run`.

    Parameters
    ----------
    asked
        What to train.
    text
        With what.
    """

    score = "log_likelihood"
    loop: LanguageModelling

    def __init__(self, config: Plain, sitting: Sitting, asked: LanguageModel, text: Text) -> None:
        self.asked, self.text = asked, text
        self.characters = Characters(text.vocabulary)
        super().__init__(config, sitting)

    def prepare(self) -> LanguageModelling:
        """Make the model, and the loop that trains it."""
        asked = self.asked
        names = {field.name for field in fields(Recipe)}
        recipe = Recipe(**{k: v for k, v in asdict(asked).items() if k in names}, schedule="cosine")
        torch.manual_seed(recipe.seed)
        bare = _model(asked, len(self.characters))
        self.n_parameters = sum(p.numel() for p in bare.parameters())
        self.kept = self.characters.encode(self.text.validation)
        if len(self.kept) <= asked.context:
            raise RunError(
                f"context must be less than the {len(self.kept)} characters that are kept aside, "
                f"got {asked.context}"
            )
        self.tokens = self.characters.encode(self.text.train)
        model: torch.nn.Module = bare
        if asked.finetune is not None:
            model = self._to_finetune(bare, Path(asked.finetune))
        return LanguageModelling(model, self.tokens, asked.context, recipe)

    def _to_finetune(self, model: nn.Chain, run: Path) -> FixedModel:
        """Give the fixed model of a trained one."""
        load_best(model, run)
        start = self.folder / START
        if self.sitting.resume and start.is_file():
            fixed = network_file.load(start)
            if not isinstance(fixed, FixedNetwork):
                raise RunError(f"{start} holds a float network; begin anew in another folder")
        else:
            network = nn.export(model)
            fixed = self._quantized(network)
            self.claim()
            self._report("start-report", network, fixed)
            fixed.save(start)
        return FixedModel(model, fixed, "fitted", n_threads=torch.get_num_threads())

    def _quantized(self, network: Network) -> FixedNetwork:
        return compress.quantize(network, self._samples(self.asked.calibration), input_range=1)

    def _samples(self, n: int) -> RealArray:
        return self.characters.samples(self.text.train, n, self.asked.context)

    def _report(self, name: str, network: Network, fixed: FixedNetwork) -> None:
        report = compress.report(network, fixed, self._samples(_REPORTED))
        write_report(report, self.folder / name)

    def describe(self) -> str:
        """What is about to be done."""
        return (
            f"{self.text.name}: {len(self.tokens):,} characters to train, {len(self.kept):,} kept "
            f"aside, {len(self.text.test):,} to test, {len(self.characters)} different ones; "
            f"{self.n_parameters:,} parameters; step {self.loop.step} of {self.loop.steps}"
        )

    def measure(self) -> tuple[float, float]:
        """Log-likelihood and cross entropy of what was kept aside, in nats a character."""
        model = self.loop.measured
        if isinstance(model, FixedModel):
            model.overflows = 0
        loss = evaluate(model, self.kept, self.asked.context)
        return -loss, loss

    def remark(self) -> str:
        """What else is to be said of the epoch."""
        overflows = getattr(self.loop.measured, "overflows", 0)
        return f"; {overflows} overflows in what was kept aside" if overflows else ""

    def results(self) -> Plain:
        """Export the best network, and quantise a float one; measure both on the test part."""
        model, made_by = self.loop.bare, self._made_by()

        def measured(name: str, network: Network | FixedNetwork, file: str) -> dict[str, float]:
            network = replace(network, made_by={**network.made_by, **made_by})
            network.save(self.folder / file)
            threads = torch.get_num_threads()
            nats = {
                part: language.loss(network, getattr(self.text, part), n_threads=threads)
                for part in ("validation", "test")
            }
            return {f"{name}_{part}_loss": value for part, value in nats.items()} | {
                f"{name}_{part}_perplexity": math.exp(value) for part, value in nats.items()
            }

        result: Plain = {
            "parameters": self.n_parameters,
            "test_characters": len(self.text.test),
        }
        if isinstance(model, FixedModel):
            fixed = model.network()
            self._report("report", nn.export(model.model), fixed)
            return result | measured("fixed", fixed, NETWORK) | {"fixed_bytes": fixed.nbytes}
        network = nn.export(model)
        fixed = self._quantized(network)
        self._report("report", network, fixed)
        result |= measured("float", network, NETWORK) | measured("fixed", fixed, FIXED)
        return result | {"fixed_bytes": fixed.nbytes}

    def _made_by(self) -> dict[str, str]:
        return {
            "data": self.text.name,
            "command": self.sitting.command,
            VOCABULARY: self.characters.vocabulary,
        }
