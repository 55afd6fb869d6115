"""The compiled engine equals the reference, to the last bit."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from lava_ssm.engine import Stream, run
from lava_ssm.engine.compiled.kernel import advancing
from lava_ssm.engine.compiled.neurons import filters
from lava_ssm.engine.compiled.tokens import Tokens
from lava_ssm.network import (
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Linear,
    Network,
    Readout,
    ReLU,
)
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding
from tests.networks import (
    random_fixed_linear,
    random_fixed_network,
    random_float_chain,
    random_network,
)


def extreme(rng: Generator, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
    """Integers in a range, its ends and the smallest numbers among them."""
    ends = [low, high, 0, min(1, high), max(-1, low)]
    return np.where(
        rng.random(shape) < rng.choice([0.0, 0.3]),
        rng.choice(ends, shape),
        rng.integers(low, high, shape, endpoint=True),
    )


def any_s4d(rng: Generator, d_model: int) -> FixedS4D:
    d_state = int(rng.integers(1, 41))
    bits = int(rng.choice([2, 8, 12, 16, 16, 16, 24]))
    high = 2 ** (bits - 1) - 1
    least = min(31, bits - 1)  # a of magnitude below 1 needs at least as many fraction bits
    p = rng.integers(least, min(31, least + 3) + 1, d_model)
    shape = (d_model, d_state, 2)
    a = extreme(rng, -int(0.7 * high), int(0.7 * high), shape)
    b, c = (extreme(rng, -high - 1, high, shape) for _ in "bc")
    s = rng.integers(0, 9, d_model)
    if rng.random() < 0.5:
        return FixedS4D(a, b, c, int(p.max()), int(s[0]), bits)
    return FixedS4D(a, b, c, p, s, bits)


def any_linear(rng: Generator, d_input: int, d_output: int) -> FixedLinear:
    weights = extreme(rng, -128, 127, (d_output, d_input))
    exponent = rng.integers(-3, 18, d_output) if rng.random() < 0.5 else int(rng.integers(4, 12))
    return FixedLinear(weights, exponent, None if rng.random() < 0.6 else int(rng.integers(-4, 20)))


def any_network(rng: Generator, rounding: Rounding, overflow: Overflow) -> FixedNetwork:
    """From a single layer to five S4D layers with all between them; odd sizes; any formats."""
    layers: list[FixedS4D | FixedLinear | ReLU] = []
    width = int(rng.integers(1, 8))
    for i in range(int(rng.integers(1, 6))):
        if i or rng.random() < 0.7:
            wider = int(rng.integers(1, 24))
            layers.append(any_linear(rng, width, wider))
            width = wider
            if rng.random() < 0.5:
                layers.append(ReLU())
        layers.append(any_s4d(rng, width))
        if rng.random() < 0.5:
            layers.append(ReLU())
    if rng.random() < 0.7:
        layers.append(any_linear(rng, width, 3))
    state_bits = int(rng.choice([24, 24, 24, 24, 12, 25, 32]))
    message_bits = int(rng.choice([24, 24, 24, 8, 16, 32]))
    rules = Arithmetic(rounding, overflow, state_bits, message_bits)
    return FixedNetwork(
        tuple(layers), rng.choice(list(Readout)), int(rng.integers(-3, 12)), arithmetic=rules
    )


def compiled_stream(is_packed: bool, net: FixedNetwork, *args: Any, **options: Any) -> Stream:
    """Give a stream whose parameters of filters are stored in 16 bits, as large networks' are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters, "CACHED", -1 if is_packed else 2**62)
        return Stream(net, *args, **options)


