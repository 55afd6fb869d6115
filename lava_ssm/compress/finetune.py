"""Quantisation-aware fine-tuning: what is trained is what the chip computes."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import engine
from lava_ssm.compress import finetune_s5
from lava_ssm.compress.balance import found_scale, scaled
from lava_ssm.compress.parameters import largest_exponents, parts_of, stable, weight_exponents
from lava_ssm.compress.shares import layout_of
from lava_ssm.compress.straight_through import instead, saturated, straight
from lava_ssm.nn.zeros import Zeros
from lava_ssm.network import (
    S4D,
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Readout,
)
from lava_ssm.network.linear import WEIGHT_BITS
from lava_ssm.nn import NS4D, SparseS5, export
from lava_ssm.nn import S4D as TrainedS4D
from lava_ssm.nn.convolution import convolve
from lava_ssm.numerics import Rounding

_NEXT_TO_NOTHING = 1e-20


class FixedModel(nn.Module):
    """An n-S4D or relufied S5 model whose forward pass is a `FixedNetwork`, to the last integer.

    Forward: the model's parameters are rounded to mantissas, and the engine runs those. Backward:
    straight through, as if rounding were not there, by the convolutions, or scans, of the float
    system with the values of the mantissas (Bengio, Léonard, Courville, "Estimating or Propagating
    Gradients Through Stochastic Neurons for Conditional Computation", arXiv 1308.3432: the
    straight-through estimator). A parameter beyond its format saturates. Norms of an S5 model are
    folded into its layers with the running statistics that they have: these stay, what they scale
    with is trained.

    Parameters
    ----------
    model
        The float model; its parameters are what is trained. Its linear weights are set to the
        values of the mantissas, so that training starts with `fixed` itself. Those that are zero
        because it was pruned stay zero, and so do those of S5's b and c.
    fixed
        What `quantize` made of it. Its exponents of messages and states stay.
    scales
        "frozen": exponents of parameters stay too. "fitted": those of linear weights and of S4D's
        a, b, c follow their ranges as training moves them, so that none saturates.
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
        Not an `NS4D` or `SparseS5` and a `FixedNetwork`.
    ValueError
        `fixed` has other layers or another readout than the model.
    """

    def __init__(
        self,
        model: NS4D | SparseS5,
        fixed: FixedNetwork,
        scales: Literal["frozen", "fitted"] = "frozen",
        n_threads: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, NS4D | SparseS5) or not isinstance(fixed, FixedNetwork):
            raise TypeError(
                "model, fixed must be an NS4D or SparseS5 and a FixedNetwork, got "
                f"{type(model).__name__}, {type(fixed).__name__}"
            )
        if scales not in ("frozen", "fitted"):
            raise ValueError(f"scales must be 'frozen' or 'fitted', got {scales!r}")
        network = export(model)
        values = fixed.dequantize()
        if layout_of(network) != layout_of(values):
            raise ValueError("fixed: its layers or its readout are not those of the model")
        self.model, self.start, self.scales, self.n_threads = model, fixed, scales, n_threads
        self.overflows = 0
        self._scale: dict[int, np.ndarray] = {}
        self._kept: dict[int, finetune_s5.Kept] = {}
        self._zeros = Zeros(model)  # before small weights are rounded to zero: they may grow again
        if isinstance(model, SparseS5):
            self._kept = finetune_s5.begin(model, network.layers, values.layers)
            return
        for i, (module, real, value) in enumerate(
            zip(model.layers, network.layers, values.layers, strict=True)
        ):
            if isinstance(module, nn.Linear) and isinstance(value, Linear):
                with torch.no_grad():
                    module.weight.copy_(torch.from_numpy(value.weights.copy()))
            elif isinstance(real, S4D) and isinstance(value, S4D):
                self._scale[i] = found_scale(real, value)

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return self.model.d_input

    @property
    def d_output(self) -> int:
        """Width of the output."""
        return self.model.d_output

    @property
    def readout(self) -> Readout:
        """What is given of a sequence."""
        return self.model.readout

    @torch.no_grad()
    def network(self) -> FixedNetwork:
        """Give the fixed network that the parameters now are."""
        self._zeros.hold()
        layers: list[Any] = []
        described = export(self.model).layers
        for i, (real, old) in enumerate(zip(described, self.start.layers, strict=True)):
            match real:
                case S4D():
                    assert isinstance(old, FixedS4D)
                    fitted = self.scales == "fitted"
                    layers.append(_rounded_s4d(real, old, self._scale[i], fitted))
                case Linear() | Gate():
                    assert isinstance(old, FixedLinear | FixedGate)
                    rounded = _rounded_linear(real, old, self.scales == "fitted")
                    layers.append(finetune_s5.with_bias(rounded, real))
                case S5():
                    assert isinstance(old, FixedS5)
                    layers.append(finetune_s5.rounded_s5(real, old, self._kept[i]))
                case _:
                    layers.append(old)
        return replace(self.start, layers=tuple(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of sequences x (batch, time, d_input), as the fixed network gives them.

        Values beyond the input format are limited to its range: one that is louder than all that
        the exponents were chosen by does not end a training.

        Raises
        ------
        TypeError
            No tensor of real numbers.
        ValueError
            Another shape, no tokens, or a value that is not finite.
        """
        if not isinstance(x, Tensor) or not x.is_floating_point():
            got = f"one of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"x must be a tensor of floats, got {got}")
        if x.ndim != 3 or x.shape[-1] != self.d_input or x.numel() == 0:
            raise ValueError(
                f"x must have shape (batch, time, {self.d_input}), got {tuple(x.shape)}"
            )
        if not x.isfinite().all():
            raise ValueError("x must be finite")
        fixed = self.network()
        readout, form = fixed.readout, fixed.input_format
        # in doubles: those of float16 need not hold the ends of the format
        tokens = x.detach().double().clamp(form.min, form.max)
        x = x.clamp(form.min, form.max)
        done = engine.run(fixed, tokens.numpy(), n_threads=self.n_threads)
        self.overflows += done.overflows.total
        values = fixed.to_float(done.outputs)  # (batch, time, d_output)
        logits = values if readout is Readout.EVERY_TOKEN else values[..., -1, :]
        exact = torch.from_numpy(np.ascontiguousarray(logits)).to(x.dtype)
        if not torch.is_grad_enabled():
            return exact
        return instead(self._float(fixed, x), exact)

    def _float(self, fixed: FixedNetwork, x: Tensor) -> Tensor:
        """The float system with the values of the mantissas: what the model gives."""
        if isinstance(self.model, SparseS5):
            y = finetune_s5.outputs(self.model, fixed, self._kept, x)
        else:
            y = self._ns4d(self.model, fixed, x)
        match fixed.readout:
            case Readout.LAST_TOKEN:
                return y[:, -1]
            case Readout.MEAN_OVER_TIME:
                return y.mean(1)
            case Readout.EVERY_TOKEN:
                return y

    def _ns4d(self, model: NS4D, fixed: FixedNetwork, x: Tensor) -> Tensor:
        """Output of each token of an n-S4D, (batch, time, d_output)."""
        y = x.permute(2, 0, 1)  # (channels, batch, time)
        for i, (module, layer) in enumerate(zip(model.layers, fixed.layers, strict=True)):
            match module, layer:
                case nn.Linear(), FixedLinear():
                    weight = straight(module.weight, layer.dequantize().weights)
                    y = (weight @ y.reshape(len(y), -1)).view(-1, *y.shape[1:])
                case TrainedS4D(), FixedS4D():
                    scale = torch.from_numpy(self._scale[i])
                    real = module.discretized()
                    real = real[0], real[1] * scale.to(x.dtype), real[2] / scale.to(x.dtype)
                    value = layer.dequantize()
                    a, b, c = map(straight, real, (value.a, value.b, value.c))
                    # a = 0 has no logarithm: a next to nothing stands for it
                    a = torch.where(a == 0, torch.full_like(a, _NEXT_TO_NOTHING), a)
                    y = convolve(y, torch.log(a), 2 * c * b)
                case _:
                    y = module(y)
        return y.permute(1, 2, 0).float()


def _rounded_s4d(real: S4D, old: FixedS4D, scale: np.ndarray, fitted: bool) -> FixedS4D:
    parts = parts_of(scaled(real, scale))
    exponent = old.param_exponent
    if fitted:
        largest = largest_exponents(parts, old.param_bits)
        exponent = int(largest.min()) if isinstance(exponent, int) else largest
    p = np.broadcast_to(np.asarray(exponent), (old.d_model,))
    b, c = (saturated(parts[key], old.param_bits, p[:, None, None]) for key in "bc")
    a = stable(parts["a"], p, Rounding.NEAREST)
    return replace(old, a=a, b=b, c=c, param_exponent=exponent)


def _rounded_linear(real: Linear | Gate, old: Any, fitted: bool) -> Any:
    exponent = old.exponent
    if fitted:
        size = np.abs(real.weights)
        one = isinstance(exponent, int)
        exponent = weight_exponents(size.max() if one else size.max(axis=1))
        exponent = int(exponent) if one else exponent
    mantissas = saturated(real.weights, WEIGHT_BITS, np.reshape(exponent, (-1, 1)))
    return replace(old, weights=mantissas, exponent=exponent)
