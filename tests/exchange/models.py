"""What other people train, restated from the published equations, with their parameters' names."""

import math

import torch
from torch import Tensor, nn


class S4DKernel(nn.Module):
    """K_l = 2 Re(sum_n C_n (exp(dt A_n) - 1) / A_n exp(dt A_n l)): the public S4D's kernel."""

    def __init__(self, d_model: int, d_state: int, dt_min: float, dt_max: float) -> None:
        super().__init__()
        low, high = math.log(dt_min), math.log(dt_max)
        half = d_state // 2
        self.log_dt = nn.Parameter(low + (high - low) * torch.rand(d_model))
        self.C = nn.Parameter(torch.randn(d_model, half, 2) * 2**-0.5)
        self.log_A_real = nn.Parameter(torch.full((d_model, half), math.log(0.5)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(half).float().repeat(d_model, 1))

    def forward(self, L: int) -> Tensor:  # its name there
        z = self.log_dt.exp()[:, None] * torch.complex(-self.log_A_real.exp(), self.A_imag)
        a = torch.complex(-self.log_A_real.exp(), self.A_imag)
        weights = torch.view_as_complex(self.C) * (z.exp() - 1) / a
        powers = (z[..., None] * torch.arange(L)).exp()  # (d_model, d_state / 2, L)
        return 2 * (weights[..., None] * powers).sum(1).real


class S4D(nn.Module):
    """Convolution with the kernel, direct path, GELU, and a gated map of all channels."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 64,
        dropout: float = 0.0,
        transposed: bool = True,
        dt_min: float = 1e-3,
        dt_max: float = 0.1,
    ) -> None:
        super().__init__()
        self.transposed = transposed
        self.D = nn.Parameter(torch.randn(d_model))
        self.kernel = S4DKernel(d_model, d_state, dt_min, dt_max)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout1d(dropout) if dropout else nn.Identity()
        self.output_linear = nn.Sequential(nn.Conv1d(d_model, 2 * d_model, 1), nn.GLU(dim=-2))

    def forward(self, u: Tensor) -> tuple[Tensor, None]:
        u = u if self.transposed else u.transpose(-1, -2)  # (batch, channels, time)
        n = u.shape[-1]
        spectrum = torch.fft.rfft(u, n=2 * n) * torch.fft.rfft(self.kernel(L=n), n=2 * n)
        y = torch.fft.irfft(spectrum, n=2 * n)[..., :n] + u * self.D.unsqueeze(-1)
        y = self.output_linear(self.dropout(self.activation(y)))
        return y if self.transposed else y.transpose(-1, -2), None


class S4Kernel(nn.Module):
    """S4D's kernel as the public S4 has it with mode="diag": B too, and systems of many channels.

    K_l = 2 Re(sum_n B_n C_n f_n a_n^l), with a and f of either discretisation; `new` since the
    fourth version.
    """

    def __init__(
        self, d_model: int, d_state: int, n_ssm: int, disc: str, new: bool, channels: int
    ) -> None:
        super().__init__()
        half, self.disc, self.new = d_state // 2, disc, new
        log_dt = math.log(1e-2) + math.log(10) * torch.rand(d_model)
        rate, turn = torch.rand(n_ssm, half).log(), math.pi * torch.arange(half).repeat(n_ssm, 1)
        self.A_imag = nn.Parameter(-turn if new else turn)
        self.B = nn.Parameter(torch.randn(*([1] * new), n_ssm, half, 2))
        self.C = nn.Parameter(torch.randn(channels, d_model, half, 2))
        if new:
            self.inv_dt, self.A_real = nn.Parameter(log_dt[:, None]), nn.Parameter(rate)
        else:
            self.log_dt, self.inv_A_real = nn.Parameter(log_dt), nn.Parameter(rate)

    def forward(self, L: int) -> Tensor:  # its name there
        rate = self.A_real if self.new else self.inv_A_real
        dt = (self.inv_dt if self.new else self.log_dt[:, None]).exp()
        a = torch.complex(-rate.exp(), -self.A_imag if self.new else self.A_imag)
        times = len(dt) // len(a)
        b = torch.view_as_complex(self.B).reshape(a.shape).repeat(times, 1)
        a = a.repeat(times, 1)
        z = dt * a
        if self.disc == "zoh":
            powers, factor = z.exp(), (z.exp() - 1) / a
        else:
            powers, factor = (1 + z / 2) / (1 - z / 2), dt / (1 - z / 2)
        weights = torch.view_as_complex(self.C) * b * factor  # (channels, d_model, d_state / 2)
        return 2 * (weights[..., None] * powers[..., None] ** torch.arange(L)).sum(-2).real


class S4Block(nn.Module):
    """The public S4 with its products as einsums, channels of output apart; d_model of them in."""

    def __init__(
        self, d_model: int, d_state: int, n_ssm: int, disc: str, new: bool = True, channels: int = 1
    ) -> None:
        super().__init__()
        self.kernel = S4Kernel(d_model, d_state, n_ssm, disc, new, channels)
        self.D = nn.Parameter(torch.randn(channels, d_model))
        self.output = nn.Sequential(nn.Conv1d(channels * d_model, 2 * d_model, 1), nn.GLU(1))

    def forward(self, u: Tensor) -> Tensor:
        n = u.shape[-1]
        kernel, spectrum = torch.fft.rfft(self.kernel(L=n), n=2 * n), torch.fft.rfft(u, n=2 * n)
        product = torch.einsum("bhl,chl->bchl", spectrum, kernel)
        y = torch.fft.irfft(product, n=2 * n)[..., :n] + torch.einsum("bhl,ch->bchl", u, self.D)
        out: Tensor = self.output(nn.functional.gelu(y.reshape(len(u), -1, n)))
        return out


class S4Model(nn.Module):
    """The public example's model: residual blocks, a norm before or behind, mean over time."""

    def __init__(
        self,
        d_input: int,
        d_output: int,
        d_model: int = 32,
        n_layers: int = 2,
        dropout: float = 0.1,
        prenorm: bool = False,
        norm: str = "layer",
        d_state: int = 64,
        dt: tuple[float, float] = (1e-3, 0.1),
    ) -> None:
        super().__init__()
        self.prenorm = prenorm
        self.encoder = nn.Linear(d_input, d_model)
        kind = nn.LayerNorm if norm == "layer" else nn.BatchNorm1d
        self.s4_layers = nn.ModuleList(
            S4D(d_model, d_state, dropout, dt_min=dt[0], dt_max=dt[1]) for _ in range(n_layers)
        )
        self.norms = nn.ModuleList(kind(d_model) for _ in range(n_layers))
        self.dropouts = nn.ModuleList(nn.Dropout1d(dropout) for _ in range(n_layers))
        self.decoder = nn.Linear(d_model, d_output)

    def _normed(self, norm: nn.Module, x: Tensor) -> Tensor:
        if isinstance(norm, nn.BatchNorm1d):
            y: Tensor = norm(x)
            return y
        return norm(x.transpose(-1, -2)).transpose(-1, -2)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x).transpose(-1, -2)  # (batch, channels, time)
        for layer, norm, dropout in zip(self.s4_layers, self.norms, self.dropouts, strict=True):
            z = self._normed(norm, x) if self.prenorm else x
            z = dropout(layer(z)[0])
            x = z + x if self.prenorm else self._normed(norm, z + x)
        y: Tensor = self.decoder(x.transpose(-1, -2).mean(dim=1))
        return y


