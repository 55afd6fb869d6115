"""Any network becomes a torch model and comes back: beside the engine, which knows no torch."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from lava_ssm.network import (
    GELU,
    GLU,
    MLGRU,
    S4D,
    S5,
    Activation,
    Conv1d,
    FixedLinear,
    FixedNetwork,
    Gate,
    LayerNorm,
    Linear,
    MinGRU,
    Network,
    Positive,
    Readout,
    ReLU,
    Residual,
    RMSNorm,
    Scale,
    SelectiveSSM,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from lava_ssm.nn import NS4D, Chain, SparseS5, assign, export, module
from lava_ssm.nn import S4D as S4DModule
from lava_ssm.nn import S5 as S5Module
from lava_ssm.train import fit
from tests.networks import random_network, random_s5, random_s5_network


def s4d(rng: np.random.Generator, d: int = 6, bare: bool = False) -> S4D:
    a = rng.uniform(0.1, 0.97, (d, 4)) * np.exp(1j * rng.uniform(-np.pi, np.pi, (d, 4)))
    b, c = rng.normal(size=(2, d, 4)) + 1j * rng.normal(size=(2, d, 4))
    return S4D(a, b, c / 4) if bare else S4D(a, b, c / 4, rng.normal(size=d), rng.normal(size=d))


def mixed(seed: int = 0, readout: Readout = Readout.EVERY_TOKEN, gelu: bool = False) -> Network:
    """All kinds of layers in one chain, with paths around layers of both layouts."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(6, 6, 6)) / 3
    return Network(
        (
            Linear(rng.normal(size=(6, 3)), rng.normal(size=6)),
            ReLU(),
            s4d(rng),
            GELU() if gelu else ReLU(),
            GLU(w[0], w[1], rng.normal(size=6), rng.normal(size=6)),
            Residual(2),
            random_s5(rng, 6, 5),
            ReLU(),
            Gate(w[2], rng.normal(size=6)),
            Residual(3),
            ReLU(),
            s4d(rng, bare=True),
            Residual(1),
            random_s5(rng, 6, 3, relu=False),
            Linear(w[3][:4]),
        ),
        readout,
    )


def with_norms(seed: int = 0) -> Network:
    """Norms and convolutions, in both layouts, and all activations."""
    rng = np.random.default_rng(seed)
    return Network(
        (
            Linear(rng.normal(size=(6, 3)), rng.normal(size=6)),
            SiLU(),
            s4d(rng),
            LayerNorm(rng.normal(size=6), rng.normal(size=6), 1e-2),
            GELU(),
            Conv1d(rng.normal(size=(6, 1, 4)), rng.normal(size=6), 6),
            Residual(2),
            Tanh(),
            random_s5(rng, 6, 3),
            Conv1d(rng.normal(size=(4, 6, 2))),
            RMSNorm(rng.normal(size=4), eps=1e-2),
            Sigmoid(),
        )
    )


def with_gates(seed: int = 0) -> Network:
    """Gated linear recurrences, with a path around, behind a layer of the other layout."""
    rng = np.random.default_rng(seed)
    w, b = rng.normal(size=(5, 6, 6)) / 3, rng.normal(size=(5, 6))
    return Network(
        (
            Linear(rng.normal(size=(6, 3))),
            s4d(rng),
            MinGRU(w[0], w[1], b[0], b[1]),
            MinGRU(w[0], w[1], b[0], b[1], "positive"),
            Residual(1),
            Positive(),
            MLGRU(w[2][:4], w[3][:4], w[4][:4], b[2][:4], b[3][:4], b[4][:4]),
            SiLU(),
        )
    )


def selective(rng: np.random.Generator, d: int = 4, gated: bool = False) -> SelectiveSSM:
    maps = (rng.normal(size=shape) / 2 for shape in ((2, d), (d, 2), (3, d), (3, d)))
    a = -rng.uniform(0.3, 3, (d, 3))
    return SelectiveSSM(a, *maps, rng.normal(size=d), rng.normal(size=d), gated)


def networks() -> dict[str, Network]:
    rng = np.random.default_rng(1)
    return {
        "mixed": mixed(),
        "mean": mixed(1, Readout.MEAN_OVER_TIME, gelu=True),
        "last": mixed(2, Readout.LAST_TOKEN),
        "n-S4D": random_network(rng),
        "S5": random_s5_network(rng),
        "dense S5": random_s5_network(rng, relu=False),
        "S4D alone": Network((s4d(rng),)),
        "S5 alone": Network((random_s5(rng, 4, 6),)),
        "S5 without biases": Network((S5([0.5, 0.9j], np.ones((2, 3)), 1j * np.ones((3, 2))),)),
        "norms and convolutions": with_norms(),
        "gated recurrences": with_gates(),
        "selective": Network((Linear(rng.normal(size=(4, 2))), selective(rng), Residual(1))),
        "a selective layer with a gate": Network((selective(rng, 3, gated=True), Softplus())),
        "GLU alone": Network((GLU(np.ones((2, 3)), np.eye(3)[:2]),)),
        "scale": Network((Scale([1.0, -2.0, 0.0], [0.5, 0.0, 3.0]),)),
        **{
            f"GLU with {f.value}": Network((GLU(np.ones((2, 3)), np.eye(3)[:2], activation=f),))
            for f in Activation
        },
    }


