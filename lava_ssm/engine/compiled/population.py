"""Neurons of a graph, a population at a time: what Lava's models step.

Unlike in `advance` every state has an input and an output of its own, and state is kept in 32-bit
integers, which can be read and set from outside between steps.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.engine.compiled.arguments import Arguments, Kinds, taking
from lava_ssm.engine.compiled.compiling import (
    IS_COMPILED,
    choosing,
    compiled,
    kernel,
    ready,
    renamed,
)
from lava_ssm.engine.compiled.cpu import rounding_mode, set_rounding_mode, to_int32
from lava_ssm.engine.compiled.layout import POPULATION, RULES, kinds, lay_out_neurons, rules_of
from lava_ssm.engine.compiled.neurons.affine import AFFINE
from lava_ssm.engine.compiled.neurons.bilinear import BILINEAR
from lava_ssm.engine.compiled.neurons.filters import (
    CHANNEL,
    DOWN,
    U_LIMIT,
    UP,
    X_LIMIT,
    channels_of,
    exact_state,
    float_type,
)
from lava_ssm.engine.compiled.neurons.inverse_sqrt import INVERSE_SQRT
from lava_ssm.engine.compiled.neurons.messages import ACTIVATIONS, MOST_LEFT, messages
from lava_ssm.engine.compiled.neurons.product import PRODUCT
from lava_ssm.engine.compiled.neurons.recurrence import RECURRENCE
from lava_ssm.engine.compiled.tokens import array_type
from lava_ssm.engine.compiled.vectors import lanes_of, step_each
from lava_ssm.engine.compiled.words import OVERFLOWED, SUM, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import Activation, Filters, Population, Recurrence, Stateless
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, Overflow

Words: TypeAlias = NDArray[np.int32]
_WORDS = array_type(np.dtype(np.int32), 1)


class StateNeurons:
    """Neurons with complex states: `reference.fixed.step`.

    Parameters
    ----------
    neurons, rules
        Operation and rules.
    amount
        Bits to shift the input to the right, rounding down, one or one a neuron.
    """

    def __init__(
        self, neurons: Filters | Recurrence, rules: Arithmetic, amount: ArrayLike = 0
    ) -> None:
        self._neurons, self._rules = neurons, rules
        shifts = np.asarray(amount, np.int32)
        self._amount = shifts if shifts.any() else None
        self._counts = np.zeros(len(OVERFLOWED), np.int64)
        self._kernel: Callable[..., None] | None = None  # the reference is called instead
        if IS_COMPILED:
            if isinstance(neurons, Filters):
                self._bind(neurons)
            else:
                self._arguments = _laid_out(Population(neurons, ()), rules, self._counts)
                self._table, self._kernel = self._arguments.table, step_recurrence
                ready(self._kernel, (array_type(self._table.dtype, 2), *[_WORDS] * 4))

    def _bind(self, layer: Filters) -> None:
        n, rules = layer.n_neurons, self._rules
        real = float_type(rules, layer.param_bits)
        size = -(-n // lanes_of(real)) * lanes_of(real)
        channels = np.zeros((len(CHANNEL), size))
        channels[:, :n] = np.repeat(channels_of(layer, rules, real), layer.d_state, axis=1)
        values = np.concatenate([layer.a, layer.b, layer.c], axis=-1).reshape(n, 6)
        parameters: np.ndarray = np.zeros((6, size), real)
        parameters[:, :n] = values.T * np.exp2(-channels[0, :n])
        arrays = {
            "parameters": parameters.ravel(),
            "channels": channels.astype(real),  # of each state
            "rules": rules_of(rules),
            "reals": np.zeros((3, size), real),
            "sent": np.zeros(size, np.int32),
            "counts": self._counts,
        }
        self._arguments = Arguments(_kinds(real), arrays)
        self._table = self._arguments.table
        self._kernel = stepping(real)
        ready(self._kernel, (array_type(self._table.dtype, 2), *[_WORDS] * 4))

    def step(self, re: Words, im: Words, u: Words, tally: Tally) -> Words:
        """One time step.

        Parameters
        ----------
        re, im
            State, int32, one a state; updated.
        u
            Input, int32, (n_neurons,).

        Returns
        -------
        ndarray
            What each neuron sends, int32, of that shape: the low 32 bits. (Wrapped here or in the
            synapse that sums, the sum is the same, modulo 2^32.)

        Raises
        ------
        FixedPointOverflow
            A word overflows, and the rules say RAISE. The state is as before.
        """
        if self._amount is not None:
            u = u >> self._amount
        if self._kernel is None:
            return self._in_reference(re, im, u, tally)
        out = np.empty_like(u)
        raises = self._rules.overflow is Overflow.RAISE
        state = (re.copy(), im.copy()) if raises else (re, im)
        if self._kernel(self._table, *state, _own(u), out):
            _collect(self._counts, tally, self._rules, lambda t: self._in_reference(re, im, u, t))
        if raises:
            re[:], im[:] = state
        return out

    def _in_reference(self, re: Words, im: Words, u: Words, tally: Tally) -> Words:
        state = np.stack([re, im], axis=-1).astype(np.int64).reshape(self._neurons.state_shape)
        wide = u.astype(np.int64)
        state, out = fixed.step(self._neurons, self._rules, state, wide, tally)
        re[:], im[:] = state[..., 0].ravel(), state[..., 1].ravel()
        return _low(out)


class Relays:
    """Neurons between synapses: they shift, rectify and send what `reference.fixed.message` says.

    Parameters
    ----------
    relu
        Whether to rectify.
    amount
        Bits to shift to the right, rounding down, one or one a neuron.
    rules
        Width and rule of overflow of messages.
    """

    def __init__(self, relu: bool, amount: ArrayLike, rules: Arithmetic) -> None:
        self._activation = Activation.RELU if relu else Activation.NONE
        self._rules = rules
        limited = np.minimum(np.ravel(amount), SYNAPSE_BITS - 1)  # floor: no more is left
        self._counts = np.zeros(len(OVERFLOWED), np.int64)
        number = ACTIVATIONS[self._activation]
        self._bound = (limited.astype(np.int32), number, rules_of(rules), self._counts)
        _compile(relay, self._bound, 1)

    def step(self, u: Words, tally: Tally) -> Words:
        """Give the messages of 32-bit sums `u`, of any shape, which may be written over."""
        if not IS_COMPILED:
            return _low(self._in_reference(u, tally))
        raises = self._rules.overflow is Overflow.RAISE
        y = u.copy() if raises else _own(u)
        if relay(*self._bound, y.reshape(-1)):
            _collect(self._counts, tally, self._rules, lambda t: self._in_reference(u, t))
        return y

    def _in_reference(self, u: Words, tally: Tally) -> NDArray[np.int64]:
        shifted = u.ravel().astype(np.int64) >> self._bound[0]
        sent = fixed.message(shifted, self._activation, self._rules, tally)
        return np.asarray(sent).reshape(u.shape)


class OutputNeurons:
    """Neurons without a state: `reference.fixed.output`, then `residual` and `message`.

    Parameters
    ----------
    neurons, rules
        Operation and rules.
    amount, u_amount
        Bits to shift the inputs to the right, rounding down, one or one a neuron.
    residual_shift, activation, exponent
        See `Population`.
    """

    def __init__(
        self,
        neurons: Stateless,
        rules: Arithmetic,
        amount: ArrayLike,
        u_amount: ArrayLike,
        residual_shift: int,
        activation: Activation,
        exponent: int,
    ) -> None:
        self._population = Population(
            neurons,
            (),
            residual_shift=residual_shift,
            activation=activation,
            exponent=exponent,
        )
        self._rules = rules
        self._counts = np.zeros(len(OVERFLOWED), np.int64)
        self._amounts = np.zeros((2, neurons.n_neurons), np.int32)
        for row, given in zip(self._amounts, (amount, u_amount), strict=True):
            row[:] = np.minimum(given, SYNAPSE_BITS - 1)  # floor: no more is left
        self._is_compiled = IS_COMPILED and residual_shift >= -MOST_LEFT
        if self._is_compiled:
            self._arguments = _laid_out(self._population, rules, self._counts)
            self._table = self._arguments.table
            kinds = array_type(self._table.dtype, 2), array_type(self._amounts.dtype, 2)
            ready(step_output, (*kinds, *[_WORDS] * 4))

    def step(self, a: Words, u: Words, r: Words, tally: Tally) -> Words:
        """Give what they send of inputs and a residual path's messages, int32, (n_neurons,)."""
        if not self._is_compiled:
            return _low(self._in_reference(a, u, r, tally))
        out = np.empty_like(a)
        if step_output(self._table, self._amounts, _own(a), _own(u), _own(r), out):
            again = lambda t: self._in_reference(a, u, r, t)  # noqa: E731
            _collect(self._counts, tally, self._rules, again)
        return out

    def _in_reference(self, a: Words, u: Words, r: Words, tally: Tally) -> NDArray[np.int64]:
        p, rules = self._population, self._rules
        s, second = (x.astype(np.int64) >> n for x, n in zip((a, u), self._amounts, strict=True))
        y = fixed.output(p.neurons, rules, s, second, tally)  # type: ignore[arg-type]
        y = fixed.residual(y, r.astype(np.int64), p.residual_shift)
        return fixed.message(y, p.activation, rules, tally, p.exponent)