def assert_equal_streams(ours: Stream, reference: Stream) -> None:
    for now, then in zip(ours.state, reference.state, strict=True):
        np.testing.assert_array_equal(now, then)
    assert ours.overflows == reference.overflows


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
    size=st.integers(0, 31),
    n_tokens=st.sampled_from([1, 2, 5, 17, 90]),
    batch=st.sampled_from([(), (1,), (3,), (2, 2)]),
    n_threads=st.integers(1, 4),
    cuts=st.lists(st.integers(0, 90), max_size=3),
    reset_every=st.none() | st.integers(1, 30),
    is_packed=st.booleans(),
)
def test_compiled_equals_the_reference(
    seed: int,
    rounding: Rounding,
    overflow: Overflow,
    size: int,
    n_tokens: int,
    batch: tuple[int, ...],
    n_threads: int,
    cuts: list[int],
    reset_every: int | None,
    is_packed: bool,
) -> None:
    rng = np.random.default_rng(seed)
    net = any_network(rng, rounding, overflow)
    highest = min(2**size, net.input_format.max_mantissa)
    x = extreme(rng, -highest, highest, (*batch, n_tokens, net.d_input))
    reference = Stream(net, batch, reset_every, "reference")
    expected = reference.run(x)
    ours = compiled_stream(is_packed, net, batch, reset_every, n_threads=n_threads)
    pieces = np.split(x, sorted(cut for cut in cuts if cut < n_tokens), axis=-2)
    np.testing.assert_array_equal(np.concatenate([ours.run(p) for p in pieces], -2), expected)
    assert_equal_streams(ours, reference)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rounding=st.sampled_from(Rounding),
    state_bits=st.sampled_from([24, 24, 24, 20, 32]),
    s=st.integers(0, 8),
    n_tokens=st.sampled_from([1, 1, 2, 5]),
    is_packed=st.booleans(),
)
def test_a_step_from_any_state_is_exact(
    seed: int, rounding: Rounding, state_bits: int, s: int, n_tokens: int, is_packed: bool
) -> None:
    """Also where floats hold the sums only just, or no longer, and words overflow only just."""
    rng = np.random.default_rng(seed)
    p = int(rng.integers(11, 16))
    angle = rng.choice([0, 0.25, 0.5, 0.75, 1], (20, 3)) * np.pi + rng.normal(size=(20, 3)) * 0.01
    a = (1 - 2.0**-p) * rng.choice([0, 0.5, 1], (20, 3)) * np.exp(1j * angle)
    a_parts = np.trunc(np.stack([a.real, a.imag], -1) * 2**p).astype(int)
    b, c = (extreme(rng, -(2**15), 2**15 - 1, (20, 3, 2)) for _ in "bc")
    rules = Arithmetic(rounding, Overflow.WRAP, state_bits)
    net = FixedNetwork((FixedS4D(a_parts, b, c, p, s),), arithmetic=rules)
    state = extreme(rng, -(2 ** (state_bits - 1)), 2 ** (state_bits - 1) - 1, (20, 3, 2))
    if rng.random() < 0.5:  # nothing overflows at once
        state = (state * rng.uniform(0.3, 0.8)).astype(int)
    highest = int(2.0 ** rng.uniform(0, min(state_bits, 24) - 1 - s))
    u = rng.integers(-highest, highest, (n_tokens, 20))
    ours, reference = compiled_stream(is_packed, net), net.stream(backend="reference")
    ours.state = reference.state = (state,)
    np.testing.assert_array_equal(ours.run(u), reference.run(u))
    assert_equal_streams(ours, reference)


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("state", [2**23 - 1, -(2**23) + 1, 2**23 - 2**11 - 1, 1, 0])
def test_products_at_the_extremes_are_exact(
    rounding: Rounding, state: int, is_packed: bool
) -> None:
    """Each product of the largest parameters and states, against Python's own integers."""
    rng = np.random.default_rng(5)
    p = 15
    mantissas = np.array(
        [2**15 - 1, -(2**15) + 1, 23169, -23169, 1, -1, *rng.integers(-9e3, 9e3, 58)]
    )
    a = np.stack([mantissas, np.zeros(64, int)], axis=-1)[:, np.newaxis]  # 64 channels, one state
    zero = np.zeros((64, 1, 2), int)
    net = FixedNetwork((FixedS4D(a, zero, zero, p, 0),), arithmetic=Arithmetic(rounding=rounding))
    stream = compiled_stream(is_packed, net)
    stream.state = (np.broadcast_to([state, 0], (64, 1, 2)),)

    def shifted(v: int) -> int:
        floor, rest = divmod(v, 2**p)
        if rounding is Rounding.FLOOR:
            return floor
        if rounding is Rounding.TOWARD_ZERO:
            return floor + (v < 0 and rest > 0)
        return floor + (2 * rest > 2**p or (2 * rest == 2**p and floor % 2 == 1))

    expected = [state] * 64
    for _ in range(4):  # at the first token it is not known how great the states are
        stream.step(np.zeros(64, int))
        expected = [shifted(int(m) * x) for m, x in zip(mantissas, expected, strict=True)]
        assert stream.state[0][:, 0, 0].tolist() == expected