@pytest.fixture(name="double")
def _double() -> object:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", networks())
def test_a_model_computes_what_its_network_does(name: str, double: object) -> None:
    net = networks()[name]
    x = np.random.default_rng(2).normal(size=(3, 37, net.d_input))
    model = module(net)
    assert (model.d_input, model.d_output, model.readout) == (
        net.d_input,
        net.d_output,
        net.readout,
    )
    wanted = net.run(x, backend="reference")
    with torch.no_grad():
        logits = model(torch.from_numpy(x)).numpy()
        one = model(torch.from_numpy(x[0])).numpy()
    whole = wanted if net.readout is Readout.EVERY_TOKEN else wanted[:, -1]
    np.testing.assert_allclose(logits, whole, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(one, whole[0], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", networks())
@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_a_model_comes_back_as_its_network(
    name: str, kind: torch.dtype, tolerance: float, double: object
) -> None:
    net = networks()[name]
    torch.set_default_dtype(kind)
    back = export(module(net))
    assert back.readout is net.readout
    for old, new in zip(net.layers, back.layers, strict=True):
        assert type(old) is type(new)
        for field in (f.name for f in fields(old)):
            one, other = getattr(old, field), getattr(new, field)
            assert (one is None) == (other is None), field
            if isinstance(one, Activation):
                assert one is other
            elif one is not None:
                scale = np.abs(one).max() + 1e-30
                np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("net", [mixed(), with_norms()], ids=["mixed", "norms"])
def test_every_parameter_of_a_mixed_model_learns_by_the_right_gradient(
    net: Network, double: object
) -> None:
    model = module(net)
    x = torch.randn(2, 9, 3)
    model(x).square().sum().backward()
    step = 1e-6
    for name, p in model.named_parameters():
        place = tuple(int(i) for i in np.unravel_index(p.numel() // 2, p.shape))
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                p[place] += sign * step
                ends.append(float(model(x).square().sum()))
                p[place] -= sign * step
        wanted = (ends[0] - ends[1]) / (2 * step)
        assert p.grad is not None
        assert float(p.grad[place]) == pytest.approx(wanted, rel=1e-4, abs=1e-4), name


def test_a_network_is_trained_on() -> None:
    net = mixed(3, Readout.MEAN_OVER_TIME)
    torch.manual_seed(0)
    x = torch.randn(32, 20, 3)
    labels = (x.mean((1, 2)) > 0).long()
    model = module(net)
    epochs = fit(model, x, labels, epochs=15, batch_size=8)
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert export(model).run(x.numpy()[:2]).shape == (2, 20, 4)


def _pickled(model: Chain) -> Chain:
    again: Chain = pickle.loads(pickle.dumps(model))
    return again


@pytest.mark.parametrize("copied", [lambda model: model, copy.deepcopy, _pickled])
def test_pruned_weights_of_a_network_stay_zero_while_its_model_is_trained(
    copied: Callable[[Chain], Chain],
) -> None:
    rng = np.random.default_rng(0)
    d = 6
    pruned = rng.random((4, d, d)) < 0.5
    s5 = random_s5(rng, d, d)
    c = np.where(pruned[1], 0, s5.c.real) + 1j * np.where(pruned[2], 0, s5.c.imag)
    weights = rng.normal(size=(d, d)) * ~pruned[3]
    net = Network(
        (
            S5(s5.a, np.where(pruned[0], 0, s5.b), c, s5.d),
            GLU(weights, weights),
            Gate(weights),
            Linear(weights),
        ),
        Readout.MEAN_OVER_TIME,
    )
    model = copied(module(net))
    fit(model, torch.randn(20, 10, d), torch.arange(20) % d, epochs=2)
    layers = export(model).layers
    assert (layers[0].b[pruned[0]] == 0).all()
    assert (layers[0].c.real[pruned[1]] == 0).all()
    assert (layers[0].c.imag[pruned[2]] == 0).all()
    for field, i in (("weights", 1), ("gate", 1), ("weights", 2), ("weights", 3)):
        values = getattr(layers[i], field)
        assert (values[pruned[3]] == 0).all()
        assert (values[~pruned[3]] != weights[~pruned[3]]).any()


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm", "orthogonal"])
def test_linear_maps_whose_weights_are_made_of_others_are_trained_and_exported(name: str) -> None:
    model = NS4D(1, 8, 4, 1, 3)
    (mixing,) = (
        m
        for m in model.modules()
        if isinstance(m, nn.Linear) and m.in_features == 8 == m.out_features
    )
    getattr(parametrizations, name)(mixing, "weight")
    before = mixing.weight.detach().clone()
    fit(model, torch.randn(12, 10, 1), torch.arange(12) % 3, epochs=1, batch_size=6)
    assert not torch.equal(mixing.weight, before)
    (layer,) = (
        one
        for one in export(model).layers
        if isinstance(one, Linear) and one.weights.shape == (8, 8)
    )
    np.testing.assert_allclose(layer.weights, mixing.weight.detach(), atol=1e-6)
    assert isinstance(mixing, nn.Linear)
    assert "parametrizations.weight" in str(list(mixing.state_dict()))


def test_states_at_the_edge_have_a_continuous_system(double: object) -> None:
    """One that forgets at once, one that turns round each token, one that hardly decays."""
    a = np.array([0, -0.9, 1 - 1e-9, 0.5j])
    net = Network((S5(a, np.ones((4, 2)), np.ones((2, 4))), s4d(np.random.default_rng(0), 2)))
    x = np.random.default_rng(1).normal(size=(50, 2))
    with torch.no_grad():
        np.testing.assert_allclose(module(net)(torch.from_numpy(x)), net.run(x), atol=1e-6)


def test_layers_of_another_number_or_with_other_parts_are_not_assigned() -> None:
    net = mixed()
    model = module(net)
    before = copy.deepcopy(model.state_dict())
    for i, other in ((2, S4DModule(6, 4)), (6, S5Module(6, 5, relu=False, bias=True))):
        changed = Chain([other if j == i else m for j, m in enumerate(model.layers)])
        with pytest.raises(ValueError, match=f"layer {i}: the model has S"):
            assign(changed, net)
    with pytest.raises(ValueError, match="layer 5: the model has Residual"):
        assign(model, Network((*net.layers[:5], Residual(1), *net.layers[6:])))
    sparse = SparseS5(3, 6, 5, 1, 4, relu=True)
    with pytest.raises(ValueError, match=r"layer 2: the model has S5.* with a norm"):
        assign(sparse, export(sparse))
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())


def test_what_is_no_float_network_is_refused() -> None:
    net = Network((Linear(np.eye(2)),))
    for wrong in (None, FixedNetwork((FixedLinear([[1]]),)), [net]):
        with pytest.raises(TypeError, match="net must be a float Network"):
            module(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must be a Chain"):
        assign(nn.Linear(2, 2), net)  # type: ignore[arg-type]


def test_a_path_that_begins_before_the_first_layer_is_refused() -> None:
    from lava_ssm.nn import Residual as Path

    model = Chain([nn.Linear(2, 2), Path(2)])
    with pytest.raises(ValueError, match="layer 1: the path begins before the first layer"):
        model(torch.zeros(1, 3, 2))


def test_parameters_have_the_names_that_checkpoints_have() -> None:
    names = NS4D(1, 4, 2, 1, 3).state_dict().keys()
    s4d = [f"layers.1.{name}" for name in ("log_dt", "log_a_re", "a_im", "b", "c")]
    assert list(names) == ["layers.0.weight", *s4d, "layers.3.weight", "layers.5.weight"]
    names = SparseS5(1, 4, 4, 1, 3, dropout=0.1, relu=True).state_dict().keys()
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert list(names) == [
        "encoder.weight",
        "encoder.bias",
        *(f"blocks.0.norm.{name}" for name in norm),
        *(f"blocks.0.s5.{name}" for name in ("log_dt", "a_re", "a_im", "b", "c", "d")),
        "blocks.0.gate.weight",
        "blocks.0.gate.bias",
        "decoder.weight",
        "decoder.bias",
    ]


def test_nested_modules_and_what_acts_in_training_alone_are_one_network() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(3, 4), nn.Identity(), nn.ModuleList([nn.ReLU()]))
    net = export(Chain([inner, nn.Dropout(0.5), nn.Linear(4, 2)]))
    assert [type(layer) for layer in net.layers] == [Linear, ReLU, Linear]
    with pytest.raises(TypeError, match="in front of an S5, there is one in front of Linear"):
        export(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3)))
    with pytest.raises(TypeError, match=r"0: cannot export BatchNorm1d.*`exchange\.from_torch`"):
        export(nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3)))
    with pytest.raises(TypeError, match="layer 1: cannot export GELU"):
        export(nn.Sequential(nn.Linear(3, 3), nn.GELU("tanh")))
