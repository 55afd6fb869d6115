"""Post-training quantisation: a float network to the integers of the chip."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.bounds import Overflowing
from lava_ssm.compress.certify import Certificate
from lava_ssm.compress.drift import Drift, Signals
from lava_ssm.compress.equalise import equalised, with_layers
from lava_ssm.compress.formats import FormatError, Formats, noted
from lava_ssm.compress.kinds import Rules, kind_of
from lava_ssm.compress.ranges import Moments, Observed, Ranges, observe
from lava_ssm.compress.search import CLEARLY, Choice, ExponentError, largest, least_error
from lava_ssm.compress.shares import (
    error_causes,
    error_shares,
    signal_to_error,
    without_overflow,
)
from lava_ssm.network import (
    FixedLayer,
    FixedNetwork,
    FloatLayer,
    Network,
    Readout,
    check_float,
)
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.numerics import CHIP, Arithmetic, Overflow, RealArray, instance, one_of, real_number

L = TypeVar("L", FixedLayer, FloatLayer)

W8A16 = Arithmetic(message_bits=16)
"""8-bit weights, 16-bit messages (and diagonals, `Formats.param_bits`), 24-bit states: the
published choice for S5 (arXiv 2502.01330)."""


def published_arithmetic(network: Network) -> Arithmetic:
    """Give the arithmetic that networks of such layers were published with: the chip's, or `W8A16`
    where one is an S5.
    """
    bits = min(kind_of(stage.layer).message_bits for stage in network.stages)
    return replace(CHIP, message_bits=bits)


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
    ExponentError
        No exponents are certified, or hold what calibration data cause; a ValueError.
    ValueError
        Empty or misshapen calibration data, or formats that cannot hold the parameters; an
        `input_range` that is not positive, below the calibration data, or given with "certified".

    Warns
    -----
    AccuracyWarning
        The fixed network's outputs on calibration data have less than 20 dB of signal to error; it
        names the tensor by which most is lost, and a remedy. `made_by["accuracy"]` says what was
        reached.
    OverflowWarning
        Calibration data overflow, and a `state_exponent` is given.
    """
    check_float(network)
    one_of(bound, ("calibrated", "certified"), "bound")
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
    instance(formats, Formats, "formats", "a Formats, such as PAPER")
    stages = len(network.stages)
    for name in ("param_bits", "weight_bits"):
        widths = getattr(formats, name)
        if not isinstance(widths, int) and len(widths) != stages:
            raise ValueError(
                f"formats: {name} must be one, or one for each of {stages} layers, got {widths}"
            )
    instance(arithmetic, Arithmetic, "arithmetic", "an Arithmetic")

    tasks = _ways(network, x, Rules(formats, arithmetic))
    worth = _best(tasks, input_range) if formats.search else tasks
    task = worth[-1]
    if bound == "calibrated":
        ends = [(one, one.calibrated(input_range)) for one in worth]
        task, fixed = min(ends, key=lambda end: task.error(end[1]))
        if formats.headroom:
            fixed = task.spared(fixed, input_range)
        clips = formats.search and arithmetic.overflow is Overflow.SATURATE
        if clips and task.error(fixed) > task.enough:
            fixed = task.clipped(fixed, input_range)
        overflows = task.overflows(fixed)
        if formats.state_exponent == "auto":
            _check_overflows(overflows, clips)
        else:  # exponents that were asked for, as `PAPER` does
            engine.warn_of_overflows(overflows)
    else:
        fixed = min(_certified(worth), key=task.error)
    accuracy = _accuracy(network, fixed, task.some, formats, bound == "certified")
    made_by = {
        **fixed.made_by,
        "quantize": f"{formats}, bound={bound!r}, input_range={input_range}",
        **noted(formats, len(network.stages)),
        "accuracy": accuracy,
    }
    return replace(fixed, made_by=made_by)


class AccuracyWarning(UserWarning):
    """A fixed network gives something else than the float one, on its own calibration data."""


_POOR = 20.0
"""Signal to error, in dB, below which a fixed network is not what the float one was."""