class RunningSum:
    """The neurons of a mean readout: `reference.fixed.running_sum`."""

    def __init__(self, rules: Arithmetic) -> None:
        self._rules = rules
        self._counts = np.zeros(len(OVERFLOWED), np.int64)
        self._bound = (rules_of(rules), self._counts)
        _compile(add, self._bound, 2)

    def step(self, total: Words, y: Words, tally: Tally) -> None:
        """Add `y` to `total`, which is updated: contiguous arrays of one shape."""
        before = total.copy()

        def again(tally: Tally) -> NDArray[np.int64]:
            total[:] = before
            wide = before.astype(np.int64)
            return fixed.running_sum(wide, y.astype(np.int64), self._rules, tally)

        if not IS_COMPILED:
            total[:] = again(tally)
        elif add(*self._bound, total.reshape(-1), y.reshape(-1)):
            _collect(self._counts, tally, self._rules, again)


def _low(values: NDArray[np.int64]) -> Words:
    """The low 32 bits."""
    return values.astype(np.int32)


def _own(u: Words) -> Words:
    """An array of the one kind that the kernels were compiled for."""
    return u if u.flags.carray else u.copy()


def _compile(outer: Any, bound: tuple[Any, ...], n_words: int) -> None:
    if not IS_COMPILED:  # the reference is called instead
        return
    ready(outer, (*map(numba.typeof, bound), *[_WORDS] * n_words))


