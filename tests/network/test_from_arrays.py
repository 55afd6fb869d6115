"""Networks of arrays that other programs trained: discretised, normalised, quantised."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import cont2discrete

from lava_ssm.compress import W8A16, Formats, quantize, signal_to_error
from lava_ssm.engine import run
from lava_ssm.network import S4D, S5, Gate, Linear, Network, ReLU, Residual, scale_and_shift
from lava_ssm.nn import S4D as TrainedS4D
from lava_ssm.nn import S5 as TrainedS5
from lava_ssm.nn import export

# A random network, 8 channels in, 16 inside, 8 complex states, 2 layers, 4 out, in the floating
# point of IntelLabs/SparseRNNs (commit b623aea): its parameters, and what it gives of 100 tokens.
GOLDEN = {
    name: values.astype(np.float64)
    for name, values in np.load(Path(__file__).parent / "s5_network.npz").items()
}
PAGE = Path(__file__).parents[2] / "docs/own-network.md"


def golden_network(layers: int = 2) -> Network:
    """The network up to a layer; all of it with both."""

    def of(name: str) -> np.ndarray:
        return GOLDEN[f"param.{name}"]

    def complex_of(name: str) -> np.ndarray:
        return of(name)[..., 0] + 1j * of(name)[..., 1]

    parts: list = [Linear(of("encoder.kernel").T, of("encoder.bias")), ReLU()]
    for i in range(layers):
        a = of(f"L{i}.ssm.Lambda_re") + 1j * of(f"L{i}.ssm.Lambda_im")
        b, c, d = complex_of(f"L{i}.ssm.B"), complex_of(f"L{i}.ssm.C"), of(f"L{i}.ssm.D")
        s5 = S5.from_continuous(a, b, c, d, np.exp(of(f"L{i}.ssm.log_step")[:, 0]), relu=True)
        norm = scale_and_shift(of(f"L{i}.bn.mean"), of(f"L{i}.bn.var"))
        gate = Gate(of(f"L{i}.out2.kernel").T, of(f"L{i}.out2.bias"))
        parts += [s5.normalized(*norm), ReLU(), gate, Residual(2), ReLU()]
    if layers == 2:
        parts.append(Linear(of("decoder.kernel").T, of("decoder.bias")))
    return Network(tuple(parts))


def test_a_network_of_another_programs_arrays_gives_what_that_program_gives() -> None:
    net = golden_network()
    s5 = Network(golden_network(1).layers[:3])
    for found, name in (
        (s5.run(GOLDEN["input"]), "float.L0.ssm.y"),
        (Network(net.layers[:-1]).run(GOLDEN["input"]), "float.L1.out"),
        (net.run(GOLDEN["input"]), "float.decoder.out"),
    ):
        wanted = GOLDEN[name]
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize(("per_channel", "least"), [(True, 30), (False, 25)])
def test_its_integers_are_near(per_channel: bool, least: float) -> None:
    net, x = golden_network(), GOLDEN["input"]
    fixed = quantize(net, x, Formats(per_channel=per_channel), arithmetic=W8A16)
    done = run(fixed, x)
    assert done.overflows.total == 0
    found = fixed.to_float(done.outputs)
    assert signal_to_error(fixed.dequantize().run(x), found) >= 35
    assert signal_to_error(GOLDEN["float.decoder.out"], found) >= least


def stable(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return -rng.uniform(0.1, 2, shape) + 1j * rng.normal(size=shape) * 5


def some(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_a_discretised_system_is_scipys(method: str) -> None:
    rng = np.random.default_rng(0)
    a, b, c = stable(rng, 5), some(rng, 5, 3), some(rng, 3, 5)
    layer = S5.from_continuous(a, b, c, None, 0.07, method)
    recurrent, drive, *_ = cont2discrete((np.diag(a), b, c, np.zeros((3, 3))), 0.07, method)
    np.testing.assert_allclose(layer.a, np.diag(recurrent), rtol=1e-12)
    np.testing.assert_allclose(layer.b, drive, rtol=1e-10)
    np.testing.assert_array_equal(layer.c, c)
    for channel in range(3):
        one = S4D.from_continuous([a], b.T[[channel]], c[[channel]], [0.07], method)
        np.testing.assert_allclose(one.a[0], np.diag(recurrent), rtol=1e-12)
        np.testing.assert_allclose(one.b[0], drive[:, channel], rtol=1e-10)


def test_each_state_or_channel_has_its_own_step() -> None:
    rng = np.random.default_rng(1)
    dt = rng.uniform(0.01, 0.1, 4)
    a = stable(rng, 4)
    layer = S5.from_continuous(a, np.ones((4, 2)), np.ones((2, 4)), [1, 2], dt, relu=True)
    np.testing.assert_allclose(layer.a, np.exp(a * dt), rtol=1e-12)
    assert layer.relu
    assert layer.d.tolist() == [1, 2]
    a = stable(rng, 4, 3)
    channels = S4D.from_continuous(a, np.ones((4, 3)), np.ones((4, 3)), dt)
    np.testing.assert_allclose(channels.a, np.exp(a * dt[:, np.newaxis]), rtol=1e-12)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_a_trained_layer_exports_as_its_arrays_discretise(method: str) -> None:
    torch.manual_seed(0)
    trained = TrainedS5(6, 4, discretization=method).double()
    arrays = {name: p.detach().numpy() for name, p in trained.named_parameters()}
    layer = S5.from_continuous(
        arrays["a_re"] + 1j * arrays["a_im"],
        arrays["b"][..., 0] + 1j * arrays["b"][..., 1],
        arrays["c"][..., 0] + 1j * arrays["c"][..., 1],
        arrays["d"],
        np.exp(arrays["log_dt"]),
        method,
    )
    (exported,) = export(trained).layers
    for name in "abcd":
        np.testing.assert_allclose(getattr(layer, name), getattr(exported, name), rtol=1e-10)

    diagonal = TrainedS4D(6, 4, "legs", method).double()
    arrays = {name: p.detach().numpy() for name, p in diagonal.named_parameters()}
    channels = S4D.from_continuous(
        -np.exp(arrays["log_a_re"]) + 1j * arrays["a_im"],
        arrays["b"][..., 0] + 1j * arrays["b"][..., 1],
        arrays["c"][..., 0] + 1j * arrays["c"][..., 1],
        np.exp(arrays["log_dt"]),
        method,
    )
    (exported,) = export(diagonal).layers
    for name in "abc":
        np.testing.assert_allclose(getattr(channels, name), getattr(exported, name), rtol=1e-10)


def test_scale_and_shift_are_those_of_torchs_batch_norm() -> None:
    rng = np.random.default_rng(2)
    mean, weight, bias = rng.normal(size=(3, 5))
    var, u = rng.uniform(0.1, 2, 5), rng.normal(size=(7, 5))
    given = [torch.from_numpy(v) for v in (u, mean, var, weight, bias)]
    wanted = torch.nn.functional.batch_norm(*given, eps=1e-3).numpy()
    scale, shift = scale_and_shift(mean, var, weight, bias, 1e-3)
    np.testing.assert_allclose(scale * u + shift, wanted, rtol=1e-10, atol=1e-12)
    wanted = torch.nn.functional.batch_norm(*given[:3]).numpy()
    scale, shift = scale_and_shift(mean, var)
    np.testing.assert_allclose(scale * u + shift, wanted, rtol=1e-10, atol=1e-12)


A, B, C = np.full(3, -1 + 1j), np.ones((3, 2)), np.ones((2, 3))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: S5.from_continuous(-A, B, C, None, 0.1), r"a: .*must have Re\(a\) < 0"),
        (lambda: S5.from_continuous(A, B, C, None, 0.0), "dt must be above 0, got 0"),
        (lambda: S5.from_continuous(A, B, C, None, [0.1, 0.1]), r"one number or have shape \(3,\)"),
        (lambda: S5.from_continuous(A, B.T, C, None, 0.1), r"b must have shape \(3, d_model\)"),
        (lambda: S5.from_continuous(B - 2, B, C, None, 0.1), r"a must have shape \(d_state\)"),
        (lambda: S5.from_continuous(A, B, C.T, None, 0.1), r"c must have shape \(2, 3\)"),
        (lambda: S5.from_continuous(-1.0, B, C, None, 0.1), "a must have an axis"),
        (lambda: S5.from_continuous(A * np.nan, B, C, None, 0.1), "a must be finite"),
        (lambda: S5.from_continuous(A, B, C, None, 0.1, "euler"), "must be one of .* got 'euler'"),
        (lambda: S4D.from_continuous(-B, C, B, 0.1), "a, b, c must have one shape"),
        (lambda: scale_and_shift([1, 2], [1]), r"var must have the shape of mean, \(2,\)"),
        (lambda: scale_and_shift([1], [-1]), r"var \+ eps must be above 0"),
    ],
)
def test_arrays_that_make_no_system_are_refused(make: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()  # type: ignore[operator]


def test_the_pages_network_of_ones_own_arrays_runs() -> None:
    section = PAGE.read_text().split("## From arrays")[1]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    names: dict = {}
    exec(code[1], names)
    network, fixed, x = names["network"], names["fixed"], names["x"]
    assert names["values"].shape == (*x.shape[:-1], fixed.d_output)
    assert signal_to_error(network.run(x), names["values"]) > 25