def _accuracy(
    network: Network, fixed: FixedNetwork, x: RealArray, formats: Formats, certified: bool
) -> str:
    """Say what signal to error the outputs have; warn if it is poor, and say where it is lost."""
    wanted, done = network.run(x), engine.run(_counting(fixed), x)
    reached = signal_to_error(wanted, fixed.to_float(done.outputs))
    if reached < _POOR and wanted.any():
        shares = error_shares(network, _counting(fixed), x)
        where = min((key for key in shares if key not in ("all", "total")), key=shares.__getitem__)
        remedy = "fine-tune the network in integers (compress.FixedModel)"
        if where == "arithmetic":
            where, remedy = "the integers' words", "give messages more bits, or scale inputs up"
            if certified:
                remedy = (
                    "take bound='calibrated', with Arithmetic(overflow=Overflow.SATURATE) where "
                    "inputs may be larger than these"
                )
        elif where.endswith(" a") and _may_have_more_bits(network, where):
            remedy = "give parameters more bits (Formats(param_bits=24)), or " + remedy
        elif not formats.per_channel:
            remedy = "give each row its exponent (Formats(per_channel=True)), or " + remedy
        elif noted(formats, len(network.stages)):
            remedy = f"give weights more bits (Formats(weight_bits={WEIGHT_BITS})), or " + remedy
        causes = error_causes(network, _counting(fixed), x)
        alone = ", ".join(f"{cause} {ratio:.1f} dB" for cause, ratio in causes.items())
        warnings.warn(
            f"calibration: the fixed network's outputs have {reached:.1f} dB of signal to error; "
            f"most is lost by {where} ({shares.get(where, shares['arithmetic']):.1f} dB): {remedy}"
            f". With one cause of errors alone: {alone}",
            AccuracyWarning,
            stacklevel=3,
        )
    text = f"{reached:.1f} dB of signal to error at the outputs, on calibration data"
    if not done.overflows.total:
        return text
    return f"{text}; {without_overflow(wanted, fixed, x):.1f} dB if no integer left its word"


def _may_have_more_bits(network: Network, where: str) -> bool:
    """Whether `Formats.param_bits` is of the layer that a share is named by, such as "1 S4D a"."""
    layer = network.stages[int(where.split()[0])].layer
    return any(tensor.bits == "param_bits" for tensor in kind_of(layer).tensors)


_SEARCHED = 16
"""Calibration sequences on which exponents, and ways to quantise parameters, are tried."""
_FEW = 4
"""Of those, on how many exponents are tried before it is known which way is the best one."""
_COLUMNS = (0.5, 1.0)
"""How much channels are scaled for the sake of the weights behind them, see `equalised`."""
_SPARE = (16, 8, 4)
"""Times that what calibration data cause may fit with `Formats.headroom`."""
_ENOUGH = 42.0
"""Signal to error of the answers, in dB, down to which the least of these is worth its bits."""
_CLIPPED = (0.5, 0.25, 0.125, 0.0625)
"""Shares of the largest messages that need have a spare bit, where arithmetic saturates."""
_WIDER = 8
"""Times that the range of a stage that overflows is doubled."""


def _ways(network: Network, x: RealArray, rules: Rules) -> list["_Task"]:
    """Quantise the parameters in the ways that are worth trying, the plainest first.

    The network as it is, and with its channels equalised in two ways; weights of linear layers with
    either of two exponents.
    """
    inputs = observe(network, x)
    wanted: RealArray = engine.run(network, _some(x)).outputs
    prepared = [
        kind_of(stage.layer).prepared(stage.layer, moments, rules.formats.of_layer(i))
        for i, (stage, moments) in enumerate(zip(network.stages, inputs.moments, strict=True))
    ]
    network = Network(with_layers(network, prepared), network.readout, network.made_by)
    ways = [(network, inputs.moments, rules)]
    if rules.formats.search:
        if any(kind_of(stage.layer).weighed(stage.layer) for stage in network.stages):
            ways += [(network, inputs.moments, replace(rules, weigh=True))]
        if rules.formats.balance:
            alike = (equalised(network, inputs, rules.formats, share) for share in _COLUMNS)
            ways += [
                (level, moments, replace(of, level=True))
                for level, moments in alike
                for _, _, of in tuple(ways)
            ]
    tasks = [_Task(network, x, wanted, *ways[0][1:])]
    for net, moments, of in ways[1:]:
        with suppress(FormatError):  # scales that a narrow format does not hold
            tasks.append(_Task(net, x, wanted, moments, of))
    return tasks


