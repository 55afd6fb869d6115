"""Quantisation-aware fine-tuning: what is trained is what the chip computes."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import engine
from lava_ssm.compress.parameters import stable
from lava_ssm.network import S4D, FixedLinear, FixedNetwork, FixedS4D, Linear, Network, Readout
from lava_ssm.network.linear import WEIGHT_BITS
from lava_ssm.nn import NS4D, export
from lava_ssm.nn import S4D as TrainedS4D
from lava_ssm.nn.convolution import convolve
from lava_ssm.numerics import IntArray, Overflow, Rounding, fitting_exponent, quantize


class FixedModel(nn.Module):
    """An n-S4D whose forward pass is a `FixedNetwork`, to the last integer.

    Forward: the model's parameters are rounded to mantissas, and the engine runs those. Backward:
    straight through, as if rounding were not there, by the convolutions of the float system with
    the values of the mantissas (Bengio, Léonard, Courville, "Estimating or Propagating Gradients
    Through Stochastic Neurons for Conditional Computation", arXiv 1308.3432: the straight-through
    estimator). A parameter beyond its
    format saturates.

    Parameters
    ----------
    model
        The float model; its parameters are what is trained. Its linear weights are set to the
        values of the mantissas, so that training starts with `fixed` itself.
    fixed
        What `quantize` made of it. Its exponents of messages and states stay.
    scales
        "frozen": exponents of parameters stay too. "fitted": those of weights follow the range of
        the weights.
    n_threads
        Threads of the engine; None: one for each core.

    Attributes
    ----------
    overflows : int
        Integers that left their words in all forward passes so far: exponents of messages and
        states stay where they are, however far training moves the parameters.

    Raises
    ------
    TypeError
        Not an `NS4D` and a `FixedNetwork`.
    ValueError
        `fixed` has other layers or another readout than the model.
    """

    def __init__(
        self,
        model: NS4D,
        fixed: FixedNetwork,
        scales: Literal["frozen", "fitted"] = "frozen",
        n_threads: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, NS4D) or not isinstance(fixed, FixedNetwork):
            raise TypeError(
                "model, fixed must be an NS4D and a FixedNetwork, got "
                f"{type(model).__name__}, {type(fixed).__name__}"
            )
        if scales not in ("frozen", "fitted"):
            raise ValueError(f"scales must be 'frozen' or 'fitted', got {scales!r}")
        network = export(model)
        values = fixed.dequantize()
        if _shapes(network) != _shapes(values) or network.readout is not fixed.readout:
            raise ValueError("fixed: its layers or its readout are not those of the model")
        self.model, self.start, self.scales, self.n_threads = model, fixed, scales, n_threads
        self.overflows = 0
        self._balance: dict[int, np.ndarray] = {}
        for i, (module, real, value) in enumerate(
            zip(model.layers, network.layers, values.layers, strict=True)
        ):
            if isinstance(module, nn.Linear) and isinstance(value, Linear):
                with torch.no_grad():
                    module.weight.copy_(torch.from_numpy(value.weights.copy()))
            elif isinstance(real, S4D) and isinstance(value, S4D):
                self._balance[i] = _power_of_two(np.abs(value.b), np.abs(real.b))

    @torch.no_grad()
    def network(self) -> FixedNetwork:
        """Give the fixed network that the parameters now are."""
        layers: list[Any] = []
        described = export(self.model).layers
        for i, (real, old) in enumerate(zip(described, self.start.layers, strict=True)):
            match real:
                case S4D():
                    assert isinstance(old, FixedS4D)
                    layers.append(_rounded_s4d(real, old, self._balance[i]))
                case Linear():
                    assert isinstance(old, FixedLinear)
                    layers.append(_rounded_linear(real, old, self.scales == "fitted"))
                case _:
                    layers.append(old)
        return replace(self.start, layers=tuple(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of sequences x (batch, time, d_input), as the fixed network gives them."""
        fixed = self.network()
        readout = fixed.readout
        done = engine.run(fixed, x.detach().double().numpy(), n_threads=self.n_threads)
        self.overflows += done.overflows.total
        values = fixed.to_float(done.outputs)  # (batch, time, d_output)
        logits = values if readout is Readout.EVERY_TOKEN else values[..., -1, :]
        exact = torch.from_numpy(np.ascontiguousarray(logits)).to(x.dtype)
        if not torch.is_grad_enabled():
            return exact
        result: Tensor = _Instead.apply(self._float(fixed, x), exact)
        return result

    def _float(self, fixed: FixedNetwork, x: Tensor) -> Tensor:
        """The float system with the values of the mantissas, (batch, d_output)."""
        y = x.permute(2, 0, 1)  # (channels, batch, time)
        for i, (module, layer) in enumerate(zip(self.model.layers, fixed.layers, strict=True)):
            match module, layer:
                case nn.Linear(), FixedLinear():
                    weight = _straight(module.weight, layer.dequantize().weights)
                    y = (weight @ y.reshape(len(y), -1)).view(-1, *y.shape[1:])
                case TrainedS4D(), FixedS4D():
                    scale = torch.from_numpy(self._balance[i])
                    real = module.discretized()
                    real = real[0], real[1] * scale.to(x.dtype), real[2] / scale.to(x.dtype)
                    value = layer.dequantize()
                    a, b, c = map(_straight, real, (value.a, value.b, value.c))
                    y = convolve(y, torch.log(a), 2 * c * b)
                case _:
                    y = module(y)
        y = y.permute(1, 2, 0).float()  # (batch, time, d_output)
        match fixed.readout:
            case Readout.LAST_TOKEN:
                return y[:, -1]
            case Readout.MEAN_OVER_TIME:
                return y.mean(1)
            case Readout.EVERY_TOKEN:
                return y


