"""A network whose parameters are quantised, and the search for its exponents."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from lava_ssm import engine
from lava_ssm.compress.bounds import Overflowing
from lava_ssm.compress.certify import Certificate
from lava_ssm.compress.drift import Drift, Signals
from lava_ssm.compress.equalise import with_layers
from lava_ssm.compress.formats import FormatError
from lava_ssm.compress.kinds import Rules, kind_of
from lava_ssm.compress.ranges import Moments, Observed, Ranges, observe
from lava_ssm.compress.search import CLEARLY, Choice, largest, least_error
from lava_ssm.network import FixedLayer, FixedNetwork, FloatLayer, Network, Readout
from lava_ssm.numerics import Overflow, RealArray

_SEARCHED = 16
"""Calibration sequences on which exponents, and ways to quantise parameters, are tried."""
_FEW = 4
"""Of those, on how many exponents are tried before it is known which way is the best one."""
_SPARE = (16, 8, 4)
"""Times that what calibration data cause may fit with `Formats.headroom`."""
_ENOUGH = 42.0
"""Signal to error of the answers, in dB, down to which the least of these is worth its bits."""
_CLIPPED = (0.5, 0.25, 0.125, 0.0625)
"""Shares of the largest messages that need have a spare bit, where arithmetic saturates."""
_WIDER = 8
"""Times that the range of a stage that overflows is doubled."""


class Task:
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
        self.some, self.wanted, self._moments = some_of(x), wanted, moments
        self.fixed, self.values = parameters(
            network, moments, rules, self.some if follows else None
        )

    def following(self) -> "Task":
        """Give the same, each layer quantised with regard to those before it."""
        return Task(self.network, self.x, self.wanted, self._moments, self.rules, follows=True)

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
        stages = engine.run(counting(fixed), x).overflows.stages
        return next((i for i, (_, tally) in enumerate(stages) if any(tally.values())), None)

    def overflows(self, fixed: FixedNetwork) -> engine.Overflows:
        """Count what leaves its word on the calibration data."""
        return engine.run(counting(fixed), self.x).overflows

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
        done = engine.run(counting(fixed), self.some[:n])
        if overflowed(done.overflows, clips):
            return np.inf
        return self._squares(fixed.to_float(done.outputs) - self.wanted[:n], every)

    def _squares(self, outputs: RealArray, every: bool = False) -> float:
        """Sum of squares, of the answers or of `every` token's outputs."""
        if not every and self.network.readout is not Readout.EVERY_TOKEN:
            outputs = outputs[..., -1, :]
        return float((outputs**2).sum())


def parameters(
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


def counting(fixed: FixedNetwork) -> FixedNetwork:
    """Give a network that counts overflows and goes on, where `fixed` would raise."""
    if fixed.arithmetic.overflow is not Overflow.RAISE:
        return fixed
    return replace(fixed, arithmetic=replace(fixed.arithmetic, overflow=Overflow.WRAP))


def some_of(x: RealArray) -> RealArray:
    """Give sequences of calibration data (..., time, d_input), on which all is tried."""
    return x.reshape(-1, *x.shape[-2:])[:_SEARCHED]


def overflowed(overflows: engine.Overflows, clips: bool) -> bool:
    """Whether anything overflows, but for messages where those may be clipped."""
    if not clips:
        return overflows.total > 0
    return any(
        n and what != "message" for _, tally in overflows.stages for what, n in tally.items()
    )