def _best(tasks: Sequence["_Task"], input_range: float | None) -> Sequence["_Task"]:
    """Give the first, and the one with the least error at the output if that is clearly another's.

    What is best at first sight need not be so in the end. Of the best, layers are quantised once
    more, with regard to those before them.
    """
    every = not tasks[0].searches  # what a search looks at is the answers
    errors: list[float] = []
    possible: list[_Task] = []

    def look(task: _Task) -> None:
        try:
            errors.append(task.error(task.calibrated(input_range, quick=True), every))
            possible.append(task)
        except ExponentError:  # the state exponent that is asked for suits another one
            pass

    def best() -> int:
        least = 0
        for i, error in enumerate(errors):
            least = i if error < CLEARLY * errors[least] else least
        return least

    for task in tasks:
        look(task)
    if not possible:
        return tasks[:1]
    if possible[0].rules.formats.compensate and len(possible[0].network.stages) > 1:
        look(possible[best()].following())
    return [possible[i] for i in sorted({0, best()})]


def _certified(tasks: Sequence["_Task"]) -> list[FixedNetwork]:
    """Give the networks that are proven; one at least."""
    tried = [one for task in tasks for one in task.certified()]
    proven = [one for one in tried if isinstance(one, FixedNetwork)]
    if not proven:
        where = tried[0]
        assert isinstance(where, Overflowing)
        raise ExponentError(
            f"bound: no exponents are certified: {where.what} of stage {where.stage} may overflow; "
            "use 'calibrated', smaller weights, or, of states that decay at will, TOWARD_ZERO"
        )
    return proven


def _some(x: RealArray) -> RealArray:
    return x.reshape(-1, *x.shape[-2:])[:_SEARCHED]