def test_an_input_whose_product_floats_cannot_hold_is_exact() -> None:
    """b v beyond 2^24 that a x brings back into the state's word: an odd product counts."""
    n = 50
    x, v, b = 8_300_000, np.arange(5_600_000, 5_600_000 + n), -12289  # b v >> 12: below -2^24
    a = np.broadcast_to([2896, -2896], (n, 1, 2))
    layer = FixedS4D(a, np.broadcast_to([b, 0], (n, 1, 2)), np.zeros((n, 1, 2), int), 12, 0)
    stream = FixedNetwork((layer,)).stream()
    stream.state = (np.broadcast_to([x, x], (n, 1, 2)),)
    stream.step(v)
    expected = [2 * (2896 * x // 4096) - (-b * int(each)) // 4096 for each in v]
    assert stream.state[0][:, 0, 0].tolist() == expected
    assert min(-b * v // 4096) > 2**24


def test_a_channel_that_leaves_its_limits_does_not_disturb_its_neighbours() -> None:
    """One of twenty, side by side in vectors, at single tokens of a block."""
    n, p = 20, 12
    a = np.broadcast_to([4095, 0], (n, 3, 2))
    b, c = np.broadcast_to([4096, 0], (n, 3, 2)), np.broadcast_to([2048, 100], (n, 3, 2))
    net = FixedNetwork((FixedS4D(a, b, c, p, 0),), arithmetic=Arithmetic(overflow=Overflow.WRAP))
    u = np.random.default_rng(0).integers(-1000, 1000, (70, n))
    u[[3, 4, 40], 18] = 2**23 - 1
    wanted = run(net, u, backend="reference")
    assert wanted.overflows.total
    for is_packed in (True, False):
        blocks, tokens = (compiled_stream(is_packed, net) for _ in range(2))
        np.testing.assert_array_equal(blocks.run(u), wanted.outputs)
        np.testing.assert_array_equal([tokens.step(each) for each in u], wanted.outputs)
        for stream in (blocks, tokens):
            assert stream.overflows == wanted.overflows
            np.testing.assert_array_equal(stream.state[0], wanted.state[0])


@pytest.mark.parametrize(("dtype", "error"), [(None, 1e-11), (np.float64, 1e-11), ("f4", 1e-4)])
def test_float_equals_the_reference_to_rounding(dtype: Any, error: float) -> None:
    rng = np.random.default_rng(1)
    nets = [
        random_network(rng, n_layers=3, d_model=n, d_state=5, readout=readout)
        for readout in Readout
        for n in (7, 17)
    ]
    for net in [*nets, *(random_float_chain(rng) for _ in range(10))]:
        x = rng.normal(size=(3, 40, net.d_input))
        expected = run(net, x, backend="reference")
        ours = run(net, x, n_threads=2, dtype=dtype)
        stream = Stream(net, (3,), dtype=dtype)
        outputs = np.stack([stream.step(x[:, i]) for i in range(40)], axis=1)
        for found in (ours.outputs, outputs):
            assert found.dtype == np.float64
            scale = max(1.0, np.abs(expected.outputs).max())
            np.testing.assert_allclose(found, expected.outputs, rtol=error, atol=error * scale)
        for now, then in zip(ours.state, expected.state, strict=True):
            scale = max(1.0, np.abs(then).max(initial=0))
            np.testing.assert_allclose(now, then, rtol=error, atol=error * scale)


def test_a_stream_in_float32_has_a_state_of_its_own_layout() -> None:
    """Copied, pickled, set; beside one in float64 of the same network."""
    net = random_network(np.random.default_rng(2), n_layers=2, d_model=17, d_state=3)
    x = np.random.default_rng(3).normal(size=(30, 2))
    single, double = net.stream(dtype=np.float32), net.stream()
    single.run(x[:15]), double.run(x[:15])
    others = [copy.copy(single), pickle.loads(pickle.dumps(single)), net.stream(dtype="float32")]
    others[-1].state = single.state
    expected = single.run(x[15:])
    assert not np.array_equal(expected, double.run(x[15:]))
    for other in others[:2]:
        np.testing.assert_array_equal(other.run(x[15:]), expected)
    others[-1].run(x[15:])
    for now, then in zip(others[-1].state, single.state, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("is_fixed", "options", "message"),
    [
        (True, {"dtype": np.float32}, "dtype: a fixed network has integers"),
        (False, {"dtype": np.float16}, "dtype must be float32 or float64, got float16"),
        (False, {"dtype": "f4", "backend": "reference"}, "dtype: the reference has float64 only"),
    ],
)
def test_floats_that_are_not_had_are_refused(
    is_fixed: bool, options: dict[str, Any], message: str
) -> None:
    net = (random_fixed_network if is_fixed else random_network)(np.random.default_rng(2))
    with pytest.raises(ValueError, match=message):
        net.stream(**options)
    with pytest.raises(ValueError, match=message):
        net.run(np.zeros((2, net.d_input), int), **options)


def test_networks_without_a_state_run() -> None:
    net = Network((Linear([[1.0, 2.0]]), ReLU()))
    np.testing.assert_array_equal(net.run([[3, 4], [-3, 1]]), [[11], [0]])
    fixed = FixedNetwork((FixedLinear([[64, 127]]),))
    np.testing.assert_array_equal(fixed.run([[128, 0], [0, 128]]), [[64], [127]])
    for stream in (net.stream(), fixed.stream()):
        stream.state = ()
        assert stream.state == ()


@pytest.mark.parametrize("batch", [(0,), (2, 0)])
@pytest.mark.parametrize("is_fixed", [True, False])
def test_a_batch_of_none_is_as_good_as_any(batch: tuple[int, ...], is_fixed: bool) -> None:
    fixed = random_fixed_network(np.random.default_rng(12))
    net = fixed if is_fixed else fixed.dequantize()
    stream = net.stream(batch=batch)
    assert stream.step(np.zeros((*batch, 2), int if is_fixed else float)).shape == (*batch, 4)
    assert stream.run(np.zeros((*batch, 3, 2))).shape == (*batch, 3, 4)
    stream.state = before = stream.state
    assert [x.shape for x in stream.state] == [x.shape for x in before] == [(*batch, 6, 3, 2)] * 2


@pytest.mark.parametrize("backend", ["compiled", "reference"])
@pytest.mark.parametrize("readout", Readout)
def test_an_overflow_that_raises_leaves_the_stream_as_it_was(
    backend: str, readout: Readout
) -> None:
    layer = FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[40, 0]]])
    rules = Arithmetic(overflow=Overflow.RAISE)
    net = FixedNetwork((layer,), readout, arithmetic=rules)
    stream, twin = (net.stream(backend=backend) for _ in "ab")  # type: ignore[arg-type]
    for each in (stream, twin):
        each.run(np.full((3, 1), 100))
    with pytest.raises(FixedPointOverflow, match="state"):
        stream.run(np.full((9, 1), 2**16))
    np.testing.assert_array_equal(stream.state, twin.state)
    np.testing.assert_array_equal(stream.step([5]), twin.step([5]))


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_an_overflow_in_a_later_sample_leaves_the_stream_as_it_was(backend: str) -> None:
    layer = FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[4000, 0]]])
    rules = Arithmetic(overflow=Overflow.RAISE)
    net = FixedNetwork((layer,), Readout.MEAN_OVER_TIME, arithmetic=rules)
    stream, twin = (net.stream(reset_every=4, backend=backend) for _ in "ab")  # type: ignore[arg-type]
    for each in (stream, twin):
        outputs = each.run(np.full((3, 1), 100))
    with pytest.raises(FixedPointOverflow, match="state"):
        stream.run([[1]] * 2 + [[2**16]] * 3)
    np.testing.assert_array_equal(stream.to_float(outputs), twin.to_float(outputs))
    np.testing.assert_array_equal(stream.state, twin.state)
    np.testing.assert_array_equal(stream.run([[5]] * 3), twin.run([[5]] * 3))


