"""Quantisation-aware fine-tuning: what is trained is what the chip computes."""

from collections.abc import Set
from dataclasses import fields, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import engine
from lava_ssm.compress.equalise import aligned
from lava_ssm.compress.formats import weight_bits_of
from lava_ssm.compress.kinds import kind_of
from lava_ssm.compress.shares import layout_of
from lava_ssm.network import FixedLayer, FixedNetwork, FloatLayer, Network, Readout, check_fixed
from lava_ssm.nn import Chain, export, integers
from lava_ssm.nn.chain import flow, layers_of, parts_of, read_out
from lava_ssm.nn.export import pairs
from lava_ssm.nn.gpu import has_kernels
from lava_ssm.nn.straight_through import instead, straight, tensor_like
from lava_ssm.nn.zeros import Zeros
from lava_ssm.numerics import RealArray, instance, one_of

Moves: TypeAlias = dict[str, tuple[RealArray, np.ndarray]]
"""By field: what quantisation multiplied it with and added, which is none of the model's parameters
and stays. (Of a layer behind a norm biases are the norm's.)"""


class FixedModel(nn.Module):
    """A model whose forward pass is a `FixedNetwork`, to the last integer.

    Forward: the model's parameters are rounded to mantissas, and the engine runs those, on the CPU;
    of a model on a GPU for which there is Triton 3 the reference does so there, with the same
    integers. Backward: straight through, as if rounding were not there, by the convolutions and
    scans of the float system with the values of the mantissas (Bengio, Léonard, Courville,
    "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation",
    arXiv 1308.3432: the straight-through estimator). A parameter beyond its format saturates. Norms
    of an S5 model are folded into its layers with the running statistics that they have: these
    stay, what they scale with is trained.

    Parameters
    ----------
    model
        The float model; its parameters are what is trained. Those of linear maps
        and gates are set to the values of the mantissas, so that training starts with `fixed`
        itself. Weights that are zero because it was pruned stay zero.
    fixed
        What `quantize` made of it. Its exponents of messages and states stay.
    scales
        "frozen": exponents of parameters stay too. "fitted": those of the weights of linear maps
        and gates, and of S4D's a, b, c follow their ranges as training moves them, so that none
        saturates.
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
        Not a `Chain`, as `NS4D` is, and a `FixedNetwork`.
    ValueError
        `fixed` has other layers or another readout than the model.
    """

    def __init__(
        self,
        model: Chain,
        fixed: FixedNetwork,
        scales: Literal["frozen", "fitted"] = "frozen",
        n_threads: int | None = None,
    ) -> None:
        super().__init__()
        instance(model, Chain, "model", "a Chain, such as an NS4D")
        check_fixed(fixed, "fixed")
        one_of(scales, ("frozen", "fitted"), "scales")
        network, values = export(model), fixed.dequantize()
        if layout_of(network) != layout_of(values):
            raise ValueError("fixed: its layers or its readout are not those of the model")
        self.model, self.start, self.scales, self.n_threads = model, fixed, scales, n_threads
        self.overflows = 0
        self._zeros = Zeros(model)  # before small weights are rounded to zero: they may grow again
        parts = layers_of(parts_of(model))
        first: Any = network.layers
        alike: Any = aligned(network, fixed).layers
        scales_of = {i: _ratios(first[i], alike[i]) for i in parts}
        with torch.no_grad():
            for i, part in parts.items():
                value = values.layers[i]
                if isinstance(value, FloatLayer) and not part.continuous:
                    # at the scales that the model's channels have
                    own = {name: getattr(value, name) / k for name, k in scales_of[i].items()}
                    for parameter, new in pairs(part, replace(value, **own)):
                        parameter.copy_(new)
        real: Any = export(model).layers
        self._moves: dict[int, Moves] = {}
        for i in parts:
            kind = kind_of(real[i])
            moved = kind.bias_exponents(fixed.layers[i], 0).keys() | kind.together
            self._moves[i] = _moves(real[i], scales_of[i], values.layers[i], moved)

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return self.start.d_input

    @property
    def d_output(self) -> int:
        """Width of the output."""
        return self.start.d_output

    @property
    def readout(self) -> Readout:
        """What is given of a sequence."""
        return self.start.readout

    @torch.no_grad()
    def network(self) -> FixedNetwork:
        """Give the fixed network that the parameters now are."""
        self._zeros.hold()
        entering = iter(self.start.exponents)
        layers: list[Any] = []
        widths = iter(weight_bits_of(self.start))
        for i, (real, old) in enumerate(
            zip(export(self.model).layers, self.start.layers, strict=True)
        ):
            if isinstance(real, FloatLayer) and isinstance(old, FixedLayer):
                moves = self._moves[i].items()
                moved = {name: getattr(real, name) * k + off for name, (k, off) in moves}
                real = replace(real, **moved)
                fitted = self.scales == "fitted"
                old = kind_of(real).rounded(old, real, next(entering), fitted, next(widths))
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
        form = fixed.input_format
        # in doubles: those of float16 need not hold the ends of the format
        tokens = x.detach().double().clamp(form.min, form.max)
        if has_kernels(x):
            mantissas = (tokens * 2.0**form.exponent).round().long()  # to even, as NEAREST is
            outputs, overflows = integers.run(fixed, mantissas)
        else:
            done = engine.run(fixed, tokens.cpu().numpy(), n_threads=self.n_threads)
            outputs, overflows = torch.from_numpy(done.outputs), done.overflows
        self.overflows += overflows.total
        if fixed.readout is not Readout.EVERY_TOKEN:
            outputs = outputs[:, -1]
        # (batch, time, d_output), or the last token's, (batch, d_output)
        values = fixed.to_float(outputs.cpu(), x.shape[1])
        exact = torch.from_numpy(values).to(x.device, x.dtype)
        if not torch.is_grad_enabled():
            return exact
        y = self._float(fixed.dequantize(), x.clamp(form.min, form.max))
        return instead(read_out(y, fixed.readout).to(x.dtype), exact)

    def _float(self, values: Network, x: Tensor) -> Tensor:
        """Each token's output of the float system with the values of the mantissas."""
        parts = parts_of(self.model)
        layers = layers_of(parts)

        def respond(i: int, u: Tensor, channels_first: bool) -> Tensor:
            arrays, rounded = layers[i].arrays(), {}
            some = next(iter(arrays.values()))
            for field in fields(layers[i].kind):
                value, real = getattr(values.layers[i], field.name), arrays.get(field.name)
                if not isinstance(value, np.ndarray):
                    continue
                if real is None:  # a bias that quantisation gave a layer without
                    rounded[field.name] = tensor_like(value, some)
                    continue
                if field.name in self._moves[i]:
                    k, off = self._moves[i][field.name]
                    real = real * tensor_like(k, real) + tensor_like(off, real)
                rounded[field.name] = straight(real, value)
            return layers[i].response(u, rounded, channels_first)

        return flow(parts, x, respond)


def _ratios(layer: FloatLayer, scaled: FloatLayer) -> dict[str, RealArray]:
    """By what each field of a layer was multiplied when channels and states were scaled."""
    ratios = {}
    for name in (field.name for field in fields(layer)):
        array, like = getattr(layer, name), getattr(scaled, name)
        if isinstance(array, np.ndarray):
            # of magnitudes: a complex quotient is no exact power of two
            one = np.ones(array.shape)
            ratios[name] = np.divide(np.abs(like), np.abs(array), out=one, where=array != 0)
    return ratios


def _moves(real: FloatLayer, ratios: dict[str, RealArray], value: object, moved: Set[str]) -> Moves:
    """See what quantisation made of a layer.

    Parameters
    ----------
    ratios
        See `_ratios`.
    value
        The layer with the values of the mantissas.
    moved
        Which fields quantisation added something to: biases, and what was rounded together.
    """
    moves: Moves = {}
    for name, k in ratios.items():
        off = getattr(value, name) - k * getattr(real, name) if name in moved else np.zeros(())
        if off.any() or (k != 1).any():
            moves[name] = k, off
    return moves