def _collect(
    counts: NDArray[np.int64], tally: Tally, rules: Arithmetic, again: Callable[[Tally], Any]
) -> None:
    """Hand counts on; under RAISE let the reference say, once more, what overflowed."""
    for what, n in zip(OVERFLOWED, counts, strict=True):
        if n:
            tally[what] += int(n)
    counts[:] = 0
    if rules.overflow is Overflow.RAISE:
        again(Tally())


def _kinds(real: np.dtype) -> Kinds:
    """Of the arrays of `stepping`; each state counts as a channel."""
    return {
        "parameters": (real, 1),  # (6 * size,): re and im of a, b, c; padded
        "channels": (real, 2),  # (len(CHANNEL), size)
        "rules": (RULES, 1),
        "reals": (real, 2),  # (3, size), to write on; zero in the padding
        "sent": (np.int32, 1),  # the same
        "counts": (np.int64, 1),
    }


@compiled
def any_of(counts):
    """Whether one of them is not zero."""
    total = np.int64(0)
    for i in range(counts.size):
        total |= counts[i]
    return total != 0


_OPERATIONS = RECURRENCE, AFFINE, PRODUCT, BILINEAR, INVERSE_SQRT
_step_states = RECURRENCE.step
_step = choosing("step_alone", [each.step for each in _OPERATIONS[1:]])
_A, _U, _R, _OUT = range(4)
"""Buffers: of the inputs, of a residual path, and of what is sent."""


def _laid_out(p: Population, rules: Arithmetic, counts: NDArray[np.int64]) -> Arguments:
    """Lay a population out that receives sums, not messages."""
    given = kinds(np.float32, True)
    writer, rows = Writer(given, rules, 0), np.zeros(1, POPULATION)
    rows[0]["source"], rows[0]["second"], rows[0]["residual"], rows[0]["out"] = range(4)
    rows[0]["matrix"] = rows[0]["second_matrix"] = -1
    lay_out_neurons(writer, rows[0], p, _OPERATIONS)
    width = p.neurons.n_neurons
    arrays: dict[str, np.ndarray] = {
        name: np.zeros((1,) * ndim, kind) for name, (kind, ndim) in given.items()
    }
    arrays |= {
        **writer.arrays,
        "populations": rows,
        "rules": rules_of(rules),
        "carried": np.zeros((1, max(1, writer.n_carried))),
        "counts": counts.reshape(1, -1),
        "buffers": np.zeros((4, 1, width), np.int32),
        "sums": np.zeros((2, width), np.int32),
        "doubles": np.zeros((2, width)),
    }
    return Arguments(given, arrays)


