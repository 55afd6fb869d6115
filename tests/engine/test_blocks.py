"""The compiled engine on S5 networks: the reference's integers, and its counts."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm import engine
from lava_ssm.engine.compiled import executor, layout
from lava_ssm.engine.compiled.arguments import Arguments
from lava_ssm.engine.compiled.matrix import FORMS, forms
from lava_ssm.engine.compiled.matrix.narrow_windows import NARROW
from lava_ssm.engine.compiled.matrix.wide_windows import shape as wide
from lava_ssm.engine.compiled.matrix.windows import Shape, in_windows
from lava_ssm.engine.compiled.writer import LINE
from lava_ssm.network import FixedGate, FixedLinear, FixedNetwork, Readout, Residual
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding
from tests.networks import (
    random_fixed_network,
    random_fixed_s5,
    random_fixed_s5_network,
)

NAMES = [form.name for form in FORMS]
"""How matrices may be laid out on this CPU."""


def run_laid_out(form: str, net: FixedNetwork, x: np.ndarray) -> engine.Run:
    """Run on the kernel with all matrices in one form."""
    with pytest.MonkeyPatch.context() as patch:
        number = NAMES.index(form)
        patch.setattr(forms, "form_of", lambda weights: FORMS[number])
        assert set(layout.layout(net).arrays["matrices"]["form"]) == {number}
        return engine.run(net, x, backend="compiled", n_threads=2)


def assert_same(found: engine.Run, wanted: engine.Run) -> None:
    np.testing.assert_array_equal(found.outputs, wanted.outputs)
    for a, b in zip(found.state, wanted.state, strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.overflows == wanted.overflows


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_layers=st.integers(0, 3),
    per_channel=st.booleans(),
    readout=st.sampled_from(Readout),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
    bits=st.sampled_from([(12, 12), (24, 16), (24, 24), (32, 32)]),
    density=st.sampled_from([1.0, 0.3, 0.1]),
    widths=st.sampled_from([(7, 5), (1, 1), (16, 8), (33, 17), (64, 32), (70, 35)]),
    form=st.sampled_from(NAMES),
    size=st.integers(1, 23),
)
def test_integers_and_counts_are_those_of_the_reference(
    seed: int,
    n_layers: int,
    per_channel: bool,
    readout: Readout,
    rounding: Rounding,
    overflow: Overflow,
    bits: tuple[int, int],
    density: float,
    widths: tuple[int, int],
    form: str,
    size: int,
) -> None:
    rng = np.random.default_rng(seed)
    net = random_fixed_s5_network(
        rng,
        n_layers,
        *widths,
        readout=readout,
        per_channel=per_channel,
        arithmetic=Arithmetic(rounding, overflow, *bits),
        density=density,
    )
    top = min(2**size, net.input_format.max_mantissa)
    x = rng.integers(-top, top + 1, (2, 9, net.d_input))
    wanted = engine.run(net, x, backend="reference")
    assert_same(run_laid_out(form, net, x), wanted)


@settings(max_examples=250, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    d_input=st.integers(1, 200) | st.sampled_from([31, 32, 33, 63, 64, 65, 96, 128, 257]),
    d_output=st.integers(1, 70),
    density=st.floats(0, 1),
    activity=st.sampled_from([0.0, 0.05, 0.6, 1.0]),
    message=st.sampled_from([1, 127, 128, 255, 256, 32639, 32767, 32768, 65536, 2**23 - 1]),
    form=st.sampled_from(NAMES),
)
def test_sparse_matrices_of_any_size_give_the_integers_of_the_reference(
    seed: int,
    d_input: int,
    d_output: int,
    density: float,
    activity: float,
    message: int,
    form: str,
) -> None:
    """Rows empty and full, weights and messages at the ends of their ranges among others."""
    rng = np.random.default_rng(seed)
    shape = d_output, d_input
    weights = rng.choice([-128, 127, -1, 1, *rng.integers(-128, 128, 4)], shape)
    weights *= rng.random(shape) < density
    kind = rng.random((d_output, 1))
    weights = np.where(kind < 0.1, 0, np.where(kind > 0.9, rng.choice([-128, 127]), weights))
    layer = FixedLinear(weights, 7, 4, rng.integers(-9, 9, d_output))
    net = FixedNetwork((layer,), input_exponent=int(rng.integers(0, 9)))
    low = -message - 1 if message + 1 <= net.input_format.max_mantissa else -message
    x = rng.choice([low, message, 0, *rng.integers(low, message + 1, 5)], (2, 5, d_input))
    x *= rng.random(x.shape) < activity
    assert_same(run_laid_out(form, net, x), engine.run(net, x, backend="reference"))


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("message", [-32769, -32768, -32767, 32767, 32768])
def test_the_largest_weights_and_messages_of_16_bits_do_not_saturate(
    form: str, bits: int, message: int
) -> None:
    """No sum of two products with 8 bits of a message may leave 16 bits on the way."""
    message = int(np.clip(message, -(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    weights = np.repeat([[-128], [127], [65], [0]], 67, axis=1)
    layer = FixedLinear(weights, 16, bias=np.zeros(4, int))
    net = FixedNetwork((layer,), input_exponent=0, arithmetic=Arithmetic(message_bits=bits))
    found = run_laid_out(form, net, np.full((1, 67), message))
    assert found.outputs.tolist() == [[2 * message * 67 * w >> 17 for w in (-128, 127, 65, 0)]]


@pytest.mark.parametrize("form", NAMES)
def test_messages_of_16_bits_wrap_where_a_matrix_has_many_inputs(form: str) -> None:
    """Their format does not keep sums within 32 bits, so that the kernel has to look at them."""
    weights = np.full((3, 300), 127)
    weights[1] = -128
    layer = FixedLinear(weights, 16, bias=np.zeros(3, int))
    net = FixedNetwork((layer,), input_exponent=0, arithmetic=Arithmetic(message_bits=16))
    levels = np.array([-32768, 32767, 28000, 27962, 100])
    x = np.repeat(levels[:, np.newaxis], 300, axis=1)
    found = run_laid_out(form, net, x)
    sums = 300 * 2 * np.outer(levels, weights[:, 0])
    beyond = int(((sums < -(2**31)) | (sums >= 2**31)).sum())
    assert 0 < beyond < sums.size
    assert found.overflows.stages[0][1]["synapse"] == beyond
    assert_same(found, engine.run(net, x, backend="reference"))


@pytest.mark.parametrize("shape", [NARROW, wide(2), wide(4)])
def test_windows_hold_each_weight_once_and_pairs_that_do_not_saturate(shape: Shape) -> None:
    rng = np.random.default_rng(7)
    weights = rng.choice([-128, 127, 100, 1, 0, 0], (37, 150))
    steps, tables, pointers = in_windows(weights, shape)
    places, values = steps[:, 0].astype(int), steps[:, 1].view(np.int8).astype(int)
    assert np.abs(values[:, 0::2] + values[:, 1::2]).max() <= shape.most
    found = np.zeros((-(-37 // shape.lanes) * shape.lanes, 256), int)
    for k in range(len(pointers) - 1):
        for step in range(pointers[k], pointers[k + 1]):
            rows = k * shape.lanes + np.arange(places.shape[1]) // shape.together
            columns = tables[step] + places[step]
            np.add.at(found, (rows, columns), values[step])
    np.testing.assert_array_equal(found[:37, :150], weights)


@pytest.mark.parametrize("shape", [NARROW, wide(2), wide(4)])
@pytest.mark.parametrize("d_input", [1, 31, 33, 64, 65, 97, 128, 129, 160, 513])
def test_windows_are_read_within_half_of_the_table(shape: Shape, d_input: int) -> None:
    _, tables, _ = in_windows(np.eye(d_input, dtype=int), shape)
    width = -(-d_input // LINE) * LINE
    assert tables.max() + shape.window <= 2 * width


def test_a_later_weight_takes_the_place_of_one_that_does_not_fit() -> None:
    steps, _, _ = in_windows(np.array([[100, 100, 1]]), NARROW)
    assert steps[:, 1, :2].tolist() == [[100, 1], [100, 0]]


@pytest.mark.slow
def test_a_cpu_without_vectors_of_bytes_gives_the_same_integers() -> None:
    program = """if True:
        import numpy as np
        from lava_ssm import engine
        from lava_ssm.engine.compiled.matrix import FORMS, forms
        from tests.networks import random_fixed_s5_network
        assert [form.name for form in FORMS] == ["dense", "places"]
        forms.IN_PLACES = 0.5
        for density in (0.1, 1.0):
            rng = np.random.default_rng(3)
            net = random_fixed_s5_network(rng, d_model=40, d_state=20, density=density)
            x = rng.integers(-9000, 9000, (20, net.d_input))
            ours, reference = (engine.run(net, x, backend=b) for b in ("compiled", "reference"))
            assert (ours.outputs == reference.outputs).all()
            assert ours.overflows == reference.overflows
    """
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **generic}, check=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    exponents=st.lists(st.integers(-40, 40), min_size=3, max_size=3),
    output_exponent=st.integers(-40, 40),
    form=st.sampled_from(NAMES),
)
def test_synapses_shift_and_wrap_as_the_reference(
    seed: int, exponents: list[int], output_exponent: int, form: str
) -> None:
    rng = np.random.default_rng(seed)
    density = rng.choice([0.03, 0.5, 1])
    weights = rng.integers(-128, 128, (3, 60)) * (rng.random((3, 60)) < density)
    layer = FixedLinear(weights, exponents, output_exponent, rng.integers(-9, 9, 3))
    net = FixedNetwork((layer,), input_exponent=3)
    x = rng.integers(-(2**23), 2**23, (4, 60))
    assert_same(run_laid_out(form, net, x), engine.run(net, x, backend="reference"))


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("exponents", [(24, 24), (2, 24)])
def test_outputs_finer_than_products_are_shifted_to_the_left(
    exponents: tuple[int, int], rounding: Rounding
) -> None:
    """Of direct paths and of gates, with a residual path as far to the left as may be."""
    rng = np.random.default_rng(12)
    rules = Arithmetic(rounding, Overflow.WRAP, state_bits=32, message_bits=32)
    s5 = replace(random_fixed_s5(rng, 6, 4, 8, 8), output_exponent=exponents[0])
    weights, bias = rng.integers(-9, 9, (6, 6)), rng.integers(-99, 99, 6)
    gate = FixedGate(weights, 7, bias, exponents[1])
    net = FixedNetwork((s5, gate, Residual(2)), input_exponent=8, arithmetic=rules)
    rows = layout.layout(net).tables[0]
    assert (rows["shift"] < 0).any()
    assert rows["residual_shift"][-1] == -16
    x = rng.integers(-(2**22), 2**22, (2, 20, 6))
    wanted = engine.run(net, x, backend="reference")
    assert wanted.overflows.total > 0
    assert_same(engine.run(net, x, backend="compiled"), wanted)


@pytest.mark.parametrize("bias", [2**23 - 1, -(2**23)])
def test_a_gates_largest_sums_and_biases_do_not_wrap(bias: int) -> None:
    rules = Arithmetic(message_bits=32)
    net = FixedNetwork((FixedGate([[1]], 7, [bias], 4),), input_exponent=4, arithmetic=rules)
    x = np.array([[2**30 - 1], [-(2**30)], [1], [0]])
    assert_same(engine.run(net, x, backend="compiled"), engine.run(net, x, backend="reference"))


def test_without_a_direct_path_nothing_is_shifted_to_the_left() -> None:
    rng = np.random.default_rng(13)
    s5 = replace(random_fixed_s5(rng, 6, 4, 2, 12), d=None, d_exponent=0)
    net = FixedNetwork((s5,), input_exponent=2)
    assert not (layout.layout(net).tables[0]["shift"] < 0).any()
    x = rng.integers(-99, 99, (20, 6))
    assert_same(engine.run(net, x, backend="compiled"), engine.run(net, x, backend="reference"))


@pytest.mark.parametrize("kind", ["chain", "blocks"])
def test_a_batch_of_single_tokens_is_rounded_row_by_row(kind: str) -> None:
    rng = np.random.default_rng(14)
    if kind == "chain":
        net = random_fixed_network(rng, d_input=5)
    else:
        net = random_fixed_s5_network(rng, d_input=5)
    x = rng.uniform(-1, 1, (10, 3, 5))
    stream, wanted = (net.stream((3,), backend=b) for b in ("compiled", "reference"))
    for token in x:
        np.testing.assert_array_equal(stream.step(token), wanted.step(token))


def test_a_token_beyond_the_format_leaves_the_stream_as_it_was() -> None:
    rng = np.random.default_rng(15)
    net = random_fixed_s5_network(rng)
    stream = net.stream()
    stream.step(rng.uniform(0, 1, 5))
    before, overflows = stream.state, stream.overflows
    for wrong in (np.full(5, 1e9), np.array([0, 0, np.nan, 0, 0])):
        with pytest.raises(ValueError, match="token"):
            stream.step(wrong)
    for one, other in zip(stream.state, before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert stream.overflows == overflows
    assert stream.n_tokens == 1


def test_a_table_takes_only_the_arrays_that_the_kernel_reads() -> None:
    kinds = {"a": (np.int64, 1), "b": (np.float64, 2)}
    good = {"a": np.zeros(3, np.int64), "b": np.zeros((2, 3))}
    assert Arguments(kinds, good).table[1, 1:].tolist() == [2, 3, 0]
    for wrong in ({"b": good["b"].T}, {"b": np.zeros(3)}, {"a": good["a"] * 1.0}):
        with pytest.raises(TypeError, match="array"):
            Arguments(kinds, good | wrong)


def test_a_stream_cut_anywhere_and_set_anew_gives_the_same_integers() -> None:
    rng = np.random.default_rng(0)
    net = random_fixed_s5_network(rng, readout=Readout.MEAN_OVER_TIME, density=0.2)
    x = rng.integers(-3000, 3000, (30, net.d_input))
    whole = engine.run(net, x, reset_every=7, backend="reference").outputs
    stream = net.stream(reset_every=7)
    pieces = [stream.run(x[:5]), np.array([stream.step(token) for token in x[5:12]])]
    kept = stream.state
    pieces.append(stream.run(x[12:]))
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    again = random_fixed_s5_network(np.random.default_rng(0), density=0.2).stream()
    again.state = kept
    for a, b in zip(again.state, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_overflow_in_a_state_raises_where_the_rules_say_so() -> None:
    rng = np.random.default_rng(1)
    rules = Arithmetic(overflow=Overflow.RAISE, state_bits=8)
    raising = random_fixed_s5_network(rng, arithmetic=rules)
    x = rng.integers(-9000, 9000, (20, 5))
    for backend in ("compiled", "reference"):
        stream = raising.stream(backend=backend)
        with pytest.raises(FixedPointOverflow, match="state"):
            stream.run(x)
        assert not any(state.any() for state in stream.state)


@pytest.mark.parametrize("readout", [Readout.EVERY_TOKEN, Readout.MEAN_OVER_TIME])
def test_copies_of_a_stream_go_on_from_its_state(readout: Readout) -> None:
    net = replace(random_fixed_s5_network(np.random.default_rng(9)), readout=readout)
    x = np.random.default_rng(10).integers(-3000, 3000, (10, 5))
    stream = net.stream()
    stream.run(x[:4])
    again, other = copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))
    expected = net.run(x)[4:]
    for one in (stream, again, other):
        np.testing.assert_array_equal(one.run(x[4:]), expected)


def test_a_network_is_laid_out_once_and_its_layout_goes_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    laid_out = []

    def lay_out(network: FixedNetwork, dtype: np.dtype | None, n_threads: int) -> layout.Layout:
        made = layout.layout(network, dtype, n_threads)
        laid_out.append(weakref.ref(made))
        return made

    monkeypatch.setattr(executor, "layout", lay_out)
    net = random_fixed_s5_network(np.random.default_rng(11))
    for n_tokens in (3, 4):
        net.run(np.zeros((n_tokens, 5), int))
    assert len(laid_out) == 1
    del net
    gc.collect()
    assert laid_out[0]() is None
