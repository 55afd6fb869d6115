"""The layer's two forms, and the same system discretised by SciPy."""

import numpy as np
import pytest
import scipy.signal
import torch

from lava_ssm.nn import S4D, Initialization
from lava_ssm.nn.convolution import impulse_response

LAYERS = [
    (init, discretization)
    for init in ("lin", "legs", "real")
    for discretization in ("zoh", "bilinear")
]


def random_layer(init: str, discretization: str, dtype: torch.dtype) -> S4D:
    torch.manual_seed(0)
    layer = S4D(3, 4, init, discretization).to(dtype)
    with torch.no_grad():  # away from the initialisation, whose B is one
        layer.b += 0.3 * torch.randn_like(layer.b)
    return layer


def by_steps(layer: S4D, u: torch.Tensor) -> torch.Tensor:
    """The recurrence, written out."""
    a, b, c = (layer.arrays()[name] for name in "abc")
    state, outputs = torch.zeros(*u.shape[:-2], *a.shape, dtype=a.dtype), []
    for token in u.unbind(-2):
        state = a * state + b * token[..., None]
        outputs.append(2 * (c * state).real.sum(-1))
    return torch.stack(outputs, -2)


@pytest.mark.parametrize(("init", "discretization"), LAYERS)
@pytest.mark.parametrize(("d_state", "dt"), [(4, 1e-2), (32, 1e-3), (32, 0.1), (64, 0.1)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_convolution_equals_recurrence(
    init: str, discretization: str, d_state: int, dt: float, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    layer = S4D(3, d_state, init, discretization, dt_min=dt, dt_max=dt).to(dtype)
    u = torch.randn(2, 1024, 3, dtype=dtype)
    with torch.no_grad():
        convolved, stepped = layer(u), by_steps(layer, u)
    error = (convolved - stepped).abs().max() / stepped.abs().max()  # of the output's peak
    assert float(error) < tolerance


def test_bilinear_kernel_has_a_state_that_forgets_at_once() -> None:
    layer = S4D(1, 4, "real", "bilinear", dt_min=0.5, dt_max=0.5)  # a = 0 for A = -4
    u = torch.randn(1, 8, 1)
    torch.testing.assert_close(layer(u), by_steps(layer, u), rtol=1e-4, atol=1e-5)


def real_block_form(layer: S4D, channel: int) -> tuple[np.ndarray, ...]:
    """The continuous system of a channel with 2 N real states: x = re + i im, y = 2 Re(C x)."""
    with torch.no_grad():
        re = (-layer.log_a_re[channel].exp()).numpy()
        im = np.zeros_like(re) if layer.a_im is None else layer.a_im[channel].numpy()
        pad = [(0, 0), (0, 2 - layer.b.shape[-1])]
        b, c = (np.pad(v[channel].numpy(), pad) for v in (layer.b, layer.c))
    a = np.block([[np.diag(re), np.diag(-im)], [np.diag(im), np.diag(re)]])
    b_column = np.concatenate([b[:, 0], b[:, 1]])[:, np.newaxis]
    c_row = 2 * np.concatenate([c[:, 0], -c[:, 1]])[np.newaxis]
    return a, b_column, c_row, np.zeros((1, 1))


@pytest.mark.parametrize(("init", "discretization"), LAYERS)
def test_layer_agrees_with_scipy(init: str, discretization: str) -> None:
    layer = random_layer(init, discretization, torch.float64)
    u = torch.randn(200, 3, dtype=torch.float64)
    with torch.no_grad():
        outputs, dt = layer(u).numpy(), layer.log_dt.exp().numpy()
    for channel in range(3):
        a, b, c, d = real_block_form(layer, channel)
        da, db, _, _, step = scipy.signal.cont2discrete(
            (a, b, c, d), dt[channel], method=discretization
        )
        # the output of the new state: y_k = C x_{k+1} = (C A) x_k + (C B) u_k
        system = scipy.signal.dlti(da, db, c @ da, c @ db, dt=step)
        _, expected, _ = scipy.signal.dlsim(system, u[:, channel].numpy())
        np.testing.assert_allclose(outputs[:, channel], expected[:, 0], rtol=0, atol=1e-8)


def test_kernel_of_two_short_tables_equals_all_powers() -> None:
    layer = random_layer("lin", "zoh", torch.float64)
    a, b, c, log_a = (layer.arrays()[name] for name in ("a", "b", "c", "log_a"))
    for length in (1, 2, 7, 64, 65):
        powers = a[..., None] ** torch.arange(length)
        full = 2 * torch.einsum("hn,hnt->ht", c * b, powers).real
        torch.testing.assert_close(
            impulse_response(log_a, 2 * c * b, length), full, rtol=1e-10, atol=1e-10
        )


def test_legs_diagonalises_hippo() -> None:
    n = np.arange(16)
    b = np.sqrt(2 * n + 1)
    # HiPPO-LegS, written out: A_nk = -sqrt(2n+1) sqrt(2k+1) below, -(n+1) on the diagonal
    hippo = -np.tril(np.outer(b, b), -1) - np.diag(n + 1)
    normal = hippo + np.outer(b, b) / 2
    expected = np.linalg.eigvals(normal)
    a, _ = Initialization.LEGS.system(8)
    found = np.concatenate([a, a.conj()])
    assert np.abs(found.real + 0.5).max() < 1e-12
    np.testing.assert_allclose(np.sort(found.imag), np.sort(expected.imag), atol=1e-9)


def test_legs_kernel_is_that_of_the_normal_system() -> None:
    n = np.arange(8)
    b = np.sqrt(2 * n + 1)
    normal = -np.tril(np.outer(b, b), -1) - np.diag(n + 1) + np.outer(b, b) / 2
    a, projected = Initialization.LEGS.system(4)
    # b^T exp(t A) b, in the eigenbasis: 2 Re(sum conj(b_n) b_n exp(t a_n)) over half the pairs
    for t in (0.0, 0.1, 0.5):
        expected = b @ scipy.linalg.expm(t * normal) @ b
        found = 2 * (np.abs(projected) ** 2 * np.exp(t * a)).real.sum()
        assert found == pytest.approx(expected, rel=1e-9)


def test_lin_and_real_start_where_their_formulas_say() -> None:
    lin, real = S4D(1, 4, "lin"), S4D(1, 4, "real")
    torch.testing.assert_close(lin.log_a_re.exp(), torch.full((1, 4), 0.5))
    torch.testing.assert_close(lin.a_im, torch.pi * torch.arange(4.0)[None])
    torch.testing.assert_close(real.log_a_re.exp(), torch.arange(1.0, 5.0)[None])
    assert real.a_im is None
    assert not real.arrays()["a"].imag.any()


def test_steps_are_drawn_between_their_limits() -> None:
    dt = S4D(1000, 1, dt_min=0.01, dt_max=0.5).log_dt.exp()
    assert 0.01 <= float(dt.min()) < 0.012
    assert 0.4 < float(dt.max()) <= 0.5 + 1e-6


def test_gradients_reach_every_parameter_and_are_right() -> None:
    layer = S4D(2, 2).double()
    u = torch.randn(5, 2, dtype=torch.float64)
    names, values = zip(*layer.named_parameters(), strict=True)

    def loss(*parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (u,))

    assert torch.autograd.gradcheck(loss, values)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"d_model": 0}, "d_model"),
        ({"d_state": 1.5}, "d_state"),
        ({"dt_min": 0.0}, "dt_min"),
        ({"dt_min": 0.2, "dt_max": 0.1}, "dt_min <= dt_max"),
        ({"discretization": "euler"}, "one of zoh, bilinear"),
        ({"init": "random"}, "random"),
    ],
)
def test_bad_parameters_are_named(kwargs: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        S4D(**{"d_model": 2, "d_state": 2, **kwargs})


def test_input_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"u must have shape \(\.\.\., time, 3\), with a"):
        S4D(3, 2)(torch.zeros(1, 5, 2))
    for shape in [(3,), (1, 0, 3)]:
        with pytest.raises(ValueError, match=r"u must have shape \(\.\.\., time, 3\), with a"):
            S4D(3, 2)(torch.zeros(shape))
