"""Convolutions, norms and activations by table, quantised."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator

from lava_ssm import engine
from lava_ssm.compress import W8A16, Formats, quantize, signal_to_error
from lava_ssm.compress.kinds import kind_of
from lava_ssm.compress.ranges import Moments
from lava_ssm.network import (
    GELU,
    GLU,
    MLGRU,
    Activation,
    Conv1d,
    FixedLinear,
    Gate,
    LayerNorm,
    Linear,
    MinGRU,
    Network,
    Positive,
    Residual,
    RMSNorm,
    Scale,
    SelectiveSSM,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from lava_ssm.numerics import CHIP, Arithmetic

D = 16


def decibels(net: Network, arithmetic: Arithmetic, x: np.ndarray) -> float:
    """Signal to error of the fixed network, on other data than it was calibrated on.

    Without headroom: 16 bits are spent on what a layer loses.
    """
    formats = Formats(headroom=False)
    fixed = quantize(net, x[: len(x) // 2], formats, arithmetic=arithmetic)
    wanted, found = (n.run(x[len(x) // 2 :]) for n in (net, fixed))
    error = fixed.to_float(found) - wanted
    return float(10 * np.log10((wanted**2).mean() / (error**2).mean()))


def normal(rng: Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape)


def selective(rng: Generator, d: int, gated: bool = False) -> SelectiveSSM:
    maps = (normal(rng, *shape) / 4 for shape in ((2, d), (d, 2), (8, d), (8, d)))
    a = -np.tile(np.arange(1.0, 9), (d, 1))
    return SelectiveSSM(a, *maps, normal(rng, d), rng.uniform(-7, -2, d), gated)


CHAINS: dict[str, tuple[float, Callable[[Generator], Network]]] = {
    "gelu": (60, lambda rng: Network((Linear(np.eye(D)), GELU()))),
    "silu": (58, lambda rng: Network((Linear(np.eye(D)), SiLU()))),
    "sigmoid": (58, lambda rng: Network((Linear(np.eye(D)), Sigmoid()))),
    "softplus": (48, lambda rng: Network((Linear(np.eye(D)), Softplus()))),
    "positive": (58, lambda rng: Network((Linear(np.eye(D)), Positive()))),
    "tanh": (55, lambda rng: Network((Linear(np.eye(D)), Tanh()))),
    "layer norm": (55, lambda rng: Network((LayerNorm(normal(rng, D), normal(rng, D)),))),
    "scale": (70, lambda rng: Network((Scale(normal(rng, D), normal(rng, D)),))),
    "rms norm": (55, lambda rng: Network((RMSNorm(normal(rng, D), normal(rng, D)),))),
    "depthwise": (38, lambda rng: Network((Conv1d(normal(rng, D, 1, 4), normal(rng, D), D),))),
    "convolution": (36, lambda rng: Network((Conv1d(normal(rng, D, D, 4)),))),
    "groups": (36, lambda rng: Network((Conv1d(normal(rng, D, 4, 3), normal(rng, D), 4),))),
    **{
        f"glu with {f.value}": (
            34,
            lambda rng, f=f: Network((GLU(*normal(rng, 2, D, D) / 4, *normal(rng, 2, D), f),)),
        )
        for f in Activation
    },
    "minGRU": (
        38,
        lambda rng: Network(
            (MinGRU(normal(rng, D, D) / 4, normal(rng, D, D) / 4, normal(rng, D), normal(rng, D)),)
        ),
    ),
    **{
        f"minGRU of {f.value}": (
            34,
            lambda rng, f=f: Network((MinGRU(*normal(rng, 2, D, D) / 4, *normal(rng, 2, D), f),)),
        )
        for f in Activation
        if f is not Activation.NONE
    },
    "MLGRU": (
        36,
        lambda rng: Network((MLGRU(*(normal(rng, D, D) / 4 for _ in "wfg"), normal(rng, D)),)),
    ),
    "selective": (36, lambda rng: Network((selective(rng, D),))),
    "a selective layer with a gate": (34, lambda rng: Network((selective(rng, D // 2, True),))),
    "a block": (
        34,
        lambda rng: Network(
            (
                Linear(normal(rng, D, D) / 4, normal(rng, D)),
                LayerNorm(np.ones(D)),
                Conv1d(normal(rng, D, 1, 4) / 2, normal(rng, D), D),
                SiLU(),
                GLU(normal(rng, D, D) / 4, normal(rng, D, D) / 4),
                Residual(3),
                RMSNorm(np.ones(D)),
                Linear(normal(rng, 4, D)),
            )
        ),
    ),
}


@pytest.mark.parametrize("arithmetic", [CHIP, W8A16], ids=["24 bits", "16 bits"])
@pytest.mark.parametrize("name", CHAINS)
def test_integers_are_near_to_the_values(name: str, arithmetic: Arithmetic) -> None:
    least, chain = CHAINS[name]
    rng = np.random.default_rng(0)
    assert decibels(chain(rng), arithmetic, normal(rng, 8, 60, D)) > least


@pytest.mark.parametrize("scale", [1e-4, 1e4])
@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_norms_of_any_scale(kind: type[LayerNorm], scale: float) -> None:
    """Far below its epsilon, a norm is linear; far above, it knows no scale."""
    rng = np.random.default_rng(0)
    net = Network((Linear(scale * np.eye(D)), kind(normal(rng, D))))
    assert decibels(net, CHIP, normal(rng, 8, 60, D)) > 50


def test_a_wide_sigmoid_keeps_its_fraction_bits() -> None:
    """Its output's exponent is not the one that would hold the sums."""
    rng = np.random.default_rng(0)
    net = Network((Linear(1000 * np.eye(D)), Sigmoid()))
    assert decibels(net, W8A16, normal(rng, 8, 60, D)) > 45


