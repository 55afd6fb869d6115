"""`SelectiveRecurrence` in C: h' = ((decay(w) h) >> 23) + u, the exponential by table."""

from lava_ssm.deploy.operations.loop import Loop
from lava_ssm.deploy.values import Value, literal
from lava_ssm.network import SelectiveRecurrence
from lava_ssm.numerics import (
    DECAY,
    DECAY_EXPONENT,
    DECAY_INPUT_EXPONENT,
    TABLE_EXPONENT,
    Rounding,
)


def value(loop: Loop, neurons: SelectiveRecurrence) -> Value:
    """See `loop.write`."""
    body, rounding, one = loop.body, loop.rounding, 1 << DECAY_EXPONENT
    rated = loop.sum() * loop.constant("rates", neurons.rates)
    rated = body.let("rated", rated.shifted(neurons.rate_shift, rounding))
    w = body.let("w", rated.limited(0, (8 << DECAY_INPUT_EXPONENT) - 1))
    entry = loop.looked_up(DECAY, w, DECAY_INPUT_EXPONENT, "part")
    amount = DECAY_INPUT_EXPONENT + TABLE_EXPONENT - DECAY_EXPONENT
    lost = (w * entry).shifted(amount, rounding)
    left = body.let("left", Value(literal(one), one, one) - lost)
    decay = body.let("decay", left.limited(0, one - 1))
    before = loop.state()
    held = (decay * before).shifted(DECAY_EXPONENT, rounding)
    u = loop.second().shifted(-neurons.shift, Rounding.FLOOR)
    loop.keep(body.word(body.let("after", held + u), loop.writer.rules.state_bits, "state"))
    return before.shifted(neurons.state_shift, rounding)  # h[i], as it is now
