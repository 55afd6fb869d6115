"""Models of other people become networks that compute the same, or are refused with a reason."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import s5
import torch
from torch import Tensor, nn

from lava_ssm import exchange
from lava_ssm import nn as own
from lava_ssm.network import (
    GLU,
    S5,
    Activation,
    LayerNorm,
    Linear,
    Network,
    Readout,
    Residual,
)
from lava_ssm.network import S4D as S4DLayer
from lava_ssm.network import MinGRU as MinGRULayer
from tests.exchange.models import LRU, S4D, MinGRU, S4Block, S4Model


def relative(network: Network, x: Tensor, wanted: Tensor) -> float:
    """Largest difference of outputs, of the largest; the model's in float32."""
    given, y = network.run(x.numpy()), wanted.detach().numpy()
    given = given if network.readout is Readout.EVERY_TOKEN else given[:, -1]
    return float(np.abs(given - y).max() / np.abs(y).max())


def trained_a_little(model: nn.Module, x: Tensor) -> nn.Module:
    """With statistics of its norms, and parameters that are not those it began with."""
    model.train()
    with torch.no_grad():
        for p in model.parameters():
            if p.is_floating_point():
                p += 0.05 * torch.randn_like(p)
    for _ in range(3):
        model(x + torch.randn_like(x))
    return model.eval()


@pytest.mark.parametrize("prenorm", [False, True])
def test_the_public_s4d_model_with_layer_norms(prenorm: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 50, 3)
    model = S4Model(3, 5, 8, 2, prenorm=prenorm, d_state=16)
    trained_a_little(model, x)
    network = exchange.from_torch(model, x)
    assert relative(network, x, model(x)) <= 1e-5
    assert sum(isinstance(layer, LayerNorm) for layer in network.layers) == 2
    state = exchange.from_state_dict(model.state_dict(), "s4d", prenorm=prenorm)
    np.testing.assert_allclose(state.run(x.numpy()), network.run(x.numpy()), rtol=1e-9)


@pytest.mark.parametrize("glu", [False, True])
def test_a_block_of_s5_pytorch(glu: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 20, 6)
    block = trained_a_little(s5.S5Block(6, 8, bidir=False, glu=glu), x)
    network = exchange.from_torch(block, x)
    assert relative(network, x, block(x)) <= 1e-5
    units = [layer for layer in network.layers if isinstance(layer, GLU)]
    assert [unit.activation for unit in units] == [Activation.GELU] * glu


@pytest.mark.parametrize("prenorm", [False, True])
@pytest.mark.parametrize("dt", [(1e-3, 0.1), (1e-6, 1e-5), (0.5, 1.0)])
def test_the_public_s4d_model(prenorm: bool, dt: tuple[float, float]) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 50, 3)
    model = S4Model(3, 5, 8, 3, prenorm=prenorm, norm="batch", d_state=16, dt=dt)
    trained_a_little(model, x)
    network = exchange.from_torch(model, x)
    assert relative(network, x, model(x)) <= 1e-5
    assert network.readout is Readout.MEAN_OVER_TIME
    kinds = [type(layer).__name__ for layer in network.layers]
    block = ["Scale"] * prenorm + ["S4D", "GELU", "GLU", "Residual"] + ["Scale"] * (not prenorm)
    behind = block if prenorm else block[:-1]  # the last norm goes into the decoder
    assert kinds == ["Linear", *block, *block, *behind, "Linear"]
    state = exchange.from_state_dict(model.state_dict(), "s4d", prenorm=prenorm)
    np.testing.assert_allclose(state.run(x.numpy()), network.run(x.numpy()), rtol=1e-9)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(("n_ssm", "disc"), [(6, "zoh"), (2, "bilinear"), (1, "zoh")])
def test_the_public_s4_with_diagonal_systems(n_ssm: int, disc: str, new: bool) -> None:
    torch.manual_seed(0)
    block, x = S4Block(6, 8, n_ssm, disc, new).eval(), torch.randn(2, 6, 20)
    network = exchange.from_torch(block, x)
    assert relative(network, x.mT, block(x).mT) <= 1e-5
    assert isinstance(network.layers[0], S4DLayer)


def test_a_kernel_of_more_than_one_output_a_channel_is_refused() -> None:
    block = S4Block(6, 8, 6, "zoh", channels=2).eval()
    with pytest.raises(exchange.ExchangeError, match=r"kernel: C, dt: .*channels=1.* \(2, 6, 4\)"):
        exchange.from_torch(block, torch.randn(2, 6, 20))


