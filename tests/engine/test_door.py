"""What enters the engine: empty batches, sizes beyond all memory, arguments of other kinds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lava_ssm.engine import Stream, as_tokens, operations, run
from lava_ssm.network import FixedNetwork, Network, Readout
from tests.networks import (
    random_fixed_network,
    random_fixed_s5_network,
    random_network,
    random_s5_network,
)

KINDS: list[Callable[..., Any]] = [
    random_fixed_network,
    random_fixed_s5_network,
    random_network,
    random_s5_network,
]


@pytest.mark.parametrize("shape", [(0, 5), (2, 0), (0, 0), (3, 0, 4), (0,)])
@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("readout", Readout)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_gives_nothing_in_the_right_shape(
    kind: Any, readout: Readout, backend: Any, shape: tuple[int, ...]
) -> None:
    net = kind(np.random.default_rng(0), readout=readout)
    x = np.zeros((*shape, net.d_input))
    done = run(net, x, backend=backend)
    assert done.outputs.shape == (*shape, net.d_output)
    assert done.outputs.dtype == (np.int64 if isinstance(net, FixedNetwork) else np.float64)
    assert net.to_float(done.outputs).shape == done.outputs.shape
    shapes = net.state_shapes
    assert [part.shape for part in done.state] == [(*shape[:-1], *rest) for rest in shapes]
    stream = Stream(net, shape[:-1], backend=backend, reset_every=2)
    stream.state = done.state
    assert stream.step(
        x[..., 0, :] if shape[-1] else np.zeros((*shape[:-1], net.d_input))
    ).shape == (
        *shape[:-1],
        net.d_output,
    )
    assert stream.run(x).shape == (*shape, net.d_output)
    assert stream.to_float(stream.run(x)).shape == (*shape, net.d_output)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_checked_before_anything_is_computed(kind: Any) -> None:
    net = kind(np.random.default_rng(1))
    with pytest.raises(MemoryError, match=r"^batch: .*\(100000000000,\) takes .* GiB of memory"):
        net.stream(batch=(10**11,))
    with pytest.raises(MemoryError, match=r"^batch: "):
        net.stream(batch=(2**62,) * 20)
    token = np.broadcast_to(np.float64(0), (10**11, net.d_input))
    with pytest.raises(MemoryError, match=r"^x: "):
        net.run(token)
    with pytest.raises(MemoryError, match=r"^x: "):
        net.run(np.broadcast_to(np.int8(0), (10**6, 10**6, net.d_input)))
    stream = net.stream()
    with pytest.raises(MemoryError, match=r"^tokens: "):
        stream.run(token)
    assert stream.n_tokens == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"reset_every": True},
            ValueError,
            "reset_every must be an integer of at least 1, got True",
        ),
        ({"reset_every": 2.0}, ValueError, "reset_every must be an integer"),
        ({"reset_every": 10**30}, ValueError, "reset_every must be an integer"),
        ({"n_threads": np.True_}, ValueError, "n_threads must be an integer"),
        ({"n_threads": 10**30}, ValueError, "n_threads must be an integer"),
        ({"batch": (True,)}, TypeError, "batch must be a shape"),
        ({"batch": ""}, TypeError, "batch must be a shape"),
        ({"batch": b"\x02"}, TypeError, "batch must be a shape"),
        ({"batch": (2.0,)}, TypeError, "batch must be a shape"),
        ({"batch": (10**30,)}, TypeError, "batch must be a shape"),
        ({"batch": (1,) * 40}, ValueError, "batch must have at most 28 dimensions, got 40"),
        ({"backend": "numpy"}, ValueError, "backend must be"),
    ],
)
def test_a_stream_names_the_option_that_is_wrong(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Stream(random_fixed_network(np.random.default_rng(2)), **options)


def test_integers_of_numpy_are_as_good_as_any() -> None:
    net = random_fixed_network(np.random.default_rng(2))
    stream = Stream(net, (np.int8(2),), np.uint16(3), n_threads=np.int64(2))
    assert stream.batch == (2,)
    assert stream.run(np.zeros((2, 7, 2))).shape == (2, 7, 4)


def test_more_threads_than_a_system_has_are_not_made() -> None:
    net = random_fixed_network(np.random.default_rng(2))
    x = np.random.default_rng(3).integers(-900, 900, (300, 2, 2))
    np.testing.assert_array_equal(run(net, x, n_threads=10**6).outputs, run(net, x).outputs)


MASKED = np.ma.array(np.zeros((3, 2)), mask=np.eye(3, 2))


@pytest.mark.parametrize("kind", [random_fixed_network, random_network])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (MASKED, "mask"),
        (torch.zeros(3, 2, requires_grad=True), "detach"),
        (np.zeros((3, 2), bool), "bool"),
        (np.zeros((3, 2), complex), "complex"),
        (np.full((3, 2), "a"), "<U1"),
        ([[0, 1], [0]], "equal length"),
    ],
)
def test_tokens_of_other_kinds_are_refused_by_name(kind: Any, given: Any, message: str) -> None:
    net = kind(np.random.default_rng(4))
    stream = net.stream()
    for name, call in {
        "x": net.run,
        "tokens": stream.run,
        "token": lambda v: stream.step(v[0]),
    }.items():
        if name == "token" and isinstance(given, list):
            continue
        with pytest.raises(TypeError, match=f"^{name}.*{message}"):
            call(given)
    assert stream.n_tokens == 0


def test_tensors_of_half_precision_are_taken_exactly() -> None:
    net = random_fixed_network(np.random.default_rng(5))
    x = np.array([[0.5, -1.25], [3.0, 0.0078125]])
    expected = net.run(x)
    for kind in (torch.bfloat16, torch.float16):
        np.testing.assert_array_equal(net.run(torch.tensor(x, dtype=kind)), expected)
        stream = net.stream()
        tokens = [stream.step(token) for token in torch.tensor(x, dtype=kind)]
        np.testing.assert_array_equal(tokens, expected)


@pytest.mark.parametrize("wrong", [None, "ns4d-smnist", random_fixed_network, Network])
def test_what_is_no_network_is_refused(wrong: Any) -> None:
    for call in (run, as_tokens, operations):
        with pytest.raises(TypeError, match="network must be a Network or a FixedNetwork, got"):
            call(wrong, [[0.0]])  # type: ignore[operator]
    with pytest.raises(TypeError, match="network must be a Network or a FixedNetwork, got"):
        Stream(wrong)


def test_operations_of_nothing_are_refused() -> None:
    net = random_fixed_network(np.random.default_rng(6))
    with pytest.raises(ValueError, match=r"x must have shape \(..., time, 2\) and not be empty"):
        operations(net, np.zeros((0, 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_of_running_means_is_the_mean_of_the_outputs(kind: Any) -> None:
    rng = np.random.default_rng(7)
    mean = kind(rng, readout=Readout.MEAN_OVER_TIME)
    is_fixed = isinstance(mean, FixedNetwork)
    rest = (mean.input_exponent,) if is_fixed else ()
    each = type(mean)(mean.layers, Readout.EVERY_TOKEN, *rest)
    x = rng.integers(-900, 900, (3, 9, mean.d_input)) / 256
    values = each.to_float(each.run(x))
    expected = [values[:, : t + 1].mean(axis=1) for t in range(9)]
    for backend in (None, "reference"):
        found = run(mean, x, backend=backend).outputs
        np.testing.assert_allclose(
            mean.to_float(found), np.stack(expected, axis=1), rtol=1e-9, atol=1e-12
        )
        if not is_fixed:
            np.testing.assert_array_equal(mean.to_float(found), found)
            np.testing.assert_array_equal(mean.to_float(found[0, 4]), found[0, 4])
    stream = mean.stream(batch=(3,), reset_every=4)
    parts = [stream.to_float(stream.step(x[:, t])) for t in range(9)]
    starts = [t // 4 * 4 for t in range(9)]
    again = each.stream(batch=(3,), reset_every=4)
    values = each.to_float(again.run(x))
    expected = [values[:, s : t + 1].mean(axis=1) for t, s in enumerate(starts)]
    np.testing.assert_allclose(parts, expected, rtol=1e-9, atol=1e-12)


def test_a_float_network_gives_what_the_torch_model_gives() -> None:
    from lava_ssm import nn

    torch.manual_seed(0)
    for model in (nn.NS4D(2, 8, 4, 2, 5, readout="mean"), nn.SparseS5(2, 8, 4, 2, 5, "mean")):
        model.eval()
        x = torch.randn(3, 17, 2)
        wanted = model(x).detach().numpy()
        network = nn.export(model)
        assert network.readout is Readout.MEAN_OVER_TIME
        np.testing.assert_allclose(network.run(x)[:, -1], wanted, rtol=2e-4, atol=2e-5)
