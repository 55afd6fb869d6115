"""`Affine` in C: y = s + ((direct u) >> shift) + bias."""

from lava_ssm.deploy.operations import stateless
from lava_ssm.deploy.operations.stateless import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import Affine, Population


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    neurons = population.neurons
    assert isinstance(neurons, Affine)

    def operation(loop: Loop) -> Value:
        y = loop.sum()
        if neurons.direct is not None and neurons.direct.any():
            product = loop.body.let(
                "product", loop.constant("direct", neurons.direct) * loop.second()
            )
            y = y + product.shifted(neurons.shift, writer.rules.rounding)
        if neurons.bias is not None and neurons.bias.any():
            y = y + loop.constant("bias", neurons.bias)
        return y

    stateless.write(
        writer, n, population, "Affine: a sum, a multiple of a second input, a bias.", operation
    )
