"""What docs/design.md says of cases that are easily guessed otherwise, worked out by hand."""

from typing import Any

import numpy as np
import pytest

from lava_ssm.engine import Backend, Run, run
from lava_ssm.network import (
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Readout,
    Residual,
)
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding, shift

BACKENDS = pytest.mark.parametrize("backend", ["reference", None])
SAME = FixedLinear([[64]], exponent=6)  # (2 * 64 u) >> 7 = u


def ran(
    layers: Any,
    x: Any,
    backend: Backend | None,
    readout: Readout = Readout.EVERY_TOKEN,
    **rules: Any,
) -> Run:
    net = FixedNetwork(layers, readout, arithmetic=Arithmetic(**rules))
    return run(net, np.array(x), backend=backend)


def tally(result: Run, stage: int = -1) -> dict[str, int]:
    return {what: n for what, n in result.overflows.stages[stage][1].items() if n}


def single(**mantissas: Any) -> FixedS4D:
    """A channel of one state without memory, x = b v and out = 2 Re(c x) unless told otherwise."""
    given = {"a": (0, 0), "b": (1, 0), "c": (0, 0)} | mantissas
    parts = {k: np.array([[given.pop(k)]]) for k in "abc"}
    return FixedS4D(**parts, **({"param_exponent": 0, "state_exponent": 0} | given))


@BACKENDS
@pytest.mark.parametrize(
    ("overflow", "x"), [(Overflow.WRAP, -(2**23)), (Overflow.SATURATE, 2**23 - 1)]
)
def test_the_input_of_a_state_follows_the_rule_of_overflow(
    overflow: Overflow, x: int, backend: Backend | None
) -> None:
    layers = SAME, single(state_exponent=6)
    result = ran(layers, [[2**17]], backend, overflow=overflow)  # 2^17 << 6 = 2^23
    assert result.state[0].tolist() == [[[x, 0]]]
    with pytest.raises(FixedPointOverflow, match="input"):
        ran(layers, [[2**17]], backend, overflow=Overflow.RAISE)


@BACKENDS
def test_inputs_are_counted_once_a_complex_state_and_states_once_a_part(
    backend: Backend | None,
) -> None:
    states = np.zeros((1, 3, 2), int)
    result = ran((SAME, FixedS4D(states, states, states, 0, 6)), [[2**17], [1]], backend)
    assert tally(result) == {"input": 3}
    result = ran((SAME, single(b=(2, 2))), [[2**22], [1]], backend)  # 2 * 2^22 twice
    assert tally(result) == {"state": 2}


@BACKENDS
def test_messages_of_an_s5_state_are_counted_once_a_part(backend: Backend | None) -> None:
    # drive: (2 * 64 u) >> 7 = u in both parts, and u itself is a message of 8 bits no more
    layer = FixedS5([[0, 0]], [[[64, 64]]], [[[0, 0]]], b_exponent=6)
    linear = FixedLinear([[64]], 6)
    result = ran((layer, linear), [[100]], backend, message_bits=8)
    assert tally(result, 0) == {}
    layer = FixedS5([[0, 0]], [[[64, 64]]], [[[0, 0]]], b_exponent=5)  # 2 u
    assert tally(ran((layer, linear), [[100]], backend, message_bits=8), 0) == {"message": 2}


@BACKENDS
def test_a_sum_of_a_synapse_and_its_shift_to_the_left_are_counted_one_each(
    backend: Backend | None,
) -> None:
    two = FixedLinear([[127, 127]], exponent=7)  # >> 8
    u = 2**23 - 1
    result = ran((two,), [[u, u]], backend)
    wrapped = 508 * u - 2**32  # 508 u is beyond 2^31
    assert result.outputs.tolist() == [[wrapped >> 8]]
    assert tally(result) == {"synapse": 1}
    left = FixedLinear([[127, 127]], exponent=-2)  # << 1
    result = ran((left,), [[u, u], [0, 1]], backend, message_bits=32)
    assert result.outputs.tolist() == [[2 * wrapped], [508]]
    assert tally(result) == {"synapse": 1}
    left = FixedLinear([[127, 127]], exponent=-8)  # << 7
    assert tally(ran((left,), [[u, u]], backend, message_bits=32)) == {"synapse": 2}


@BACKENDS
@pytest.mark.parametrize("left", [32, 33, 64, 900])
def test_a_synapse_that_shifts_by_32_to_the_left_leaves_zero(
    left: int, backend: Backend | None
) -> None:
    result = ran((FixedLinear([[1]], exponent=-left - 1),), [[5], [0]], backend)
    assert result.outputs.tolist() == [[0], [0]]
    assert tally(result) == {"synapse": 1}  # of 5; nothing leaves the word of 0


@BACKENDS
@pytest.mark.parametrize("right", [31, 63, 64, 65, 900])
def test_what_is_shifted_far_to_the_right_is_zero_or_minus_one(
    right: int, backend: Backend | None
) -> None:
    result = ran((FixedLinear([[1]], exponent=right - 1),), [[5], [-5]], backend)
    assert result.outputs.tolist() == [[0], [-1]]
    for rounding, low in (
        (Rounding.FLOOR, -1),
        (Rounding.TOWARD_ZERO, 0),
        (Rounding.NEAREST, 0),
    ):
        assert shift([5, -5], right, rounding).tolist() == [0, low]
        # a gate's product: u T[v] >> right
        gate = FixedGate([[0]], output_exponent=15 - right)
        assert ran((gate,), [[5], [-5]], backend, rounding=rounding).outputs.tolist() == [
            [0],
            [low],
        ]
    around = FixedLinear([[0]], output_exponent=-right), Residual(1)  # always rounds down
    assert ran(around, [[5], [-5]], backend).outputs.tolist() == [[0], [-1]]


