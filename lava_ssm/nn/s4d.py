"""The S4D layer: trained as a convolution, run as a recurrence."""

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.nn.continuous import check_steps, continuous, log_steps, parts
from lava_ssm.nn.convolution import convolve, convolve_tokens
from lava_ssm.nn.initialization import Initialization
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule, check_tokens
from lava_ssm.numerics import member

_NEXT_TO_NOTHING = 1e-20


class S4D(LayerModule):
    """`d_state` complex states for each of `d_model` channels, which it does not mix.

        x'(t) = A x + B u,          y = 2 Re(sum_n C_n x_n) + D u + bias
        x_k   = a x_{k-1} + b u_k,  y_k = 2 Re(sum_n c_n x_{k,n}) + d u_k + bias      discretised

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
    direct, bias
        Whether there is a D, and a bias.

    Attributes
    ----------
    log_dt : (d_model,)
    log_a_re, a_im : (d_model, d_state)
    b, c : (d_model, d_state, 2), real and imaginary part
        With real states there is no `a_im`, and b, c are (d_model, d_state, 1).
    d, bias : (d_model,) or None

    Raises
    ------
    ValueError
        A parameter outside its range.
    """

    kind = network.S4D
    names: ClassVar = {"d": "d", "bias": "bias"}
    channels_first = True
    continuous = True
    slow = frozenset({"log_dt", "log_a_re", "a_im", "b"})
    _rectified = (False, False)
    """Whether there is a ReLU before it, and behind it, see `rectifying`."""

    def __init__(
        self,
        d_model: int,
        d_state: int,
        init: str | Initialization = "lin",
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        direct: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        d_model, d_state = size(d_model, "d_model"), size(d_state, "d_state")
        check_steps(dt_min, dt_max, discretization)
        self.d_model, self.d_state, self.discretization = d_model, d_state, discretization
        self.init = member(Initialization, init, "init")

        a, b = (torch.as_tensor(v) for v in self.init.system(d_state))
        kind = torch.get_default_dtype()
        self.log_dt = log_steps(d_model, dt_min, dt_max)
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
        self.d = nn.Parameter(torch.randn(d_model)) if direct else None
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None

    @classmethod
    def like(cls, layer: network.S4D) -> "S4D":  # type: ignore[override]
        direct, bias = layer.d is not None, layer.bias is not None
        return cls(layer.d_model, layer.d_state, direct=direct, bias=bias)

    def parameters_of(self, layer: network.S4D) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See `LayerModule`: each channel's step is that at which the median of Re(A) is -1/2."""
        if self.discretization != "zoh":
            raise ValueError(f"the model has {self}, it must be with 'zoh'")
        log_dt, a, b = continuous(layer.a, layer.b, by_channel=True)
        values = {"log_dt": log_dt, "log_a_re": np.log(-a.real), "a_im": a.imag}
        return super().parameters_of(layer) | values | {"b": parts(b), "c": parts(layer.c)}

    def arrays(self) -> Arrays:
        """See `LayerModule`; with them log(a), which a sequence is convolved by."""
        re = -self.log_a_re.exp()
        big_a = torch.complex(re, torch.zeros_like(re) if self.a_im is None else self.a_im)
        dt, big_b = self.log_dt.exp()[:, None], _complex(self.b)
        log_a = dt * big_a  # (d_model, d_state)
        if self.discretization == "zoh":
            a = log_a.exp()
            b = big_b * (a - 1) / big_a
        else:
            z, eps = log_a / 2, torch.finfo(re.dtype).eps
            # a = 0, at z = -1, has no logarithm: a next to nothing stands for it
            z = torch.where((1 + z).abs() < eps, z + eps, z)
            a, b, log_a = (1 + z) / (1 - z), dt * big_b / (1 - z), 2 * z.atanh()
        return super().arrays() | {"a": a, "b": b, "c": _complex(self.c), "log_a": log_a}

    def scaled(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        bias = shift + scale * arrays["bias"] if "bias" in arrays else shift
        direct = {"d": scale * arrays["d"]} if "d" in arrays else {}
        return {**arrays, "c": scale[:, None] * arrays["c"], **direct, "bias": bias}

    def rectifying(self, before: bool, after: bool) -> "S4D | None":
        own = type(self).response is not S4D.response
        if own or self.d is not None or (after and self.bias is not None):
            return None
        twin = self.__new__(type(self))  # parametrized modules refuse to be copied
        twin.__dict__ = {**self.__dict__, "_rectified": (before, after)}
        return twin

    def forward(self, u: Tensor) -> Tensor:
        """Convolve u (..., time, d_model) with the kernel; same shape."""
        check_tokens(u, self.d_model)
        return self.response(u, self.arrays(), False) if u.numel() else u

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        """See `LayerModule`: (d_model, batch, time), or on some CPUs either."""
        log_a = arrays.get("log_a")
        if log_a is None:
            a = arrays["a"]
            # a = 0 has no logarithm: a next to nothing stands for it
            log_a = torch.where(a == 0, torch.full_like(a, _NEXT_TO_NOTHING), a).log()
        w, shape = 2 * arrays["c"] * arrays["b"], (-1, 1, 1) if channels_first else (-1,)
        if channels_first:
            assert not any(self._rectified)
            y = convolve(u, log_a, w)
        else:
            y = convolve_tokens(u, log_a, w, *self._rectified)
        if "d" in arrays:
            y = y + arrays["d"].view(shape) * u
        return y + arrays["bias"].view(shape) if "bias" in arrays else y

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