_data_of = taking(kinds(np.float32, True))


@kernel
def step_recurrence(table, re, im, u, out):
    """One step of a population; int32, (n,), u and out (2 n,). As above."""
    data = _data_of(table)
    row, state, n = data.populations[0], data.carried[0], re.size
    before = rounding_mode()
    set_rounding_mode(np.int32(data.rules[0].rounding))
    for i in range(n):
        state[i], state[n + i] = re[i], im[i]
    for j in range(u.size):
        data.buffers[_A, 0, j] = u[j]
    _step_states(row, data, 0, 1)
    for i in range(n):
        re[i], im[i] = to_int32(state[i]), to_int32(state[n + i])
    for j in range(u.size):
        out[j] = data.buffers[_OUT, 0, j]
    set_rounding_mode(before)
    return any_of(data.counts[0])


@kernel
def step_output(table, amounts, a, u, r, out):
    """What neurons send of sums; int32, (n,). As above."""
    data = _data_of(table)
    row, buffers = data.populations[0], data.buffers
    before = rounding_mode()
    set_rounding_mode(np.int32(data.rules[0].rounding))
    for j in range(a.size):
        buffers[_A, 0, j] = a[j] >> amounts[0, j]
        buffers[_U, 0, j] = u[j] >> amounts[1, j]
        buffers[_R, 0, j] = r[j]
    _step(row.operation - 1, row, data, 0, 1)
    for j in range(a.size):
        out[j] = buffers[_OUT, 0, j]
    set_rounding_mode(before)
    return any_of(data.counts[0])


@cache
def stepping(real: np.dtype) -> Callable[..., None]:
    """Give the kernel of filters whose floats are `real`."""
    data_of = taking(_kinds(real))

    def step_neurons(table, re, im, u, out):
        """One step of a population; int32, (n,). Returns whether a word overflowed."""
        data = data_of(table)
        before, rules = rounding_mode(), data.rules[0]
        set_rounding_mode(np.int32(rules.rounding))
        channels, reals, sent = data.channels, data.reals, data.sent
        n, size = re.size, sent.size
        real = channels.dtype.type
        half = real(1 << (rules.state_bits - 1))
        within = True
        for i in range(n):
            v, x_re, x_im = real(u[i]), real(re[i]), real(im[i])
            within &= abs(v) <= channels[U_LIMIT, i] and abs(x_re) <= half and abs(x_im) <= half
            reals[0, i], reals[1, i], reals[2, i] = v * channels[UP, i], x_re, x_im
        step_each(data.parameters, size, reals[0], channels[DOWN], reals[1], reals[2], sent)
        for i in range(n):
            within &= (
                abs(reals[1, i]) <= channels[X_LIMIT, i]
                and abs(reals[2, i]) <= channels[X_LIMIT, i]
            )
        if within:
            for i in range(n):
                re[i], im[i], out[i] = to_int32(reals[1, i]), to_int32(reals[2, i]), sent[i]
        else:
            for i in range(n):
                x = np.int64(re[i]), np.int64(im[i])
                exponents = np.int64(channels[0, i]), np.int64(channels[1, i])
                re[i], im[i], out[i] = exact_state(
                    data.parameters, (i, size), exponents, x, np.int64(u[i]), rules, data.counts
                )
        set_rounding_mode(before)
        return any_of(data.counts)

    return kernel(renamed(step_neurons, str(real)))


@kernel
def relay(amount, activation, rules, counts, y):
    """`messages(y >> amount)`, in place; amount int32, one or (n,); y int32, (n,). As above."""
    if amount.size == 1:
        for i in range(y.size):
            y[i] >>= amount[0]
    else:
        for i in range(y.size):
            y[i] >>= amount[i]
    messages(y, y.size, rules[0].message_bits, rules[0], activation, counts)
    return any_of(counts)


@kernel
def add(rules, counts, total, y):
    """Total + y in 32 bits, both int32, (n,). As above."""
    for i in range(total.size):
        sum_ = np.int64(total[i]) + np.int64(y[i])
        total[i] = word(sum_, SYNAPSE_BITS, rules[0].overflow, counts, SUM)
    return any_of(counts)
