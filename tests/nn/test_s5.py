"""S5 in torch: the scan is the recurrence, the export is the model."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import nn

import lava_ssm as ssm
from lava_ssm.nn import S5, SparseS5, export, stretch
from lava_ssm.nn.scan import scan
from lava_ssm.train import accuracy, fit, optimizer


def recurrence(a: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    x, states = torch.zeros_like(v[..., 0, :]), []
    for v_t in v.unbind(-2):
        x = a * x + v_t
        states.append(x)
    return torch.stack(states, -2)


def unit(d_state: int, radius: float = 0.97) -> torch.Tensor:
    return torch.polar(
        torch.full((d_state,), radius, dtype=torch.float64), torch.linspace(0, 3, d_state).double()
    )


@pytest.mark.parametrize("time", [1, 2, 3, 16, 37])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_scan_is_the_recurrence(time: int, batch: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    v = torch.randn(*batch, time, 4, dtype=torch.complex128)
    torch.testing.assert_close(scan(unit(4), v), recurrence(unit(4), v), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("time", [1, 2, 7])
def test_gradients_of_the_scan_are_those_of_finite_differences(time: int) -> None:
    torch.manual_seed(0)
    a = unit(3).requires_grad_()
    v = torch.randn(2, time, 3, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(scan, (a, v))


def test_scan_and_steps_agree_in_single_precision_on_long_sequences() -> None:
    torch.manual_seed(0)
    for discretization in ("zoh", "bilinear"):
        layer = S5(8, 16, discretization=discretization, relu=True)
        u = torch.randn(2, 3000, 8)
        with torch.no_grad():
            whole, arrays = layer(u), layer.arrays()
            b, c, state = arrays["b"], arrays["c"], torch.zeros(2, 16, dtype=torch.complex64)
            for t in range(3000):
                state = arrays["a"] * state + u[:, t] @ b.T.real + 1j * (u[:, t] @ b.T.imag)
                sent = torch.where(state.real > 0, state, 0)
                y = 2 * (sent @ c.T).real + layer.d * u[:, t]
                assert (y - whole[:, t]).abs().max() < 1e-5 * whole.abs().max()


def test_zoh_is_the_exact_solution_for_a_constant_input() -> None:
    torch.manual_seed(0)
    layer = S5(3, 4).double()
    a, b = (np.asarray(layer.arrays()[name].detach()) for name in "ab")
    dt, big_a = layer.log_dt.exp().detach().numpy(), (layer.a_re + 1j * layer.a_im).detach().numpy()
    big_b = np.asarray(torch.view_as_complex(layer.b).detach())
    for n in range(4):
        # exp(dt [[A, B], [0, 0]]) = [[a, b], [0, 1]]
        block = np.zeros((4, 4), complex)
        block[0, 0], block[0, 1:] = big_a[n], big_b[n]
        exact = expm(dt[n] * block)
        np.testing.assert_allclose(a[n], exact[0, 0], rtol=1e-10)
        np.testing.assert_allclose(b[n], exact[0, 1:], rtol=1e-10)


def test_bilinear_is_the_trapezoidal_rule() -> None:
    torch.manual_seed(0)
    layer = S5(2, 3, discretization="bilinear").double()
    a, b = (np.asarray(layer.arrays()[name].detach()) for name in "ab")
    dt, big_a = layer.log_dt.exp().detach().numpy(), (layer.a_re + 1j * layer.a_im).detach().numpy()
    big_b = np.asarray(torch.view_as_complex(layer.b).detach())
    # x' = x + dt/2 (A x + A x') + dt B u
    np.testing.assert_allclose(a, 1 + dt / 2 * big_a * (1 + a), rtol=1e-12)
    np.testing.assert_allclose(b, dt[:, None] * big_b + (dt / 2 * big_a)[:, None] * b, rtol=1e-12)


def test_half_the_step_twice_is_one_step() -> None:
    torch.manual_seed(0)
    layer = S5(2, 3).double()
    a = layer.arrays()["a"]
    stretch(layer, 0.5)
    half = layer.arrays()["a"]
    torch.testing.assert_close(half**2, a)


def test_states_begin_as_blocks_of_hippo() -> None:
    layer = S5(4, 8, blocks=2)
    torch.testing.assert_close(layer.a_re, torch.full((8,), -0.5))
    torch.testing.assert_close(layer.a_im[:4], layer.a_im[4:])
    skew = np.triu(np.ones((8, 8)), 1)
    r = np.sqrt(2 * np.arange(8) + 1)
    skew = (skew - skew.T) * np.outer(r, r) / 2
    imaginary = np.linalg.eigvals(skew - np.eye(8) / 2).imag
    np.testing.assert_allclose(
        sorted(layer.a_im[:4].detach()), sorted(imaginary[imaginary > 0]), rtol=1e-4
    )


def test_a_state_that_training_made_unstable_stays_stable() -> None:
    layer = S5(2, 3)
    nn.init.constant_(layer.a_re, 5.0)
    assert (layer.arrays()["a"].abs() < 1).all()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"blocks": 3}, "blocks must divide d_state, got 3 and 4"),
        ({"dt_min": 0}, r"dt_min must lie in \(0, inf\)"),
        ({"discretization": "euler"}, "one of zoh, bilinear, got 'euler'"),
    ],
)
def test_impossible_parameters_are_named(given: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        S5(4, 4, **given)
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\)"):
        SparseS5(1, 4, 4, 1, 2, dropout=1.0)


def trained(relu: bool, readout: str = "every") -> tuple[SparseS5, torch.Tensor]:
    """A model whose norms have seen data."""
    torch.manual_seed(0)
    model = SparseS5(5, 12, 8, 2, 3, readout, relu=relu, dropout=0.1, blocks=2)
    x = torch.randn(4, 50, 5) * 3 + 1
    for _ in range(5):
        model(x)
    for block in model.blocks:
        nn.init.normal_(block.norm.weight)
        nn.init.normal_(block.norm.bias)
    return model.eval(), x


@pytest.mark.parametrize("relu", [False, True])
def test_the_export_is_the_model(relu: bool) -> None:
    model, x = trained(relu)
    with torch.no_grad():
        whole = model(x)
    scale = whole.abs().max()
    network = export(model)
    assert isinstance(network.layers[0], ssm.network.Linear)  # norms are folded
    assert np.abs(network.run(x.numpy()) - whole.numpy()).max() < 1e-5 * scale
    assert not model.training


def test_a_mean_readout_is_exported() -> None:
    model, x = trained(True, "mean")
    network = export(model)
    with torch.no_grad():
        expected = model(x).numpy()
    found = network.to_float(network.run(x.numpy()))[:, -1]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_relufying_changes_every_activation() -> None:
    model, x = trained(False)
    relufied, _ = trained(True)
    model.relufy()
    model.load_state_dict(relufied.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model(x), relufied(x))
    kinds = [type(layer).__name__ for layer in export(model).layers]
    assert "GELU" not in kinds
    assert kinds[1] == "ReLU"


def test_parameters_are_as_many_as_published() -> None:
    for k, count in ((0.5, 152_801), (1, 508_097)):
        model = SparseS5(257, int(192 * k), int(128 * k), 3, 257)
        assert sum(p.numel() for p in model.parameters()) == count


def test_s5_learns_digits_with_the_same_commands_as_s4d() -> None:
    data = ssm.data.digits()
    torch.manual_seed(0)
    model = SparseS5(1, 24, 16, 1, 10, "mean", relu=True, blocks=2, dt_min=0.01, dt_max=0.5)
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    fit(model, x, y, epochs=6, batch_size=50, adamw=optimizer(model, ssm_lr=5e-3))
    x_test, y_test = torch.from_numpy(data.test.x), torch.from_numpy(data.test.y)
    learned = accuracy(model, x_test, y_test)
    assert learned > 0.6  # one in ten by chance
    network = export(model)
    fixed = ssm.quantize(network, data.train.x[:100], arithmetic=ssm.compress.W8A16)
    assert (fixed.predict(data.test.x) == data.test.y).mean() > learned - 0.03


def test_dynamics_learn_slower_and_do_not_decay() -> None:
    model = SparseS5(1, 4, 4, 1, 2)
    slow, rest = optimizer(model, lr=1.0, ssm_lr=0.1).param_groups
    s5 = model.blocks[0].s5
    assert {id(p) for p in slow["params"]} == {id(p) for p in (s5.log_dt, s5.a_re, s5.a_im, s5.b)}
    assert slow["weight_decay"] == 0
    assert any(p is s5.c for p in rest["params"])