@pytest.mark.parametrize("change", [{}, {"bias": True, "conv_bias": False, "dt_rank": 3}])
def test_the_public_mamba(change: dict[str, object]) -> None:
    mambapy = pytest.importorskip("mambapy.mamba")
    torch.manual_seed(0)
    config = mambapy.MambaConfig(8, 2, d_state=4, use_cuda=False, **change)
    model, x = mambapy.Mamba(config).eval(), torch.randn(2, 12, 8)
    network = exchange.from_torch(model, x)
    assert relative(network, x, model(x)) <= 1e-5
    kinds = " ".join(type(layer).__name__ for layer in network.layers[:7])
    assert kinds == "RMSNorm Linear Conv1d SiLU SelectiveSSM Linear Residual"
    config.inner_layernorms = True
    with pytest.raises(exchange.ExchangeError, match=r"mixer .*SelectiveSSM.* something else"):
        exchange.from_torch(mambapy.Mamba(config), x)


@pytest.mark.parametrize("transposed", [True, False])
def test_a_block_in_either_layout(transposed: bool) -> None:
    torch.manual_seed(0)
    block, x = S4D(6, 8, transposed=transposed).eval(), torch.randn(2, 6, 6)  # nothing to tell
    network = exchange.from_torch(block, x)
    y = block(x)[0]
    tokens = (x.mT, y.mT) if transposed else (x, y)
    assert relative(network, *tokens) <= 1e-5
    state = exchange.from_state_dict({"state_dict": block.state_dict()}, "s4d")
    assert relative(state, *tokens) <= 1e-5


