"""`Product` in C: y = ((u + bias_u) sigmoid(s + bias)) >> shift, the sigmoid by table."""

from lava_ssm.deploy.operations import stateless
from lava_ssm.deploy.operations.stateless import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import Population, Product
from lava_ssm.numerics import SIGMOID, SIGMOID_INPUT_EXPONENT


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    neurons = population.neurons
    assert isinstance(neurons, Product)

    def operation(loop: Loop) -> Value:
        opening = loop.sum()
        if neurons.bias.any():
            opening = opening + loop.constant("bias", neurons.bias)
        entry = loop.looked_up(SIGMOID, opening, SIGMOID_INPUT_EXPONENT, "sigmoid")
        gate = loop.body.let("gate", entry)
        u = loop.second()
        if neurons.bias_u is not None and neurons.bias_u.any():
            u = u + loop.constant("bias_u", neurons.bias_u)
        return (u * gate).shifted(neurons.shift, writer.rules.rounding)

    stateless.write(
        writer, n, population, "Product: a second input times the sigmoid of a sum.", operation
    )
