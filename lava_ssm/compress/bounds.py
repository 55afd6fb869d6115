"""What no input can exceed: intervals of everything in a network, float or fixed.

One walk over the populations, as the reference has one for values. In a fixed network every
rounding is followed, and it is said which stage first leaves a word.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lava_ssm.compress.interval import Interval
from lava_ssm.compress.responses import response_sums
from lava_ssm.network import (
    Activation,
    Affine,
    Bilinear,
    Connection,
    Copies,
    Filters,
    FixedNetwork,
    GatedRecurrence,
    InverseSqrt,
    Matrix,
    Network,
    Neurons,
    Population,
    Product,
    Readout,
    Recurrence,
    SelectiveRecurrence,
    Taps,
)
from lava_ssm.network.description import Exponent
from lava_ssm.numerics import (
    DECAY_EXPONENT,
    DECAY_INPUT_EXPONENT,
    INVERSE_SQRT_ERROR,
    SYNAPSE_BITS,
    IntArray,
    RealArray,
    Rounding,
    Table,
    decay,
    sigmoid,
    state_bound,
    word_range,
)
from lava_ssm.tables import Shaped


class Overflowing(NamedTuple):
    """Where an integer may leave its word.

    Attributes
    ----------
    stage
        Number of the first stage that can.
    what
        As in `engine.Overflows`.
    """

    stage: int
    what: str


@dataclass(frozen=True)
class Bounds(Shaped):
    """What no input within an interval can exceed.

    Parameters
    ----------
    inputs
        Of what enters each stage, (d_input,).
    peaks
        For each stage as of `Ranges`.
    total
        Of the outputs, or of their running sum.
    overflowing
        None of a float network, and of a fixed one that is proven.
    """

    inputs: tuple[RealArray, ...]
    peaks: tuple[dict[tuple[str, str], RealArray], ...]
    total: float
    overflowing: Overflowing | None


Responses = dict[int, tuple[RealArray, ...]]
"""By population, sums over its impulse responses; they depend on parameters alone."""


def bounds(
    network: Network | FixedNetwork, entering: Interval, tokens: int, responses: Responses
) -> Bounds:
    """Walk a network.

    Parameters
    ----------
    entering
        The input; integers for a fixed network.
    tokens
        Of a sample, for the running sum.
    responses
        Those known; others are added. A float network and a fixed one of its values share them.
    """
    walk = _Walk(network, responses)
    sent = walk.sent
    sent[None] = entering
    inputs: list[RealArray] = []
    for n, p in enumerate(network.lowered):
        sources = [sent[c.source] for c in p.inputs]
        if p.stage == len(inputs):
            inputs.append(sources[0].magnitude)
        earlier = None
        if p.residual is not None:
            earlier = sent[p.residual.source]
        sent[n] = walk.population(n, p, sources, earlier)
    total = sent[len(network.lowered) - 1]
    if network.readout is Readout.MEAN_OVER_TIME:
        total = total.mapped(lambda v: v * tokens)
        walk.check(total, SYNAPSE_BITS, len(inputs) - 1, "sum")
    peak = float(total.magnitude.max())
    return Bounds(tuple(inputs), tuple(walk.peaks), peak, walk.overflowing)


class _Walk:
    """Takes intervals through populations."""

    def __init__(self, network: Network | FixedNetwork, responses: Responses) -> None:
        self.rules = network.arithmetic if isinstance(network, FixedNetwork) else None
        self.responses = responses
        self.peaks: list[dict[tuple[str, str], RealArray]] = [{} for _ in network.stages]
        self.overflowing: Overflowing | None = None
        self.populations = network.lowered
        self.sent: dict[int | None, Interval] = {}
        """Of each population; None: of the input."""

    def check(self, values: Interval, bits: int, stage: int, what: str) -> None:
        """Note that integers can leave a word."""
        low, high = word_range(bits)
        fits = values.low.min() >= low and values.high.max() <= high
        if self.rules is not None and self.overflowing is None and not fits:
            self.overflowing = Overflowing(stage, what)

    def shifted(self, v: Interval, amount: Exponent, rounding: Rounding | None = None) -> Interval:
        """After a shift to the right; in a float network nothing."""
        if self.rules is None:
            return v
        scale = np.exp2(-np.asarray(amount, float))
        rounded = _ROUNDED[self.rules.rounding if rounding is None else rounding]
        return v.mapped(lambda ends: rounded(ends * scale))

    def received(self, c: Connection, u: Interval, p: Population) -> Interval:
        """What comes through a connection."""
        if isinstance(c.synapse, Copies):
            index = c.synapse.index
            return u.mapped(lambda v: v[index])
        if c.synapse.sums and not isinstance(self._of(c.source), Filters):
            n_out = c.synapse.n_out
            sums = u.mapped(lambda v: v.reshape(n_out, -1).sum(axis=1))
            self.check(sums, SYNAPSE_BITS, p.stage, "synapse")
            return sums
        if not isinstance(c.synapse, Matrix):
            return u  # what filters send is added up already
        if self.rules is None:
            return u.through(c.synapse.weights)
        sums = u.through(2.0 * c.synapse.weights)
        left = max(-int(np.min(c.synapse.shift)), 0)
        self.check(sums.mapped(lambda v: v * 2.0**left), SYNAPSE_BITS, p.stage, "synapse")
        return self.shifted(sums, c.synapse.shift, Rounding.FLOOR)

    def _of(self, source: int | None) -> Neurons | None:
        return None if source is None else self.populations[source].neurons

    def population(
        self, n: int, p: Population, sources: list[Interval], earlier: Interval | None
    ) -> Interval:
        """What a population sends; of `Filters`, what those of a channel add up to."""
        received = [self.received(c, u, p) for c, u in zip(p.inputs, sources, strict=True)]
        peaks = self.peaks[p.stage]
        for what, values in zip(("sum", "second"), received, strict=False):
            peaks[p.name, what] = values.magnitude
        match p.neurons:
            case Filters():
                return self._filters(n, p, p.neurons, received[0])
            case Recurrence():
                return self._recurrence(n, p, p.neurons, received[0])
            case Affine(direct=direct, bias=bias):
                y = received[0]
                if direct is not None:
                    product = received[1].times(Interval(direct, direct))
                    y = y + self.shifted(product, p.neurons.shift)
                y = y if bias is None else y + bias
            case Product(bias=bias, bias_u=bias_u):
                u = received[1] if bias_u is None else received[1] + bias_u
                y = self.shifted(
                    u.times((received[0] + bias).mapped(self._sigmoid)), p.neurons.shift
                )
            case Bilinear():
                y = self._bilinear(p, p.neurons, *received)
            case InverseSqrt():
                y = self._inverse_sqrt(p, p.neurons, received[0])
            case Taps(length=length):  # and nothing before the first token
                return received[0].with_zero().repeated(length)
            case GatedRecurrence():
                return self._gated(p, p.neurons, received[1])
            case SelectiveRecurrence():
                return self._selective(p, p.neurons, *received)
        if earlier is not None:
            y = y + self.shifted(earlier, p.residual_shift, Rounding.FLOOR)
        if p.activation is Activation.RELU:
            y = y.mapped(lambda v: np.maximum(v, 0))
        if p.activation.table is not None:
            y = self._by_table(y, p, p.activation.table)
        return self._message(y, p)

    def _by_table(self, y: Interval, p: Population, table: Table) -> Interval:
        one = 1.0 if self.rules is None else 2.0**p.exponent
        if table.multiplies:
            self.peaks[p.stage][p.name, "activated"] = y.magnitude
            if self.rules is not None:
                self.check(y, p.rules(self.rules).message_bits, p.stage, "message")
            lowest = np.floor((table.least - table.error) * one) if self.rules else table.least
            return Interval(np.maximum(np.minimum(y.low, 0), lowest), np.maximum(y.high, 0))
        if table.rectifies:  # what the table has more falls, and in steps
            function = np.vectorize(table.function, [float])
            y = y.mapped(lambda v: np.maximum(v, 0) + function(np.clip(v / one, -700, 700)) * one)
            if self.rules is None:
                return y
            wide = y.widened(np.asarray(table.error * one + 1))
            return Interval(np.maximum(np.floor(wide.low), 0), np.ceil(wide.high))
        if self.rules is None:
            return y.mapped(lambda v: np.array([table.function(x) for x in np.clip(v, -99, 99)]))
        rounding = self.rules.rounding
        return y.mapped(lambda v: table.activate(_integers(v), p.exponent, rounding).astype(float))

    def _bilinear(self, p: Population, neurons: Bilinear, s: Interval, u: Interval) -> Interval:
        first, second = p.inputs
        product = s.times(u)
        if (first.source, first.synapse) == (second.source, second.synapse):  # a square
            product = Interval(np.maximum(product.low, 0), product.high)
        y = self.shifted(product, neurons.shift)
        if neurons.limit is not None:
            limit = float(neurons.limit)
            y = y.mapped(lambda v: np.clip(v, -limit, limit))
        elif self.rules is not None:
            self.check(y, SYNAPSE_BITS, p.stage, "message")
        if neurons.weights is not None:
            y = y.times(Interval(neurons.weights, neurons.weights))
            y = self.shifted(y, neurons.weight_shift)
        return y if neurons.bias is None else y + neurons.bias

    def _inverse_sqrt(self, p: Population, neurons: InverseSqrt, s: Interval) -> Interval:
        if self.rules is None:
            ends = (1 / np.sqrt(np.maximum(v, 0) + neurons.epsilon) for v in (s.high, s.low))
            return Interval(*ends)
        _, most = word_range(p.rules(self.rules).message_bits)
        ends = (
            2.0**neurons.exponent / np.sqrt(np.maximum(v + neurons.epsilon, 1))
            for v in (s.high, s.low)
        )
        low, high = ends
        error = INVERSE_SQRT_ERROR
        return Interval(
            np.minimum(np.floor(low * (1 - error)), most),
            np.minimum(np.ceil(high * (1 + error)), most),
        )

    def _message(self, y: Interval, p: Population) -> Interval:
        if self.rules is not None:
            self.check(y, p.rules(self.rules).message_bits, p.stage, "message")
        self.peaks[p.stage][p.name, "sent"] = y.magnitude
        return y

    def _sigmoid(self, v: RealArray) -> RealArray:
        if self.rules is None:
            return np.asarray(1 / (1 + np.exp(-np.clip(v, -500, 500))))
        return sigmoid(_integers(v)).astype(float)

    def _filters(self, n: int, p: Population, neurons: Filters, u: Interval) -> Interval:
        """States and outputs of exact systems by their impulse responses, and what rounding adds.

        The state is off by at most `state_bound` without input; each of two products and the last
        shift by less than one.
        """
        d_model, d_state = neurons.d_model, neurons.d_state
        if n not in self.responses:
            a, b, c = _values(neurons)
            of_states = [response_sums(w.reshape(-1, 1), a.reshape(-1, 1)) for w in (b, -1j * b)]
            off = state_bound(a, 0, 0)
            rounding = np.abs(c) * off
            self.responses[n] = (
                *response_sums(2 * c * b, a),
                *of_states[0],
                *of_states[1],
                off,
                rounding,
            )
        positive, negative, re_p, re_n, im_p, im_n, off, rounding = self.responses[n]
        s = np.exp2(np.broadcast_to(neurons.state_exponent, d_model).astype(float))
        v = u.mapped(lambda ends: ends * s)
        each = v.repeated(d_state)
        error = off.ravel() if self.rules is not None else np.zeros(d_model * d_state)
        states = [each.filtered(*of).widened(error) for of in ((re_p, re_n), (im_p, im_n))]
        if self.rules is not None:
            self.check(v, self.rules.state_bits, p.stage, "input")
            for part in states:
                self.check(part, self.rules.state_bits, p.stage, "state")
        largest = np.maximum(*(part.magnitude for part in states)).reshape(d_model, d_state)
        self.peaks[p.stage][p.name, "state"] = largest.max(axis=1)
        out = u.filtered(positive, negative)
        if self.rules is not None:
            out = out.widened((2 * (rounding + 2) / s[:, np.newaxis] + 1).sum(axis=-1))
            self.check(out, SYNAPSE_BITS, p.stage, "synapse")
        return out

    def _recurrence(self, n: int, p: Population, neurons: Recurrence, drive: Interval) -> Interval:
        """States of x' = a x + v, where real and imaginary part of v may have any sign at once."""
        if n not in self.responses:
            a = neurons.a if self.rules is None else _complex(neurons.a, neurons.param_exponent)
            a, one = a[:, np.newaxis], np.ones((len(a), 1))
            of = [response_sums(w * one, a) for w in (1, -1j)]
            self.responses[n] = (*of[0], *of[1], state_bound(a, 0, 0)[:, 0])
        re_p, re_n, im_p, im_n, off = self.responses[n]
        bias = neurons.bias
        parts = (bias.real, bias.imag) if np.iscomplexobj(bias) else (bias[:, 0], bias[:, 1])
        re, im = (
            Interval(low, high) + part
            for low, high, part in zip(
                np.split(drive.low, 2), np.split(drive.high, 2), parts, strict=True
            )
        )
        error = off if self.rules is not None else np.zeros(len(off))
        x_re = (re.filtered(re_p, re_n) + im.filtered(im_n, im_p)).widened(error)
        x_im = (re.filtered(im_p, im_n) + im.filtered(re_p, re_n)).widened(error)
        self.peaks[p.stage][p.name, "state"] = np.maximum(x_re.magnitude, x_im.magnitude)
        both = x_re.beside(x_im)
        if self.rules is not None:
            self.check(both, self.rules.state_bits, p.stage, "state")
        if neurons.relu:  # real parts that are positive, with whatever imaginary part
            both = x_re.mapped(lambda v: np.maximum(v, 0)).beside(x_im.with_zero())
        return self._message(self.shifted(both, neurons.state_shift), p)

    def _gated(self, p: Population, neurons: GatedRecurrence, u: Interval) -> Interval:
        """States between what they were and what enters: with each rounding, as with none."""
        c = self.shifted(u, -neurons.shift)
        c = c if neurons.bias_u is None else c + neurons.bias_u
        if self.rules is not None:
            self.check(c, self.rules.state_bits, p.stage, "input")
        h = c.with_zero()  # of before the first token
        self.peaks[p.stage][p.name, "state"] = h.magnitude
        return self._message(self.shifted(h, neurons.state_shift), p)

    def _selective(
        self, p: Population, neurons: SelectiveRecurrence, s: Interval, u: Interval
    ) -> Interval:
        """States that lose a share of themselves, and gain what is perhaps a multiple of its cause.

        |h| is at most the largest |u| / (1 - decay), over all steps s, of an s alone if u is a
        multiple of s. (That s and the share that is lost for it go together is what makes slow
        states no larger than fast ones.)
        """
        first, second = p.inputs
        entering = self.shifted(u, -neurons.shift)
        multiple = self._multiple(second, first.source)
        if self.rules is None:
            least, most = (-np.expm1(-neurons.rates * np.maximum(v, 0)) for v in (s.low, s.high))
            with np.errstate(divide="ignore", invalid="ignore"):
                ends = [np.nan_to_num(v / (most if multiple else least)) for v in (u.low, u.high)]
            h = Interval(*ends).with_zero()
        else:
            rounding = self.rules.rounding
            error = float(rounding is not Rounding.TOWARD_ZERO)
            w = [
                np.trunc(neurons.rates * np.maximum(v, 0) * 2.0**-neurons.rate_shift)
                for v in (s.low, s.high)
            ]
            lost = 1 - decay(_integers(w[0]), rounding) * 2.0**-DECAY_EXPONENT
            h_most = (entering.magnitude + error) / lost
            if multiple:
                slope, off = (v * 2.0**neurons.shift for v in multiple)
                # s = 0 adds nothing: from the smallest step on
                w[0] = np.trunc(neurons.rates * 2.0**-neurons.rate_shift)
                steps = _most_steps(w[0], w[1], rounding) * 2.0**neurons.rate_shift
                per_share = np.minimum(
                    steps / np.maximum(neurons.rates, 1e-300), s.high * 2.0**DECAY_EXPONENT
                )
                h_most = np.minimum(h_most, slope * per_share + (off + error) / lost)
            h = Interval(
                np.where((entering.low < 0) | (error > 0), -h_most, 0),
                np.where(entering.high > 0, h_most, 0),
            )
            self.check(h, self.rules.state_bits, p.stage, "state")
        self.peaks[p.stage][p.name, "state"] = h.magnitude
        return self._message(self.shifted(h, neurons.state_shift), p)

    def _multiple(self, c: Connection, cause: int | None) -> tuple[RealArray, RealArray] | None:
        """How far what a connection gives is from 0, for each unit of what one neuron sends.

        That neuron is of population `cause`; what is more is added by rounding. None: it is no
        multiple.
        """
        if c.source is None or isinstance(c.synapse, Matrix) or c.synapse.sums:
            return None
        factors: tuple[RealArray, RealArray] | None
        if c.source == cause:
            factors = np.ones(c.synapse.n_in), np.zeros(c.synapse.n_in)
        else:
            factors = self._factors(self.populations[c.source], cause)
        if factors is None:
            return None
        index = c.synapse.index if isinstance(c.synapse, Copies) else slice(None)
        return factors[0][index], factors[1][index]

    def _factors(self, p: Population, cause: int | None) -> tuple[RealArray, RealArray] | None:
        """The same of what a population of products sends."""
        plain = p.residual is None and p.activation is Activation.NONE
        if not (isinstance(p.neurons, Bilinear) and plain and p.neurons.bias is None):
            return None
        for c, other in (p.inputs, p.inputs[::-1]):
            factors = self._multiple(c, cause)
            if factors is not None:
                size = self.received(other, self.sent[other.source], p).magnitude
                neurons, one = p.neurons, 0.0
                if neurons.weights is not None:
                    size = size * np.abs(neurons.weights)
                if self.rules is not None:
                    one = float(self.rules.rounding is not Rounding.TOWARD_ZERO)
                    size = size * 2.0 ** -float(neurons.shift + neurons.weight_shift)
                return factors[0] * size, factors[1] * size + one
        return None