def test_an_overflow_that_raises_is_counted_as_the_reference_counts_it() -> None:
    layer = FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[40, 0]]])
    net = FixedNetwork((layer,), arithmetic=Arithmetic(overflow=Overflow.RAISE))
    ours, reference = net.stream(), net.stream(backend="reference")
    for stream in (ours, reference):
        for _ in range(2):
            with pytest.raises(FixedPointOverflow, match="state"):
                stream.run(np.full((9, 1), 2**16))
    assert ours.overflows == reference.overflows
    assert ours.overflows.total == 2


def test_a_stream_is_as_fast_and_as_right_whatever_array_its_tokens_come_in() -> None:
    net = random_fixed_network(np.random.default_rng(2), d_input=2)
    x = np.random.default_rng(3).integers(-3000, 3000, (40, 2))
    expected = run(net, x, backend="reference").outputs
    frozen = x.copy()
    frozen.flags.writeable = False
    for same in (x.astype(np.int16), np.asfortranarray(x), frozen, x[::-1][::-1], x.tolist()):
        np.testing.assert_array_equal(run(net, same).outputs, expected)
    for real in (np.float32, np.float64):  # nothing was compiled anew
        assert len(advancing(np.dtype(real), True).signatures) <= 1


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "u1", "u2", "u4", "f2", "f4", "f8", ">f4"])
def test_single_tokens_of_any_type_are_exact_without_a_detour(kind: str) -> None:
    x = np.random.default_rng(3).integers(0, 100, (9, 4)).astype(kind)[:, ::2]
    net = random_fixed_network(np.random.default_rng(2), d_input=2)
    expected = net.run(x.tolist(), backend="reference")
    for tokens in (x, pickle.loads(pickle.dumps(x))):
        stream = net.stream()
        np.testing.assert_array_equal([stream.step(token) for token in tokens], expected)
    for real in (np.float32, np.float64):  # nothing was compiled anew
        assert len(advancing(np.dtype(real), True).signatures) <= 1
    quick = Tokens(net.input_format, (2,))
    x.flags.writeable = False
    assert (quick.mantissas(x[0]) is None) == (kind == ">f4")


