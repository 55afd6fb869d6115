"""What quantisation-aware fine-tuning does with an S5 model."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lava_ssm.compress.balance import found_scale, scaled
from lava_ssm.compress.parameters import gate_bias, parts, stable
from lava_ssm.compress.straight_through import saturated, straight
from lava_ssm.network import S5, FixedGate, FixedLinear, FixedNetwork, FixedS5, Gate, Linear
from lava_ssm.network.description import BIAS_BITS, DIAGONAL_BITS
from lava_ssm.network.linear import WEIGHT_BITS
from lava_ssm.nn import SparseS5
from lava_ssm.nn.scan import scan
from lava_ssm.numerics import RealArray, Rounding


class Kept(NamedTuple):
    """What quantisation did to an S5 layer that is none of the model's parameters, and stays.

    Attributes
    ----------
    scale
        Of the states, (d_state,), see `balance.scaled`.
    drive_bias, bias
        What is added to the layer's own, which are those of the norm before it: complex,
        (d_state,), and real, (d_model,).
    """

    scale: RealArray
    drive_bias: NDArray[np.complex128]
    bias: RealArray


def begin(model: SparseS5, layers: Any, values: Any) -> dict[int, Kept]:
    """Set the linear maps of a model to the values of the mantissas.

    Parameters
    ----------
    layers, values
        Of the model's own description, and of the fixed network's values.

    Returns
    -------
    dict
        By the place of an S5 layer.
    """
    linears = iter(_linears(model))
    kept: dict[int, Kept] = {}
    for i, (real, value) in enumerate(zip(layers, values, strict=True)):
        match value:
            case Linear() | Gate():
                module = next(linears)
                with torch.no_grad():
                    module.weight.copy_(torch.from_numpy(value.weights.copy()))
                    if value.bias is not None:
                        module.bias.copy_(torch.from_numpy(value.bias.copy()))
            case S5():
                k = found_scale(real, value)
                drive = value.drive_bias - k * real.drive_bias
                kept[i] = Kept(k, drive, value.bias - real.bias)
    return kept


def _linears(model: SparseS5) -> list[nn.Linear]:
    blocks: Any = model.blocks
    return [model.encoder, *(block.gate for block in blocks), model.decoder]


def rounded_s5(real: S5, old: FixedS5, kept: Kept) -> FixedS5:
    """Round an S5 layer at the exponents that it has; what is beyond a format saturates."""
    real = scaled(real, kept.scale)
    drive = real.drive_bias + kept.drive_bias
    p = np.full(old.d_state, old.param_exponent)
    top = 1 << (DIAGONAL_BITS - 1)
    a = stable(parts(real.a)[:, np.newaxis], p, Rounding.NEAREST)[:, 0]
    b, c = (
        saturated(parts(values), WEIGHT_BITS, np.reshape(e, (-1, 1, 1)))
        for values, e in ((real.b, old.b_exponent), (real.c, old.c_exponent))
    )
    return replace(
        old,
        a=np.clip(a, -top, top - 1),
        b=b,
        c=np.clip(c, 1 - (1 << (WEIGHT_BITS - 1)), None),
        d=saturated(real.d, DIAGONAL_BITS, old.d_exponent),
        drive_bias=saturated(parts(drive), BIAS_BITS, old.state_exponent),
        bias=saturated(real.bias + kept.bias, BIAS_BITS, old.output_exponent),
    )


def with_bias(layer: Any, real: Linear | Gate) -> Any:
    """Give a rounded linear layer or gate the rounded bias of the real one."""
    if isinstance(layer, FixedGate):
        assert isinstance(real, Gate)
        return replace(layer, bias=gate_bias(real.bias))
    assert isinstance(layer, FixedLinear)
    if real.bias is None:
        return layer
    assert layer.output_exponent is not None
    return replace(layer, bias=saturated(real.bias, BIAS_BITS, layer.output_exponent))


def outputs(model: SparseS5, fixed: FixedNetwork, kept: dict[int, Kept], x: Tensor) -> Tensor:
    """The float system with the values of the mantissas: of x (batch, time, d_input) each token's.

    Norms have their running statistics, as they have in the fixed network.
    """
    values = [
        (i, layer) for i, layer in enumerate(fixed.dequantize().layers) if hasattr(layer, "d_input")
    ]
    (_, first), *middle, (_, last) = values
    blocks: Any = model.blocks
    h = torch.relu(_linear(model.encoder, first, x))
    for block, (i, s5), (_, gate) in zip(blocks, middle[::2], middle[1::2], strict=True):
        y = _s5(block, s5, kept[i], h)
        z = torch.relu(y)
        h = torch.relu(z * torch.sigmoid(_linear(block.gate, gate, z)) + h)
    return _linear(model.decoder, last, h)


def _linear(module: nn.Linear, value: Any, u: Tensor) -> Tensor:
    bias = None if module.bias is None else straight(module.bias, value.bias)
    return nn.functional.linear(u, straight(module.weight, value.weights), bias)


def _s5(block: Any, value: Any, kept: Kept, h: Tensor) -> Tensor:
    norm, s5 = block.norm, block.s5
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (d_model,)
    offset = norm.bias - norm.running_mean * scale
    a, b, c = s5.discretized()
    k = torch.from_numpy(kept.scale).to(offset.dtype)
    b, c = b * k.unsqueeze(-1), c / k
    drive = (b * offset).sum(-1) + torch.from_numpy(kept.drive_bias).to(b.dtype)
    bias = s5.d * offset + torch.from_numpy(kept.bias).to(s5.d.dtype)
    a, b, c, d, drive, bias = map(
        straight,
        (a, b * scale, c, s5.d * scale, drive, bias),
        (value.a, value.b, value.c, value.d, value.drive_bias, value.bias),
    )
    v = torch.complex(h @ b.real.T + drive.real, h @ b.imag.T + drive.imag)
    x = scan(a, v)
    re, im = x.real, x.imag
    if s5.relu:
        positive = (re > 0) | ((re == 0) & (im > 0))
        re, im = re * positive, im * positive
    y: Tensor = 2 * (re @ c.real.T - im @ c.imag.T) + d * h + bias
    return y
