"""Mixed precision: bits of each layer's parameters by what they cost at the network's output."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from rich.table import Table

from lava_ssm import engine
from lava_ssm.compress.equalise import with_layers
from lava_ssm.compress.formats import Formats, weight_bits_of
from lava_ssm.compress.kinds import Rules, kind_of
from lava_ssm.compress.quantize import AccuracyWarning, quantize
from lava_ssm.compress.ranges import observe
from lava_ssm.compress.shares import signal_to_error
from lava_ssm.compress.task import some_of
from lava_ssm.extras import needed
from lava_ssm.network import FixedLayer, FixedNetwork, FloatLayer, Network
from lava_ssm.network.description import WEIGHT_BITS, is_dense, mantissa_bits
from lava_ssm.numerics import CHIP, Arithmetic, RealArray, instance, integer, real_number
from lava_ssm.tables import Tabular, empty_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = (8, 6, 4, 3, 2)
"""Bits of weights to choose from."""
PARAM_WIDTHS = (16, 14, 12, 10, 8, 6)
"""Bits of a, b, c of an S4D to choose from."""
_LITTLE = 0.5
"""Decibels that narrower messages may cost."""


@dataclass(frozen=True)
class Point:
    """A choice of bits.

    Parameters
    ----------
    bits
        Of the weights of each layer, or of a, b and c; 0 of one without either.
    nbytes
        What the network takes, see `packed_nbytes`.
    accuracy
        Signal to error at the outputs, in dB, on calibration data: estimated, as if the layers'
        errors added up, until the network was quantised so.
    """

    bits: tuple[int, ...]
    nbytes: int
    accuracy: float


@dataclass(frozen=True)
class BitSearch(Tabular):
    """What `search_bits` found; prints as a table.

    Parameters
    ----------
    fixed
        The network.
    chosen
        Its bits, bytes, and the accuracy that it reached.
    path
        From 8 bits (16 of S4D's) everywhere to the fewest, each step where it costs least for the
        bytes that it saves; accuracies are estimates.
    measured
        Choices on the path of which the network was quantised.
    """

    fixed: FixedNetwork
    chosen: Point
    path: tuple[Point, ...]
    measured: tuple[Point, ...]

    def __rich__(self) -> Table:
        first = self.path[0]
        of_all = f"{self.chosen.nbytes:,} of {first.nbytes:,} bytes"
        title = f"{of_all}, {self.chosen.accuracy:.1f} dB at the output"
        table = empty_table(title, {"layer": False, "parameters": True, "bits": True})
        values = self.fixed.dequantize().stages
        layers = zip(values, self.fixed.stages, self.chosen.bits, strict=True)
        for i, (real, stage, bits) in enumerate(layers):
            size = sum(m.size for m in _narrowed(real.layer, stage.layer))
            if size:
                table.add_row(f"{i} {type(real.layer).__name__}", f"{size:,}", str(bits))
        return table

    def plot(self) -> "Figure":
        """Draw accuracy over bytes: the path's estimates, what was measured, what was chosen."""
        with needed("matplotlib"):
            from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
        looks = {
            "estimated": (self.path, "-", "0.6"),
            "measured": (self.measured, "o", "black"),
            "chosen": ((self.chosen,), "o", "crimson"),
        }
        for label, (points, form, color) in looks.items():
            nbytes, accuracy = zip(*((p.nbytes / 1000, p.accuracy) for p in points), strict=True)
            axes.plot(nbytes, accuracy, form, color=color, label=label)
        axes.set(xlabel="kB", ylabel="signal to error at the output (dB)")
        axes.legend(frameon=False)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        return figure


def search_bits(
    network: Network,
    calibration: ArrayLike,
    budget_bytes: int | None = None,
    min_db: float | None = None,
    formats: Formats | None = None,
    arithmetic: Arithmetic = CHIP,
    input_range: float | None = None,
    message_bits: Sequence[int] = (),
) -> BitSearch:
    """Quantise a network with as many bits for each layer's parameters as they are worth.

    Each layer is quantised alone, with each of `WIDTHS` (`PARAM_WIDTHS` of an S4D), to see what
    that adds to the output's squared error on calibration data. From the most bits everywhere, bits
    are then taken where the error grows least for the bytes that are saved.

    Parameters
    ----------
    network, calibration, formats, arithmetic, input_range
        See `quantize`.
    budget_bytes
        What the network may take, see `packed_nbytes`.
    min_db
        Signal to error at the outputs on calibration data that the smallest network must have.
    message_bits
        Words of messages to choose from: the narrowest that costs at most half a dB (with `min_db`,
        with which that is met) is taken. Nothing: the arithmetic's.

    Raises
    ------
    TypeError, ValueError
        As of `quantize`; not one of `budget_bytes` and `min_db`; no network is so small, or so
        accurate.
    """
    if (budget_bytes is None) == (min_db is None):
        raise ValueError(
            f"budget_bytes, min_db: give one of them, got {budget_bytes!r} and {min_db!r}"
        )
    budget = None if budget_bytes is None else integer(budget_bytes, "budget_bytes", 1)
    least = None if min_db is None else real_number(min_db, "min_db", "[0, 200]")
    instance(message_bits, Iterable, "message_bits", "several widths, such as (12, 16)")
    messages = sorted(integer(bits, "message_bits", 2, 24) for bits in message_bits)
    formats = Formats() if formats is None else formats
    made: dict[tuple[int, ...], tuple[Point, FixedNetwork]] = {}

    def quantized(bits: tuple[int, ...], rules: Arithmetic = arithmetic) -> FixedNetwork:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AccuracyWarning)
            of = _with_bits(formats, bits)
            return quantize(network, calibration, of, "calibrated", rules, input_range)

    def reached(fixed: FixedNetwork) -> float:
        outputs = fixed.to_float(engine.run(fixed, some).outputs)
        return signal_to_error(wanted, outputs)

    def measure(bits: tuple[int, ...]) -> Point:
        if bits not in made:
            fixed = quantized(bits)
            made[bits] = Point(bits, packed_nbytes(fixed), reached(fixed)), fixed
        return made[bits][0]

    quantize(network, calibration, formats, "calibrated", arithmetic, input_range)  # or an error
    x = engine.as_sequences(network, calibration, "calibration")
    some = some_of(x)
    wanted = network.run(some)
    first = tuple(max(_widths(stage.layer), default=0) for stage in network.stages)
    path = _path(network, measure(first), some, wanted, Rules(formats, arithmetic))
    if budget is not None:
        fitting = (p.bits for p in path if p.nbytes <= budget)
        bits = next((b for b in fitting if measure(b).nbytes <= budget), None)
        if bits is None:
            raise ValueError(
                f"budget_bytes: the network takes {path[-1].nbytes:,} bytes with the fewest bits, "
                f"got {budget:,}"
            )
    else:
        assert least is not None
        if made[first][0].accuracy < least:
            raise ValueError(
                f"min_db: with the most bits {made[first][0].accuracy:.1f} dB are reached, "
                f"got {least:g}"
            )
        low, high = 0, len(path)  # path[low] is accurate enough
        while high - low > 1:
            middle = (low + high) // 2
            enough = measure(path[middle].bits).accuracy >= least
            low, high = (middle, high) if enough else (low, middle)
        bits = path[low].bits
    chosen, fixed = made[bits]
    wanted_db = chosen.accuracy - _LITTLE if least is None else least
    for width in messages:
        narrow = quantized(bits, replace(arithmetic, message_bits=width))
        if (accuracy := reached(narrow)) >= wanted_db:
            fixed, chosen = narrow, replace(chosen, accuracy=accuracy)
            break
    measured = tuple(point for point, _ in made.values())
    return BitSearch(fixed, chosen, path, measured)


