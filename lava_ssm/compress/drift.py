"""What quantised layers do to the inputs of those behind them, which can make up for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from lava_ssm import engine
from lava_ssm.compress.ranges import Moments
from lava_ssm.engine.reference import floating
from lava_ssm.network import FloatLayer, Network, Stage
from lava_ssm.numerics import RealArray

Bias = TypeVar("Bias", bound=RealArray | None)

_RIDGE = 1e-2
"""What is added to the variance of each input, of that; and a tenth of it, of their mean."""


@dataclass(frozen=True)
class Drift:
    """What enters a layer behind real layers, u, and behind quantised ones, v.

    Parameters
    ----------
    u, v
        Each (..., time, d_input).
    moments
        Of v.
    """

    u: RealArray
    v: RealArray
    moments: Moments

    @classmethod
    def of(cls, u: RealArray, v: RealArray, moments: Moments) -> "Drift":
        """See `Drift`; `moments` are those of u: what states send is taken to be the same."""
        return cls(u, v, replace(Moments.of(v), sent=moments.sent))

    @cached_property
    def mean(self) -> RealArray:
        """Of u, (d_input,)."""
        mean: RealArray = self.u.reshape(-1, self.u.shape[-1]).mean(axis=0)
        return mean

    @cached_property
    def product(self) -> RealArray:
        """Sum of v u^T, (d_input, d_input)."""
        u, v = (values.reshape(-1, values.shape[-1]) for values in (self.u, self.v))
        product: RealArray = v.T @ u
        return product

    def followed(self, weights: RealArray, bias: Bias) -> tuple[RealArray, Bias]:
        """Give weights, and a bias, with which v is mapped to what these map u to.

        Least squares, near the weights. (As asymmetric calibration: Li, Yin, Lee, Xiao, Panda,
        "GPTAQ", ICML 2025.) A weight that is zero stays zero. Without a bias means count too.
        """
        moments = self.moments
        gram, product = moments.gram, self.product
        if bias is not None:
            gram = moments.centred
            product = product - moments.count * np.outer(moments.mean, self.mean)
        energy = gram.diagonal()
        if not energy.any():
            return weights, bias
        wanted = (product - gram) @ weights.T  # (d_input, d_output)
        gram = gram + np.diag(_RIDGE * (energy + energy.mean() / 10))
        followed = weights.copy()
        used = weights != 0
        full = used.all(axis=1)
        followed[full] += np.linalg.solve(gram, wanted[:, full]).T
        for i in np.flatnonzero(~full):
            some = np.flatnonzero(used[i])
            followed[i, some] += np.linalg.solve(gram[np.ix_(some, some)], wanted[some, i])
        if bias is not None:
            bias = bias + weights @ self.mean - followed @ moments.mean
        return followed, bias


class Signals:
    """What enters the stages of a network, one after the other.

    Parameters
    ----------
    stages
        Of the network.
    x
        Sequences, (..., time, d_input).
    """

    def __init__(self, stages: Sequence[Stage[FloatLayer]], x: RealArray) -> None:
        self._stages = stages
        self._entered = {0: x}

    @property
    def last(self) -> RealArray:
        """What enters the next stage, (..., time, d_input)."""
        return self._entered[max(self._entered)]

    def send(self, layer: FloatLayer) -> None:
        """Pass the next stage with a layer in the place of its own."""
        n = max(self._entered)
        stage = self._stages[n]
        y: RealArray = engine.run(Network((layer,)), self.last).outputs
        if stage.residual is not None:
            y = y + self._entered[stage.residual]
        later = {other.residual for other in self._stages[n + 1 :]}
        self._entered = {i: u for i, u in self._entered.items() if i in later}
        self._entered[n + 1] = floating.message(y, stage.activation, None, None)
