"""Post-training quantisation: a float network to the integers of the chip."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.balance import balance, balance_rows, scaled
from lava_ssm.compress.exponents import CLEARLY, Choice, calibrated, certified, least_error, room
from lava_ssm.compress.formats import Formats
from lava_ssm.compress.glu import corrected_glu, fixed_glu, with_formats_glu
from lava_ssm.compress.parameters import fixed_linear, fixed_s4d
from lava_ssm.compress.ranges import Observed
from lava_ssm.compress.s5 import (
    corrected,
    fixed_bias,
    fixed_gate,
    fixed_s5,
    gate_bias,
    with_formats,
)
from lava_ssm.network import (
    GELU,
    GLU,
    S4D,
    S5,
    FixedGate,
    FixedGLU,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Network,
    Readout,
)
from lava_ssm.numerics import CHIP, Arithmetic, Overflow, RealArray, real_number

W8A16 = Arithmetic(message_bits=16)
"""8-bit weights, 16-bit messages (and diagonals, `Formats.param_bits`), 24-bit states: the
published choice for S5 (arXiv 2502.01330)."""


def quantize(
    network: Network,
    calibration: ArrayLike,
    formats: Formats | None = None,
    bound: Literal["calibrated", "certified"] = "calibrated",
    arithmetic: Arithmetic = CHIP,
    input_range: float | None = None,
) -> FixedNetwork:
    """Quantise a trained network: 8-bit weights, 24-bit states and messages, integer exponents.

    Exponents are chosen here, once; they never depend on the data that is processed later.

    Parameters
    ----------
    network
        Float network.
    calibration
        Representative input, real values, (..., time, d_input).
    formats
        Of the parameters; None: the defaults of `Formats`. `PAPER` is the published choice.
    bound
        "calibrated": every message, state and sum that the calibration data cause fits with one
        spare bit, and the fixed network has run on them without an overflow. "certified": no input
        within the input format can make any of them overflow (proven from the weights; costs bits),
        and no running sum over as many tokens as the calibration sequences have.
    arithmetic
        Rules of the fixed network; the chip's by default. `W8A16` has messages of 16 bits.
    input_range
        Magnitude up to which the input's format reaches, of "calibrated"; the calibration data must
        lie within. None: twice the largest in the calibration data, which is safer; but an input
        that is known to end there, or is saturated where the format ends (`audio.magnitudes`),
        needs no spare bit.

    Returns
    -------
    FixedNetwork

    Raises
    ------
    TypeError
        Not a float network, or calibration data that are no array of real numbers.
    ValueError
        A GELU, which has no fixed form; empty or misshapen calibration data, or formats that
        cannot hold the parameters; no exponents with which the calibration data fit; an
        `input_range` that is not positive, below the calibration data, or given with "certified".

    Warns
    -----
    OverflowWarning
        The same, of calibration data and a `state_exponent` that is given.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a float Network, got {type(network).__name__}")
    if not isinstance(bound, str) or bound not in ("calibrated", "certified"):
        raise ValueError(f"bound must be 'calibrated' or 'certified', got {bound!r}")
    x = engine.as_sequences(network, calibration, "calibration")
    peak = np.abs(x).max()
    if not 1e-200 < peak < 1e200:
        raise ValueError(
            f"calibration: the largest magnitude must lie in [1e-200, 1e200], got {peak:g}; zeros "
            "say nothing about ranges"
        )
    if input_range is not None:
        if bound != "calibrated":
            raise ValueError("input_range: is for bound='calibrated', got bound='certified'")
        # from the largest magnitude of the calibration data on
        input_range = real_number(input_range, "input_range", f"[{float(peak)!r}, 1e200]")
    formats = Formats() if formats is None else formats
    if not isinstance(formats, Formats):
        raise TypeError(f"formats must be a Formats, such as PAPER, got {formats!r}")
    if not isinstance(arithmetic, Arithmetic):
        raise TypeError(f"arithmetic must be an Arithmetic, got {arithmetic!r}")

    task = _Task(network, x, formats, arithmetic, input_range)
    if bound == "calibrated":
        fixed = task.calibrated()
        plain = (isinstance(la, Linear) and la.bias is None for la in network.layers)
        if formats.search and any(plain):
            weighed = _Task(network, x, formats, arithmetic, input_range, weigh=True)
            other = weighed.calibrated()
            if weighed.error(other) < CLEARLY * task.error(fixed):
                task, fixed = weighed, other
        overflows = task.overflows(fixed)
        if formats.state_exponent == "auto":
            _refuse(overflows)
        else:  # exponents that were asked for, as `PAPER` does
            engine.warn_of_overflows(overflows)
    else:
        fixed = task.certified()
    made_by = {
        **network.made_by,
        "quantize": f"{formats}, bound={bound!r}, input_range={input_range}",
    }
    return replace(fixed, made_by=made_by)


_SEARCHED = 16
"""Calibration sequences on which exponents are tried."""