def _path(
    network: Network, start: Point, x: RealArray, wanted: RealArray, rules: Rules
) -> tuple[Point, ...]:
    """Bits of all layers, step by step to the fewest."""
    errors: list[dict[int, float]] = []
    sizes: list[dict[int, float]] = []
    observed = observe(network, x)
    layers = [stage.layer for stage in network.stages]
    for i, (layer, moments) in enumerate(zip(layers, observed.moments, strict=True)):
        errors.append({})
        sizes.append({})
        for bits in _widths(layer):
            of = replace(rules, formats=_with_bits(rules.formats, (bits,)).of_layer(0))
            fixed, values = kind_of(layer).parameters(layer, moments, of)
            around = [*layers[:i], values, *layers[i + 1 :]]
            outputs = Network(with_layers(network, around), network.readout).run(x)
            errors[i][bits] = float(((outputs - wanted) ** 2).sum())
            sizes[i][bits] = fixed.nbytes - _saved(layer, fixed, bits)
    signal = float((wanted**2).sum())
    # what the weights do not cause: words of messages and states, and other parameters
    rest = signal * 10 ** (-start.accuracy / 10) - sum(max(e.items())[1] for e in errors if e)
    others = start.nbytes - sum(s[b] for s, b in zip(sizes, start.bits, strict=True) if s)
    path, now = [start], list(start.bits)
    while True:
        moves = [
            ((errors[i][bits] - errors[i][now[i]]) / (sizes[i][now[i]] - sizes[i][bits]), i, bits)
            for i in range(len(now))
            for bits in errors[i]
            if bits < now[i] and sizes[i][bits] < sizes[i][now[i]]
        ]
        if not moves:
            return tuple(path)
        _, i, bits = min(moves)
        now[i] = bits
        error = max(rest, 0.0) + sum(e[b] for e, b in zip(errors, now, strict=True) if e)
        nbytes = others + sum(s[b] for s, b in zip(sizes, now, strict=True) if s)
        accuracy = 10 * np.log10(signal / error) if error > 0 and signal > 0 else np.inf
        path.append(Point(tuple(now), int(np.ceil(nbytes)), float(accuracy)))


