"""What a normalisation with fixed statistics does to each channel."""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics import RealArray, real_number, reals


def scale_and_shift(
    mean: ArrayLike,
    var: ArrayLike,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> tuple[RealArray, RealArray]:
    """Give the map `scale * u + shift` that a batch norm with running statistics is.

        weight (u - mean) / sqrt(var + eps) + bias
        scale = weight / sqrt(var + eps),    shift = bias - mean scale

    (Ioffe, Szegedy, "Batch Normalization", 2015, algorithm 2.) `S5.normalized` takes both.

    Parameters
    ----------
    mean, var
        Statistics of the channels, (d_model,).
    weight, bias
        What is learnt of each channel, (d_model,); None: ones and zeros.
    eps
        As the program has it that trained the network: 1e-5 in PyTorch and Flax.

    Raises
    ------
    TypeError, ValueError
        Shapes that differ, a value that is not finite, or var + eps not above 0.
    """
    m, v = reals(mean, "mean"), reals(var, "var")
    w = np.ones(m.shape) if weight is None else reals(weight, "weight")
    b = np.zeros(m.shape) if bias is None else reals(bias, "bias")
    for name, values in (("var", v), ("weight", w), ("bias", b)):
        if values.shape != m.shape:
            raise ValueError(f"{name} must have the shape of mean, {m.shape}, got {values.shape}")
    eps = real_number(eps, "eps")
    if not (v + eps > 0).all():
        raise ValueError(f"var: var + eps must be above 0, got {(v + eps).min():g}")
    scale = w / np.sqrt(v + eps)
    return scale, b - m * scale
