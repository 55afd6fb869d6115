"""What quantisation did to each tensor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.table import Table

from lava_ssm import engine
from lava_ssm.compress.equalise import aligned
from lava_ssm.compress.formats import weight_bits_of
from lava_ssm.compress.kinds import kind_of
from lava_ssm.compress.shares import error_causes, signal_to_error, values_of, without_overflow
from lava_ssm.extras import needed
from lava_ssm.network import FixedLayer, FixedNetwork, FloatLayer, Network
from lava_ssm.numerics import SYNAPSE_BITS, dequantize, word_range
from lava_ssm.tables import Tabular, empty_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TensorReport:
    """One tensor.

    Parameters
    ----------
    name
        Layer and tensor.
    bits
        Width of its mantissas.
    exponent
        Smallest and largest of its exponents.
    used
        Share of the mantissas' range that is used, in [0, 1]: 1/2 is one spare bit.
    sqnr
        Signal-to-quantisation-noise ratio in dB: 10 log10(sum x^2 / sum (x_fixed - x)^2); None
        of a state, whose scale is the fixed network's own.
    overflows
        Integers that left their words.
    """

    name: str
    bits: int
    exponent: tuple[int, int]
    used: float
    sqnr: float | None
    overflows: int


@dataclass(frozen=True)
class Report(Tabular):
    """Every tensor of a network, in the order in which a token meets them; prints as a table.

    Parameters
    ----------
    tensors
        A row each.
    causes
        Signal-to-error ratio of the outputs, in dB, with one cause of errors alone, see
        `error_causes`.
    overflow_cost
        What integers that left their words, wrapped or saturated, cost at the output, in dB: words
        of 32 bits would have so much more signal to error. None: none did.
    """

    tensors: tuple[TensorReport, ...]
    causes: Mapping[str, float]
    overflow_cost: float | None = None

    def __rich__(self) -> Table:
        numbers = ("bits", "exponent", "range used", "SQNR (dB)", "overflows")
        title = f"Quantisation: {self.tensors[-1].sqnr:.1f} dB at the output"
        table = empty_table(title, {"tensor": False, **dict.fromkeys(numbers, True)})
        for t in self.tensors:
            low, high = t.exponent
            exponent = str(low) if low == high else f"{low} to {high}"
            sqnr = "" if t.sqnr is None else f"{t.sqnr:.1f}"
            table.add_row(
                t.name, str(t.bits), exponent, f"{100 * t.used:.1f} %", sqnr, str(t.overflows)
            )
        larger = "any number of" if np.isinf(self.headroom) else f"{self.headroom:.1f}"
        table.caption = f"messages and states fit their words {larger} times"
        if self.overflow_cost is not None:
            table.caption += f"; integers that left them cost {self.overflow_cost:.1f} dB"
        alone = ", ".join(f"{cause} {ratio:.1f} dB" for cause, ratio in self.causes.items())
        table.caption += f"\nat the output, with one cause of errors alone: {alone}"
        return table

    @property
    def headroom(self) -> float:
        """How many times as large messages and states may be until one leaves its word."""
        words = ("message", "state", "output")
        used = [t.used for t in self.tensors if t.name.endswith(words)]
        return 1 / max(used) if max(used) > 0 else float("inf")

    def plot(self) -> "Figure":
        """Draw where accuracy is lost: messages' SQNR along the network, bits used, overflows."""
        with needed("matplotlib"):
            from matplotlib import pyplot

        messages = [t for t in self.tensors if t.name.endswith(("message", "input", "output"))]
        names = [t.name.removesuffix(" message") for t in messages]
        height = 1.2 + 0.32 * len(self.tensors)
        figure, (noise, used) = pyplot.subplots(1, 2, figsize=(9, height), layout="constrained")
        sqnr = [np.nan if t.sqnr is None else min(t.sqnr, 120) for t in messages]
        noise.plot(sqnr, range(len(names)), "o-", color="black")
        noise.set(yticks=range(len(names)), yticklabels=names)
        noise.set(xlabel="SQNR of messages (dB)", title="signal above quantisation noise")
        places = range(len(self.tensors))
        taken = [t.bits + np.log2(max(t.used, 2.0**-t.bits)) for t in self.tensors]
        used.barh(places, [t.bits for t in self.tensors], color="0.9", label="bits of the word")
        used.barh(places, taken, color="0.45", label="bits used")
        for place, t in enumerate(self.tensors):
            if t.overflows:
                used.text(t.bits, place, f" {t.overflows} overflows", va="center", color="crimson")
        used.set(yticks=places, yticklabels=[t.name for t in self.tensors], xlabel="bits")
        used.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        for axes in (noise, used):
            axes.invert_yaxis()
            axes.grid(axis="x", color="0.92")
            axes.set_axisbelow(True)
        return figure


