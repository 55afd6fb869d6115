"""A denoiser in its run folder."""

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from lava_ssm import audio, compress, engine, nn
from lava_ssm.audio.spectra import BINS
from lava_ssm.data import Clip, stacked
from lava_ssm.nn.evaluating import evaluating
from lava_ssm.numerics import RealArray
from lava_ssm.train.denoiser import Denoiser
from lava_ssm.train.denoising import Denoising, evaluate, loss_of, match_level
from lava_ssm.train.folder import FIXED, NETWORK, Plain
from lava_ssm.train.recipe import DenoisingRecipe
from lava_ssm.train.run import Run, load_best
from lava_ssm.train.sitting import Sitting

TEST_CLIPS_FIXED = 100


class DenoiserRun(Run):
    """A training of a denoiser, see `Run`.

    Parameters
    ----------
    denoiser
        What to train.
    clips
        Those of `training_set`, `validation_set` and `test_set`.
    """

    score = "si_snr"
    loop: Denoising

    def __init__(
        self,
        config: Plain,
        sitting: Sitting,
        denoiser: Denoiser,
        clips: dict[str, tuple[Clip, ...]],
    ) -> None:
        self.denoiser, self.clips = denoiser, clips
        noisy, clean = stacked(clips["validation_set"])
        self.kept = torch.from_numpy(noisy), torch.from_numpy(clean)
        super().__init__(config, sitting)

    def prepare(self) -> Denoising:
        """Make the model, and the loop that trains it."""
        asked = self.denoiser
        names = {field.name for field in fields(DenoisingRecipe)}
        recipe = DenoisingRecipe(**{k: v for k, v in asdict(asked).items() if k in names})
        torch.manual_seed(recipe.seed)
        width, states = asked.sizes
        self.model = model = nn.SparseS5(
            BINS, width, states, 3, BINS, dropout=asked.dropout, blocks=max(1, states // 8)
        )
        if asked.start is not None:
            load_best(model, Path(asked.start))
        if asked.relu:
            model.relufy()
        pruner = None
        if asked.sparsity != 0:
            pruner = compress.Pruner(model, asked.sparsity, asked.allocation, asked.end)
        noisy, clean = stacked(self.clips["training_set"])
        return Denoising(model, noisy, clean, recipe, pruner)

    def parts(self) -> Plain:
        """The pruner."""
        return {} if self.loop.pruner is None else {"pruner": self.loop.pruner}

    def may_be_best(self) -> bool:
        """Whether the network is as sparse as it is to be."""
        return self.loop.pruner is None or self.loop.pruner.done

    def about(self) -> str:
        """Clips."""
        train, kept, test = (len(clips) for clips in self.clips.values())
        return f"{train} clips to train, {kept} kept aside, {test} to test"

    @torch.no_grad()
    def measure(self) -> tuple[float, float]:
        """SI-SNR in dB and loss, means over what was kept aside."""
        noisy, clean = self.kept
        sums, model = torch.zeros(2), self.loop.measured
        with evaluating(model):
            for z, s in zip(noisy.split(25), clean.split(25), strict=True):
                sums += len(z) * torch.stack(loss_of(model, z, s))
        loss, quality = (sums / len(noisy)).tolist()
        return quality, loss

    def results(self) -> Plain:
        """Export the best network; of a relufied model the fixed one too. Measure both."""
        match_level(self.model, *self.kept)
        network = nn.export(self.model)
        network.save(self.folder / NETWORK)
        noisy, clean = stacked(self.clips["test_set"])
        audible = clean.any(axis=1)  # silence has no SI-SNR
        silent = int((~audible).sum())
        noisy, clean = noisy[audible], clean[audible]
        tokens = np.abs(audio.analyse(noisy[:8]))
        count = engine.operations(network, tokens)
        measured: Plain = {
            "config": self.config,
            "parameters": self.n_parameters,
            "sparsity": compress.sparsity_of(self.model),
            "validation_si_snr": self.best[self.score],
            "test_clips": len(noisy),
            "silent_test_clips": silent,
            "noisy_si_snr": float(audio.si_snr(noisy, clean).mean()),
            "float_si_snr": float(evaluate(self.model, noisy, clean).mean()),
            "macs_dense": sum(count.dense),
            "macs_effective": count.total,
            "activity": dict(zip(map(str, range(len(count.names))), count.activity, strict=True)),
        }
        if not self.model.relu:
            return measured
        seen = calibration(self.clips["validation_set"], self.clips["training_set"])
        for name, formats in (
            ("channel", compress.Formats()),
            ("tensor", compress.Formats(per_channel=False)),
        ):
            fixed = compress.quantize(
                network, seen, formats, arithmetic=compress.W8A16, input_range=audio.FULL_SCALE
            )
            shares = compress.error_shares(network, fixed, tokens)
            measured[f"error_shares_{name}"] = shares
            if name == "channel":
                fixed.save(self.folder / FIXED)
                noisy, clean = noisy[:TEST_CLIPS_FIXED], clean[:TEST_CLIPS_FIXED]
                quality = [audio.si_snr(audio.denoise(n, noisy), clean) for n in (network, fixed)]
                measured |= {
                    "signal_to_error": shares["total"],
                    "arithmetic_signal_to_error": shares["arithmetic"],
                    "fixed_bytes": fixed.nbytes,
                    "fixed_clips": len(noisy),
                    "float_si_snr_of_these": float(quality[0].mean()),
                    "fixed_si_snr": float(quality[1].mean()),
                }
        return measured


def calibration(validation: tuple[Clip, ...], training: tuple[Clip, ...]) -> RealArray:
    """Magnitudes (clips, frames, bins) by which exponents are chosen, of clips of these sets.

    All that are kept aside, and 200 of those trained with: rare ones cause the largest messages.
    """
    return np.abs(audio.analyse(stacked(validation + training[:200])[0]))