@pytest.mark.parametrize("make", [s5.S5, lambda h, p: s5.S5(h, p, block_count=2)])
def test_s5_of_s5_pytorch(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    layer, x = trained_a_little(make(6, 8), torch.randn(2, 20, 6)), torch.randn(2, 30, 6)
    for network in (
        exchange.from_torch(layer, x),
        exchange.from_state_dict(layer.state_dict(), "s5"),
    ):
        assert relative(network, x, layer(x)) <= 1e-5


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_the_discretisation_is_recognised(method: str) -> None:
    torch.manual_seed(0)
    layer, x = s5.S5(4, 6), torch.randn(2, 20, 4)
    layer.seq.discretize = getattr(s5.s5_model, f"discretize_{method}")
    assert relative(exchange.from_torch(layer, x), x, layer(x)) <= 1e-5


@pytest.mark.parametrize("d", ["vector", "matrix"])
def test_a_linear_recurrent_unit(d: str) -> None:
    torch.manual_seed(0)
    layer, x = LRU(5, 7, d), torch.randn(2, 30, 5)
    model = nn.Sequential(layer, nn.ReLU(), nn.Linear(5, 2))
    network = exchange.from_torch(model, x)
    assert isinstance(network.layers[0], S5)
    assert relative(network, x, model(x)) <= 1e-5
    state = exchange.from_state_dict(layer.state_dict(), "lru")
    assert relative(state, x, layer(x)) <= 1e-5


class Block(nn.Module):
    """A residual block of one's own, in blocks of one's own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.inner(x)
        return y


class RMSNorm(nn.Module):
    """As many write it."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(n) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


@pytest.mark.parametrize(("inner", "positive"), [(5, True), (8, True), (8, False)])
def test_a_min_gru(inner: int, positive: bool) -> None:
    torch.manual_seed(0)
    layer, x = MinGRU(5, inner, positive), 3 * torch.randn(2, 30, 5)
    model = nn.Sequential(nn.Linear(5, 5), Block(nn.Sequential(RMSNorm(5), layer)))
    network = exchange.from_torch(model, x)
    (found,) = (part for part in network.layers if isinstance(part, MinGRULayer))
    assert found.activation is (Activation.POSITIVE if positive else Activation.NONE)
    assert relative(network, x, model(x)) <= 1e-5
    layer.to_out = nn.Sequential(layer.to_out, nn.Tanh())
    with pytest.raises(exchange.ExchangeError, match="MinGRU"):
        exchange.from_torch(model, x)


class Unit(nn.Module):
    """f(V u + c) W u, by one's own hand; without maps u f(u)."""

    def __init__(self, f: nn.Module, value: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.f, self.value, self.gate = f, value, gate

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.f(self.gate(x)) * self.value(x)
        return y


class NormalizedRMSNorm(nn.Module):
    """As the public minGRU's models have it: weights that begin at zero."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(n) - 0.5)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.shape[-1] ** 0.5 * (self.gamma + 1)
        return nn.functional.normalize(x, dim=-1) * scale


class Last(nn.Module):
    """What is made of a map's outputs, by a function."""

    def __init__(self, f: Callable[[Tensor], Tensor], d_output: int = 3) -> None:
        super().__init__()
        self.map, self.f = nn.Linear(4, d_output), f

    def forward(self, x: Tensor) -> Tensor:
        return self.f(self.map(x))


class Turned(nn.Module):
    """Channels first, or last again."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mT


WEIGHTS = torch.linspace(-1, 1, 9).reshape(3, 3)
MODULES: dict[str, nn.Module] = {
    "swiglu": Unit(nn.SiLU(), nn.Linear(4, 6, bias=False), nn.Linear(4, 6)),
    "reglu": Unit(nn.ReLU(), nn.Linear(4, 6), nn.Linear(4, 6, bias=False)),
    "gated tanh": Unit(nn.Tanh(), nn.Linear(4, 6), nn.Linear(4, 6)),
    "bilinear": Unit(nn.Identity(), nn.Linear(4, 6), nn.Linear(4, 6)),
    "gelu gate": nn.Sequential(nn.Linear(4, 4), Unit(nn.GELU(), nn.Identity(), nn.Linear(4, 4))),
    "relu of its map": Block(Unit(nn.ReLU(), nn.Identity(), nn.Identity())),
    "linear": nn.Linear(4, 3),
    "no bias": nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 2)),
    "nested": nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Identity()), Block(nn.Linear(4, 4))),
    "activation behind a path": nn.Sequential(
        Block(nn.Sequential(nn.Linear(4, 4), nn.GELU())), nn.ReLU()
    ),
    "activation first": nn.Sequential(nn.GELU(), nn.Dropout(), nn.Linear(4, 2)),
    "silu": nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 2)),
    "tanh": nn.Sequential(nn.Linear(4, 6), nn.Tanh()),
    "layer norm": nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 6), nn.LayerNorm(6, 1e-3)),
    "layer norm of no numbers": nn.LayerNorm(4, elementwise_affine=False),
    "rms norm of one and weights": nn.Sequential(NormalizedRMSNorm(4), nn.Linear(4, 6)),
    "rms norm": nn.Sequential(RMSNorm(4), nn.Linear(4, 6), RMSNorm(6)),
    "sigmoid": nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Sigmoid()),
    "glu": nn.Sequential(nn.Linear(4, 6), nn.GLU()),
    "glu of no map": nn.Sequential(nn.ReLU(), nn.GLU()),
    "paths in paths": Block(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Block(nn.Linear(4, 4)))),
    "one less it": Block(Last(lambda y: 1 - y, 4)),
    "einsum of channels": Last(lambda y: torch.einsum("bld,ed->bel", y, WEIGHTS).mT),
    "einsum, the constant first": Last(lambda y: torch.einsum("de, b l d->ble", WEIGHTS, y)),
    "einsum of each channel": Last(lambda y: torch.einsum("bld,d->bdl", y, WEIGHTS[0]).mT),
    "a number less twice it": Last(lambda y: torch.rsub(y, 0.5, alpha=2)),
    "convolution padded to the same": nn.Sequential(
        Turned(), nn.Conv1d(4, 5, 1, padding="same"), nn.Conv1d(5, 4, 1, padding="valid"), Turned()
    ),
    "two maps of one value": nn.Sequential(nn.ReLU(), Block(nn.Linear(4, 4)), nn.Linear(4, 2)),
}


@pytest.mark.parametrize("model", MODULES.values(), ids=MODULES)
def test_what_is_made_of_torchs_modules(model: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 9, 4)
    assert relative(exchange.from_torch(model, x), x, model.eval()(x)) <= 1e-5


def test_convolutions_of_one_token_with_batch_norms_channels_first() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 4, 9)
    parts = [nn.Conv1d(4, 6, 1, groups=2), nn.BatchNorm1d(6), nn.ReLU(), nn.BatchNorm1d(6)]
    model = trained_a_little(nn.Sequential(*parts, nn.Conv1d(6, 4, 1), nn.GLU(1)), x)
    network = exchange.from_torch(model, x)
    assert relative(network, x.mT, model(x).mT) <= 1e-5
    assert len(network.layers) == 3  # both norms are folded


class Causal(nn.Module):
    """A convolution that sees the past: padded before, or on both sides and cut."""

    def __init__(self, how: str, groups: int, dilation: int) -> None:
        super().__init__()
        past = 2 * dilation
        self.how, self.past = how, past
        padding = past if how == "cut" else 0
        self.norm = nn.BatchNorm1d(4, affine=False)
        self.norm.running_mean.zero_()
        self.conv = nn.Conv1d(4, 6, 3, padding=padding, groups=groups, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        if self.how == "before":
            return self.conv(nn.functional.pad(x, (self.past, 0)))  # type: ignore[no-any-return]
        if self.how == "cut":
            return self.conv(x)[..., : -self.past]  # type: ignore[no-any-return]
        return self.conv(nn.functional.pad(x, (0, self.past)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["before", "cut"])
@pytest.mark.parametrize(("groups", "dilation"), [(1, 1), (2, 3)])
def test_a_causal_convolution(how: str, groups: int, dilation: int) -> None:
    torch.manual_seed(0)
    model, x = Causal(how, groups, dilation).eval(), torch.randn(2, 4, 12)
    network = exchange.from_torch(model, x)
    assert relative(network, x.mT, model(x).mT) <= 1e-5
    assert len(network.layers) == 1  # a scale is folded, a shift could not be: zeros have none
    with pytest.raises(exchange.ExchangeError, match=r"sees later tokens|zeros before the start"):
        exchange.from_torch(Causal("behind", groups, dilation), x)


@pytest.mark.parametrize("f", [lambda y: y[..., :9], lambda y: y.reshape(2, 4, 9)])
def test_a_model_may_take_one_length_alone(f: Callable[[Tensor], Tensor]) -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(3, 4, 3, padding=2)

        def forward(self, x: Tensor) -> Tensor:
            return f(self.conv(x)[..., :9])

    torch.manual_seed(0)
    model, x = Cut().eval(), torch.randn(2, 3, 9)
    assert relative(exchange.from_torch(model, x), x.mT, model(x).mT) <= 1e-5


def test_a_convolution_behind_a_padding_module_sees_the_past() -> None:
    torch.manual_seed(0)
    model, x = (
        nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(3, 6, 3)),
        torch.randn(2, 3, 9),
    )
    network = exchange.from_torch(model, x)  # the layout of x shows at the padding
    assert relative(network, x.mT, model(x).mT) <= 1e-5


class Pooled(nn.Module):
    """A classifier: how it makes one answer of all tokens."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.encoder, self.decoder, self.how = nn.Linear(3, 6), nn.Linear(6, 4), how

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.encoder(x))
        match self.how:
            case "mean":
                y = y.mean(1)
            case "pool":
                y = nn.functional.adaptive_avg_pool1d(y.transpose(1, 2), 1).squeeze(-1)
            case "flat":
                y = nn.functional.adaptive_avg_pool1d(y.transpose(1, 2), 1).flatten(1)
            case "last":
                y = y[:, -1]
            case "last of all":
                y = y[..., y.shape[1] - 1, :]
        out: Tensor = self.decoder(y)
        return out


@pytest.mark.parametrize("f", [lambda y: y[-1, :], lambda y: y[-1:, :], lambda y: y.mean(0)])
def test_the_readout_of_time_first(f: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model, x = Last(f), torch.randn(9, 2, 4)  # (time, batch, channels)
    network = exchange.from_torch(model, x)
    assert network.readout is not Readout.EVERY_TOKEN
    assert relative(network, x.transpose(0, 1), model(x).reshape(2, 3)) <= 1e-5


@pytest.mark.parametrize(
    "f",
    [
        lambda y: y.squeeze(-1),
        lambda y: y[..., 0].tanh(),
        lambda y: y.mean(1).flatten(),
        lambda y: y[:, -1:, -1],
    ],
)
def test_one_channel_may_lose_its_axis(f: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model, x = Last(f, 1), torch.randn(2, 9, 4)
    network = exchange.from_torch(model, x)
    shape = (2, 9, 1) if network.readout is Readout.EVERY_TOKEN else (2, 1)
    assert relative(network, x, model(x).reshape(shape)) <= 1e-5


def test_one_channel_may_come_without_its_axis() -> None:
    class Wave(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 3, 4)

        def forward(self, x: Tensor) -> Tensor:  # (batch, time)
            y: Tensor = self.conv(nn.functional.pad(x.unsqueeze(1), (3, 0)))
            return y

    torch.manual_seed(0)
    model, x = Wave(), torch.randn(2, 9)
    network = exchange.from_torch(model, x)
    assert relative(network, x[..., None], model(x).mT) <= 1e-5


@pytest.mark.parametrize("how", ["mean", "pool", "flat", "last", "last of all"])
def test_the_readout(how: str) -> None:
    torch.manual_seed(0)
    model, x = Pooled(how), torch.randn(4, 11, 3)
    network = exchange.from_torch(model, x)
    assert network.readout is (Readout.LAST_TOKEN if "last" in how else Readout.MEAN_OVER_TIME)
    assert relative(network, x, model(x)) <= 1e-5


def test_models_and_layers_of_this_library() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 9, 3)
    for model in (
        own.NS4D(3, 4, 4, 1, 2, readout="mean"),
        own.SparseS5(3, 4, 4, 1, 2, readout="mean"),
        nn.Sequential(nn.Linear(3, 4), own.S4D(4, 4), nn.GELU(), own.S5(4, 2)),
    ):
        assert relative(exchange.from_torch(model, x), x, model.eval()(x)) <= 1e-5


def test_a_norm_over_rows_of_all_tokens() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.decoder = nn.BatchNorm1d(4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.decoder(self.norm(x.reshape(-1, x.shape[-1])).view(x.shape))
            return y

    torch.manual_seed(0)
    x = torch.randn(3, 5, 4)
    model = trained_a_little(Rows(), x)
    assert relative(exchange.from_torch(model, x), x, model(x)) <= 1e-5


def test_the_model_is_left_as_it_was() -> None:
    model, x = S4Model(1, 3, 4, 1, norm="batch", d_state=4), torch.randn(2, 12, 1)
    model.train()
    before = copy.deepcopy(model.state_dict())
    exchange.from_torch(model, x)
    assert model.training
    assert model.norms[0].training
    for name, value in model.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])


class Odd(nn.Module):
    """Something that a network has no layer for."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.place = nn.Parameter(torch.randn(9, 4))

    def forward(self, x: Tensor) -> Tensor:
        match self.what:
            case "softmax":
                return x.softmax(-1)
            case "maximum":
                return x.cummax(1)[0]
            case "attention":
                return x @ x.transpose(1, 2) @ x
            case "places":
                return x + self.place
            case "product":
                return x.relu() * x.tanh()
            case "heads":
                return x.reshape(2, 9, 2, 2).reshape(2, 9, 4)
            case "tanh":
                return nn.functional.gelu(x, approximate="tanh")
            case "einsum":
                return torch.einsum("...d,d->...d", x, self.place[0])
            case "sum":
                return torch.einsum("bld,lm->bmd", x, self.place @ self.place.T)
            case "future":
                return x.flip(1)
            case "first":
                return x[:, :1]
            case "length":
                return x / x.shape[1]
        return x + torch.rand(4)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("softmax", r"1\.inner \(Odd\): softmax at the end; leave it out"),
        ("maximum", r"1\.inner \(Odd\): calls 'cummax'.*It has: linear maps"),
        ("attention", r"1\.inner \(Odd\): multiplies two values as matrices"),
        ("places", r"1\.inner \(Odd\): add with a constant of another value at each token"),
        ("product", r"1\.inner \(Odd\): multiplies two values; a network has \(W u"),
        ("heads", r"1\.inner \(Odd\): reshape to \(2, 9, 2, 2\) divides axis"),
        ("future", r"1\.inner \(Odd\): calls 'flip'"),
        ("einsum", r"1\.inner \(Odd\): einsum '...d,d->...d'; .* letters for all axes"),
        ("sum", r"1\.inner \(Odd\): einsum .*; a network sums over channels"),
        ("first", r"1\.inner \(Odd\): takes \[:, :1\] of .* every token or the last"),
        ("tanh", r"1\.inner \(Odd\): the GELU by a tanh.* within 0.0005 .*approximate = 'none'"),
        ("random", "differs from Sequential by"),
        ("length", "differs from Sequential by .* the length of sequences"),
    ],
)
def test_what_cannot_come_in_is_named_by_its_path(what: str, text: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4), Block(Odd(what)))
    with pytest.raises(exchange.ExchangeError, match=text):
        exchange.from_torch(model, torch.randn(2, 9, 4))


def test_what_computes_something_else_with_known_parameters_is_refused() -> None:
    x = torch.randn(2, 9, 4)
    with pytest.raises(exchange.ExchangeError, match=r"has bidir=True.*bidir=False"):
        exchange.from_torch(s5.S5(4, 4, bidir=True), x)
    kernel = S4D(4, 4)
    kernel.kernel.forward = lambda L: torch.randn(4, L)  # type: ignore[method-assign]
    with pytest.raises(exchange.ExchangeError, match="no known system's"):
        exchange.from_torch(kernel, x.mT)
    unstable = s5.S5(4, 4)
    with torch.no_grad():
        unstable.seq.Lambda += 5
    with pytest.raises(exchange.ExchangeError, match=r"S5: a: .*Re\(a\) < 0"):
        exchange.from_torch(unstable, x)


def test_a_mean_before_what_is_not_linear_is_refused() -> None:
    class Late(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = torch.relu(self.decoder(self.encoder(x).mean(1)))
            return y

    with pytest.raises(exchange.ExchangeError, match="relu follows the mean over time"):
        exchange.from_torch(Late(""), torch.randn(2, 9, 3))


def test_two_paths_with_layers_of_their_own_are_refused() -> None:
    class Two(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            y = self.encoder(x)
            out: Tensor = self.decoder(torch.relu(y)) + self.decoder(torch.sigmoid(y))
            return out

    with pytest.raises(exchange.ExchangeError, match=r"two paths that both have layers"):
        exchange.from_torch(Two(""), torch.randn(2, 9, 3))


def test_every_layer_tells_what_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 4), Block(nn.Sequential(nn.Linear(4, 4), nn.ReLU())))
    network = exchange.from_torch(model, torch.randn(2, 5, 3))
    assert network.made_by["layers[0]"] == "0 (Linear)"
    assert network.made_by["layers[1]"] == "1.inner.0 (Linear)"
    assert network.made_by["layers[3]"] == "1 (Block) (identity before it)"
    identity, path = network.layers[3:]
    assert isinstance(identity, Linear)
    assert identity.weights.tolist() == np.eye(4).tolist()
    assert path == Residual(2)


@pytest.mark.parametrize(
    ("model", "example", "text"),
    [
        (nn.Linear(3, 2), torch.randn(3), r"example must have shape \(batch, time, channels\)"),
        (nn.Linear(3, 2), torch.full((2, 5, 3), torch.nan), "example must be finite"),
        (nn.Linear(3, 2), "text", "example"),
        ({"weight": 1}, torch.randn(2, 5, 3), "model must be a torch module"),
        (torch.jit.script(nn.Linear(3, 2)), torch.randn(2, 5, 3), "before torch.jit.script"),
        (
            nn.Linear(3, 2),
            torch.randn(2, 5, 4),
            r"example: the model cannot be run on .* \(2, 5, 4\)",
        ),
        (nn.Flatten(), torch.randn(2, 5, 3), "time apart from the batch|no layer|tokens"),
    ],
)
def test_what_is_no_model_or_no_example(model: nn.Module, example: Tensor, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        exchange.from_torch(model, example)


def test_what_could_be_in_the_place_of_a_module_is_said() -> None:
    numbers = torch.randint(0, 5, (2, 9))
    with pytest.raises(exchange.ExchangeError, match=r"0 \(Embedding\): .* one-hot: put a Linear"):
        exchange.from_torch(nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2)), numbers)
    with pytest.raises(exchange.ExchangeError, match="MinGRU in the place of a GRU"):
        exchange.from_torch(nn.GRU(3, 4), torch.randn(2, 9, 3))
    with pytest.raises(exchange.ExchangeError, match=r"write y\[-1, :\] for y\[-1\]"):
        exchange.from_torch(Last(lambda y: y[-1]), torch.randn(9, 2, 4))


def test_of_complex_weights_it_is_said_what_to_do() -> None:
    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.ones(3, 4, dtype=torch.cfloat))

        def forward(self, x: Tensor) -> Tensor:
            return (x.to(torch.cfloat) @ self.matrix).real

    with pytest.raises(exchange.ExchangeError, match=r"weights are complex.*give .* `nn\.S5`"):
        exchange.from_torch(Complex(), torch.randn(2, 5, 3))
