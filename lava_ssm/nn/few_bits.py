"""Weights of 2 or 4 bits, in training: a grid that follows them, gradients straight through."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from lava_ssm.nn.layer import check_module
from lava_ssm.nn.straight_through import instead
from lava_ssm.numerics import is_integer, shown

_STEPS = {2: 1.0, 4: 0.44}
"""Distance of the grid's points over the mean magnitude of the weights. Of three points the one of
"The Era of 1-bit LLMs"; of fifteen that with the least error for normal weights, 0.353 standard
deviations (Max, "Quantizing for Minimum Distortion", IRE Transactions 1960)."""


class FewBits(nn.Module):
    """A parametrisation: weights m 2^-e with integers m of few bits, e by the mean magnitude.

        m = clip(round(w / 2^-e)),    2^-e the power of two nearest to a multiple of mean(|w|)

    Forward the weights are those, backward the gradient goes to w (straight-through estimator).
    (Ma et al., "The Era of 1-bit LLMs", arXiv 2402.17764; the power of two makes
    them mantissas as they are.)

    Parameters
    ----------
    bits
        2: ternary, m in {-1, 0, 1}; 4: m in [-7, 7].
    """

    def __init__(self, bits: int = 2) -> None:
        super().__init__()
        if not is_integer(bits) or bits not in _STEPS:
            raise ValueError(f"bits must be 2 or 4, got {shown(bits)}")
        self.bits = bits

    def forward(self, weights: Tensor) -> Tensor:
        """Weights on the grid, of the shape of `weights`."""
        most = 2 ** (self.bits - 1) - 1
        size = weights.detach().abs().mean().clamp(min=1e-30)
        step = torch.exp2(torch.round(torch.log2(_STEPS[self.bits] * size)))
        on_grid = torch.round(weights.detach() / step).clamp(-most, most) * step
        return instead(weights, on_grid)

    def right_inverse(self, values: Tensor) -> Tensor:
        """Weights whose `forward` is `values`, which are on such a grid; others as they are.

        Of a ternary matrix the mean magnitude is less than its grid's step, so that to round it
        again would give another: these are larger by as much.
        """
        used = values[values != 0].abs()
        if used.numel() == 0 or torch.equal(self(values), values):
            return values
        if self.bits > 2 or not torch.equal(used, used[:1].expand_as(used)):
            return values
        return values / (used.numel() / values.numel())

    def extra_repr(self) -> str:
        """Describe the grid in the text of a model."""
        return f"bits={self.bits}"


def few_bits(model: nn.Module, bits: int = 2) -> None:
    """Let all linear maps of a model have weights of few bits from now on, see `FewBits`.

    What `export` gives then has these weights, and `compress.quantize` takes them as they are.
    Biases stay real.

    Parameters
    ----------
    model
        Any module: of each `torch.nn.Linear` in it, the `value` and `gate` of gated layers too, the
        weights are parametrised.
    bits
        2 (ternary) or 4.

    Raises
    ------
    TypeError
        Not a torch module.
    ValueError
        `bits` is neither, or a linear map is parametrised already.
    """
    check_module(model)
    maps = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for linear in maps:
        if is_parametrized(linear, "weight"):
            raise ValueError(f"model: weights of {linear} are parametrised already")
    for linear in maps:
        register_parametrization(linear, "weight", FewBits(bits))
