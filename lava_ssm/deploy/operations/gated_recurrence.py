"""`GatedRecurrence` in C: h' = c + ((f (h - c)) >> 15), f a sigmoid by table."""

from lava_ssm.deploy.operations.loop import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.network import GatedRecurrence
from lava_ssm.numerics import TABLE_EXPONENT, Rounding


def value(loop: Loop, neurons: GatedRecurrence) -> Value:
    """See `loop.write`."""
    body, entry = loop.body, loop.opening(neurons.bias)
    u = loop.second().shifted(-neurons.shift, Rounding.FLOOR)
    u = body.let("entering", loop.biased(u, neurons.bias_u, "bias_u"))
    c = body.let("c", body.word(u, loop.writer.rules.state_bits, "input"))
    before = loop.state()
    product = body.let("product", entry * (before - c))
    loop.keep(body.let("after", c + product.shifted(TABLE_EXPONENT, loop.rounding)))
    return before.shifted(neurons.state_shift, loop.rounding)  # h[i], as it is now
