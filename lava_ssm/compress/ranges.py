"""How large the integers of a network get, by what is known of its input."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.network import FixedLinear, FixedS4D, Network
from lava_ssm.numerics import Arithmetic, RealArray, dequantize, state_bound, word_range


def limit(bits: int) -> int:
    """Largest integer of a signed word."""
    return word_range(bits)[1]


class Observed:
    """Largest magnitudes that calibration data cause in a float network.

    Parameters
    ----------
    network
        The float network with the values of the quantised parameters.
    x
        Calibration data, (..., time, d_input).

    Attributes
    ----------
    input, total
        Of the input, and of the outputs (the running sum, of a mean readout).
    """

    def __init__(self, network: Network, x: ArrayLike) -> None:
        self._peaks: dict[tuple[int, str], RealArray] = {}
        outputs = engine.run(network, x, probe=self._see).outputs
        self.input = float(np.abs(x).max())
        self.total = float(np.abs(outputs).max())

    def _see(self, stage: int, what: str, values: np.ndarray) -> None:
        if what == "state":
            peak = np.abs(values).max(keepdims=True)
        else:
            peak = np.abs(values).max(axis=tuple(range(values.ndim - 1)))
        before = self._peaks.get((stage, what))
        self._peaks[stage, what] = peak if before is None else np.maximum(peak, before)

    def state(self, stage: int) -> float:
        """Of the real and imaginary parts of a stage's states."""
        return float(self._peaks[stage, "state"].max())

    def sums(self, stage: int) -> RealArray:
        """Of what a stage's synapses accumulate for each channel, (d_output,)."""
        return self._peaks[stage, "sum"]


def sum_scale(layer: FixedLinear) -> RealArray:
    """Exponent that the synapse's sum has beyond its input's, as a factor 2**(exponent + 1)."""
    return dequantize(np.ones(layer.d_output, int), -(np.asarray(layer.exponent) + 1))


def linear_bound(layer: FixedLinear, message: RealArray) -> RealArray:
    """Largest 32-bit sum (d_output,) that messages within `message` (d_input,) can cause."""
    bound: RealArray = np.abs(2 * layer.weights).astype(float) @ message
    return bound


def s4d_bound(layer: FixedS4D, rules: Arithmetic, message: RealArray) -> tuple[bool, RealArray]:
    """What messages within a bound can do to an S4D layer, whatever their order.

    Parameters
    ----------
    message
        Largest magnitude of each channel's input mantissa, (d_model,).

    Returns
    -------
    tuple
        Whether neither the input inside the neurons nor a state can leave its word, and the
        bound of each channel's output mantissa, (d_model,).
    """
    s = np.exp2(np.reshape(layer.state_exponent, (-1, 1)).astype(float))
    values = layer.dequantize()
    v = message[:, np.newaxis] * s
    x = state_bound(values.a, values.b, v)  # (d_model, d_state)
    # |c_re x_re - c_im x_im| <= |c| |x|; two products and the last shift round by less than 1
    out = 2 * (np.abs(values.c) * x + 2) / s + 1
    fits = max(v.max(), x.max()) <= limit(rules.state_bits)
    return bool(fits), out.sum(axis=-1)


def shifted(sums: RealArray, amount: Any) -> RealArray:
    """Bound of a synapse's sums after a shift to the right that rounds down."""
    return sums * np.exp2(-np.asarray(amount, float)) + 1