def test_streams_on_several_python_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(4)
    net = random_fixed_network(rng, d_model=20, d_state=16)
    x = rng.integers(-3000, 3000, (8, 200, 2))
    expected = run(net, x, backend="reference").outputs
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda sequence: net.stream().run(sequence), x))
    np.testing.assert_array_equal(results, expected)


def test_the_rounding_mode_of_the_thread_is_left_as_it_was() -> None:
    net = random_fixed_network(np.random.default_rng(6))
    third = np.float64(1) / np.float64(3)
    net.run(np.full((5, 2), 999))
    assert np.float64(1) / np.float64(3) == third
    assert np.float32(2) / np.float32(3) == np.float32(0.6666667)  # rounded up, not cut off


def test_threads_are_made_anew_in_a_process_that_was_forked() -> None:
    net = random_fixed_network(np.random.default_rng(7), d_model=8, d_state=8)
    x = np.random.default_rng(8).integers(-3000, 3000, (4, 30, 2))
    stream = net.stream(batch=(4,), n_threads=2)
    expected = stream.run(x)
    stream.reset()
    assert threading.active_count() >= 2
    child = os.fork()
    if child == 0:  # no test framework from here on
        os._exit(0 if np.array_equal(stream.run(x), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("n_threads", [0, 1.5, "two"])
def test_threads_are_counted_in_positive_integers(n_threads: object) -> None:
    net = random_fixed_network(np.random.default_rng(9))
    with pytest.raises(ValueError, match="n_threads must be an integer of at least 1"):
        net.run([[1, 1]], n_threads=n_threads)  # type: ignore[arg-type]


def test_an_unknown_backend_and_a_probed_compiled_one_are_refused() -> None:
    net = random_fixed_network(np.random.default_rng(10))
    with pytest.raises(ValueError, match="backend must be one of compiled, reference, got 'gpu'"):
        net.run([[1, 1]], backend="gpu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="probe"):
        run(net, [[1, 1]], backend="compiled", probe=print)


@pytest.mark.slow
def test_the_first_call_says_what_it_waits_for_and_the_next_process_need_not_wait(
    tmp_path: Path,
) -> None:
    code = (
        "import numpy as np, lava_ssm as ssm\n"
        "from lava_ssm.engine.compiled import compiling\n"
        "from lava_ssm.network import FixedLinear, FixedNetwork\n"
        "compiling._PATIENCE = 0.001\n"
        "net = FixedNetwork((FixedLinear([[64]]),))\n"
        "assert net.run([[2]]).tolist() == [[1]]\n"
        "print(sum(net.stream()._executor._kernel.stats.cache_hits.values()))\n"
    )
    said, loaded = [], []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stderr)
        loaded.append(int(done.stdout))
    assert "compiling the engine" in said[0]
    assert said[1] == ""  # loaded, however slowly
    assert loaded == [0, 1]


def test_wide_networks_are_exact_too() -> None:
    """Several vectors a channel, several groups of channels a layer, 16-bit parameters."""
    rng = np.random.default_rng(11)
    layers = []
    for _ in range(2):
        radius = rng.uniform(0.5, 0.9999, (40, 64))
        a = radius * np.exp(1j * rng.uniform(-np.pi, np.pi, radius.shape))
        parts = np.trunc(np.stack([a.real, a.imag], -1) * 2**15).astype(int)
        b, c = rng.integers(-(2**13), 2**13, (2, 40, 64, 2))
        layers += [FixedS4D(parts, b, c, 15, 4), ReLU(), random_fixed_linear(rng, 40, 40)]
    net = FixedNetwork(tuple(layers), Readout.EVERY_TOKEN)
    x = rng.integers(-(2**14), 2**14, (150, 40))
    ours, expected = run(net, x), run(net, x, backend="reference")
    np.testing.assert_array_equal(ours.outputs, expected.outputs)
    assert ours.overflows == expected.overflows
