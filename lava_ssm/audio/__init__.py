"""Sound: files, spectra token by token, the quality of speech, denoising with a network."""

from lava_ssm.audio.denoiser import Denoiser, denoise, magnitudes
from lava_ssm.audio.files import AudioError, read, write
from lava_ssm.audio.si_snr import si_snr
from lava_ssm.audio.spectra import FULL_SCALE, SAMPLE_RATE, Analysis, Synthesis, analyse, synthesise

__all__ = [
    "FULL_SCALE",
    "SAMPLE_RATE",
    "Analysis",
    "AudioError",
    "Denoiser",
    "Synthesis",
    "analyse",
    "denoise",
    "magnitudes",
    "read",
    "si_snr",
    "synthesise",
    "write",
]