@BACKENDS
def test_outputs_of_the_last_stage_are_messages_too(backend: Backend | None) -> None:
    double = FixedLinear([[64]], exponent=5)
    result = ran((double,), [[100], [-3]], backend, message_bits=8)
    assert result.outputs.tolist() == [[200 - 256], [-6]]
    assert tally(result) == {"message": 1}


@BACKENDS
def test_a_running_sum_adds_messages(backend: Backend | None) -> None:
    double = FixedLinear([[64]], exponent=5)
    result = ran((double,), [[100], [100], [3]], backend, Readout.MEAN_OVER_TIME, message_bits=8)
    assert result.outputs.tolist() == [[-56], [-112], [-106]]
    assert tally(result) == {"message": 2}


@BACKENDS
@pytest.mark.parametrize(
    ("overflow", "last"), [(Overflow.WRAP, -(2**31)), (Overflow.SATURATE, 2**31 - 1)]
)
def test_a_running_sum_has_32_bits_whatever_messages_have(
    overflow: Overflow, last: int, backend: Backend | None
) -> None:
    mean = Readout.MEAN_OVER_TIME
    half = 2**30 - 1
    layers = (FixedLinear([[1]], exponent=0),)  # (2 u) >> 1
    x = [[half], [half], [2]]
    result = ran(layers, x, backend, mean, message_bits=32, overflow=overflow)
    assert result.outputs.tolist() == [[half], [2 * half], [last]]
    assert tally(result) == {"sum": 1}


@BACKENDS
def test_what_a_state_sends_is_doubled_before_it_is_shifted(backend: Backend | None) -> None:
    # v = 1 << 1 = 2, x = (3 * 2) >> 1 = 3, c x = (2 * 3) >> 1 = 3; 6 >> 1, not 2 (3 >> 1)
    layer = single(b=(3, 0), c=(2, 0), param_exponent=1, state_exponent=1)
    assert ran((layer,), [[1]], backend).outputs.tolist() == [[3]]


@BACKENDS
def test_what_a_state_sends_has_no_word_but_their_sum_has(backend: Backend | None) -> None:
    b, none = np.array([[[2**20, 0], [2**20 - 1, 0]]]), np.zeros((1, 2, 2), int)
    c = np.array([[[2**20, 0], [-(2**20), 0]]])
    layer = FixedS4D(none, b, c, 0, 0, 24)
    result = ran((layer,), [[1]], backend)  # 2^41 - (2^41 - 2^21)
    assert result.outputs.tolist() == [[2**21]]
    assert result.overflows.total == 0
    layer = FixedS4D(none, b, np.abs(c), 0, 0, 24)
    result = ran((layer,), [[1]], backend)  # 2^42 - 2^21, of which 32 bits
    assert result.outputs.tolist() == [[-(2**21)]]
    assert tally(result) == {"synapse": 1}


@BACKENDS
def test_nothing_is_lost_between_a_synapse_and_the_message(backend: Backend | None) -> None:
    rules = {"overflow": Overflow.SATURATE, "message_bits": 8}
    biased = FixedLinear([[64]], 5, bias=[-150])  # 200 - 150
    assert ran((biased,), [[100]], backend, **rules).outputs.tolist() == [[50]]
    layers = biased, FixedLinear([[-64]], 4), Residual(2)  # -4 * 50 + 100
    result = ran(layers, [[100]], backend, **rules)
    assert result.outputs.tolist() == [[-100]]
    assert result.overflows.total == 0
    # no states to speak of: 3 d u, d = -100 of 2^0, and a bias
    s5 = FixedS5([[0, 0]], [[[0, 0]]], [[[0, 0]]], [-100], bias=[350], d_exponent=0)
    result = ran((s5,), [[3]], backend, **rules)
    assert result.outputs.tolist() == [[50]]
    assert result.overflows.total == 0


@BACKENDS
def test_the_table_of_the_sigmoid_begins_at_minus_8(backend: Backend | None) -> None:
    # 2^15 sigmoid((k + 1/2) / 256): 11.01 at k = -2048, 16368.0 and 16400.0 around zero
    for v, wanted in ((-(2**15), 11), (-(2**23), 11), (-1, 16368), (0, 16400), (16, 16432)):
        gate = FixedGate([[0]], bias=[v], output_exponent=0)
        assert ran((gate,), [[2**15]], backend).outputs.tolist() == [[wanted]]


@BACKENDS
def test_a_path_around_the_first_layer_adds_the_token_as_it_is(backend: Backend | None) -> None:
    layers = FixedLinear([[0]]), Residual(1)
    net = FixedNetwork(layers, input_bits=5, arithmetic=Arithmetic(message_bits=8))
    assert net.run(np.array([[-16], [15]]), backend=backend).tolist() == [[-16], [15]]


@BACKENDS
def test_an_overflow_that_raises_is_counted_and_changes_nothing_else(
    backend: Backend | None,
) -> None:
    net = FixedNetwork(
        (SAME, single()), arithmetic=Arithmetic(overflow=Overflow.RAISE, state_bits=8)
    )
    stream = net.stream(backend=backend)
    stream.run([[3], [4]])
    with pytest.raises(FixedPointOverflow):
        stream.run([[5], [128]])
    assert stream.state[0].tolist() == [[[4, 0]]]
    assert stream.n_tokens == 2
    assert stream.overflows.total == 1