class _Task:
    """A network whose parameters are quantised, and the search for its exponents.

    Parameters
    ----------
    weigh
        Whether the weights of linear layers without bias get the exponents with the least error of
        their products with what they hear, instead of those at which the largest weight fits.
    """

    def __init__(
        self,
        network: Network,
        x: RealArray,
        formats: Formats,
        arithmetic: Arithmetic,
        input_range: float | None,
        weigh: bool = False,
    ) -> None:
        self.network, self.x, self.formats, self.arithmetic = network, x, formats, arithmetic
        self.input_range = input_range
        self.layers, self.values = _parameters(network, formats, x, weigh)
        # the rules of choice need the fixed layers in stages, their exponents yet to come
        self.stages = FixedNetwork(tuple(self.layers), network.readout).stages
        self.some = x.reshape(-1, *x.shape[-2:])[:_SEARCHED]

    @cached_property
    def wanted(self) -> RealArray:
        """What the float network gives of the calibration sequences."""
        return self._result(self.network, engine.run(self.network, self.some).outputs)

    def calibrated(self) -> FixedNetwork:
        """Exponents by what the calibration data cause."""
        seen = Observed(self.values, self.x)
        given = self.formats.state_exponent
        by_channel = given == "auto"
        rules = self.arithmetic
        space = room(self.stages, seen, self.network.readout, rules, by_channel, self.input_range)
        asked = None if given == "auto" else given
        choice = calibrated(self.stages, space, asked, rules)

        def build(choice: Choice) -> FixedNetwork:
            edges = choice.edges
            states = [
                space.state_exponents(i, edges[i]) if by_channel and has is not None else given
                for i, has in enumerate(space.states)
            ]
            return self._assembled(edges, states, None, seen)

        # elsewhere messages and states do not share a word: there is nothing to weigh up
        if self.formats.search and any(isinstance(s.layer, FixedS4D) for s in self.stages):
            choice = least_error(choice, lambda choice: self.error(build(choice)))
        return build(choice)

    def certified(self) -> FixedNetwork:
        """Exponents that no input can make overflow."""
        for i, stage in enumerate(self.stages):
            real = self.network.stages[i].layer
            if stage.residual is not None or not isinstance(real, S4D | Linear):
                raise ValueError(
                    "bound: 'certified' knows networks of S4D and Linear layers without residual "
                    f"paths; stage {i} is a {type(real).__name__}"
                )
            if real.bias is not None or (isinstance(real, S4D) and real.d is not None):
                raise ValueError(
                    "bound: 'certified' knows layers without bias and direct path only; stage "
                    f"{i} is a {type(real).__name__} with one"
                )
        given = self.formats.state_exponent
        found, problem = [], None
        for s in (8, 6, 4, 2, 0) if given == "auto" else (given,):
            states = [s] * len(self.stages)
            stages = self._assembled([0] * (len(states) + 1), states, 2).stages
            try:
                edges, bits = certified(stages, self.x, self.network.readout, self.arithmetic)
            except ValueError as error:
                problem = error
            else:
                found.append(self._assembled(edges, states, bits))
        if not found:
            assert problem is not None
            raise problem
        return min(found, key=self.error) if len(found) > 1 else found[0]

    def _assembled(
        self,
        edges: Sequence[int],
        states: Sequence[Any],
        input_bits: int | None,
        seen: Observed | None = None,
    ) -> FixedNetwork:
        final: list[Any] = []
        i = 0
        pairs: Any = zip(self.layers, self.values.layers, strict=True)
        for fixed, real in pairs:
            match fixed:
                case FixedLinear():
                    bias = None if real.bias is None else fixed_bias(real.bias, edges[i + 1])
                    final.append(replace(fixed, output_exponent=edges[i + 1], bias=bias))
                case FixedGate():
                    bias = gate_bias(real.bias)
                    final.append(replace(fixed, output_exponent=edges[i + 1], bias=bias))
                case FixedS5():
                    assert seen is not None
                    rules = self.arithmetic
                    final.append(with_formats(fixed, real, i, edges[i + 1], seen, rules))
                case FixedGLU():
                    assert seen is not None
                    ends = edges[i], edges[i + 1]
                    final.append(with_formats_glu(fixed, real, i, ends, seen, self.arithmetic))
                case FixedS4D():
                    bias = None if real.bias is None else fixed_bias(real.bias, edges[i + 1])
                    final.append(replace(fixed, state_exponent=_one(states[i]), bias=bias))
                case _:
                    final.append(fixed)
                    continue
            i += 1
        readout = self.network.readout
        return FixedNetwork(tuple(final), readout, edges[0], input_bits, self.arithmetic)

    def overflows(self, fixed: FixedNetwork) -> engine.Overflows:
        """Count what leaves its word on the calibration data."""
        return engine.run(_counting(fixed), self.x).overflows

    def error(self, fixed: FixedNetwork) -> float:
        """Squared error of what the network gives; infinite if anything overflows."""
        done = engine.run(_counting(fixed), self.some)
        if done.overflows.total:
            return np.inf
        return float(((self._result(fixed, done.outputs) - self.wanted) ** 2).sum())

    def _result(self, network: Network | FixedNetwork, outputs: Any) -> RealArray:
        values = network.to_float(outputs)
        return values if network.readout is Readout.EVERY_TOKEN else values[..., -1, :]