class _Instead(torch.autograd.Function):
    """The second of two tensors; the gradient goes to the first."""

    @staticmethod
    def forward(ctx: Any, instead_of: Tensor, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def _straight(real: Tensor, value: np.ndarray) -> Tensor:
    """Rounded values of parameters in their place."""
    result: Tensor = _Instead.apply(real, torch.from_numpy(value.copy()).to(real.dtype))
    return result


def _shapes(network: Network) -> list[tuple[Any, ...]]:
    """Kind of each layer, and the shape of its parameters."""
    return [
        (type(la), np.shape(getattr(la, "weights", 0)), np.shape(getattr(la, "a", 0)))
        for la in network.layers
    ]


def _power_of_two(value: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Power of two by which `value` was made of `real`, element by element."""
    both = (real > 0) & (value > 0)
    return np.exp2(np.rint(np.log2(np.divide(value, real, out=np.ones_like(real), where=both))))


def _rounded_s4d(real: S4D, old: FixedS4D, scale: np.ndarray) -> FixedS4D:
    p = np.broadcast_to(np.asarray(old.param_exponent), (old.d_model,))
    parts = {
        key: np.stack([values.real, values.imag], axis=-1)
        for key, values in (("a", real.a), ("b", real.b * scale), ("c", real.c / scale))
    }
    b, c = (_saturated(parts[key], old.param_bits, p[:, None, None]) for key in "bc")
    return replace(old, a=stable(parts["a"], p, Rounding.NEAREST), b=b, c=c)


def _rounded_linear(real: Linear, old: FixedLinear, fitted: bool) -> FixedLinear:
    exponent = old.exponent
    if fitted:
        size = np.abs(real.weights)
        one = isinstance(exponent, int)
        exponent = fitting_exponent(size.max() if one else size.max(axis=1), WEIGHT_BITS)
        exponent = int(exponent) if one else exponent
    mantissas = _saturated(real.weights, WEIGHT_BITS, np.reshape(exponent, (-1, 1)))
    return replace(old, weights=mantissas, exponent=exponent)


def _saturated(values: np.ndarray, bits: int, exponent: IntArray) -> IntArray:
    return quantize(values, bits, exponent, Rounding.NEAREST, Overflow.SATURATE)