def report(network: Network, fixed: FixedNetwork, x: ArrayLike) -> Report:
    """Compare a fixed network with the float one that it was quantised from, on data.

    Parameters
    ----------
    network
        The float network.
    fixed
        The same, quantised.
    x
        Data (..., time, d_input) for the messages and states, real values.

    Raises
    ------
    TypeError
        Not a float and a fixed network, or `x` is no array of real numbers.
    ValueError
        The two are not networks of the same layers and readout, or `x` is empty or misshapen.
    """
    values, causes = values_of(network, fixed).stages, error_causes(network, fixed, x)
    network = aligned(network, fixed)
    x = engine.as_sequences(network, x)
    real, integer = _Signals(network), _Signals(fixed)
    outputs = engine.run(network, x, probe=real).outputs
    result = engine.run(fixed, x, probe=integer)

    u, form, e = engine.as_tokens(fixed, x), fixed.input_format, fixed.exponents
    rows = [_compare("input", form.bits, e[0], u, np.asarray(x), 0)]
    widths = weight_bits_of(fixed)
    tallies = (tally for _, tally in result.overflows.stages)
    for i, (float_stage, stage, tally) in enumerate(
        zip(network.stages, fixed.stages, tallies, strict=True)
    ):
        kind, name = kind_of(float_stage.layer), f"{i} {type(float_stage.layer).__name__}"
        rows += _parameters(name, float_stage.layer, values[i].layer, stage.layer, widths[i])
        exponents = kind.state_exponents(stage.layer, e[i])
        if exponents is not None:
            bits = fixed.arithmetic.state_bits
            used = min(1.0, integer.peak_state[i] / word_range(bits)[1])
            count = tally["input"] + tally["state"]
            rows.append(TensorReport(f"{name} state", bits, _span(exponents), used, None, count))
        count = tally["synapse"] + tally["message"]
        bits = fixed.arithmetic.message_bits
        sent, wanted = integer.messages[i], real.messages[i]
        rows.append(_compare(f"{name} message", bits, e[i + 1], sent, wanted, count))
    summed = result.overflows.stages[-1][1]["sum"]
    sqnr = _sqnr(fixed.to_float(result.outputs), outputs)  # of means, not of their running sums
    used = _used(result.outputs, SYNAPSE_BITS)
    rows.append(TensorReport("output", SYNAPSE_BITS, _span(e[-1]), used, sqnr, summed))
    cost = None
    if result.overflows.total:
        wanted = network.run(x)
        reached = signal_to_error(wanted, fixed.to_float(result.outputs))
        cost = without_overflow(wanted, fixed, x) - reached
    return Report(tuple(rows), causes, cost)


class _Signals:
    """A probe that keeps each stage's messages, and how large its states got."""

    def __init__(self, network: Network | FixedNetwork) -> None:
        self._populations = network.lowered
        self.messages: dict[int, np.ndarray] = {}
        self.peak_state: dict[int, float] = {}

    def __call__(self, population: int, what: str, values: np.ndarray) -> None:
        p = self._populations[population]
        if what == "sent" and p.name == "neurons":
            self.messages[p.stage] = values
        elif what == "state":
            peak = float(np.abs(values).max())
            self.peak_state[p.stage] = max(peak, self.peak_state.get(p.stage, 0.0))


def _parameters(
    name: str, real: FloatLayer, values: FloatLayer, integer: FixedLayer, width: int
) -> Iterator[TensorReport]:
    for tensor in kind_of(real).tensors:
        wanted, mantissas = getattr(real, tensor.name), getattr(integer, tensor.name)
        if tensor.exponent is None or wanted is None:
            continue
        bits, e = tensor.width(integer, width), getattr(integer, tensor.exponent)
        # a norm's mantissas are those of a multiple of its weights
        sqnr = _sqnr(getattr(values, tensor.name), wanted)
        yield TensorReport(f"{name} {tensor.name}", bits, _span(e), _used(mantissas, bits), sqnr, 0)


def _compare(
    name: str, bits: int, exponent: int, mantissas: NDArray, wanted: NDArray, overflows: int
) -> TensorReport:
    sqnr = _sqnr(dequantize(mantissas, exponent), wanted)
    used = _used(mantissas, bits)
    return TensorReport(name, bits, _span(exponent), used, sqnr, overflows)


def _sqnr(values: NDArray, wanted: NDArray) -> float:
    noise, signal = (np.square(np.abs(v)).sum() for v in (values - wanted, wanted))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(signal / noise))


def _used(mantissas: NDArray, bits: int) -> float:
    lowest, highest = word_range(bits)
    return max(float(mantissas.max()) / highest, float(mantissas.min()) / lowest)


def _span(exponent: ArrayLike) -> tuple[int, int]:
    return int(np.min(exponent)), int(np.max(exponent))