def packed_nbytes(fixed: FixedNetwork) -> int:
    """Bytes of a fixed network whose weights, and a, b, c of S4D layers, take the bits they have.

    `FixedNetwork.nbytes` less what widths between 2, 4 and 8 bits save.
    """
    stages = zip(fixed.dequantize().stages, fixed.stages, weight_bits_of(fixed), strict=True)
    saved = (_saved(real.layer, stage.layer, bits) for real, stage, bits in stages)
    return int(np.ceil(fixed.nbytes - sum(saved)))


def _with_bits(formats: Formats, bits: tuple[int, ...]) -> Formats:
    """Formats with bits for each layer, of whichever parameters it has."""
    return replace(
        formats,
        weight_bits=tuple(b if b in WIDTHS else WEIGHT_BITS for b in bits),
        param_bits=tuple(b if b in PARAM_WIDTHS else PARAM_WIDTHS[0] for b in bits),
    )


def _widths(layer: FloatLayer) -> tuple[int, ...]:
    """Bits to choose from for a layer's parameters, the most first."""
    bits = {tensor.bits for tensor in kind_of(layer).tensors}
    return PARAM_WIDTHS if "param_bits" in bits else WIDTHS if WEIGHT_BITS in bits else ()


def _saved(real: FloatLayer, layer: FixedLayer, bits: int) -> float:
    """Bytes that parameters of a layer take less than whole ones each; weights have `bits`."""
    narrowed = _narrowed(real, layer)
    if _widths(real) is WIDTHS:
        return sum(_stored(m) * max(0, mantissa_bits(m) - bits) / 8 for m in narrowed)
    width: int = getattr(layer, "param_bits", bits)
    return sum(m.size for m in narrowed) * (-(-width // 8) - width / 8)


def _stored(matrix: np.ndarray) -> int:
    """Weights of a matrix that are stored, see `is_dense`."""
    dense = is_dense(matrix.reshape(len(matrix), -1))
    return matrix.size if dense else int(np.count_nonzero(matrix))


def _narrowed(real: FloatLayer, layer: FixedLayer) -> list[np.ndarray]:
    """Mantissas of which a layer, `real` in floating point, may have fewer bits."""
    tensors = kind_of(real).tensors
    return [getattr(layer, t.name) for t in tensors if t.bits in (WEIGHT_BITS, "param_bits")]
