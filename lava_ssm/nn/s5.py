"""The S5 layer: trained by a scan over time, run as a recurrence."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm.nn.initialization import normal_hippo
from lava_ssm.nn.inputs import size
from lava_ssm.nn.s4d import Discretized, check_width
from lava_ssm.nn.scan import scan

_LEAST_DECAY = 1e-4
"""Re(A) stays at or below minus this: no state keeps or grows what it holds."""


class S5(nn.Module):
    """One system of `d_state` complex states between `d_model` channels.

        x'(t) = A x + B u,          y = 2 Re(C x) + D u
        x_k   = a x_{k-1} + b u_k,  y_k = 2 Re(C r(x_k)) + D u_k        discretised

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

    Attributes
    ----------
    log_dt, a_re, a_im : (d_state,)
    b : (d_state, d_model, 2), real and imaginary part
    c : (d_model, d_state, 2)
    d : (d_model,)

    Raises
    ------
    ValueError
        A parameter outside its range.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        blocks: int = 1,
        relu: bool = False,
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
    ) -> None:
        super().__init__()
        d_model, d_state = size(d_model, "d_model"), size(d_state, "d_state")
        blocks = size(blocks, "blocks")
        if d_state % blocks:
            raise ValueError(f"blocks must divide d_state, got {blocks} and {d_state}")
        if not 0 < dt_min <= dt_max < math.inf:
            raise ValueError(f"dt_min, dt_max: need 0 < dt_min <= dt_max, got {dt_min}, {dt_max}")
        if discretization not in ("zoh", "bilinear"):
            raise ValueError(f"discretization must be 'zoh' or 'bilinear', got {discretization!r}")
        self.d_model, self.d_state, self.discretization = d_model, d_state, discretization
        self.relu = bool(relu)

        kind = torch.get_default_dtype()
        eigenvalues, vectors = normal_hippo(d_state // blocks)
        a, v = np.tile(eigenvalues, blocks), np.kron(np.eye(blocks), vectors)
        basis = torch.as_tensor(v)  # (2 d_state, d_state)
        b = torch.randn(2 * d_state, d_model, dtype=torch.float64) / math.sqrt(d_model)
        c = torch.randn(d_model, 2 * d_state, dtype=torch.float64) / math.sqrt(2 * d_state)
        log_dt = torch.rand(d_state) * math.log(dt_max / dt_min) + math.log(dt_min)
        self.log_dt = nn.Parameter(log_dt)
        self.a_re = nn.Parameter(torch.as_tensor(a.real, dtype=kind))
        self.a_im = nn.Parameter(torch.as_tensor(a.imag, dtype=kind))
        self.b = nn.Parameter(torch.view_as_real(basis.mH @ b.to(basis.dtype)).to(kind))
        self.c = nn.Parameter(torch.view_as_real(c.to(basis.dtype) @ basis).to(kind))
        self.d = nn.Parameter(torch.randn(d_model))

    def discretized(self) -> Discretized:
        """Give a (d_state,), b (d_state, d_model) and c (d_model, d_state), complex."""
        big_a = torch.complex(self.a_re.clamp(max=-_LEAST_DECAY), self.a_im)
        dt = self.log_dt.exp()
        if self.discretization == "zoh":
            a = (dt * big_a).exp()
            factor = (a - 1) / big_a
        else:
            z = dt * big_a / 2
            a, factor = (1 + z) / (1 - z), dt / (1 - z)
        return a, factor[:, None] * torch.view_as_complex(self.b), torch.view_as_complex(self.c)

    def forward(self, u: Tensor) -> Tensor:
        """Outputs of u (..., time, d_model); same shape."""
        check_width(u, self.d_model, "u")
        if u.ndim < 2 or u.shape[-2] < 1:
            raise ValueError(f"u must have shape (..., time, {self.d_model}), got {tuple(u.shape)}")
        a, b, c = self.discretized()
        return self._output(scan(a, _drive(b, u)), u, c)

    def initial_state(self, *batch: int) -> Tensor:
        """Zero state, complex, (*batch, d_state)."""
        kind = torch.complex128 if self.c.dtype == torch.float64 else torch.complex64
        return torch.zeros(*batch, self.d_state, dtype=kind, device=self.c.device)

    def step(
        self, u: Tensor, state: Tensor, discretized: Discretized | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one token by the recurrence.

        Parameters
        ----------
        u
            (..., d_model).
        state
            Complex, (..., d_state), from `initial_state` or an earlier step.
        discretized
            What `discretized()` gave, where many steps are taken with the same parameters.

        Returns
        -------
        tuple
            The output (..., d_model) and the new state.
        """
        check_width(u, self.d_model, "u")
        a, b, c = self.discretized() if discretized is None else discretized
        state = a * state + _drive(b, u)
        return self._output(state, u, c), state

    def _output(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        re, im = x.real, x.imag
        if self.relu:
            positive = (re > 0) | ((re == 0) & (im > 0))
            re, im = re * positive, im * positive
        return 2 * (re @ c.real.T - im @ c.imag.T) + self.d * u

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return (
            f"d_model={self.d_model}, d_state={self.d_state}, relu={self.relu}, "
            f"discretization={self.discretization!r}"
        )


def _drive(b: Tensor, u: Tensor) -> Tensor:
    """B u, complex, of real u (..., d_model): (..., d_state)."""
    return torch.complex(u @ b.real.T, u @ b.imag.T)