class _Task:
    """A network whose parameters are quantised, and the search for its exponents."""

    def __init__(
        self,
        network: Network,
        x: RealArray,
        wanted: RealArray,
        moments: Sequence[Moments],
        rules: Rules,
        follows: bool = False,
    ) -> None:
        self.network, self.x, self.rules = network, x, rules
        self.some, self.wanted, self._moments = _some(x), wanted, moments
        self.fixed, self.values = _parameters(
            network, moments, rules, self.some if follows else None
        )

    def following(self) -> "_Task":
        """Give the same, each layer quantised with regard to those before it."""
        return _Task(self.network, self.x, self.wanted, self._moments, self.rules, follows=True)

    @cached_property
    def _observed(self) -> Observed:
        """What the calibration data cause."""
        return observe(self.values, self.x, moments=False)

    @property
    def enough(self) -> float:
        """Squared error of the answers that need not be less."""
        return self._squares(self.wanted) * 10 ** (-_ENOUGH / 10)

    @property
    def searches(self) -> bool:
        """Whether exponents are tried: where messages and states do not share a word, there is
        nothing to weigh up.
        """
        return self.rules.formats.search and self._hands_on

    def calibrated(
        self,
        input_range: float | None,
        quick: bool = False,
        spare: int = 2,
        clipped: float | None = None,
    ) -> FixedNetwork:
        """Exponents by what the calibration data cause; `quick`: some of them.

        What rounding adds, to quiet outputs above all, may take more than a spare bit. With
        `clipped` messages need not be larger than such a share of theirs.
        """
        x, tried = (self.some, _FEW) if quick else (self.x, _SEARCHED)
        seen = observe(self.values, x, moments=False) if quick else self._observed
        observed = seen.ending(input_range)
        clips = clipped is not None
        observed = observed if clipped is None else observed.clipped(clipped)
        rules = replace(self.rules, spare=spare)

        def fitting(observed: Observed) -> FixedNetwork:
            choice = largest(self.values, self.fixed, observed, rules, input_range)

            def build(choice: Choice) -> FixedNetwork:
                return self._assembled(choice.edges, observed.stages, rules)

            if self.searches:
                choice = least_error(
                    choice, lambda choice: self.error(build(choice), n=tried, clips=clips)
                )
            return build(choice)

        fixed = fitting(observed)
        stage = self._overflowing(fixed, x)
        for _ in range(_WIDER):
            if stage is None or clips or rules.formats.state_exponent != "auto":
                break
            observed = observed.widened(stage)
            trial = fitting(observed)
            stage = self._overflowing(trial, x)
            fixed = trial if stage is None else fixed
        return fixed

    def spared(self, fixed: FixedNetwork, input_range: float | None) -> FixedNetwork:
        """Give a network with as much headroom as costs little, see `Formats.headroom`."""
        most = self.error(fixed) / CLEARLY
        for spare in _SPARE:
            wide = self.calibrated(input_range, spare=spare)
            if self.error(wide) <= (max(most, self.enough) if spare == _SPARE[-1] else most):
                return wide
        return fixed

    def clipped(self, fixed: FixedNetwork, input_range: float | None) -> FixedNetwork:
        """Give a network in which the largest integers saturate, if the output is the better."""
        for share in _CLIPPED:
            trial = self.calibrated(input_range, clipped=share)
            if not self.error(trial, clips=True) < CLEARLY * self.error(fixed, clips=True):
                break
            fixed = trial
        return fixed

    def certified(self) -> list[FixedNetwork | Overflowing]:
        """Networks that no input can make overflow, or where one may."""
        rules = replace(self.rules, spare=1)
        certificate = Certificate(self.values, self.x)
        reach = certificate.reach

        def error(fixed: FixedNetwork) -> float:
            return np.inf if certificate.overflowing(fixed) else self.error(fixed)

        def best(guess: int) -> FixedNetwork | Overflowing:
            def choice_of(observed: Observed) -> Choice:
                return largest(self.values, self.fixed, observed, rules, reach, guess)

            def build(choice: Choice, ranges: Observed) -> FixedNetwork:
                return self._assembled(choice.edges, ranges.stages, rules, reach)

            ranges = certificate.ranges(lambda observed: build(choice_of(observed), observed))
            if isinstance(ranges, Overflowing):
                return ranges
            choice = choice_of(ranges)
            if self._hands_on:
                choice = least_error(choice, lambda choice: error(build(choice, ranges)))
            return build(choice, ranges)

        # where all inputs are provided for bits are few: one guess does not do
        by_channel = rules.formats.state_exponent == "auto" and self._hands_on
        return [best(guess) for guess in ((6, 4, 2, 0) if by_channel else (0,))]

    @property
    def _hands_on(self) -> bool:
        return any(kind_of(stage.layer).hands_on for stage in self.network.stages)

    def _assembled(
        self,
        edges: Sequence[int],
        ranges: Sequence[Ranges],
        rules: Rules,
        reach: float | None = None,
    ) -> FixedNetwork:
        """Finish the layers with the exponents of their edges; inputs end at `reach`."""
        layers = [
            kind_of(stage.layer).finish(fixed, stage.layer, (e_u, e_y), of_stage, rules)
            for fixed, stage, e_u, e_y, of_stage in zip(
                self.fixed, self.values.stages, edges[:-1], edges[1:], ranges, strict=True
            )
        ]
        chain = with_layers(self.network, layers)
        bits = None if reach is None else max(2, edges[0] + int(np.log2(reach)) + 1)
        network = self.network
        return FixedNetwork(
            chain, network.readout, edges[0], bits, rules.arithmetic, network.made_by
        )

    def _overflowing(self, fixed: FixedNetwork, x: RealArray) -> int | None:
        """Give the first stage of which data make an integer overflow."""
        stages = engine.run(_counting(fixed), x).overflows.stages
        return next((i for i, (_, tally) in enumerate(stages) if any(tally.values())), None)

    def overflows(self, fixed: FixedNetwork) -> engine.Overflows:
        """Count what leaves its word on the calibration data."""
        return engine.run(_counting(fixed), self.x).overflows

    def error(
        self,
        fixed: FixedNetwork,
        every: bool = False,
        n: int = _SEARCHED,
        clips: bool = False,
    ) -> float:
        """Squared error of the answers to `n` sequences, or of `every` token's; infinite if
        anything overflows, but for messages of one that `clips`.
        """
        done = engine.run(_counting(fixed), self.some[:n])
        if _overflowed(done.overflows, clips):
            return np.inf
        return self._squares(fixed.to_float(done.outputs) - self.wanted[:n], every)

    def _squares(self, outputs: RealArray, every: bool = False) -> float:
        """Sum of squares, of the answers or of `every` token's outputs."""
        if not every and self.network.readout is not Readout.EVERY_TOKEN:
            outputs = outputs[..., -1, :]
        return float((outputs**2).sum())