def test_quiet_tokens_are_met_between_loud_ones() -> None:
    """Standard deviations a factor of 64 apart."""
    rng = np.random.default_rng(0)
    x = normal(rng, 8, 60, D) * np.exp2(rng.uniform(-6, 0, (8, 60, 1)))
    net = Network((LayerNorm(np.ones(D), eps=1e-9),))
    fixed = quantize(net, x)
    done = engine.run(fixed, x)
    error = np.abs(fixed.to_float(done.outputs) - net.run(x))
    assert done.overflows.total == 0
    assert np.quantile(error, 0.99) < 0.02


@pytest.mark.parametrize("bound", ["calibrated", "certified"])
def test_inputs_that_stand_still_are_no_noise_to_round_by(bound: str) -> None:
    rng = np.random.default_rng(3)
    still = Linear(np.zeros((3, 2)), [0.3, 0.1, 0.7])
    net = Network((still, Gate(rng.normal(size=(3, 3)), [0.1, 0.2, 0.3])))
    u = rng.uniform(-1, 1, (4, 199, 2))
    assert not Moments.of(np.full((796, 3), [0.3, 0.1, 0.7])).centred.any()
    moments = Moments.of(np.column_stack([np.full(500, 0.3), rng.normal(size=(500, 2))]))
    assert not moments.centred[0].any()
    np.testing.assert_allclose(np.diag(moments.centred)[1:], 500 * moments.std[1:] ** 2)
    fixed = quantize(net, u, bound=bound)
    assert signal_to_error(net.run(u), fixed.to_float(fixed.run(u))) > 30


def test_a_row_keeps_the_lowest_integer_when_exponents_are_fitted_anew() -> None:
    """-128 has no opposite of 8 bits: by its magnitude it would take the exponent of -64."""
    fixed = FixedLinear([[-128, 3], [127, 5]], [7, 7], 0)
    kind = kind_of(fixed.dequantize())
    again = kind.rounded(fixed, fixed.dequantize(), 0, fitted=True)
    np.testing.assert_array_equal(again.exponent, [7, 7])
    np.testing.assert_array_equal(again.weights, [[-128, 3], [127, 5]])
