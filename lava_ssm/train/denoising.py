"""Training a network to denoise speech.

The network sees the magnitudes of short-time spectra and gives a mask: clean = noisy (1 + mask),
with the noisy phase. The loss is -SI-SNR + 1e-3 MSE of magnitudes (Pierro et al., arXiv
2502.01330). Spectra are those of `lava_ssm.audio`, in torch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from lava_ssm.audio.spectra import BINS, FRAME, HOP, SAMPLE_RATE
from lava_ssm.compress import Pruner
from lava_ssm.network import Readout
from lava_ssm.nn.evaluating import evaluating
from lava_ssm.nn.inputs import Given, check_finite, signals, size
from lava_ssm.nn.sparse_s5 import SparseS5
from lava_ssm.train.loop import Loop
from lava_ssm.train.recipe import DenoisingRecipe

_SHARE_OF_MAGNITUDES = 1e-3

Masks = Callable[[Tensor], Tensor]
"""Gives masks (batch, tokens, 257) of magnitudes (batch, tokens, 257): a model, for example."""


def analyse(x: Tensor) -> Tensor:
    """Spectra (batch, tokens, 257), complex, of signals (batch, time): `audio.analyse`."""
    window = torch.hann_window(FRAME, dtype=x.dtype, device=x.device)
    tokens = -(-x.shape[-1] // HOP) + FRAME // HOP - 1
    back = tokens * HOP - x.shape[-1]
    padded = nn.functional.pad(x, (FRAME - HOP, back))
    return torch.fft.rfft(window * padded.unfold(-1, FRAME, HOP))


def synthesise(spectra: Tensor, samples: int) -> Tensor:
    """Signals (batch, samples) of spectra (batch, tokens, 257): `audio.synthesise`."""
    frames = torch.fft.irfft(spectra, FRAME)
    window = torch.hann_window(FRAME, dtype=frames.dtype, device=frames.device)
    total = nn.functional.fold(
        (2 / 3 * window * frames).transpose(-1, -2),  # (batch, 512, tokens)
        (1, FRAME + (frames.shape[-2] - 1) * HOP),
        kernel_size=(1, FRAME),
        stride=(1, HOP),
    )
    return total[:, 0, 0, FRAME - HOP : FRAME - HOP + samples]


def si_snr(estimate: Tensor, clean: Tensor) -> Tensor:
    """SI-SNR of signals (batch, time) in dB, (batch,): `audio.si_snr`."""
    z, s = (v - v.mean(-1, keepdim=True) for v in (estimate, clean))
    t = (z * s).sum(-1, keepdim=True) / (s.square().sum(-1, keepdim=True) + 1e-8) * s
    noise = (z - t).square().sum(-1)
    return 10 * torch.log10((t.square().sum(-1) + 1e-8) / (noise + 1e-8))


def denoised(model: Masks, noisy: Tensor) -> tuple[Tensor, Tensor]:
    """What a model makes of signals (batch, time): signals, and magnitudes of their spectra."""
    spectra = analyse(noisy)
    size = _magnitudes(spectra)
    gain = 1 + model(size)
    return synthesise(spectra * gain, noisy.shape[-1]), size * gain


def _magnitudes(spectra: Tensor) -> Tensor:
    # no spectrum of sound is so large that it needs the care, and time, of torch's abs
    return (spectra.real.square() + spectra.imag.square()).sqrt()


def loss_of(model: Masks, noisy: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Loss, a number, and the mean SI-SNR in dB, of signals (batch, time)."""
    estimate, magnitudes = denoised(model, noisy)
    quality = si_snr(estimate, clean).mean()
    mse = (magnitudes - _magnitudes(analyse(clean))).square().mean()
    return -quality + _SHARE_OF_MAGNITUDES * mse, quality


@contextmanager
def watched(model: SparseS5, limit: float) -> Iterator[list[Tensor]]:
    """Give a list that gets, of each message of a relufied model, what it exceeds a limit by.

    Means over the clips of a batch of the excess of each one's greatest value, as a share of the
    limit. A network that ReLUs are put into may make of a steady tone, one clip in a hundred, ten
    times what it makes of all others; integers that have room for that are coarse for the others.
    """
    excess: list[Tensor] = []

    def see(module: nn.Module, given: Any, y: Tensor) -> None:
        excess.append(torch.relu(y.amax((1, 2)) / limit - 1).mean())

    senders = [m for m in model.modules() if isinstance(m, nn.ReLU)]
    handles = [sender.register_forward_hook(see) for sender in senders]
    try:
        yield excess
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def evaluate(model: nn.Module, noisy: Given, clean: Given, batch_size: int = 25) -> Tensor:
    """SI-SNR in dB of each denoised signal, (clips,).

    Raises
    ------
    TypeError, ValueError
        See `Denoising`.
    """
    return torch.cat([si_snr(z, s) for z, s in _denoised(model, noisy, clean, batch_size)])


