"""Post-training quantisation: a float network to the integers of the chip."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.exponents import calibrated, certified
from lava_ssm.compress.formats import Formats
from lava_ssm.compress.parameters import balanced, fixed_linear, fixed_s4d
from lava_ssm.compress.ranges import Observed
from lava_ssm.network import S4D, FixedLinear, FixedNetwork, FixedS4D, Linear, Network, ReLU
from lava_ssm.numerics import CHIP, Arithmetic


def quantize(
    network: Network,
    calibration: ArrayLike,
    formats: Formats | None = None,
    bound: Literal["calibrated", "certified"] = "calibrated",
    arithmetic: Arithmetic = CHIP,
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
        spare bit. "certified": no input within the input format can make any of them overflow
        (proven from the weights; costs bits), and no running sum over as many tokens as the
        calibration sequences have.
    arithmetic
        Rules of the fixed network; the chip's by default.

    Returns
    -------
    FixedNetwork

    Raises
    ------
    TypeError
        Not a float network.
    ValueError
        Empty or misshapen calibration data, or formats that cannot hold the parameters.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a float Network, got {type(network).__name__}")
    if bound not in ("calibrated", "certified"):
        raise ValueError(f"bound must be 'calibrated' or 'certified', got {bound!r}")
    x = np.asarray(calibration)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(
            f"calibration must have shape (..., time, {network.d_input}) and not be empty, got "
            f"shape {x.shape}"
        )
    x = engine.as_tokens(network, x, "calibration")
    peak = np.abs(x).max()
    if not 1e-200 < peak < 1e200:
        raise ValueError(
            f"calibration: the largest magnitude must lie in [1e-200, 1e200], got {peak:g}; zeros "
            "say nothing about ranges"
        )
    formats = Formats() if formats is None else formats
    if not isinstance(formats, Formats):
        raise TypeError(f"formats must be a Formats, such as PAPER, got {formats!r}")
    if not isinstance(arithmetic, Arithmetic):
        raise TypeError(f"arithmetic must be an Arithmetic, got {arithmetic!r}")

    layers = [_fixed(layer, formats, f"layers[{i}]") for i, layer in enumerate(network.layers)]
    values = Network(
        tuple(la if isinstance(la, ReLU) else la.dequantize() for la in layers), network.readout
    )
    # the rules of choice need the fixed layers in stages, their exponents yet to come
    stages = FixedNetwork(tuple(layers), network.readout).stages
    input_bits: int | None = None
    if bound == "calibrated":
        exponents = calibrated(stages, Observed(values, x), network.readout, arithmetic)
    else:
        exponents, input_bits = certified(stages, x, network.readout, arithmetic)

    stage = iter(exponents[1:])
    final: list[FixedS4D | FixedLinear | ReLU] = []
    for layer in layers:
        if isinstance(layer, ReLU):
            final.append(layer)
            continue
        e = next(stage)
        is_linear = isinstance(layer, FixedLinear)
        final.append(replace(layer, output_exponent=e) if is_linear else layer)
    made_by = {**network.made_by, "quantize": f"{formats}, bound={bound!r}"}
    return FixedNetwork(
        tuple(final), network.readout, exponents[0], input_bits, arithmetic, made_by
    )


def _fixed(layer: S4D | Linear | ReLU, formats: Formats, name: str) -> Any:
    match layer:
        case S4D():
            return fixed_s4d(balanced(layer) if formats.balance else layer, formats, name)
        case Linear():
            return fixed_linear(layer, formats)
        case _:
            return layer
