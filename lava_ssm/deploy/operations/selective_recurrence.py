"""`SelectiveRecurrence` in C: h' = ((decay(w) h) >> 23) + u, the exponential by table."""

from lava_ssm.deploy.operations import stateless
from lava_ssm.deploy.operations.stateless import Loop
from lava_ssm.deploy.values import Value, literal
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import Population, SelectiveRecurrence
from lava_ssm.numerics import (
    DECAY,
    DECAY_EXPONENT,
    DECAY_INPUT_EXPONENT,
    TABLE_EXPONENT,
    Rounding,
    word_range,
)


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`: a loop as of neurons without a state, which also takes and sets one."""
    neurons, rules = population.neurons, writer.rules
    assert isinstance(neurons, SelectiveRecurrence)
    state = writer.carried(f"x{n}", "int32_t", neurons.n_neurons)
    one = 1 << DECAY_EXPONENT

    def operation(loop: Loop) -> Value:
        body = loop.body
        rated = loop.sum() * loop.constant("rates", neurons.rates)
        rated = body.let("rated", rated.shifted(neurons.rate_shift, rules.rounding))
        w = body.let("w", rated.limited(0, (8 << DECAY_INPUT_EXPONENT) - 1))
        entry = loop.looked_up(DECAY, w, DECAY_INPUT_EXPONENT, "part")
        amount = DECAY_INPUT_EXPONENT + TABLE_EXPONENT - DECAY_EXPONENT
        lost = (w * entry).shifted(amount, rules.rounding)
        left = body.let("left", Value(literal(one), one, one) - lost)
        decay = body.let("decay", left.limited(0, one - 1))
        loop.parameters.append("int32_t *restrict h")
        loop.arguments.append(state)
        before = Value("h[i]", *word_range(rules.state_bits))
        held = (decay * before).shifted(DECAY_EXPONENT, rules.rounding)
        u = loop.second().shifted(-neurons.shift, Rounding.FLOOR)
        after = body.word(body.let("after", held + u), rules.state_bits, "state")
        body.lines.append(f"h[i] = (int32_t){after.text};")
        return before.shifted(neurons.state_shift, rules.rounding)  # h[i], as it is now

    stateless.write(writer, n, population, "selective", operation)
