"""`Affine` in C: y = s + ((direct u) >> shift) + bias."""

from lava_ssm.deploy.operations.loop import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.network import Affine


def value(loop: Loop, neurons: Affine) -> Value:
    """See `loop.write`."""
    y = loop.sum()
    if neurons.direct is not None and neurons.direct.any():
        product = loop.constant("direct", neurons.direct) * loop.second()
        y = y + loop.body.let("product", product).shifted(neurons.shift, loop.rounding)
    return loop.biased(y, neurons.bias)
