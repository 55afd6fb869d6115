"""A loop over neurons, and what follows it: all operations of real numbers are such loops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lava_ssm.deploy.synapses import given_back, place_of, received
from lava_ssm.deploy.values import Body, Value, bare, cast
from lava_ssm.deploy.writer import Buffer, Writer, bounds, filled, indented, widest
from lava_ssm.network import Activation, Population
from lava_ssm.numerics import (
    SIGMOID,
    SIGMOID_INPUT_EXPONENT,
    TABLE_EXPONENT,
    TABLE_STEPS,
    IntArray,
    Rounding,
    Table,
    word_range,
)

_TEMPLATE = """\
/* @what@ */
static void @function@(
    @parameters@@counts@)
{
    for (int i = 0; i < @size@; i++) {
@body@
    }
}
"""


@dataclass
class Loop:
    """The loop over the neurons of a population, and what it is handed.

    Parameters
    ----------
    writer, body
        Of the program; of the loop.
    inputs
        What the population receives: a sum, and a second input if the operation has one.
    at
        Where in these neuron i finds its own.
    kept
        Place of the states, if the operation has any.
    message_bits
        Width of what the population sends.
    """

    writer: Writer
    body: Body
    inputs: Sequence[Buffer]
    at: Sequence[str]
    kept: str | None
    message_bits: int
    parameters: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def array(self, name: str, kind: str, place: str, low: int, high: int, at: str = "i") -> Value:
        """Hand an array over; gives its element."""
        self.parameters.append(f"const {kind} *restrict {name}")
        self.arguments.append(place)
        return Value(f"{name}[{at}]", low, high)

    def buffer(self, name: str, buffer: Buffer, at: str = "i") -> Value:
        """Hand messages or sums over."""
        return self.array(name, buffer.kind, buffer.place, buffer.low, buffer.high, at)

    def sum(self) -> Value:
        """The sum s."""
        return self.buffer("s", self.inputs[0], self.at[0])

    def second(self) -> Value:
        """The second input u."""
        return self.buffer("u", self.inputs[1], self.at[1])

    def constant(self, name: str, values: IntArray) -> Value:
        """Hand constants over, one a neuron."""
        kind = widest(values)
        return self.array(name, kind, self.writer.constant(values, name, kind), *bounds(values))

    @property
    def rounding(self) -> Rounding:
        """Of products."""
        return self.writer.rules.rounding

    def biased(self, y: Value, bias: IntArray | None, name: str = "bias") -> Value:
        """A value with a bias, if there is one."""
        return y if bias is None or not bias.any() else y + self.constant(name, bias)

    def opening(self, bias: IntArray) -> Value:
        """The sigmoid of the sum with a bias, by table."""
        opening = self.biased(self.sum(), bias)
        return self.looked_up(SIGMOID, opening, SIGMOID_INPUT_EXPONENT, "sigmoid")

    def state(self) -> Value:
        """The state h."""
        assert self.kept is not None
        self.parameters.append("int32_t *restrict h")
        self.arguments.append(self.kept)
        return Value("h[i]", *word_range(self.writer.rules.state_bits))

    def keep(self, after: Value) -> None:
        """Set the state."""
        self.body.lines.append(f"h[i] = {cast(after.text, after.kind, 'int32_t')};")

    def looked_up(self, table: Table, value: Value, exponent: int, name: str) -> Value:
        """The entry of a table, which the loop calls `name`, for a value of an exponent."""
        amount, ends = exponent - table.step_exponent, 2 * TABLE_STEPS
        if amount < 0:
            value = self.body.let(f"{name}_near", value).limited(-ends, ends)
        step = self.body.let(f"{name}_step", value.shifted(max(amount, -12), Rounding.FLOOR))
        place = step.limited(-TABLE_STEPS, TABLE_STEPS - 1).text
        kind = "uint16_t" if table.entries.min() >= 0 else "int16_t"
        entries = self.writer.constant(table.entries, "table", kind)
        at = f"{place} + {TABLE_STEPS}"
        return self.array(name, kind, entries, *bounds(table.entries), at=at)

    def activated(self, table: Table, y: Value, exponent: int) -> Value:
        """What `numerics.Table.activate` makes of a value."""
        rules = self.writer.rules
        if not table.multiplies:
            entry = self.looked_up(table, y, exponent, "curve")
            shifted = entry.shifted(table.entry_exponent - exponent, rules.rounding)
            return y.rectified() + shifted if table.rectifies else shifted
        y = self.body.let("word", self.body.word(y, self.message_bits, "message"))
        entry = self.looked_up(table, y, exponent, "curve")
        return (y * entry).shifted(TABLE_EXPONENT, rules.rounding)


def write(
    about: str,
    operation: Callable[[Loop, Any], Value],
    writer: Writer,
    n: int,
    population: Population,
) -> None:
    """Write neurons that make a value of their inputs, and of their states if they have any.

    Parameters
    ----------
    about
        What they do; it begins with its name, which is the function's.
    operation
        Gives the value, of the loop and of the population's neurons.
    """
    neurons = population.neurons
    kept = None
    if neurons.state_shape is not None:
        kept = writer.carried(f"x{n}", "int32_t", neurons.n_neurons)
    taken = [received(writer, c, population.stage) for c in population.inputs]
    at = [place_of(c) for c in population.inputs]
    bits = population.rules(writer.rules).message_bits
    loop = Loop(writer, writer.body(), taken, at, kept, bits)
    y = loop.body.let("y", operation(loop, neurons))
    if population.residual is not None:
        earlier = loop.buffer("earlier", writer.sent[population.residual.source])
        y = loop.body.let("z", y + earlier.shifted(population.residual_shift, Rounding.FLOOR))
    if population.activation is Activation.RELU:
        y = loop.body.let("rectified", y.rectified())
    table = population.activation.table
    if table is not None:
        y = loop.body.let("activated", loop.activated(table, y, population.exponent))
    sent = loop.body.word(y, loop.message_bits, "message")
    out = writer.message(population, sent.low, sent.high)
    value = cast(sent.text, "int32_t", out.kind)
    loop.body.lines.append(f"sent[i] = {bare(value)};")
    parameters = [*loop.parameters, f"{out.kind} *restrict sent"]
    text = filled(
        _TEMPLATE,
        {
            "what": about,
            "parameters": ",\n    ".join(parameters),
            "size": population.neurons.n_neurons,
            "body": indented(loop.body.lines, 8),
        },
    )
    function = writer.function(about.split(":")[0].lower().replace(" ", "_"), text)
    writer.call(function, *loop.arguments, out.place, stage=population.stage)
    for connection, buffer in zip(population.inputs, taken, strict=True):
        given_back(writer, connection, buffer)
    writer.sent[n] = out