_FINE = 1 << 12


def _most_steps(w_low: RealArray, w_high: RealArray, rounding: Rounding) -> RealArray:
    """Most of (w + 1) / (2**23 - decay(w)), times 2**23, over w from `w_low` to `w_high`.

    Of few steps as they are; of many within what the table is off, 0.3 %.
    """
    fine = np.arange(_FINE)
    one = 1 << DECAY_EXPONENT
    ratios = (fine + 1) / (one - decay(fine, rounding))
    suffix = np.maximum.accumulate(ratios[::-1])[::-1]
    first = np.clip(w_low, 0, _FINE - 1).astype(np.int64)
    share = -np.expm1(-np.minimum(w_high, 8 << DECAY_INPUT_EXPONENT) * 2.0**-DECAY_INPUT_EXPONENT)
    many = 1.003 * (w_high + 1) / np.maximum(share, 2.0**-DECAY_EXPONENT)
    return np.maximum(suffix[first] * one, np.where(w_high < _FINE, 0, many))


_ROUNDED: dict[Rounding, Callable[[RealArray], RealArray]] = {
    Rounding.FLOOR: np.floor,
    Rounding.TOWARD_ZERO: np.trunc,
    Rounding.NEAREST: np.rint,
}


def _integers(v: RealArray) -> IntArray:
    return np.clip(v, -(2.0**60), 2.0**60).astype(np.int64)


def _complex(pairs: np.ndarray, exponent: RealArray | int) -> np.ndarray:
    scale = np.exp2(-np.asarray(exponent, float))
    return np.asarray((pairs[..., 0] + 1j * pairs[..., 1]) * scale)


def _values(neurons: Filters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = neurons.a, neurons.b, neurons.c
    if np.iscomplexobj(neurons.a):
        return arrays
    e = np.reshape(neurons.param_exponent, (-1, 1))
    a, b, c = (_complex(v, e) for v in arrays)
    return a, b, c
