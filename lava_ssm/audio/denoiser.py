"""Denoising of speech, token by token, with a network whose outputs are a mask.

A token is the magnitude of a short-time spectrum, the network's output a mask for it:

    clean = noisy (1 + mask)

with the phase of the noisy spectrum (Pierro et al., arXiv 2502.01330, and the Intel N-DNS
challenge).
"""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.audio.spectra import BINS, Analysis, Synthesis, analyse, samples_of, synthesise
from lava_ssm.network import FixedNetwork, Network, Readout, check_network
from lava_ssm.numerics import RealArray, complexes


class Denoiser:
    """A stream: 128 noisy samples in, 128 clean ones out, 384 samples (24 ms) later.

    Parameters
    ----------
    network
        Float or fixed, 257 channels in and out, each token's output read out.

    Raises
    ------
    TypeError, ValueError
        Not such a network.
    """

    def __init__(self, network: Network | FixedNetwork) -> None:
        check(network)
        self.network = network
        self._stream = network.stream()
        self._analysis, self._synthesis = Analysis(), Synthesis()

    def step(self, samples: ArrayLike) -> RealArray:
        """Take the next 128 samples and give 128 clean ones."""
        spectrum = self._analysis.step(samples)
        token = magnitudes(self.network, spectrum)
        mask = self._stream.to_float(self._stream.step(token))
        return self._synthesis.step(spectrum * (1 + mask))


def denoise(network: Network | FixedNetwork, x: ArrayLike) -> RealArray:
    """Denoise whole signals (..., time), in step with themselves; same shape.

    What a `Denoiser` gives for them and the silence that follows, 384 samples earlier.
    """
    check(network)
    samples = samples_of(x, "x")
    spectra = analyse(samples)  # (..., tokens, 257)
    mask = network.to_float(network.run(magnitudes(network, spectra)))
    return synthesise(spectra * (1 + mask), samples.shape[-1])


def magnitudes(network: Network | FixedNetwork, spectra: ArrayLike) -> RealArray:
    """Tokens for a network: |spectra|, saturated where a fixed network's input format ends."""
    check_network(network)
    size = np.abs(complexes(spectra, "spectra"))
    return np.minimum(size, network.input_format.max) if isinstance(network, FixedNetwork) else size


def check(network: Network | FixedNetwork) -> None:
    """Refuse a network that gives no masks for spectra."""
    check_network(network)
    widths = (network.d_input, network.d_output)
    if widths != (BINS, BINS) or network.readout is not Readout.EVERY_TOKEN:
        raise ValueError(
            f"network must have {BINS} channels in and out and read out every token, got {widths} "
            f"and {network.readout}"
        )
