"""Post-training quantisation: a float network to the integers of the chip."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.bounds import Overflowing
from lava_ssm.compress.equalise import equalised, with_layers
from lava_ssm.compress.formats import FormatError, Formats, noted
from lava_ssm.compress.kinds import Rules, kind_of
from lava_ssm.compress.ranges import observe
from lava_ssm.compress.search import CLEARLY, ExponentError
from lava_ssm.compress.shares import (
    error_causes,
    error_shares,
    signal_to_error,
    without_overflow,
)
from lava_ssm.compress.task import Task, counting, overflowed, some_of
from lava_ssm.network import (
    FixedLayer,
    FixedNetwork,
    FloatLayer,
    Network,
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
    wanted, done = network.run(x), engine.run(counting(fixed), x)
    reached = signal_to_error(wanted, fixed.to_float(done.outputs))
    if reached < _POOR and wanted.any():
        shares = error_shares(network, counting(fixed), x)
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
        causes = error_causes(network, counting(fixed), x)
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


_COLUMNS = (0.5, 1.0)
"""How much channels are scaled for the sake of the weights behind them, see `equalised`."""


def _ways(network: Network, x: RealArray, rules: Rules) -> list["Task"]:
    """Quantise the parameters in the ways that are worth trying, the plainest first.

    The network as it is, and with its channels equalised in two ways; weights of linear layers with
    either of two exponents.
    """
    inputs = observe(network, x)
    wanted: RealArray = engine.run(network, some_of(x)).outputs
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
    tasks = [Task(network, x, wanted, *ways[0][1:])]
    for net, moments, of in ways[1:]:
        with suppress(FormatError):  # scales that a narrow format does not hold
            tasks.append(Task(net, x, wanted, moments, of))
    return tasks


def _best(tasks: Sequence["Task"], input_range: float | None) -> Sequence["Task"]:
    """Give the first, and the one with the least error at the output if that is clearly another's.

    What is best at first sight need not be so in the end. Of the best, layers are quantised once
    more, with regard to those before them.
    """
    every = not tasks[0].searches  # what a search looks at is the answers
    errors: list[float] = []
    possible: list[Task] = []

    def look(task: Task) -> None:
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


def _certified(tasks: Sequence["Task"]) -> list[FixedNetwork]:
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


_ADVICE = {
    "input": "scale down what enters it",
    "state": "scale down its b or what enters it",
    "synapse": "scale down its weights or what enters it",
    "message": "scale down its weights or what enters it, or give messages more bits",
    "sum": "scale down its weights, or calibrate with sequences of fewer tokens",
}


def _check_overflows(overflows: engine.Overflows, clips: bool) -> None:
    """Raise an error for the first stage that overflows: those behind it may follow from it."""
    if not overflowed(overflows, clips):
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
