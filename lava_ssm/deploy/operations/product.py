"""`Product` in C: y = ((u + bias_u) sigmoid(s + bias)) >> shift, the sigmoid by table."""

from lava_ssm.deploy.operations.loop import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.network import Product


def value(loop: Loop, neurons: Product) -> Value:
    """See `loop.write`."""
    gate = loop.body.let("gate", loop.opening(neurons.bias))
    u = loop.biased(loop.second(), neurons.bias_u, "bias_u")
    return (u * gate).shifted(neurons.shift, loop.rounding)
