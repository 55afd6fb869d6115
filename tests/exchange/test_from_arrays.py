"""Arrays alone become the network that their program computes, and none is lost."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.s4d.process import S4d, SigmaS4dDeltaLayer

from lava_ssm import exchange
from lava_ssm.network import Readout
from tests.exchange.models import LRU, S4D, S4Model

# See tests/network/test_from_arrays.py: parameters and activations of SparseRNNs.
GOLDEN = np.load(Path(__file__).parents[1] / "network" / "s5_network.npz")


def test_a_network_of_sparse_rnns() -> None:
    flat = {
        name.removeprefix("param."): GOLDEN[name] for name in GOLDEN if name.startswith("param.")
    }
    nested: dict = {"params": {}}
    for name, values in flat.items():
        first, _, rest = name.partition(".")
        nested["params"].setdefault(first, {})[rest] = values
    wanted = GOLDEN["float.decoder.out"]
    for state in (flat, nested):
        network = exchange.from_state_dict(state, "sparse-rnns")
        given = network.run(GOLDEN["input"].astype(float))
        assert np.abs(given - wanted).max() <= 1e-5 * np.abs(wanted).max()


def parameters(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    a = rng.uniform(0.5, 0.95, n) * np.exp(1j * rng.uniform(-3, 3, n))
    return [a, *(rng.normal(size=(2, n)) + 1j * rng.normal(size=(2, n)))]


def test_lavas_s4d_neurons_give_what_lava_gives() -> None:
    rng = np.random.default_rng(0)
    a, b, c = parameters(rng, 6)
    u = rng.normal(size=(6, 12))
    source, sink = Source(data=u), Sink(shape=(6,), buffer=12)
    neurons = S4d(shape=(6,), a=a, b=b, c=c)
    source.s_out.connect(neurons.a_in)
    neurons.s_out.connect(sink.a_in)
    neurons.run(RunSteps(12), Loihi2SimCfg(select_tag="floating_pt"))
    wanted = sink.data.get().T
    neurons.stop()
    np.testing.assert_allclose(exchange.from_lava(neurons).run(u.T), wanted, atol=1e-12)
    state = exchange.from_state_dict({"a": a, "b": b, "c": c}, "lava-s4d")
    np.testing.assert_allclose(state.run(u.T), wanted, atol=1e-12)


def test_lavas_layers_have_several_states_a_channel() -> None:
    a, b, c = parameters(np.random.default_rng(1), 6)
    layer = SigmaS4dDeltaLayer(shape=(2,), vth=0, a=a, b=b, c=c, d_states=3)
    (s4d,) = exchange.from_lava(layer).layers
    np.testing.assert_array_equal(s4d.c, np.stack([c[:3], c[3:]]))  # type: ignore[union-attr]
    same = exchange.from_state_dict({"a": a, "b": b, "c": c}, "lava-s4d", d_state=3)
    assert same.layers[0] == s4d
    with pytest.raises(exchange.ExchangeError, match="d_state: 4 states a channel, but a, b, c"):
        exchange.from_state_dict({"a": a, "b": b, "c": c}, "lava-s4d", d_state=4)


def test_a_public_checkpoint_is_read_safely_from_its_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = S4Model(1, 4, 6, 2, norm="batch", d_state=8).eval()
    saved = {"model": {f"module.{k}": v for k, v in model.state_dict().items()}, "epoch": 3}
    torch.save(saved, tmp_path / "ckpt.pth")
    state = torch.load(tmp_path / "ckpt.pth", weights_only=True)
    network, x = exchange.from_state_dict(state, "s4d"), torch.randn(3, 20, 1)
    wanted = model(x).detach().numpy()
    assert network.readout is Readout.MEAN_OVER_TIME
    assert np.abs(network.run(x.numpy())[:, -1] - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert exchange.from_state_dict(state, "s4d", readout="last").readout is Readout.LAST_TOKEN


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda s: s.pop("kernel.C"), "s4d", "'C'"),
        (lambda s: s.pop("kernel.log_dt"), "s4d", "has no 'kernel.log_dt'; it has 'D', 'kernel.C'"),
        (lambda s: s.update(attention=torch.ones(3)), "s4d", "'attention' left over.*from_torch"),
        (lambda s: s.update(D=torch.ones(3)), "s4d", r"d must have shape \(4,\)"),
        (lambda s: s.update(D=torch.full((4,), torch.nan)), "s4d", "d must be finite"),
        (lambda s: None, "lru", "has no 'nu_log'; it has 'D', 'kernel.log_dt'"),
        (
            lambda s: s.update({"norm.weight": torch.ones(4), "last_norm.weight": torch.ones(4)}),
            "s4d",
            r"1 blocks and 2 norms \(norm, last_norm\), needs one each or none",
        ),
        (lambda s: None, "s6", "kind must be one of s4d, s5, lru, sparse-rnns, lava-s4d, got 's6'"),
        (lambda s: s.update(name="text"), "s4d", "name"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change: object, kind: str, text: str) -> None:
    state = S4D(4, 6).state_dict()
    change(state)  # type: ignore[operator]
    with pytest.raises((TypeError, ValueError), match=text):
        exchange.from_state_dict(state, kind)  # type: ignore[arg-type]


def test_a_kernel_alone_is_no_block() -> None:
    with pytest.raises(exchange.ExchangeError, match=r"has no 'kernel\.log_dt'; it has"):
        exchange.from_state_dict(S4D(4, 6).kernel.state_dict(), "s4d")


def test_a_norm_is_not_given_to_another_block() -> None:
    state = S4Model(1, 4, 6, 2, d_state=8).state_dict()
    del state["norms.0.weight"], state["norms.0.bias"]
    with pytest.raises(exchange.ExchangeError, match=r"2 blocks and 1 norms \(norms\.1\)"):
        exchange.from_state_dict(state, "s4d")


def test_what_is_wrapped_around_a_model_does_not_matter() -> None:
    state = S4Model(1, 4, 6, 2, d_state=8).state_dict()
    wrapped = {"state_dict": {f"net.backbone.{k}": v for k, v in state.items()}, "epoch": 3}
    assert exchange.from_state_dict(wrapped, "s4d") == exchange.from_state_dict(state, "s4d")


def test_numbers_of_sixteen_bits() -> None:
    state = S4D(4, 6).bfloat16().state_dict()
    network = exchange.from_state_dict(state, "s4d")
    wide = {name: value.float() for name, value in state.items()}
    assert network == exchange.from_state_dict(wide, "s4d")


def test_masks_are_no_numbers() -> None:
    state = LRU(4, 6).state_dict() | {"D": torch.ones(4, dtype=torch.bool)}
    with pytest.raises(exchange.ExchangeError, match="'D' holds no numbers"):
        exchange.from_state_dict(state, "lru")


def test_layers_of_other_widths_are_refused() -> None:
    state = LRU(4, 6).state_dict()
    state["C"] = torch.ones(3, 6, dtype=torch.cfloat)
    with pytest.raises(exchange.ExchangeError, match="takes 4 channels and gives 3"):
        exchange.from_state_dict(state, "lru")
    with pytest.raises(TypeError, match="state must map names to arrays"):
        exchange.from_state_dict([1, 2], "lru")  # type: ignore[arg-type]
