"""A fixed network as an ONNX graph of one step, in integer operators: the engine's integers."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_ssm.extras import needed
from lava_ssm.network import (
    Activation,
    Affine,
    Bilinear,
    Connection,
    Copies,
    Filters,
    FixedNetwork,
    GatedRecurrence,
    InverseSqrt,
    Matrix,
    Neurons,
    Population,
    Product,
    Readout,
    Recurrence,
    SelectiveRecurrence,
    Taps,
    check_fixed,
)
from lava_ssm.numerics import (
    DECAY,
    DECAY_EXPONENT,
    DECAY_INPUT_EXPONENT,
    INVERSE_SQRT_TABLE,
    SIGMOID,
    SIGMOID_INPUT_EXPONENT,
    SYNAPSE_BITS,
    TABLE_EXPONENT,
    TABLE_STEPS,
    IntArray,
    Overflow,
    Rounding,
    Table,
    word_range,
)
from lava_ssm.numerics.inverse_sqrt import FRACTION_BITS, NEWTON_STEPS, SCALED_BIT

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_OPSET, _IR = 17, 8
_MOST_SHIFT = 62
"""What is shifted stays below 2^62: nothing is left of it by then."""
_BITS = 34
"""Of what a root is taken of: a sum of 32 bits and an epsilon."""
_LAST: IntArray = np.array([-1])
_NARROW = (np.int8, np.int16, np.int32, np.int64)


def to_onnx(network: FixedNetwork) -> "ModelProto":
    """Give the graph of one token: state in, state out.

    Inputs are `token`, (batch, d_input), and states, `state0`, ..., (batch, *shape), those of a
    `Stream`; with a mean readout also `total`, (batch, d_output), the running sum. Outputs are
    `output`, (batch, d_output), and each state's `..._next`. All are int64, mantissas, zeros at a
    sample's first token. Parameters are stored in their own widths.

    Parameters
    ----------
    network
        Fixed; its rule of overflow WRAP or SATURATE.

    Raises
    ------
    TypeError
        Not a fixed network.
    ValueError
        Its rule of overflow is RAISE, which no operator of ONNX does, or an operation that has no
        ONNX form.
    MissingPackageError
        onnx cannot be imported.
    """
    check_fixed(network)
    if network.arithmetic.overflow is Overflow.RAISE:
        raise ValueError("network: its rule of overflow is RAISE, an ONNX graph cannot raise")
    with needed("onnx"):
        import onnx
    graph = _Graph(network)
    for n, population in enumerate(network.lowered):
        write = _WRITE.get(type(population.neurons))
        if write is None:
            raise ValueError(f"{type(population.neurons).__name__} neurons have no ONNX form")
        graph.sent[n] = write(graph, population, population.neurons)
    output = graph.sent[len(network.lowered) - 1]
    if network.readout is Readout.MEAN_OVER_TIME:
        total = graph.carried((network.d_output,), "total")
        output = graph.word(graph.op("Add", total, output), SYNAPSE_BITS)
        graph.next("total", output)
    graph.rename(output, "output")

    def described(shapes: Mapping[str, tuple[int, ...]]) -> list["onnx.ValueInfoProto"]:
        return [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["batch", *shape])
            for name, shape in shapes.items()
        ]

    inputs: dict[str, tuple[int, ...]] = {"token": (network.d_input,), **graph.states}
    outputs: dict[str, tuple[int, ...]] = {"output": (network.d_output,)}
    outputs |= {f"{name}_next": shape for name, shape in graph.states.items()}
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes, "step", described(inputs), described(outputs), graph.constants
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="lava_ssm",
    )
    exponents = {"input_exponent": network.input_exponent, "output_exponent": network.exponents[-1]}
    onnx.helper.set_model_props(
        model, {name: str(value) for name, value in exponents.items()} | {**network.made_by}
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Nodes and constants as they are written; values are names."""

    def __init__(self, network: FixedNetwork) -> None:
        self.network, self.rules = network, network.arithmetic
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.sent: dict[int | None, str] = {None: "token"}
        self.states: dict[str, tuple[int, ...]] = {}
        self._names: dict[tuple[bytes, tuple[int, ...]], str] = {}

    def op(self, kind: str, *inputs: str, **attributes: int) -> str:
        """Add a node; gives its output."""
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [name], None, None, None, None, **attributes)
        )
        return name

    def constant(self, values: IntArray | int) -> str:
        """Give integers as int64, stored in the narrowest type."""
        from onnx import TensorProto, numpy_helper

        array = np.asarray(values, np.int64)
        key = array.tobytes(), array.shape
        if key not in self._names:
            name = f"c{len(self.constants)}"
            fits = (np.array_equal(array.astype(kind), array) for kind in _NARROW)
            kind = next(kind for kind, fit in zip(_NARROW, fits, strict=True) if fit)
            self.constants.append(numpy_helper.from_array(array.astype(kind), name))
            cast = name if kind is np.int64 else self.op("Cast", name, to=TensorProto.INT64)
            self._names[key] = cast
        return self._names[key]

    def carried(self, shape: tuple[int, ...], name: str | None = None) -> str:
        """Add a state; gives its value before the token, which has its name."""
        name = name or f"state{len(self.states)}"
        self.states[name] = shape
        return name

    def next(self, before: str, value: str) -> None:
        """Say what a state is after the token."""
        self.rename(value, f"{before}_next")

    def rename(self, value: str, name: str) -> None:
        """Give a value the name of an output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def biased(self, value: str, bias: IntArray | None) -> str:
        """With a bias, if there is one."""
        return value if bias is None else self.op("Add", value, self.constant(bias))

    def sent_state(self, state: str, amount: int) -> str:
        """A state as a message."""
        sent = self.shift(state, amount, self.rules.rounding)
        return self.word(sent, self.rules.message_bits)

    def floor(self, value: str, amount: IntArray | int) -> str:
        """Shift to the right, rounding down; to the left by what is negative."""
        return self.shift(value, amount, Rounding.FLOOR)

    def shift(self, value: str, amount: IntArray | int, rounding: Rounding) -> str:
        """`numerics.shift`."""
        shifts = np.asarray(amount, np.int64)
        if (shifts < 0).any():
            value = self.op("Mul", value, self.constant(1 << np.clip(-shifts, 0, _MOST_SHIFT)))
        right = np.clip(shifts, 0, _MOST_SHIFT)
        if not right.any():
            return value
        return self.divided(value, self.constant(np.int64(1) << right), rounding)

    def divided(self, value: str, divisor: str, rounding: Rounding) -> str:
        """By powers of two: Div of integers drops the fraction, Mod has the divisor's sign."""
        if rounding is Rounding.TOWARD_ZERO:
            return self.op("Div", value, divisor)
        rest = self.op("Mod", value, divisor)
        floor = self.op("Div", self.op("Sub", value, rest), divisor)
        if rounding is Rounding.FLOOR:
            return floor
        # 2 rest > 2^n, or equal and the floor odd: 2 rest + (floor mod 2) > 2^n
        twice = self.op("Add", rest, rest)
        odd = self.op("Mod", floor, self.constant(2))
        above = self.op("Greater", self.op("Add", twice, odd), divisor)
        return self.op("Add", floor, self._integer(above))

    def _integer(self, truth: str) -> str:
        from onnx import TensorProto

        return self.op("Cast", truth, to=TensorProto.INT64)

    def word(self, value: str, bits: int, overflow: Overflow | None = None) -> str:
        """`numerics.to_bits`, by the network's rule or another."""
        low, high = word_range(bits)
        if (overflow or self.rules.overflow) is Overflow.SATURATE:
            return self.clipped(value, low, high)
        moved = self.op("Add", value, self.constant(-low))
        wrapped = self.op("Mod", moved, self.constant(1 << bits))
        return self.op("Add", wrapped, self.constant(low))

    def clipped(self, value: str, low: int, high: int | None = None) -> str:
        """No less than `low`, no more than `high`.

        Clip, Max and Min of integers of 64 bits are wrong in some versions of onnxruntime: of
        3138694456 and 32767 Min gives the first.
        """
        for kind, bound in (("Less", low), ("Greater", high)):
            if bound is not None:
                limit = self.constant(bound)
                value = self.op("Where", self.op(kind, value, limit), limit, value)
        return value

    def wrapped(self, value: str) -> str:
        """In the 32 bits of a synapse, which wrap."""
        return self.word(value, SYNAPSE_BITS, Overflow.WRAP)

    def is_summed(self, source: int | None) -> bool:
        """Whether what a population sends is added up by itself."""
        return source is not None and isinstance(self.network.lowered[source].neurons, Filters)

    def received(self, connection: Connection) -> str:
        """What a connection makes of its messages."""
        sent, synapse = self.sent[connection.source], connection.synapse
        if isinstance(synapse, Copies):
            return self.op("Gather", sent, self.constant(synapse.index), axis=-1)
        if not isinstance(
            synapse, Matrix
        ):  # of ones: those that expand, or sum filters, are theirs
            if not synapse.sums or self.is_summed(connection.source):
                return sent
            each = np.array([-1, synapse.n_out, synapse.n_in // synapse.n_out])
            parts = self.op("Reshape", sent, self.constant(each))
            return self.wrapped(self.op("ReduceSum", parts, self.constant(_LAST), keepdims=0))
        product = self.op("MatMul", sent, self.constant(2 * synapse.weights.T))
        common = int(np.min(synapse.shift))
        sums = self.wrapped(product)
        if common < 0:
            factor = 0 if -common >= SYNAPSE_BITS else 1 << -common
            sums = self.wrapped(self.op("Mul", sums, self.constant(factor)))
        return self.floor(sums, synapse.shift - min(common, 0))

    def looked_up(self, table: Table, value: str, exponent: int) -> str:
        """`Table.look_up`."""
        amount = exponent - table.step_exponent
        if amount < 0:
            value = self.clipped(value, -2 * TABLE_STEPS, 2 * TABLE_STEPS)
        step = self.clipped(self.floor(value, max(amount, -12)), -TABLE_STEPS, TABLE_STEPS - 1)
        place = self.op("Add", step, self.constant(TABLE_STEPS))
        return self.op("Gather", self.constant(table.entries), place)

    def highest_bit(self, value: str) -> str:
        """Of integers in [1, 2^_BITS): how many powers of two, from 2 on, they reach."""
        powers = self.constant((np.int64(1) << np.arange(1, _BITS)) - 1)
        column = self.op("Unsqueeze", value, self.constant(_LAST))
        reached = self._integer(self.op("Greater", column, powers))
        return self.op("ReduceSum", reached, self.constant(_LAST), keepdims=0)

    def part(self, value: str, part: int) -> str:
        """The real (0) or the imaginary (1) parts of (..., 2)."""
        return self.op("Gather", value, self.constant(part), axis=-1)

    def joined(self, re: str, im: str) -> str:
        """Both parts, (..., 2)."""
        last = self.constant(_LAST)
        parts = (self.op("Unsqueeze", value, last) for value in (re, im))
        return self.op("Concat", *parts, axis=-1)

    def diagonal(self, a: IntArray, p: IntArray | int, state: str, drive: tuple[str, str]) -> str:
        """X' = a x + drive, (..., 2): each product shifted on its own."""
        re, im = self.part(state, 0), self.part(state, 1)

        def times(part: int, x: str) -> str:
            return self.shift(
                self.op("Mul", self.constant(a[..., part]), x), p, self.rules.rounding
            )

        new_re = self.op("Sub", times(0, re), times(1, im))
        new_im = self.op("Add", times(0, im), times(1, re))
        new = self.joined(self.op("Add", new_re, drive[0]), self.op("Add", new_im, drive[1]))
        return self.word(new, self.rules.state_bits)


def _filters(graph: _Graph, population: Population, neurons: Filters) -> str:
    rules = graph.rules
    p = np.broadcast_to(np.reshape(neurons.param_exponent, (-1, 1)), (neurons.d_model, 1))
    s = np.broadcast_to(np.reshape(neurons.state_exponent, (-1, 1)), (neurons.d_model, 1))
    before = graph.carried(neurons.state_shape)
    u = graph.op("Unsqueeze", graph.sent[population.inputs[0].source], graph.constant(_LAST))
    v = graph.word(graph.shift(u, -s, Rounding.FLOOR), rules.state_bits)

    def times(m: IntArray, part: int, x: str) -> str:
        product = graph.op("Mul", graph.constant(m[..., part]), x)
        return graph.shift(product, p, rules.rounding)

    state = graph.diagonal(neurons.a, p, before, (times(neurons.b, 0, v), times(neurons.b, 1, v)))
    graph.next(before, state)
    difference = graph.op(
        "Sub",
        times(neurons.c, 0, graph.part(state, 0)),
        times(neurons.c, 1, graph.part(state, 1)),
    )
    out = graph.shift(graph.op("Add", difference, difference), s, rules.rounding)
    return graph.wrapped(graph.op("ReduceSum", out, graph.constant(_LAST), keepdims=0))


def _recurrence(graph: _Graph, population: Population, neurons: Recurrence) -> str:
    size, before = len(neurons.a), graph.carried(neurons.state_shape)
    u = graph.received(population.inputs[0])
    drive = [
        graph.op(
            "Add",
            graph.op("Gather", u, graph.constant(np.arange(size) + size * part), axis=-1),
            graph.constant(neurons.bias[:, part]),
        )
        for part in (0, 1)
    ]
    state = graph.diagonal(neurons.a, neurons.param_exponent, before, (drive[0], drive[1]))
    graph.next(before, state)
    re, im = graph.part(state, 0), graph.part(state, 1)
    if neurons.relu:
        # on where Re > 0, or Re = 0 and Im > 0
        zero = graph.constant(0)
        upright = graph.op("And", graph.op("Equal", re, zero), graph.op("Greater", im, zero))
        on = graph.op("Or", graph.op("Greater", re, zero), upright)
        re, im = (graph.op("Where", on, value, zero) for value in (re, im))
    return graph.sent_state(graph.op("Concat", re, im, axis=-1), neurons.state_shift)


def _affine(graph: _Graph, population: Population, neurons: Affine) -> str:
    y = graph.received(population.inputs[0])
    if neurons.direct is not None and neurons.direct.any():
        u = graph.received(population.inputs[1])
        product = graph.op("Mul", u, graph.constant(neurons.direct))
        y = graph.op("Add", y, graph.shift(product, neurons.shift, graph.rules.rounding))
    return _message(graph, population, graph.biased(y, neurons.bias))


def _product(graph: _Graph, population: Population, neurons: Product) -> str:
    s, u = (graph.received(c) for c in population.inputs)
    u, opening = graph.biased(u, neurons.bias_u), graph.biased(s, neurons.bias)
    gate = graph.looked_up(SIGMOID, opening, SIGMOID_INPUT_EXPONENT)
    y = graph.shift(graph.op("Mul", u, gate), neurons.shift, graph.rules.rounding)
    return _message(graph, population, y)


def _message(graph: _Graph, population: Population, y: str) -> str:
    """Residual path, activation and word."""
    if population.residual is not None:
        earlier = graph.floor(graph.sent[population.residual.source], population.residual_shift)
        y = graph.op("Add", y, earlier)
    bits, table = population.rules(graph.rules).message_bits, population.activation.table
    if population.activation is Activation.RELU:
        y = graph.clipped(y, 0)
    if table is not None and table.multiplies:
        y = graph.word(y, bits)
        entry = graph.looked_up(table, y, population.exponent)
        y = graph.shift(graph.op("Mul", y, entry), TABLE_EXPONENT, graph.rules.rounding)
    elif table is not None:
        entry = graph.looked_up(table, y, population.exponent)
        amount = table.entry_exponent - population.exponent
        shifted = graph.shift(entry, amount, graph.rules.rounding)
        y = graph.op("Add", graph.clipped(y, 0), shifted) if table.rectifies else shifted
    return graph.word(y, bits)


def _bilinear(graph: _Graph, population: Population, neurons: Bilinear) -> str:
    rounding = graph.rules.rounding
    s, u = (graph.received(c) for c in population.inputs)
    y = graph.shift(graph.op("Mul", s, u), neurons.shift, rounding)
    if neurons.limit is None:
        y = graph.word(y, SYNAPSE_BITS)
    else:
        y = graph.clipped(y, -neurons.limit, neurons.limit)
    if neurons.weights is not None:
        y = graph.op("Mul", y, graph.constant(neurons.weights))
        y = graph.shift(y, neurons.weight_shift, rounding)
    return _message(graph, population, graph.biased(y, neurons.bias))


def _inverse_sqrt(graph: _Graph, population: Population, neurons: InverseSqrt) -> str:
    """`numerics.scaled_inverse_sqrt`: what is shifted by depends on the highest bit alone."""
    rules = population.rules(graph.rules)
    epsilon = graph.constant(int(neurons.epsilon))
    v = graph.clipped(graph.op("Add", graph.received(population.inputs[0]), epsilon), 1)
    bit = graph.highest_bit(v)
    j = (np.arange(_BITS) - SCALED_BIT) >> 1

    def chosen(powers: IntArray) -> str:
        return graph.op("Gather", graph.constant(np.int64(1) << powers), bit)

    raised = graph.op("Mul", v, chosen(2 * np.maximum(-j, 0)))
    b = graph.op("Div", raised, chosen(2 * np.maximum(j, 0)))
    table = graph.constant(INVERSE_SQRT_TABLE)
    factor = graph.op("Gather", table, graph.highest_bit(b))
    y = graph.floor(factor, 1)
    for _ in range(NEWTON_STEPS):
        for _ in range(2):
            b = graph.floor(graph.op("Mul", b, factor), FRACTION_BITS + 1)
        factor = graph.op("Sub", graph.constant(3 << FRACTION_BITS), b)
        y = graph.floor(graph.op("Mul", y, factor), FRACTION_BITS + 1)
    amount = np.clip(3 * FRACTION_BITS // 2 + j - neurons.exponent, -40, _MOST_SHIFT)
    y = graph.op("Mul", y, chosen(np.maximum(-amount, 0)))
    y = graph.divided(y, chosen(np.maximum(amount, 0)), rules.rounding)
    low, most = word_range(rules.message_bits)
    return _message(graph, population, graph.clipped(y, low, most))


def _taps(graph: _Graph, population: Population, neurons: Taps) -> str:
    before = graph.carried(neurons.state_shape)
    u = graph.op("Unsqueeze", graph.sent[population.inputs[0].source], graph.constant(_LAST))
    sent = graph.op("Concat", before, u, axis=-1)
    later = graph.constant(np.arange(1, neurons.length))
    graph.next(before, graph.op("Gather", sent, later, axis=-1))
    return graph.op("Reshape", sent, graph.constant(np.array([-1, neurons.n_neurons])))


def _gated_recurrence(graph: _Graph, population: Population, neurons: GatedRecurrence) -> str:
    rules, before = graph.rules, graph.carried(neurons.state_shape)
    s, u = (graph.received(c) for c in population.inputs)
    u = graph.shift(u, -neurons.shift, Rounding.FLOOR)
    c = graph.word(graph.biased(u, neurons.bias_u), rules.state_bits)
    gate = graph.looked_up(SIGMOID, graph.biased(s, neurons.bias), SIGMOID_INPUT_EXPONENT)
    product = graph.op("Mul", gate, graph.op("Sub", before, c))
    state = graph.op("Add", c, graph.shift(product, TABLE_EXPONENT, rules.rounding))
    graph.next(before, state)
    return graph.sent_state(state, neurons.state_shift)


def _selective_recurrence(
    graph: _Graph, population: Population, neurons: SelectiveRecurrence
) -> str:
    rules, before = graph.rules, graph.carried(neurons.state_shape)
    s, u = (graph.received(c) for c in population.inputs)
    rated = graph.op("Mul", graph.constant(neurons.rates), s)
    w = graph.shift(rated, neurons.rate_shift, rules.rounding)
    w = graph.clipped(w, 0, (8 << DECAY_INPUT_EXPONENT) - 1)
    entry = graph.looked_up(DECAY, w, DECAY_INPUT_EXPONENT)
    amount = DECAY_INPUT_EXPONENT + TABLE_EXPONENT - DECAY_EXPONENT
    lost = graph.shift(graph.op("Mul", w, entry), amount, rules.rounding)
    one = 1 << DECAY_EXPONENT
    decay = graph.clipped(graph.op("Sub", graph.constant(one), lost), 0, one - 1)
    left = graph.shift(graph.op("Mul", decay, before), DECAY_EXPONENT, rules.rounding)
    entering = graph.shift(u, -neurons.shift, Rounding.FLOOR)
    state = graph.word(graph.op("Add", left, entering), rules.state_bits)
    graph.next(before, state)
    return graph.sent_state(state, neurons.state_shift)


_WRITE: dict[type[Neurons], Callable[[_Graph, Population, Any], str]] = {
    Affine: _affine,
    Bilinear: _bilinear,
    Filters: _filters,
    GatedRecurrence: _gated_recurrence,
    InverseSqrt: _inverse_sqrt,
    Product: _product,
    Recurrence: _recurrence,
    SelectiveRecurrence: _selective_recurrence,
    Taps: _taps,
}
