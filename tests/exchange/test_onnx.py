"""The ONNX graph of a step, run by onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import zoo
from lava_ssm.cli import app
from lava_ssm.exchange import to_onnx
from lava_ssm.network import FixedNetwork
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.engine.plain import Plain
from tests.networks import random_chain, random_fixed_s5_network, random_mantissas

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


class Session:
    """A graph with its states, of a batch of streams."""

    def __init__(self, content: bytes, batch: int = 1) -> None:
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        shapes = {i.name: i.shape[1:] for i in self.session.get_inputs()}
        del shapes["token"]
        self.states = {k: np.zeros((batch, *shape), np.int64) for k, shape in shapes.items()}
        self.names = [o.name for o in self.session.get_outputs()]

    def step(self, token: np.ndarray) -> np.ndarray:
        values = self.session.run(None, {"token": token, **self.states})
        made = dict(zip(self.names, values, strict=True))
        self.states = {name: made[f"{name}_next"] for name in self.states}
        return np.asarray(made["output"])


def outputs(net: FixedNetwork, tokens: np.ndarray) -> np.ndarray:
    session = Session(to_onnx(net).SerializeToString())
    return np.array([session.step(token[np.newaxis])[0] for token in tokens])


def rules(rng: np.random.Generator) -> Arithmetic:
    overflow = Overflow.SATURATE if rng.random() < 0.5 else Overflow.WRAP
    bits = [int(b) for b in rng.choice([8, 16, 24, 24, 32], 2)]
    return Arithmetic(rng.choice(list(Rounding)), overflow, *bits)


def check(seed: int, widest: int, longest: int, n_tokens: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_chain(rng, widest, longest, rules(rng))
    tokens = random_mantissas(rng, net, (n_tokens,))
    assert outputs(net, tokens).tolist() == Plain(net).run(tokens.tolist())


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_give_the_integers_of_the_simulator(seed: int) -> None:
    check(seed, 17, 4, 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_random_networks(seed: int) -> None:
    check(seed, 33, 8, 30)


def test_integers_of_more_than_31_bits_saturate() -> None:
    """Clip, Min and Max of onnxruntime fail here: a message of 32 bits, shifted to the left."""
    rng = np.random.default_rng(41)
    net = random_chain(rng, 33, 6)
    tokens = random_mantissas(rng, net, (3,))
    assert outputs(net, tokens).tolist() == Plain(net).run(tokens.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.NAMES)
@pytest.mark.filterwarnings("ignore:integers left")
def test_a_thousand_tokens_of_every_network_of_the_zoo(name: str) -> None:
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    tokens = random_mantissas(np.random.default_rng(0), net, (1000,))
    assert np.array_equal(outputs(net, tokens), net.run(tokens))


def test_streams_run_side_by_side() -> None:
    net = random_fixed_s5_network(np.random.default_rng(0), n_layers=1)
    tokens = random_mantissas(np.random.default_rng(1), net, (5, 3))
    session, stream = Session(to_onnx(net).SerializeToString(), batch=3), net.stream(batch=(3,))
    for token in tokens:
        assert np.array_equal(session.step(token), stream.step(token))
    for (_, state), wanted in zip(session.states.items(), stream.state, strict=True):
        assert np.array_equal(state, wanted)


def test_it_is_a_target_of_deploy(tmp_path: Path) -> None:
    command = ["deploy", "ns4d-sdigits", "--target", "onnx", "--out", str(tmp_path / "new")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    session = Session((tmp_path / "new" / "net.onnx").read_bytes())
    net = lava_ssm.load("ns4d-sdigits")
    assert np.array_equal(session.step(np.array([[2**20]])), net.run(np.array([[2**20]])))


def test_options_of_a_program_are_refused_of_a_graph(tmp_path: Path) -> None:
    command = ["deploy", "ns4d-sdigits", "--target", "onnx", "--out", str(tmp_path / "new")]
    done = CliRunner().invoke(app, [*command, "--overflows", "--flash", "1000"])
    assert done.exit_code == 2
    assert "--overflows, --flash: --target onnx writes a graph alone" in done.output
    assert not (tmp_path / "new").exists()


def test_what_a_graph_cannot_do_is_refused() -> None:
    net = random_chain(np.random.default_rng(0), 8, 2, Arithmetic(overflow=Overflow.RAISE))
    with pytest.raises(ValueError, match="overflow is RAISE"):
        to_onnx(net)
    with pytest.raises(TypeError, match="quantise it first"):
        to_onnx(lava_ssm.load("ns4d-sdigits-float"))  # type: ignore[arg-type]
