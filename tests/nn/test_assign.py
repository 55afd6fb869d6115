"""Models that go on from a network's description, and steps of other lengths."""

import numpy as np
import pytest
import torch

from lava_ssm import network
from lava_ssm.nn import NS4D, S5, SparseS5, assign, export, stretch


def trained(seed: int, **sizes: int) -> NS4D:
    """A model away from where models begin, with phases beyond half a turn."""
    torch.manual_seed(seed)
    given = {"d_input": 2, "d_model": 6, "d_state": 16, "n_layers": 2, "d_output": 3, **sizes}
    model = NS4D(**given, readout="every", dt_min=1e-3, dt_max=0.5)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn_like(p)
    return model


def test_a_model_computes_what_the_network_does_that_it_was_given() -> None:
    first, second = trained(0), trained(1)
    x = torch.randn(3, 200, 2)
    assign(second, export(first))
    wanted = first(x).detach()
    torch.testing.assert_close(second(x).detach(), wanted, rtol=0, atol=1e-4 * wanted.abs().max())
    for old, new in zip(export(first).layers, export(second).layers, strict=True):
        if isinstance(old, network.S4D):
            np.testing.assert_allclose(new.a, old.a, atol=1e-5)
            np.testing.assert_allclose(new.b, old.b, atol=1e-5 * np.abs(old.b).max())


def test_decays_are_those_that_models_begin_with() -> None:
    torch.manual_seed(0)
    first = NS4D(2, 6, 16, 2, 3)
    second = trained(1)
    assign(second, export(first))
    for old, new in zip(first.layers, second.layers, strict=True):
        if hasattr(old, "log_dt"):
            torch.testing.assert_close(new.log_dt, old.log_dt, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(new.log_a_re, old.log_a_re, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_layers": 3}, "the model has 14 layers, the network 10"),
        ({"d_state": 8}, r"layer 1: log_a_re has shape \(6, 8\) in the model, \(6, 16\)"),
        ({"d_output": 4}, r"layer 9: weight has shape \(4, 6\) in the model, \(3, 6\)"),
    ],
)
def test_another_models_network_is_refused_and_nothing_changed(
    sizes: dict[str, int], message: str
) -> None:
    model = trained(1, **sizes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        assign(model, export(trained(0)))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_layers_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="layer 1: the model has S4D"):
        assign(NS4D(2, 6, 16, 2, 3, init="real"), export(trained(0)))


def test_one_long_step_does_what_short_ones_do_while_the_input_holds_still() -> None:
    torch.manual_seed(0)
    short, long = (NS4D(1, 4, 8, 1, 2).double().layers[1] for _ in range(2))
    long.load_state_dict(short.state_dict())
    stretch(long, 4)
    tokens = torch.randn(2, 25, 4, dtype=torch.float64)
    each = short(tokens.repeat_interleave(4, dim=1))[:, 3::4]
    torch.testing.assert_close(long(tokens), each)


def test_steps_of_s5_are_stretched_too() -> None:
    model = SparseS5(3, 4, 8, 2, 3)
    before = [m.log_dt.detach().exp() for m in model.modules() if isinstance(m, S5)]
    stretch(model, 0.25)
    after = [m.log_dt.detach().exp() for m in model.modules() if isinstance(m, S5)]
    assert len(before) == 2
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old / 4)
    with pytest.raises(ValueError, match=r"factor must lie in \(0, inf\), got 0"):
        stretch(model, 0)
