"""A network as the chip has it.

A layer says once what it is, by its `lowered`; every executor, the Lava graph and the description
for the chip walk what comes of that.
"""

from collections.abc import Sequence
from dataclasses import replace

from lava_ssm.network.layer import Layer
from lava_ssm.network.population import Connection, Ones, Population
from lava_ssm.network.stage import Stage


def lowered(stages: Sequence[Stage[Layer]], exponents: Sequence[int]) -> tuple[Population, ...]:
    """Put the populations of a network's layers together, in the order in which a token goes.

    Parameters
    ----------
    stages
        Of the network.
    exponents
        Of the messages that enter each stage, and of the outputs; zeros in floating point.
    """
    populations: list[Population] = []
    entries: list[int | None] = []  # of each stage: the population that sends what enters it

    def step_of(source: int | None) -> int:
        return 0 if source is None else populations[source].step

    def timed(connection: Connection, step: int) -> Connection:
        return replace(connection, delay=step - 1 - step_of(connection.source))

    for i, stage in enumerate(stages):
        first = len(populations)
        entry = first - 1 if first else None
        entries.append(entry)
        for own in stage.layer.lowered(exponents[i]):
            inputs = [
                replace(c, source=entry if c.source is None else first + c.source)
                for c in own.inputs
            ]
            step = 1 + max(step_of(c.source) for c in inputs)
            timed_inputs = tuple(timed(c, step) for c in inputs)
            populations.append(replace(own, stage=i, inputs=timed_inputs, step=step))
        end = exponents[i + 1]
        last = replace(populations[-1], activation=stage.activation, exponent=end)
        if stage.residual is not None:
            width = last.neurons.n_neurons
            around = Connection(entries[stage.residual], Ones(width, width), "residual")
            shift = exponents[stage.residual] - end
            last = replace(last, residual=timed(around, last.step), residual_shift=shift)
        populations[-1] = last
    return tuple(populations)
