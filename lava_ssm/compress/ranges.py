"""How large the integers of a network get, by what is known of its input."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.network import (
    S4D,
    Filters,
    FixedLinear,
    FixedS4D,
    Gate,
    Network,
    Readout,
    Recurrence,
)
from lava_ssm.network.description import Exponent
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
        self._peaks: dict[tuple[int, str, str], RealArray] = {}  # stage, population, what
        self._stages, self._populations = network.stages, network.lowered
        self._moments: dict[int, tuple[RealArray, RealArray]] = {0: _moments(np.asarray(x, float))}
        self._sent: dict[int, np.ndarray] = {}
        self._sums = network.readout is Readout.MEAN_OVER_TIME
        self.total = 0.0
        engine.run(network, x, probe=self._see)
        self.input = float(np.abs(x).max())

    def _see(self, population: int, what: str, values: np.ndarray) -> None:
        p = self._populations[population]
        channel = -1 if what != "state" else -3 if isinstance(p.neurons, Filters) else -2
        others = tuple(i for i in range(values.ndim) if i != values.ndim + channel)
        peak = np.abs(values).max(axis=others)
        if not np.isfinite(peak).all():
            raise ValueError(
                f"calibration: makes {_NAMES[what]} of stage {p.stage} leave the range of doubles; "
                "scale the data or the weights before it"
            )
        if what == "sent" and p.name == "neurons":
            self._moments[p.stage + 1] = _moments(values)
            if population == len(self._populations) - 1:
                sums = np.cumsum(values, axis=-2) if self._sums else values
                self.total = float(np.abs(sums).max())
        elif what == "sent" and isinstance(p.neurons, Recurrence):
            re, im = np.split(values.reshape(-1, values.shape[-1]).mean(axis=0), 2)
            self._sent[p.stage] = re + 1j * im
        key = p.stage, p.name, what
        before = self._peaks.get(key)
        self._peaks[key] = peak if before is None else np.maximum(peak, before)

    def state(self, stage: int) -> RealArray:
        """Of the real and imaginary parts of states: an S4D's by channel, (d_model,), else each."""
        return self._peaks[stage, "states", "state"]

    def messages(self, stage: int) -> RealArray:
        """Of what a stage's neurons send, for each channel, (d_output,)."""
        return self._peaks[stage, "neurons", "sent"]

    def sums(self, stage: int) -> RealArray:
        """Of what a stage's synapses accumulate for each channel, (d_output,)."""
        return self._peaks[stage, "neurons", "sum"]

    def second(self, stage: int) -> RealArray:
        """Of what a stage's neurons receive beside that, (d_output,)."""
        return self._peaks[stage, "neurons", "second"]

    def drive(self, stage: int) -> RealArray:
        """Of what the synapse to the states of an S5 layer accumulates, (2 d_state,)."""
        return self._peaks[stage, "states", "sum"]

    def moments(self, stage: int) -> tuple[RealArray, RealArray]:
        """Mean and standard deviation of what enters a stage, each (d_input,)."""
        return self._moments[stage]

    def mean_sent(self, stage: int) -> np.ndarray:
        """Mean of what the states of an S5 layer send, complex, (d_state,)."""
        return self._sent[stage]

    def bias(self, stage: int) -> float:
        """Of the biases that a stage's neurons add to its output; 0 without."""
        layer = self._stages[stage].layer
        bias = getattr(layer, "bias", None)  # that of a gate is added inside the sigmoid
        return 0.0 if bias is None or isinstance(layer, Gate) else float(np.abs(bias).max())


_NAMES = {
    "sum": "the sums",
    "second": "the second inputs",
    "state": "the states",
    "sent": "the messages",
}


def _moments(u: RealArray) -> tuple[RealArray, RealArray]:
    flat = u.reshape(-1, u.shape[-1])
    return flat.mean(axis=0), flat.std(axis=0)


def sum_scale(exponent: Exponent, d_output: int) -> RealArray:
    """Exponent that a synapse's sums have beyond its input's, as a factor 2**(exponent + 1)."""
    return dequantize(np.ones(d_output, int), -(np.asarray(exponent) + 1))


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
