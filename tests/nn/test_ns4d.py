"""The model, its export and its training."""

import numpy as np
import pytest
import torch
from torch import nn

from lava_ssm import network
from lava_ssm.nn import NS4D, S4D, export
from lava_ssm.train import accuracy, fit


@pytest.mark.parametrize(("d_model", "d_state", "count"), [(64, 32, 66_496), (128, 64, 264_064)])
def test_parameter_counts_are_the_published_ones(d_model: int, d_state: int, count: int) -> None:
    model = NS4D(d_input=1, d_model=d_model, d_state=d_state, n_layers=4, d_output=10)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize(
    ("relu", "expected"),
    [
        ("both", "Linear S4D ReLU Linear ReLU Linear"),
        ("s4d", "Linear S4D ReLU Linear Linear"),
        ("linear", "Linear S4D Linear ReLU Linear"),
    ],
)
def test_rectifiers_sit_where_they_are_put(relu: str, expected: str) -> None:
    model = NS4D(1, 4, 2, 1, 3, relu=relu)
    assert " ".join(type(layer).__name__ for layer in model.layers) == expected


@pytest.mark.parametrize("readout", ["last", "mean", "every"])
@pytest.mark.parametrize("init", ["lin", "real"])
def test_exported_network_computes_what_the_model_does(readout: str, init: str) -> None:
    torch.manual_seed(0)
    model = NS4D(2, 8, 4, 2, 3, readout=readout, init=init).double()
    x = torch.randn(4, 30, 2, dtype=torch.float64)
    net = export(model)
    logits = net.to_float(net.run(x.numpy()))  # (batch, time, d_output)
    result = logits if readout == "every" else logits[:, -1]
    np.testing.assert_allclose(result, model(x).detach().numpy(), rtol=1e-9, atol=1e-12)
    assert net.readout is model.readout


def test_export_takes_any_chain_of_known_modules() -> None:
    chain = nn.Sequential(S4D(2, 3), nn.ReLU(), nn.Linear(2, 4, bias=False))
    net = export(chain, readout="last")
    assert [type(layer) for layer in net.layers] == [network.S4D, network.ReLU, network.Linear]
    assert net.readout is network.Readout.LAST_TOKEN
    assert export(S4D(2, 3)).d_input == 2


@pytest.mark.parametrize(
    ("module", "error", "text"),
    [
        (nn.Sequential(S4D(2, 2), nn.Mish()), TypeError, "layer 1: cannot export Mish"),
    ],
)
def test_what_has_no_description_is_named(
    module: nn.Module, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        export(module)


def test_parameters_that_are_not_finite_are_named_with_their_layer() -> None:
    model = NS4D(1, 4, 2, 2, 3)
    with torch.no_grad():
        model.layers[5].c[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="layer 5: c must be finite"):
        export(model)


def toy() -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes: a pulse at the beginning, or at the end."""
    x = 0.1 * torch.randn(40, 12, 1, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 2
    x[y == 0, 0] += 2
    x[y == 1, -2] += 2
    return x, y


def test_training_learns_and_is_repeatable() -> None:
    x, y = toy()
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        model = NS4D(1, 8, 4, 1, 2, readout="last", dt_min=0.05, dt_max=0.5)
        epochs = fit(model, x, y, epochs=30, batch_size=8)
        losses.append([epoch.loss for epoch in epochs])
    assert [epoch.number for epoch in epochs] == list(range(1, 31))
    assert losses[0] == losses[1]
    assert accuracy(model, x, y) == 1.0


def test_dynamics_learn_at_their_own_rate_without_decay() -> None:
    from lava_ssm.train import optimizer

    model = NS4D(1, 4, 2, 1, 2)
    slow, rest = optimizer(model, lr=1e-2, ssm_lr=1e-3, weight_decay=0.1).param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)].split(".")[-1] for p in slow["params"]} == {
        "log_dt",
        "log_a_re",
        "a_im",
        "b",
    }
    assert {names[id(p)].split(".")[-1] for p in rest["params"]} == {"c", "weight"}
    assert (slow["weight_decay"], rest["weight_decay"]) == (0.0, 0.1)


def test_bad_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="n_layers"):
        NS4D(1, 4, 2, 0, 2)
    with pytest.raises(ValueError, match="relu must be"):
        NS4D(1, 4, 2, 1, 2, relu="none")
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., time, 1\)"):
        NS4D(1, 4, 2, 1, 2)(torch.zeros(1, 5, 2))