@torch.no_grad()
def match_level(model: SparseS5, noisy: Given, clean: Given, batch_size: int = 25) -> None:
    """Make speech come out as loud as it went in, on the mean of signals (batch, time); in place.

    SI-SNR, which models are trained for, does not tell how loud a result is. With s = clean and
    z = denoised, the decoder's mask m becomes g (1 + m) - 1 with g = <s, s> / <z, s>.

    Raises
    ------
    TypeError, ValueError
        See `Denoising`; or there is nothing of the clean signals in what the model gives.
    """
    parts = _denoised(model, noisy, clean, batch_size)
    sums = torch.stack([torch.stack([s.square().sum(), (z * s).sum()]) for z, s in parts]).sum(0)
    g = sums[0] / sums[1]
    if not (g.isfinite() and g != 0):
        raise ValueError("clean: nothing of it is in what the model makes of noisy; is it silent?")
    model.decoder.weight.mul_(g)
    model.decoder.bias.mul_(g).add_(g - 1)


def _denoised(
    model: nn.Module, noisy: Given, clean: Given, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Signals (batch, time) as a model denoises them, and clean, some at a time."""
    _check_masks(model)
    noisy, clean = signals(noisy, clean, model)
    batch_size = size(batch_size, "batch_size")
    with evaluating(model):
        for z, s in zip(noisy.split(batch_size), clean.split(batch_size), strict=True):
            yield denoised(model, z)[0], s


def _check_masks(model: nn.Module) -> None:
    """Refuse a model that is known not to give a mask of each token's magnitudes."""
    every = Readout.EVERY_TOKEN
    widths = [getattr(model, name, BINS) for name in ("d_input", "d_output")]
    if widths != [BINS, BINS] or getattr(model, "readout", every) is not every:
        raise ValueError(
            f"model must have {BINS} channels in and out and read out every token, this one has "
            f"{widths[0]} and {widths[1]} channels and the readout {model.readout}"
        )


def shaped(x: Tensor, random: torch.Generator) -> Tensor:
    """Filter each signal (batch, time) by a random filter, as other microphones and rooms would.

        H(z) = T (1 + r_1 / z + r_2 / z^2) / (1 + r_3 / z + r_4 / z^2),    |r_i| <= 3/8

    (Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", MMSP
    2018, equation 7), here with a tilt T = ((f + 100 Hz) / 1 kHz)^s, |s| <= 1/2, of 3 dB an octave
    at most: of the voices in a small data set no two are recorded alike, and what is low is not
    therefore noise.
    """
    n = next_fast_len(x.shape[-1] + 256, real=True)  # the impulse response is over by then
    w = torch.arange(n // 2 + 1) / n  # cycles a sample
    z = torch.exp(-2j * torch.pi * w)  # 1 / z on the unit circle
    r = (torch.rand(4, len(x), 1, generator=random) - 0.5) * 0.75
    h = (1 + r[0] * z + r[1] * z**2) / (1 + r[2] * z + r[3] * z**2)
    slope = torch.rand(len(x), 1, generator=random) - 0.5
    h = h * torch.exp(slope * torch.log((w * SAMPLE_RATE + 100) / 1000))
    return torch.fft.irfft(torch.fft.rfft(x, n) * h, n)[..., : x.shape[-1]]


def sped(x: Tensor, octaves: float, random: torch.Generator) -> Tensor:
    """Play each signal (batch, time) faster or slower, by up to so many octaves either way.

    Other voices, other machines, music in other keys. What has become too short begins anew. Each
    spectrum is cut off, or zeros are put behind it, and transformed back to another length.
    """
    if octaves == 0:
        return x
    samples = x.shape[-1]
    played = []
    for spectrum in torch.fft.rfft(x):
        octave = (2 * float(torch.rand((), generator=random)) - 1) * octaves
        length = next_fast_len(round(samples * 2**-octave), real=True)
        other = torch.fft.irfft(spectrum, length) * (length / samples)
        played.append(other.repeat(-(-samples // length))[:samples])
    return torch.stack(played)


def other_noise(noise: Tensor, octaves: float, random: torch.Generator) -> Tensor:
    """Make new noises (batch, time) of those of a batch of clips.

    One clip's, or with another one's beside it, each backwards or not; in a third of them a steady
    hiss, 0 to 20 dB below. All are filtered and faster or slower, see `shaped` and `sped`.
    """
    mixed = _loud(_turned(noise, octaves, random))
    beside = torch.rand(len(noise), generator=random) < 0.5
    share = torch.rand(int(beside.sum()), 1, generator=random)
    others = noise[torch.randperm(len(noise), generator=random)][beside]
    if len(others):
        mixed[beside] += share * _loud(_turned(others, octaves, random))
    hissing = torch.rand(len(noise), generator=random) < 1 / 3
    below = 10 ** -torch.rand(int(hissing.sum()), 1, generator=random)
    if len(below):
        hiss = torch.randn(len(below), noise.shape[-1], generator=random, dtype=noise.dtype)
        mixed[hissing] += below * _loud(shaped(hiss, random))
    return mixed


def _turned(noise: Tensor, octaves: float, random: torch.Generator) -> Tensor:
    """Noises in another order, backwards or not, faster or slower, and filtered."""
    one = noise[torch.randperm(len(noise), generator=random)]
    backwards = torch.rand(len(noise), 1, generator=random) < 0.5
    turned = torch.where(backwards, one.flip(-1), one)
    return shaped(sped(turned, octaves, random), random)


def _loud(x: Tensor) -> Tensor:
    """Signals (batch, time) of power 1."""
    return x / (x.square().mean(-1, keepdim=True) + 1e-12).sqrt()


def remixed(
    noisy: Tensor, clean: Tensor, snr: tuple[float, float], octaves: float, order: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Give each clip of a batch another noise, at another ratio; as (noisy, clean).

    Noises come from `other_noise`; voices are filtered and faster or slower, see `shaped` and
    `sped`.

    Parameters
    ----------
    snr
        Lowest and highest signal-to-noise ratio in dB.
    octaves
        See `DenoisingRecipe`.
    """
    noise = other_noise(noisy - clean, 1.5 * octaves, order)
    clean = shaped(sped(clean, octaves, order), order)
    low, high = snr
    wanted = torch.rand(len(noisy), 1, generator=order) * (high - low) + low
    power = [v.square().mean(-1, keepdim=True) + 1e-12 for v in (clean, noise)]
    mixed = clean + noise * (power[0] / power[1] * 10 ** (-wanted / 10)).sqrt()
    level = 10 ** (torch.rand(len(noisy), 1, generator=order) - 1.75)  # -35 to -15 dB
    scale = level / (mixed.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    return mixed * scale, clean * scale


class Denoising(Loop[DenoisingRecipe]):
    """Training of a denoiser, see `Loop`; its score is the SI-SNR in dB.

    Parameters
    ----------
    model
        Gives masks (batch, tokens, 257) of magnitudes (batch, tokens, 257).
    noisy, clean
        Clips, (clips, time) each: tensors or arrays of any real type.
    recipe, pruner
        See `Loop`.

    Raises
    ------
    TypeError
        Clips that are no numbers, or masked arrays.
    ValueError
        No clips, or not as many noisy as clean ones; a value or a parameter that is not finite; or
        a model that does not take magnitudes of 257 bins.
    """

    capturable = False

    def __init__(
        self,
        model: SparseS5,
        noisy: Given,
        clean: Given,
        recipe: DenoisingRecipe | None = None,
        pruner: Pruner | None = None,
    ) -> None:
        check_finite(model)
        _check_masks(model)
        self._noisy, self._clean = signals(noisy, clean, model)
        self._watched = model
        recipe = recipe or DenoisingRecipe()
        super().__init__(model, len(self._noisy), recipe, pruner=pruner)

    @staticmethod
    def shown(score: float) -> str:
        """A score as it is printed."""
        return f"SI-SNR {score:.2f} dB"

    def batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noisy and clean clips (batch, time), mixed anew."""
        r = self.recipe
        return remixed(self._noisy[chosen], self._clean[chosen], r.snr, r.octaves, random)

    def losses(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of the loss, see `loss_of`, and of the SI-SNR."""
        if (limit := self.recipe.message_limit) is None:
            loss, quality = loss_of(self.outputs, x, target)
        else:
            with watched(self._watched, limit) as excess:
                loss, quality = loss_of(self.outputs, x, target)
            loss = loss + sum(excess)
        return loss * len(x), quality * len(x)
