"""How large the integers of a network get, by what is known of its input."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.network import S4D, FixedGate, FixedLinear, FixedS4D, Gate, Network, Readout
from lava_ssm.numerics import Arithmetic, RealArray, dequantize, state_bound, word_range

SPARE = 2
"""One spare bit: what calibration data reach, twice over, still fits."""


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
        Of the input, and of the outputs (their running sum, of a mean readout).
    """

    def __init__(self, network: Network, x: ArrayLike) -> None:
        self._peaks: dict[tuple[int, str], RealArray] = {}
        self._stages = network.stages
        self._moments: dict[int, tuple[RealArray, RealArray]] = {}
        self._sent: dict[int, np.ndarray] = {}
        self._see(-1, "message", np.asarray(x, float))
        self._sums = network.readout is Readout.MEAN_OVER_TIME
        self.total = 0.0
        engine.run(network, x, probe=self._see)
        self.input = float(np.abs(x).max())

    def _see(self, stage: int, what: str, values: np.ndarray) -> None:
        channels = -1
        if what == "state":
            channels = -3 if isinstance(self._stages[stage].layer, S4D) else -2
        others = tuple(i for i in range(values.ndim) if i != values.ndim + channels)
        peak = np.abs(values).max(axis=others)
        if not np.isfinite(peak).all():
            raise ValueError(
                f"calibration: makes the {what} of stage {stage} leave the range of doubles; "
                "scale the data or the weights before it"
            )
        if what == "message":
            flat = values.reshape(-1, values.shape[-1])
            self._moments[stage] = flat.mean(axis=0), flat.std(axis=0)
            if stage == len(self._stages) - 1:
                sums = np.cumsum(values, axis=-2) if self._sums else values
                self.total = float(np.abs(sums).max())
        elif what == "sent":
            re, im = np.split(values.reshape(-1, values.shape[-1]).mean(axis=0), 2)
            self._sent[stage] = re + 1j * im
        before = self._peaks.get((stage, what))
        self._peaks[stage, what] = peak if before is None else np.maximum(peak, before)

    def state(self, stage: int) -> RealArray:
        """Of the real and imaginary parts of states: an S4D's by channel, (d_model,), else each."""
        return self._peaks[stage, "state"]

    def messages(self, stage: int) -> RealArray:
        """Of what a stage's neurons send, for each channel, (d_output,)."""
        return self._peaks[stage, "message"]

    def sums(self, stage: int) -> RealArray:
        """Of what a stage's synapses accumulate for each channel, (d_output,)."""
        return self._peaks[stage, "sum"]

    def drive(self, stage: int) -> RealArray:
        """Of what the synapse to the states of an S5 layer accumulates, (2 d_state,)."""
        return self._peaks[stage, "drive"]

    def moments(self, stage: int) -> tuple[RealArray, RealArray]:
        """Mean and standard deviation of what enters a stage, each (d_input,)."""
        return self._moments[stage - 1]

    def mean_sent(self, stage: int) -> np.ndarray:
        """Mean of what the states of an S5 layer send, complex, (d_state,)."""
        return self._sent[stage]

    def bias(self, stage: int) -> float:
        """Of the biases that a stage's neurons add to its output; 0 without."""
        layer = self._stages[stage].layer
        bias = getattr(layer, "bias", None)  # that of a gate is added inside the sigmoid
        return 0.0 if bias is None or isinstance(layer, Gate) else float(np.abs(bias).max())


def sum_scale(layer: FixedLinear | FixedGate) -> RealArray:
    """Exponent that the synapse's sum has beyond its input's, as a factor 2**(exponent + 1)."""
    return dequantize(np.ones(layer.d_output, int), -(np.asarray(layer.exponent) + 1))


@dataclass(frozen=True)
class Interval:
    """Integers of each channel lie in [low, high], whatever the input; shapes (channels,)."""

    low: RealArray
    high: RealArray

    @property
    def magnitude(self) -> RealArray:
        """Largest magnitude of each channel."""
        return np.maximum(-self.low, self.high)

    def rectified(self) -> "Interval":
        """What a ReLU leaves of it."""
        return Interval(np.maximum(self.low, 0), np.maximum(self.high, 0))

    def fits(self, bits: int) -> bool:
        """Whether none of it can leave a signed word."""
        low, high = word_range(bits)
        return bool(self.low.min() >= low and self.high.max() <= high)

    def shifted(self, amount: Any) -> "Interval":
        """After a shift to the right that rounds down."""
        scale = np.exp2(-np.asarray(amount, float))
        return Interval(np.floor(self.low * scale), np.floor(self.high * scale))


def linear_interval(layer: FixedLinear, u: Interval) -> Interval:
    """32-bit sums that messages within `u` can cause."""
    positive, negative = (2.0 * np.clip(layer.weights, *sign) for sign in ((0, 127), (-128, 0)))
    return Interval(
        positive @ u.low + negative @ u.high,
        positive @ u.high + negative @ u.low,
    )


def s4d_interval(layer: FixedS4D, rules: Arithmetic, u: Interval) -> Interval | None:
    """Outputs that messages within `u`, in whatever order, can cause.

    The output is that of the exact linear system, whose impulse response k bounds it by
    sum_t k_t u_t, plus what rounding adds: the state is off by at most that of `state_bound`
    without input, and each of two products and the final shift by less than one.

    Returns
    -------
    Interval or None
        None where the input inside the neurons or a state could leave its word.
    """
    s = np.exp2(np.reshape(layer.state_exponent, (-1, 1)).astype(float))
    values = layer.dequantize()
    v = u.magnitude[:, np.newaxis] * s
    top = limit(rules.state_bits)
    if max(v.max(), state_bound(values.a, values.b, v).max()) > top:
        return None
    off = state_bound(values.a, values.b, 0)  # (d_model, d_state)
    noise = (2 * (np.abs(values.c) * off + 2) / s + 1).sum(axis=-1)
    positive, negative = response_sums(values)
    return Interval(
        positive * np.minimum(u.low, 0) - negative * np.maximum(u.high, 0) - noise,
        positive * np.maximum(u.high, 0) - negative * np.minimum(u.low, 0) + noise,
    )


def response_sums(layer: S4D, precision: float = 0.01) -> tuple[RealArray, RealArray]:
    """Sums over all time of the positive and of the negative part of each impulse response.

    k_t = 2 Re(sum_n c_n b_n a_n^t), summed until what is left of it, at most
    sum_n 2 |c_n b_n| |a_n|^t / (1 - |a_n|), is below `precision` of the sum (or a millionth of
    what it was, where the states cancel), and added to both.

    Returns
    -------
    tuple
        Two arrays (d_model,), not negative.
    """
    block = 256
    powers = layer.a[..., np.newaxis] ** np.arange(block)  # (d_model, d_state, block)
    weight = 2 * layer.c * layer.b
    positive = negative = np.zeros(layer.d_model)
    enough = 1e-6 * (np.abs(weight) / (1 - np.abs(layer.a))).sum(axis=-1)
    while True:
        k = np.einsum("hn,hnt->ht", weight, powers).real
        positive = positive + np.maximum(k, 0).sum(axis=-1)
        negative = negative + np.maximum(-k, 0).sum(axis=-1)
        weight = weight * layer.a**block
        left = (np.abs(weight) / (1 - np.abs(layer.a))).sum(axis=-1)
        if (left <= np.maximum(precision * (positive + negative), enough)).all():
            return positive + left, negative + left
