"""A language model in its run folder."""

import math
from dataclasses import asdict, fields
from pathlib import Path

import torch

from lava_ssm import compress, language, nn
from lava_ssm.compress import FixedModel
from lava_ssm.data import Text
from lava_ssm.language import VOCABULARY, Characters
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import RealArray
from lava_ssm.train.folder import FIXED, NETWORK, Plain, RunError
from lava_ssm.train.language import LanguageModelling, evaluate
from lava_ssm.train.language_model import LanguageModel
from lava_ssm.train.recipe import Recipe
from lava_ssm.train.run import Run, load_best
from lava_ssm.train.sitting import Sitting

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
        self.kept = self.characters.encode(self.text.validation)
        if len(self.kept) <= asked.context:
            raise RunError(
                f"context must be less than the {len(self.kept)} characters that are kept aside, "
                f"got {asked.context}"
            )
        self.tokens = self.characters.encode(self.text.train)
        model: torch.nn.Module = bare
        if asked.finetune is not None:
            load_best(bare, Path(asked.finetune))
            model = self.finetuned(bare, self._quantized, self._samples(_REPORTED), "fitted")
        return LanguageModelling(model, self.tokens, asked.context, recipe)

    def _quantized(self, network: Network) -> FixedNetwork:
        return compress.quantize(network, self._samples(self.asked.calibration), input_range=1)

    def _samples(self, n: int) -> RealArray:
        return self.characters.samples(self.text.train, n, self.asked.context)

    def about(self) -> str:
        """Characters."""
        return (
            f"{self.text.name}: {len(self.tokens):,} characters to train, {len(self.kept):,} kept "
            f"aside, {len(self.text.test):,} to test, {len(self.characters)} different ones"
        )

    def measure(self) -> tuple[float, float]:
        """Log-likelihood and cross entropy of what was kept aside, in nats a character."""
        loss = evaluate(self.loop.measured, self.kept, self.asked.context)
        return -loss, loss

    def results(self) -> Plain:
        """Export the best network, and quantise a float one; measure both on the test part."""
        model, seen = self.loop.bare, self._samples(_REPORTED)
        vocabulary = {VOCABULARY: self.characters.vocabulary}

        def measured(name: str, network: Network | FixedNetwork, file: str) -> dict[str, float]:
            network = self.save(network, file, self.text.name, vocabulary)
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
            self.report("report", nn.export(model.model), fixed, seen)
            return result | measured("fixed", fixed, NETWORK) | {"fixed_bytes": fixed.nbytes}
        network = nn.export(model)
        fixed = self._quantized(network)
        self.report("report", network, fixed, seen)
        result |= measured("float", network, NETWORK) | measured("fixed", fixed, FIXED)
        return result | {"fixed_bytes": fixed.nbytes}
