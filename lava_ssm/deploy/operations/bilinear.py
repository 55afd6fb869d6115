"""`Bilinear` in C: y = ((((s u) >> shift) weights) >> weight_shift) + bias."""

from lava_ssm.deploy.operations import stateless
from lava_ssm.deploy.operations.stateless import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import Bilinear, Population
from lava_ssm.numerics import SYNAPSE_BITS


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    neurons, rounding = population.neurons, writer.rules.rounding
    assert isinstance(neurons, Bilinear)

    def operation(loop: Loop) -> Value:
        y = loop.body.let("product", (loop.sum() * loop.second()).shifted(neurons.shift, rounding))
        if neurons.limit is None:
            y = loop.body.word(y, SYNAPSE_BITS, "message")
        else:
            y = y.limited(-neurons.limit, neurons.limit)
        if neurons.weights is not None:
            weighted = loop.body.let("weighted", y) * loop.constant("weights", neurons.weights)
            y = loop.body.let("shifted", weighted).shifted(neurons.weight_shift, rounding)
        if neurons.bias is not None and neurons.bias.any():
            y = y + loop.constant("bias", neurons.bias)
        return y

    stateless.write(
        writer, n, population, "Bilinear: two inputs multiplied, a weight, a bias.", operation
    )