def _parameters(
    network: Network, moments: Sequence[Moments], rules: Rules, x: RealArray | None = None
) -> tuple[list[FixedLayer], Network]:
    """Quantise the weights of each layer: the fixed layers, and the network of their values.

    Parameters
    ----------
    x
        Sequences on which each layer is to make up for what those before it lost.
    """
    fixed: list[FixedLayer] = []
    values: list[FloatLayer] = []
    real, rounded = (None if x is None else Signals(network.stages, x) for _ in range(2))
    places = [i for i, layer in enumerate(network.layers) if isinstance(layer, FloatLayer)]
    for n, (i, stage, entering) in enumerate(zip(places, network.stages, moments, strict=True)):
        of_layer = replace(rules, formats=rules.formats.of_layer(n))
        kind, name = kind_of(stage.layer), f"layers[{i}] ({type(stage.layer).__name__})"
        _check_sizes(stage.layer, name)
        layer = stage.layer
        if n > 0 and real and rounded and not kind.is_on_grid(layer):
            drift = Drift.of(real.last, rounded.last, entering)
            layer, entering = kind.following(layer, drift)
        try:
            integers, of_these = kind.parameters(layer, entering, of_layer)
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from error
        fixed.append(integers)
        values.append(of_these)
        if real and rounded:
            real.send(stage.layer)
            rounded.send(of_these)
    return fixed, Network(with_layers(network, values), network.readout)


def _check_sizes(layer: FloatLayer, name: str) -> None:
    """Refuse parameters whose exponents would lie beyond those that layers may have."""
    for tensor in kind_of(layer).tensors:
        values = getattr(layer, tensor.name)
        size = 0.0 if values is None else float(np.abs(values).max())
        if size and not 1e-280 < size < 1e280:
            raise FormatError(
                f"{name}: {tensor.name}: the largest magnitude must lie in [1e-280, 1e280] or be "
                f"0, got {size:g}"
            )


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


def _overflowed(overflows: engine.Overflows, clips: bool) -> bool:
    """Whether anything overflows, but for messages where those may be clipped."""
    if not clips:
        return overflows.total > 0
    return any(
        n and what != "message" for _, tally in overflows.stages for what, n in tally.items()
    )


def _check_overflows(overflows: engine.Overflows, clips: bool) -> None:
    """Raise an error for the first stage that overflows: those behind it may follow from it."""
    if not _overflowed(overflows, clips):
        return
    for i, (name, tally) in enumerate(overflows.stages):
        found = {what: n for what, n in tally.items() if n}
        if found:
            counts = ", ".join(f"{n} {what}" for what, n in found.items())
            advice = "; ".join(f"{what}: {_ADVICE[what]}" for what in found)
            raise ExponentError(
                f"calibration: makes integers of stage {i} ({name}) leave their words: {counts}; "
                f"no choice of exponents holds them ({advice})"
            )