class LRU(nn.Module):
    """x' = a x + exp(gamma) B u, y = Re(C x) + D u, a = exp(-exp(nu) + i exp(theta))."""

    def __init__(self, d_model: int, d_state: int, d: str = "vector") -> None:
        super().__init__()
        radius = 0.5 + 0.49 * torch.rand(d_state)
        self.nu_log = nn.Parameter((-radius.log()).log())
        self.theta_log = nn.Parameter((6.28 * torch.rand(d_state)).log())
        self.gamma_log = nn.Parameter((1 - radius**2).sqrt().log())
        self.B = nn.Parameter(torch.randn(d_state, d_model, dtype=torch.cfloat) / d_model**0.5)
        self.C = nn.Parameter(torch.randn(d_model, d_state, dtype=torch.cfloat) / d_state**0.5)
        self.D = nn.Parameter(torch.randn((d_model, d_model) if d == "matrix" else d_model))

    def forward(self, u: Tensor) -> Tensor:
        a = torch.exp(torch.complex(-self.nu_log.exp(), self.theta_log.exp()))
        b = self.B * self.gamma_log.exp()[:, None]
        state, outputs = torch.zeros(len(a), dtype=b.dtype), []
        for token in u.unbind(-2):  # (..., d_model)
            state = a * state + token.to(b.dtype) @ b.T
            direct = token @ self.D.T if self.D.ndim == 2 else token * self.D
            outputs.append((state @ self.C.T).real + direct)
        return torch.stack(outputs, -2)


class MinGRU(nn.Module):
    """h' = (1 - z) h + z g(c), with g(c) = c + 1/2 from zero on and sigmoid(c) below."""

    def __init__(self, dim: int, inner: int, positive: bool = True) -> None:
        super().__init__()
        self.positive = positive
        self.to_hidden_and_gate = nn.Linear(dim, 2 * inner, bias=inner != dim)
        self.to_out = nn.Identity() if inner == dim else nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        c, z = self.to_hidden_and_gate(x).chunk(2, dim=-1)
        c = torch.where(c >= 0, c + 0.5, c.sigmoid()) if self.positive else c
        z, h, states = z.sigmoid(), torch.zeros_like(c[:, 0]), []
        for t in range(x.shape[1]):
            h = torch.lerp(h, c[:, t], z[:, t])
            states.append(h)
        return self.to_out(torch.stack(states, 1))
