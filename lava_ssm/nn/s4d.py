"""The S4D layer: trained as a convolution, run as a recurrence."""

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lava_ssm.nn.convolution import convolve, impulse_response, turned
from lava_ssm.nn.initialization import Initialization
from lava_ssm.nn.inputs import size

Discretized: TypeAlias = tuple[Tensor, Tensor, Tensor]


class S4D(nn.Module):
    """`d_state` complex states for each of `d_model` channels, and no more: no D, no mixing.

        x'(t) = A x + B u,          y = 2 Re(sum_n C_n x_n)
        x_k   = a x_{k-1} + b u_k,  y_k = 2 Re(sum_n c_n x_{k,n})       discretised, c = C

    with A = -exp(log_a_re) + i a_im and a step dt = exp(log_dt) for each channel:

        zoh:       a = exp(dt A),                     b = B (a - 1) / A
        bilinear:  a = (1 + dt A / 2) / (1 - dt A / 2),  b = dt B / (1 - dt A / 2)

    (Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization of Diagonal State Space
    Models", NeurIPS 2022, section 3; the output is that of the new state, and each complex
    state stands for a conjugate pair.)

    Parameters
    ----------
    d_model
        Channels.
    d_state
        Complex states of a channel (real ones with the initialisation "real").
    init
        "lin", "legs" or "real", see `Initialization`.
    discretization
        "zoh" or "bilinear".
    dt_min, dt_max
        Range from which each channel's step is drawn, log-uniformly; 0 < dt_min <= dt_max.

    Attributes
    ----------
    log_dt : (d_model,)
    log_a_re, a_im : (d_model, d_state)
    b, c : (d_model, d_state, 2), real and imaginary part
        With real states there is no `a_im`, and b, c are (d_model, d_state, 1).

    Raises
    ------
    ValueError
        A parameter outside its range.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        init: str | Initialization = "lin",
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
    ) -> None:
        super().__init__()
        d_model, d_state = size(d_model, "d_model"), size(d_state, "d_state")
        if not 0 < dt_min <= dt_max < math.inf:
            raise ValueError(f"dt_min, dt_max: need 0 < dt_min <= dt_max, got {dt_min}, {dt_max}")
        if discretization not in ("zoh", "bilinear"):
            raise ValueError(f"discretization must be 'zoh' or 'bilinear', got {discretization!r}")
        self.d_model, self.d_state, self.discretization = d_model, d_state, discretization
        self.init = Initialization(init)

        a, b = (torch.as_tensor(v) for v in self.init.system(d_state))
        kind = torch.get_default_dtype()
        log_dt = torch.rand(d_model) * math.log(dt_max / dt_min) + math.log(dt_min)
        self.log_dt = nn.Parameter(log_dt)
        self.log_a_re = nn.Parameter((-a.real).log().to(kind).repeat(d_model, 1))
        c = torch.randn(d_model, d_state, 2) / math.sqrt(2)  # E |c|^2 = 1
        if self.init is Initialization.REAL:
            self.register_parameter("a_im", None)
            self.b = nn.Parameter(b.real.to(kind).repeat(d_model, 1)[..., None])
            self.c = nn.Parameter(c[..., :1] * math.sqrt(2))
        else:
            self.a_im = nn.Parameter(a.imag.to(kind).repeat(d_model, 1))
            self.b = nn.Parameter(torch.view_as_real(b).to(kind).repeat(d_model, 1, 1))
            self.c = nn.Parameter(c)

    def discretized(self) -> Discretized:
        """Give a, b, c of the recurrence, complex, (d_model, d_state)."""
        a, b, _ = self._discretized()
        return a, b, _complex(self.c)

    def _discretized(self) -> Discretized:
        """a, b and log(a)."""
        re = -self.log_a_re.exp()
        big_a = torch.complex(re, torch.zeros_like(re) if self.a_im is None else self.a_im)
        dt_a = self.log_dt.exp()[:, None] * big_a  # (d_model, d_state)
        if self.discretization == "zoh":
            a = dt_a.exp()
            return a, _complex(self.b) * (a - 1) / big_a, dt_a
        z = dt_a / 2
        # a = 0, at z = -1, has no logarithm: a next to nothing stands for it
        z = torch.where((1 + z).abs() < torch.finfo(re.dtype).eps, z + torch.finfo(re.dtype).eps, z)
        b = self.log_dt.exp()[:, None] * _complex(self.b) / (1 - z)
        return (1 + z) / (1 - z), b, 2 * z.atanh()

    def kernel(self, length: int) -> Tensor:
        """Impulse response y_0 ... y_{length-1}, real, (d_model, length)."""
        _, b, log_a = self._discretized()
        return impulse_response(log_a, 2 * _complex(self.c) * b, length)

    def forward(self, u: Tensor) -> Tensor:
        """Convolve u (..., time, d_model) with the kernel; same shape."""
        check_width(u, self.d_model, "u")
        if u.ndim < 2 or u.shape[-2] < 1:
            raise ValueError(f"u must have shape (..., time, {self.d_model}), got {tuple(u.shape)}")
        if u.numel() == 0:
            return u
        first = turned(u.reshape(-1, self.d_model)).view(self.d_model, -1, u.shape[-2])
        y: Tensor = turned(self.convolve(first).view(self.d_model, -1))
        return y.view(u.shape)

    def convolve(self, u: Tensor) -> Tensor:
        """Do the same with channels first, (d_model, batch, time): what `forward` spends less on.

        Each channel lies in one piece there, and a linear map of channels is one product.
        """
        _, b, log_a = self._discretized()
        return convolve(u, log_a, 2 * _complex(self.c) * b)

    def initial_state(self, *batch: int) -> Tensor:
        """Give the zero state, complex, (*batch, d_model, d_state)."""
        kind = torch.complex64 if self.log_dt.dtype == torch.float32 else torch.complex128
        return torch.zeros(*batch, self.d_model, self.d_state, dtype=kind, device=self.c.device)

    def step(
        self, u: Tensor, state: Tensor, discretized: Discretized | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one token by the recurrence.

        Parameters
        ----------
        u
            (..., d_model).
        state
            Complex, (..., d_model, d_state), from `initial_state` or an earlier step.
        discretized
            What `discretized()` gave, where many steps are taken with the same parameters.

        Returns
        -------
        tuple
            The output (..., d_model) and the new state.
        """
        check_width(u, self.d_model, "u")
        a, b, c = self.discretized() if discretized is None else discretized
        state = a * state + b * u[..., None]
        return 2 * (c * state).real.sum(-1), state

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return (
            f"d_model={self.d_model}, d_state={self.d_state}, init={self.init.value!r}, "
            f"discretization={self.discretization!r}"
        )


def _complex(parts: Tensor) -> Tensor:
    """Complex numbers (...) of parts (..., 2), or of real ones (..., 1)."""
    if parts.shape[-1] == 1:
        return torch.complex(parts[..., 0], torch.zeros_like(parts[..., 0]))
    return torch.view_as_complex(parts.contiguous())


def check_width(u: Tensor, width: int, name: str) -> None:
    """Refuse what is no tensor that ends in `width` channels."""
    if not isinstance(u, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(u).__name__}")
    if u.ndim == 0 or u.shape[-1] != width:
        raise ValueError(f"{name} must have shape (..., {width}), got {tuple(u.shape)}")
