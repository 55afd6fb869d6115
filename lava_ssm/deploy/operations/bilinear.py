"""`Bilinear` in C: y = ((((s u) >> shift) weights) >> weight_shift) + bias."""

from lava_ssm.deploy.operations.loop import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.network import Bilinear
from lava_ssm.numerics import SYNAPSE_BITS


def value(loop: Loop, neurons: Bilinear) -> Value:
    """See `loop.write`."""
    product = (loop.sum() * loop.second()).shifted(neurons.shift, loop.rounding)
    y = loop.body.let("product", product)
    if neurons.limit is None:
        y = loop.body.word(y, SYNAPSE_BITS, "message")
    else:
        y = y.limited(-neurons.limit, neurons.limit)
    if neurons.weights is not None:
        weighted = loop.body.let("weighted", y) * loop.constant("weights", neurons.weights)
        y = loop.body.let("shifted", weighted).shifted(neurons.weight_shift, loop.rounding)
    return loop.biased(y, neurons.bias)
