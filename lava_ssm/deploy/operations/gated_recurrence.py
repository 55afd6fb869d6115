"""`GatedRecurrence` in C: h' = c + ((f (h - c)) >> 15), f a sigmoid by table."""

from lava_ssm.deploy.operations import stateless
from lava_ssm.deploy.operations.stateless import Loop
from lava_ssm.deploy.values import Value, cast
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import GatedRecurrence, Population
from lava_ssm.numerics import (
    SIGMOID,
    SIGMOID_INPUT_EXPONENT,
    TABLE_EXPONENT,
    Rounding,
    word_range,
)


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`: a loop as of neurons without a state, which also takes and sets one."""
    neurons, rules = population.neurons, writer.rules
    assert isinstance(neurons, GatedRecurrence)
    state = writer.carried(f"x{n}", "int32_t", neurons.n_neurons)

    def operation(loop: Loop) -> Value:
        opening = loop.sum()
        if neurons.bias.any():
            opening = opening + loop.constant("bias", neurons.bias)
        entry = loop.looked_up(SIGMOID, opening, SIGMOID_INPUT_EXPONENT, "sigmoid")
        u = loop.second().shifted(-neurons.shift, Rounding.FLOOR)
        if neurons.bias_u is not None and neurons.bias_u.any():
            u = u + loop.constant("bias_u", neurons.bias_u)
        body = loop.body
        c = body.let("c", body.word(body.let("entering", u), rules.state_bits, "input"))
        loop.parameters.append("int32_t *restrict h")
        loop.arguments.append(state)
        before = Value("h[i]", *word_range(rules.state_bits))
        product = body.let("product", entry * (before - c))
        after = body.let("after", c + product.shifted(TABLE_EXPONENT, rules.rounding))
        body.lines.append(f"h[i] = {cast(after.text, after.kind, 'int32_t')};")
        return before.shifted(neurons.state_shift, rules.rounding)  # h[i], as it is now

    stateless.write(
        writer,
        n,
        population,
        "Gated: h' = c + f (h - c), f the sigmoid of a sum, c a second input.",
        operation,
    )
