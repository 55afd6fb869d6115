"""The S5 layer: trained by a scan over time, run as a recurrence."""

import copy
import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.nn.continuous import check_steps, continuous, log_steps, parts
from lava_ssm.nn.initialization import normal_hippo
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule, check_tokens, folded
from lava_ssm.nn.scan import scan

_LEAST_DECAY = 1e-4
"""Re(A) stays at or below minus this: no state keeps or grows what it holds."""


class S5(LayerModule):
    """One system of `d_state` complex states between `d_model` channels.

        x'(t) = A x + B u,          y = 2 Re(C x) + D u
        x_k   = a x_{k-1} + b u_k + drive_bias,  y_k = 2 Re(C r(x_k)) + D u_k + bias    discretised

    with a diagonal A, Re(A) <= -1e-4, and a step dt = exp(log_dt) for each state:

        zoh:       a = exp(dt A),                        b = (a - 1) / A B
        bilinear:  a = (1 + dt A / 2) / (1 - dt A / 2),  b = dt / (1 - dt A / 2) B

    r is the identity or, with `relu`, leaves a state whole where Re x > 0 and is zero elsewhere.
    (Smith, Warrington, Linderman, "Simplified State Space Layers for Sequence Modeling", ICLR
    2023, sections 3 and 4; Pierro et al., arXiv 2502.01330, for r.) A begins as the normal part of
    HiPPO-LegS, in blocks, each complex state standing for a conjugate pair; b and c begin random
    in the basis of the undiagonalised system.

    Parameters
    ----------
    d_model
        Channels.
    d_state
        Complex states.
    blocks
        Number of HiPPO blocks that A begins with; divides `d_state`.
    relu
        Whether states are rectified on their way to the output.
    discretization
        "zoh" or "bilinear".
    dt_min, dt_max
        Range from which each state's step is drawn, log-uniformly; 0 < dt_min <= dt_max.
    bias
        Whether there are biases, of states and of outputs.

    Attributes
    ----------
    log_dt, a_re, a_im : (d_state,)
    b : (d_state, d_model, 2), real and imaginary part
    c : (d_model, d_state, 2)
    d : (d_model,)
    drive_bias : (d_state, 2) or None
    bias : (d_model,) or None

    Raises
    ------
    ValueError
        A parameter outside its range.
    """

    kind = network.S5
    names: ClassVar = {"d": "d", "bias": "bias"}
    channels_first = False
    continuous = True
    norm: nn.BatchNorm1d | None = None
    # discretising multiplies b by a complex number, which makes two parts of one
    matrices: ClassVar = {"b": True, "c": False}
    slow = frozenset({"log_dt", "a_re", "a_im", "b", "drive_bias"})

    def __init__(
        self,
        d_model: int,
        d_state: int,
        blocks: int = 1,
        relu: bool = False,
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        d_model, d_state = size(d_model, "d_model"), size(d_state, "d_state")
        blocks = size(blocks, "blocks")
        if d_state % blocks:
            raise ValueError(f"blocks must divide d_state, got {blocks} and {d_state}")
        check_steps(dt_min, dt_max, discretization)
        self.d_model, self.d_state, self.discretization = d_model, d_state, discretization
        self.relu = bool(relu)

        kind = torch.get_default_dtype()
        eigenvalues, vectors = normal_hippo(d_state // blocks)
        a, v = np.tile(eigenvalues, blocks), np.kron(np.eye(blocks), vectors)
        basis = torch.as_tensor(v)  # (2 d_state, d_state)
        b = torch.randn(2 * d_state, d_model, dtype=torch.float64) / math.sqrt(d_model)
        c = torch.randn(d_model, 2 * d_state, dtype=torch.float64) / math.sqrt(2 * d_state)
        self.log_dt = log_steps(d_state, dt_min, dt_max)
        self.a_re = nn.Parameter(torch.as_tensor(a.real, dtype=kind))
        self.a_im = nn.Parameter(torch.as_tensor(a.imag, dtype=kind))
        self.b = nn.Parameter(torch.view_as_real(basis.mH @ b.to(basis.dtype)).to(kind))
        self.c = nn.Parameter(torch.view_as_real(c.to(basis.dtype) @ basis).to(kind))
        self.d = nn.Parameter(torch.randn(d_model))
        self.drive_bias = nn.Parameter(torch.zeros(d_state, 2)) if bias else None
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None

    @classmethod
    def like(cls, layer: network.S5) -> "S5":  # type: ignore[override]
        bias = bool(layer.drive_bias.any() or layer.bias.any())
        return cls(layer.d_model, layer.d_state, relu=layer.relu, bias=bias)

    def parameters_of(self, layer: network.S5) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See `LayerModule`: each state's step is that at which Re(A) is -1/2."""
        if self.discretization != "zoh" or self.norm is not None:
            raise ValueError(f"the model has {self} with a norm, or not with 'zoh'")
        log_dt, a, b = continuous(layer.a, layer.b)
        values = {"log_dt": log_dt, "a_re": a.real, "a_im": a.imag, "b": parts(b)}
        values |= {"c": parts(layer.c), "d": layer.d}
        if self.bias is not None or layer.drive_bias.any() or layer.bias.any():
            values |= {"drive_bias": parts(layer.drive_bias), "bias": layer.bias}
        return values

    def behind(self, norm: nn.BatchNorm1d) -> "S5":
        twin = copy.copy(self)
        twin.__dict__["norm"] = norm
        return twin

    def arrays(self) -> Arrays:
        """See `LayerModule`; with what a norm in front does when its statistics stand still."""
        arrays = self._bare_arrays()
        if self.norm is None:
            return arrays
        scale, shift = folded(self.norm, self.d)
        # as `network.S5.normalized`
        moved = {"drive_bias": (arrays["b"] * shift).sum(-1), "bias": self.d * shift}
        moved |= {name: moved[name] + arrays[name] for name in moved.keys() & arrays.keys()}
        return arrays | moved | {"b": arrays["b"] * scale, "d": self.d * scale}

    def _bare_arrays(self) -> Arrays:
        big_a = torch.complex(self.a_re.clamp(max=-_LEAST_DECAY), self.a_im)
        dt = self.log_dt.exp()
        if self.discretization == "zoh":
            a = (dt * big_a).exp()
            factor = (a - 1) / big_a
        else:
            z = dt * big_a / 2
            a, factor = (1 + z) / (1 - z), dt / (1 - z)
        b = factor[:, None] * torch.view_as_complex(self.b)
        arrays = super().arrays() | {"a": a, "b": b, "c": torch.view_as_complex(self.c)}
        if self.drive_bias is not None:
            arrays["drive_bias"] = torch.view_as_complex(self.drive_bias)
        return arrays

    def scaled(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        c, d = scale[:, None] * arrays["c"], scale * arrays["d"]
        bias = shift + scale * arrays["bias"] if "bias" in arrays else shift
        drive = arrays.get("drive_bias", torch.zeros_like(arrays["a"]))
        return {**arrays, "c": c, "d": d, "drive_bias": drive, "bias": bias}

    def constants(self) -> dict[str, bool | float]:
        return {"relu": self.relu}

    def forward(self, u: Tensor) -> Tensor:
        """Outputs of u (..., time, d_model); same shape."""
        check_tokens(u, self.d_model)
        if self.norm is not None:
            u = self.norm(u.reshape(-1, self.d_model)).view(u.shape)
        return self.response(u, self._bare_arrays(), False)

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        b, bias = arrays["b"], arrays.get("drive_bias")
        re, im = u @ b.real.T, u @ b.imag.T
        if bias is not None:
            re, im = re + bias.real, im + bias.imag
        x = scan(arrays["a"], torch.complex(re, im))
        re, im, c = x.real, x.imag, arrays["c"]
        if self.relu:
            positive = (re > 0) | ((re == 0) & (im > 0))
            re, im = re * positive, im * positive
        y = 2 * (re @ c.real.T - im @ c.imag.T) + arrays["d"] * u
        return y + arrays["bias"] if "bias" in arrays else y

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return (
            f"d_model={self.d_model}, d_state={self.d_state}, relu={self.relu}, "
            f"discretization={self.discretization!r}"
        )
