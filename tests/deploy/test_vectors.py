"""Test vectors: the integers of every population."""

from pathlib import Path

import numpy as np
import pytest

import lava_ssm
from lava_ssm.deploy import vectors
from lava_ssm.network import FixedNetwork
from lava_ssm.numerics import Arithmetic, Overflow
from tests.engine.plain import Plain
from tests.networks import random_fixed_network, random_fixed_s5_network


def test_states_and_messages_are_those_of_the_simulator() -> None:
    net = random_fixed_network(np.random.default_rng(0), n_layers=2)
    run = vectors(net, n_tokens=9)
    simulator = Plain(net)
    states = []
    for token, output in zip(run.inputs.tolist(), run.outputs.tolist(), strict=True):
        assert simulator.step(token) == output
        states.append(simulator.state)
    names = [f"stage{p.stage}_states" for p in net.lowered if p.neurons.state_shape]
    assert list(run.states) == names
    for i, name in enumerate(names):
        assert run.states[name].tolist() == [state[i] for state in states]
    for p in net.lowered:
        assert run.sent[f"stage{p.stage}_{p.name}"].shape == (9, p.neurons.n_neurons)
    last = net.lowered[-1]
    assert np.array_equal(run.sent[f"stage{last.stage}_{last.name}"], run.outputs)


def test_files_hold_the_same_as_numbers_and_as_text(tmp_path: Path) -> None:
    net = random_fixed_s5_network(np.random.default_rng(0), n_layers=1)
    run = vectors(net, n_tokens=5)
    paths = run.write(tmp_path)
    with np.load(tmp_path / "vectors.npz") as stored:
        assert set(stored) == set(run.arrays()) == {path.stem for path in paths} - {"vectors"}
        for name, values in run.arrays().items():
            assert np.array_equal(stored[name], values)
            text = np.loadtxt(tmp_path / f"{name}.txt", dtype=np.int64, ndmin=2)
            assert np.array_equal(text, values.reshape(5, -1))


def test_where_an_overflow_is_an_error_random_tokens_cause_none() -> None:
    rules = Arithmetic(overflow=Overflow.RAISE)
    net = random_fixed_network(np.random.default_rng(3), arithmetic=rules)
    assert vectors(net).inputs.any()


def test_what_does_not_fit_is_refused() -> None:
    net = lava_ssm.load("ns4d-sdigits")
    assert isinstance(net, FixedNetwork)
    with pytest.raises(ValueError, match=r"tokens must have shape \(time, 1\)"):
        vectors(net, np.zeros((2, 3, 1)))
    with pytest.raises(ValueError, match="n_tokens must be an integer"):
        vectors(net, n_tokens=0)
    with pytest.raises(TypeError, match="quantise it first"):
        vectors(lava_ssm.load("ns4d-sdigits-float"))  # type: ignore[arg-type]
