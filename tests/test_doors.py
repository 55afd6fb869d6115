"""Every public function names the parameter that is wrong, whatever it was given."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from lava_ssm import (
    audio,
    compress,
    deploy,
    engine,
    exchange,
    language,
    loihi2,
    nn,
    plot,
    train,
)
from lava_ssm.network import (
    S4D,
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Network,
    Residual,
    scale_and_shift,
)
from tests.networks import random_network

WRONG: list[Any] = [
    "text",
    10**30,
    np.ma.array([1.0], mask=[True]),
    object(),
    np.datetime64("2020-01-01"),
    [1, [2]],
    torch.ones(2, requires_grad=True),
]
"""Nothing of a function's: no size, no array, no network, no option."""


@cache
def networks() -> tuple[Network, FixedNetwork, np.ndarray]:
    rng = np.random.default_rng(0)
    network, x = random_network(rng, n_layers=1), rng.normal(size=(2, 12, 2))
    return network, compress.quantize(network, x, compress.Formats(search=False)), x


def net() -> Network:
    return networks()[0]


def fixed() -> FixedNetwork:
    return networks()[1]


def data() -> np.ndarray:
    return networks()[2]


ONE = FixedLinear([[1]])
MAP = Linear([[1.0]])
PAIR = [[[1, 1]]]
CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "S4D": ("a", lambda v: S4D(v, [[1.0]], [[1.0]])),
    "S4D b": ("b", lambda v: S4D([[0.5]], v, [[1.0]])),
    "S4D.from_continuous": ("dt", lambda v: S4D.from_continuous([[-1]], [[1]], [[1]], v)),
    "S4D.from_continuous c": ("c", lambda v: S4D.from_continuous([[-1]], [[1]], v, 1)),
    "S5": ("d", lambda v: S5([0.5], [[1.0]], [[1.0]], v)),
    "S5 relu": ("relu", lambda v: S5([0.5], [[1.0]], [[1.0]], relu=v)),
    "S5.from_continuous": (
        "discretization",
        lambda v: S5.from_continuous([-1], [[1]], [[1]], None, 1, v),
    ),
    "S5.normalized": ("scale", lambda v: S5([0.5], [[1.0]], [[1.0]]).normalized(v, [1.0])),
    "scale_and_shift": ("var", lambda v: scale_and_shift([1.0], v)),
    "Linear": ("weights", Linear),
    "Linear bias": ("bias", lambda v: Linear([[1.0]], v)),
    "Gate": ("weights", Gate),
    "FixedLinear": ("exponent", lambda v: FixedLinear([[1]], v)),
    "FixedLinear output": ("output_exponent", lambda v: FixedLinear([[1]], 7, v)),
    "FixedGate": ("bias", lambda v: FixedGate([[1]], 7, v)),
    "FixedS4D": ("param_bits", lambda v: FixedS4D(PAIR, PAIR, PAIR, param_bits=v)),  # type: ignore[arg-type]
    "FixedS5": ("state_shift", lambda v: FixedS5([[1, 1]], PAIR, PAIR, state_shift=v)),  # type: ignore[arg-type]
    "Residual": ("span", Residual),
    "Network": ("layers", Network),
    "Network readout": ("readout", lambda v: Network((MAP,), v)),
    "FixedNetwork": ("layers", FixedNetwork),
    "FixedNetwork bits": ("input_bits", lambda v: FixedNetwork((ONE,), input_bits=v)),
    "FixedNetwork exponent": ("input_exponent", lambda v: FixedNetwork((ONE,), input_exponent=v)),
    "FixedNetwork arithmetic": ("arithmetic", lambda v: FixedNetwork((ONE,), arithmetic=v)),
    "run": ("x", lambda v: fixed().run(v)),
    "run float": ("x", lambda v: net().run(v)),
    "predict": ("x", lambda v: fixed().predict(v)),
    "to_float": ("outputs", lambda v: fixed().to_float(v)),
    "Stream.state": ("state", lambda v: setattr(fixed().stream(), "state", [v])),
    "Stream.to_float": ("outputs", lambda v: fixed().stream().to_float(v)),
    "operations": ("x", lambda v: engine.operations(net(), v)),
    "quantize": ("network", lambda v: compress.quantize(v, data())),
    "quantize calibration": ("calibration", lambda v: compress.quantize(net(), v)),
    "quantize formats": ("formats", lambda v: compress.quantize(net(), data(), v)),
    "quantize bound": ("bound", lambda v: compress.quantize(net(), data(), bound=v)),
    "quantize arithmetic": ("arithmetic", lambda v: compress.quantize(net(), data(), arithmetic=v)),
    "Formats": ("state_exponent", lambda v: compress.Formats(state_exponent=v)),
    "Formats balance": ("balance", lambda v: compress.Formats(balance=v)),
    "report": ("network", lambda v: compress.report(v, fixed(), data())),
    "report fixed": ("fixed", lambda v: compress.report(net(), v, data())),
    "report x": ("x", lambda v: compress.report(net(), fixed(), v)),
    "error_shares": ("x", lambda v: compress.error_shares(net(), fixed(), v)),
    "Pruner": ("model", lambda v: compress.Pruner(v, 0.5)),
    "Pruner sparsity": ("sparsity", lambda v: compress.Pruner(torch.nn.Linear(3, 3), v)),
    "count": ("x", lambda v: loihi2.count(net(), v)),
    "map": ("network", loihi2.map),
    "map system": ("system", lambda v: loihi2.map(net(), v)),
    "map limits": ("limits", lambda v: loihi2.map(net(), limits=v)),
    "map cores": (
        "cores_per_layer",
        lambda v: loihi2.map(net(), strategy="spread", cores_per_layer=v),
    ),
    "estimate": ("mapping", lambda v: loihi2.estimate(net(), v)),
    "estimate schedule": ("schedule", lambda v: loihi2.estimate(net(), schedule=v)),
    "Population": ("n_neurons", lambda v: loihi2.Population("a", "b", "relay", v, 1)),  # type: ignore[arg-type]
    "Population kind": ("kind", lambda v: loihi2.Population("a", "b", v, 1, 1)),
    "ns4d": ("d_model", loihi2.ns4d),
    "s5": ("d_state", lambda v: loihi2.s5(8, v)),
    "System": ("n_chips", lambda v: loihi2.System("mine", v)),
    "deploy.c": ("network", deploy.c),
    "deploy.c overflows": ("overflows", lambda v: deploy.c(fixed(), overflows=v)),
    "deploy.c compressed": ("compressed", lambda v: deploy.c(fixed(), compressed=v)),
    "deploy.write": ("network", lambda v: deploy.write(v, "none")),
    "deploy.write target": ("target", lambda v: deploy.write(fixed(), "none", v)),
    "deploy.write options": ("options", lambda v: deploy.write(fixed(), "none", options=v)),
    "Options": ("harness", lambda v: deploy.Options(harness=v)),
    "Options ram": ("ram", lambda v: deploy.Options(ram=v)),
    "vectors": ("network", deploy.vectors),
    "vectors tokens": ("tokens", lambda v: deploy.vectors(fixed(), v)),
    "vectors n_tokens": ("n_tokens", lambda v: deploy.vectors(fixed(), n_tokens=v)),
    "to_onnx": ("network", exchange.to_onnx),
    "to_nir": ("network", exchange.to_nir),
    "analyse": ("x", audio.analyse),
    "synthesise": ("spectra", lambda v: audio.synthesise(v, 512)),
    "synthesise samples": ("samples", lambda v: audio.synthesise(np.zeros((7, 257)), v)),
    "si_snr": ("estimate", lambda v: audio.si_snr(v, np.ones(4))),
    "denoise": ("network", lambda v: audio.denoise(v, np.zeros(512))),
    "export": ("model", nn.export),
    "export readout": ("readout", lambda v: nn.export(torch.nn.Linear(2, 3), v)),
    "module": ("net", nn.module),
    "assign": ("model", lambda v: nn.assign(v, net())),
    "few_bits": ("model", nn.few_bits),
    "few_bits bits": ("bits", lambda v: nn.few_bits(torch.nn.Linear(2, 3), v)),
    "regularize": ("model", nn.regularize),
    "stretch": ("model", lambda v: nn.stretch(v, 2.0)),
    "nn.S4D": ("init", lambda v: nn.S4D(2, 2, v)),
    "nn.S4D steps": ("dt_min", lambda v: nn.S4D(2, 2, dt_min=v)),
    "nn.S4D discretization": ("discretization", lambda v: nn.S4D(2, 2, discretization=v)),
    "NS4D": ("relu", lambda v: nn.NS4D(2, 2, 2, 1, 2, relu=v)),
    "FixedModel scales": (
        "scales",
        lambda v: compress.FixedModel(nn.module(net()), fixed(), v),
    ),
    "stream": ("backend", lambda v: fixed().stream(backend=v)),
    "from_state_dict kind": ("kind", lambda v: exchange.from_state_dict({}, v)),
    "Chain readout": ("readout", lambda v: nn.Chain([torch.nn.Linear(2, 3)], v)),
    "Chain x": ("x", lambda v: nn.module(net())(v)),
    "FixedModel": ("fixed", lambda v: compress.FixedModel(nn.module(net()), v)),
    "sparsity_of": ("model", compress.sparsity_of),
    "search_bits": ("network", lambda v: compress.search_bits(v, data(), min_db=20)),
    "from_torch": ("model", lambda v: exchange.from_torch(v, data())),
    "from_torch example": ("example", lambda v: exchange.from_torch(torch.nn.Linear(2, 3), v)),
    "from_state_dict": ("state", lambda v: exchange.from_state_dict(v, "s4d")),
    "fit": ("model", lambda v: train.fit(v, data(), [0, 1])),
    "accuracy": ("model", lambda v: train.accuracy(v, data(), [0, 1])),
    "plot.kernels": ("network", plot.kernels),
    "plot.messages": ("x", lambda v: plot.messages(fixed(), v)),
    "plot.outputs": ("fixed", lambda v: plot.outputs(net(), v, data()[0])),
    "generate": ("network", lambda v: language.generate(v, "a", 2)),
    "lower": ("fixed", loihi2.lower),
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(("name", "call"), CALLS.values(), ids=CALLS)
def test_the_parameter_is_named(name: str, call: Callable[[Any], Any], wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        call(wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compress.report(net(), fixed(), np.zeros((0, 2))), "x .* not be empty"),
        (lambda: compress.error_shares(net(), fixed(), np.zeros((3, 0, 2))), "x .* not be empty"),
        (lambda: compress.quantize(net(), np.zeros((2, 5, 3))), r"calibration .* \(..., 2\)"),
        (lambda: compress.quantize(net(), np.full((5, 2), np.nan)), "calibration must be finite"),
        (lambda: compress.report(net(), FixedNetwork((ONE,)), data()), "fixed: its layers"),
        (lambda: loihi2.count(net(), np.zeros((2, 0, 2))), "x .* not be empty"),
        (lambda: audio.si_snr(np.ones((2, 0)), np.ones((2, 0))), "not be empty"),
        (lambda: compress.Formats(param_bits=True), "param_bits must be an integer"),
        (lambda: Residual(True), "span must be an integer of at least 1, got True"),
        (lambda: loihi2.estimate(net()).sample_latency(True), "n_tokens must be an integer"),
        (lambda: loihi2.map(net(), neurons_per_core=True), "neurons_per_core must be an integer"),
        (lambda: loihi2.CONSTANTS.with_values(t_syn=True), "t_syn must be"),
    ],
)
def test_what_cannot_be_worked_with_is_said(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_fixed_network_is_no_original_of_itself() -> None:
    with pytest.raises(TypeError, match="network must be a float Network, got FixedNetwork"):
        compress.report(fixed(), fixed(), data())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="network must be a float Network"):
        compress.quantize(fixed(), data())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="fixed must be a FixedNetwork, got Network"):
        loihi2.lower(net())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="network must be a float Network"):
        plot.outputs(fixed(), net(), data()[0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got FixedN"):
        nn.export(fixed())  # type: ignore[arg-type]


def test_tokens_of_integers_are_no_tensor_of_floats() -> None:
    model = nn.NS4D(1, 2, 2, 1, 2)
    with pytest.raises(TypeError, match=r"x must be a tensor of floats, got torch\.int64"):
        model(torch.zeros(2, 5, 1, dtype=torch.int64))
