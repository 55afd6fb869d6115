"""`Product` in C: y = ((u + bias_u) sigmoid(s + bias)) >> shift, the sigmoid by table."""

from lava_ssm.deploy.operations import stateless
from lava_ssm.deploy.operations.stateless import Loop
from lava_ssm.deploy.values import Value
from lava_ssm.deploy.writer import Writer, bounds
from lava_ssm.network import Population, Product
from lava_ssm.numerics import SIGMOID_TABLE, Rounding

_STEP_BITS, _STEPS = 4, len(SIGMOID_TABLE) // 2


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    neurons = population.neurons
    assert isinstance(neurons, Product)

    def operation(loop: Loop) -> Value:
        table = writer.constant(SIGMOID_TABLE, "sigmoid", "uint16_t")
        opening = loop.sum()
        if neurons.bias.any():
            opening = opening + loop.constant("bias", neurons.bias)
        step = loop.body.let("step", opening.shifted(_STEP_BITS, Rounding.FLOOR))
        lower = f"({step.text} < -{_STEPS} ? -{_STEPS} : {step.text})"
        place = f"(int32_t)({step.text} > {_STEPS - 1} ? {_STEPS - 1} : {lower}) + {_STEPS}"
        gate = loop.body.let(
            "gate", loop.array("table", "uint16_t", table, *bounds(SIGMOID_TABLE), at=place)
        )
        u = loop.second()
        if neurons.bias_u is not None and neurons.bias_u.any():
            u = u + loop.constant("bias_u", neurons.bias_u)
        return (u * gate).shifted(neurons.shift, writer.rules.rounding)

    stateless.write(writer, n, population, "product", operation)