def _counting(fixed: FixedNetwork) -> FixedNetwork:
    """Give a network that counts overflows and goes on, where `fixed` would raise."""
    if fixed.arithmetic.overflow is not Overflow.RAISE:
        return fixed
    return replace(fixed, arithmetic=replace(fixed.arithmetic, overflow=Overflow.WRAP))


_ADVICE = {
    "input": "scale down what enters it",
    "state": "scale down its b or what enters it",
    "synapse": "scale down its weights or what enters it",
    "message": "scale down its weights or what enters it, or give messages more bits",
    "sum": "scale down its weights, or calibrate with sequences of fewer tokens",
}


def _refuse(overflows: engine.Overflows) -> None:
    """Raise an error for the first stage that overflows: those behind it may follow from it."""
    for i, (name, tally) in enumerate(overflows.stages):
        found = {what: n for what, n in tally.items() if n}
        if found:
            counts = ", ".join(f"{n} {what}" for what, n in found.items())
            advice = "; ".join(f"{what}: {_ADVICE[what]}" for what in found)
            raise ValueError(
                f"calibration: makes integers of stage {i} ({name}) leave their words: {counts}; "
                f"no choice of exponents holds them ({advice})"
            )


def _one(exponents: Any) -> Any:
    """One integer, where all channels have the same."""
    return int(np.min(exponents)) if np.ptp(exponents) == 0 else exponents


def _parameters(
    network: Network, formats: Formats, x: RealArray, weigh: bool
) -> tuple[list[Any], Network]:
    """Quantise the weights of each layer.

    Returns
    -------
    tuple
        The fixed layers, their biases and the exponents of their messages yet to come; and the
        float network of their values, with biases that make up for the rounding of the weights.
    """
    heard = _Heard(network, x)
    fixed: list[Any] = []
    values: list[Any] = []
    stage = 0
    for i, layer in enumerate(network.layers):
        match layer:
            case S4D():
                given = scaled(layer, balance(layer)) if formats.balance else layer
                fixed.append(fixed_s4d(given, formats, f"layers[{i}]"))
                values.append(replace(fixed[-1].dequantize(), bias=layer.bias))
            case Linear(bias=None):
                gram = heard.grams.get(stage) if formats.compensate else None
                # no bias makes up for means: their products' errors count too
                rms = np.sqrt(np.diag(heard.grams[stage])) if weigh else None
                with _naming(i, layer):
                    fixed.append(fixed_linear(layer, formats, gram, rms))
                values.append(fixed[-1].dequantize())
            case S5():
                mean, spread = heard.seen.moments(stage)
                k = np.ones(layer.d_state)
                if formats.balance and not formats.per_channel:
                    k = balance_rows(layer, spread)
                alike = scaled(layer, k)
                with _naming(i, layer):
                    fixed.append(fixed_s5(alike, formats, spread))
                sent = k * heard.seen.mean_sent(stage)
                values.append(corrected(alike, fixed[-1].dequantize(), mean, sent))
            case Linear() | Gate():
                mean, spread = heard.seen.moments(stage)
                with _naming(i, layer):
                    if isinstance(layer, Linear):
                        fixed.append(fixed_linear(layer, formats, spread=spread))
                    else:
                        fixed.append(fixed_gate(layer, formats, spread))
                values.append(corrected(layer, fixed[-1].dequantize(), mean))
            case GLU():
                mean, spread = heard.seen.moments(stage)
                with _naming(i, layer):
                    fixed.append(fixed_glu(layer, formats, spread))
                values.append(corrected_glu(layer, fixed[-1].dequantize(), mean))
            case GELU():
                raise ValueError(
                    f"layers[{i}]: a GELU has no fixed form; put a ReLU in its place "
                    "(`relufy` of the model) and train on"
                )
            case _:
                fixed.append(layer)
                values.append(layer)
                continue
        stage += 1
    return fixed, Network(tuple(values), network.readout)


@contextmanager
def _naming(i: int, layer: Any) -> Iterator[None]:
    """Say in an error which layer it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"layers[{i}] ({type(layer).__name__}): {error}") from error


class _Heard:
    """What enters the layers of a float network, found out when it is asked for."""

    def __init__(self, network: Network, x: RealArray) -> None:
        self._network, self._x = network, x

    @cached_property
    def seen(self) -> Observed:
        """Ranges and moments."""
        return Observed(self._network, self._x)

    @cached_property
    def grams(self) -> dict[int, RealArray]:
        """Sum of u u^T over the inputs u of each stage."""
        grams = {0: _gram(self._x)}

        populations = self._network.lowered

        def see(population: int, what: str, values: np.ndarray) -> None:
            if what == "sent" and populations[population].name == "neurons":
                grams[populations[population].stage + 1] = _gram(values)

        engine.run(self._network, self._x, probe=see)
        return grams


def _gram(u: RealArray) -> RealArray:
    rows = u.reshape(-1, u.shape[-1])
    return rows.T @ rows
