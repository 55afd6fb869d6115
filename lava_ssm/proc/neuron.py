"""What all neuron Processes and their models have in common: ports, turns, tags."""

from collections.abc import Callable
from types import UnionType
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from lava.magma.core.process.variable import Var

from lava_ssm.engine.overflows import Tally
from lava_ssm.network import Neurons
from lava_ssm.numerics import CHIP, Arithmetic, instance, shown
from lava_ssm.proc import checks
from lava_ssm.proc.schedule import EVERY_STEP, Schedule

FLOATING, FIXED = "floating_pt", "fixed_pt"


class AbstractNeuron(AbstractProcess):
    """A population of neurons with one input and one output each.

    `tag`: that of the models that can run it, `floating_pt` or `fixed_pt`; None: both can.
    """

    _runtime = None  # Lava's `__del__` asks for it, also of a Process whose checks failed

    def __init__(
        self,
        shape: tuple[int, ...],
        tag: str | None,
        schedule: Schedule,
        arithmetic: Arithmetic,
        name: str | None,
        **params: object,
    ) -> None:
        instance(arithmetic, Arithmetic, "arithmetic", "an Arithmetic")
        instance(schedule, Schedule, "schedule", "a Schedule")
        shape = checks.shape_of(shape)
        if tag not in (None, FIXED, FLOATING):
            raise ValueError(f"tag must be {FIXED!r}, {FLOATING!r} or None, got {shown(tag)}")
        self.tag = tag
        super().__init__(shape=shape, schedule=schedule, arithmetic=arithmetic, name=name, **params)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.overflows = Var(shape=(1,), init=0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the population."""
        shape: tuple[int, ...] = self.proc_params["shape"]
        return shape

    # Lava's compiler writes the class of the model that it chose here, before anything runs: the
    # one place where a float network under `fixed_pt`, or the reverse, can be refused.
    @property
    def _model_class(self) -> type | None:
        return self.__model_class

    @_model_class.setter
    def _model_class(self, chosen: type[PyLoihiProcessModel] | None) -> None:
        if chosen is not None and self.tag is not None and self.tag not in chosen.tags:
            raise ValueError(
                f"select_tag: {type(self).__name__} {self.name!r} needs {self.tag!r}, but the run "
                f"configuration chose {chosen.__name__} {chosen.tags}"
            )
        self.__model_class = chosen


class OperationNeuron(AbstractNeuron):
    """Neurons of an operation of `lava_ssm.network`: `operations`, in words `wanted`.

    Parameters
    ----------
    neurons
        The operation with its parameters.
    tag
        `floating_pt` or `fixed_pt`, as the parameters are.
    arithmetic
        Rules of fixed point.
    schedule
        The neurons' turns, `lava_ssm.proc.Schedule`; by default each time step.
    params
        Of the models; those that `shifts` names are bits to shift what enters to the right,
        rounding down: what a synapse has left of its shift, one integer or one a neuron, at
        least 0.
    """

    operations: ClassVar[type | UnionType]
    wanted: ClassVar[str]
    shifts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        neurons: Neurons,
        tag: str,
        arithmetic: Arithmetic = CHIP,
        schedule: Schedule = EVERY_STEP,
        name: str | None = None,
        **params: Any,
    ) -> None:
        instance(neurons, self.operations, "neurons", self.wanted)
        shape = (neurons.n_neurons,)
        checked = {each: checks.shifts(params.pop(each), shape, each) for each in self.shifts}
        super().__init__(
            shape, tag, schedule, arithmetic, name, neurons=neurons, **checked, **params
        )


class AbstractNeuronModel(PyLoihiProcessModel):
    """A neuron model: on its turn it fires, off-turn it holds its state and sends zero."""

    fire: Callable[..., np.ndarray]
    """Takes what `receive` gave, of a token, each of the population's shape; gives its output."""

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        self.schedule: Schedule = proc_params["schedule"]
        self.tally = Tally()

    @property
    def of_sample(self) -> int:
        """Number of the token in its sample, from 1."""
        return self.schedule.number_in_sample(self.schedule.token_at(self.time_step) or 0)

    def receive(self) -> tuple[np.ndarray, ...]:
        """Take what has come at the ports."""
        return (self.a_in.recv(),)

    def reset(self) -> None:
        """Set the state to that before a sample's first token."""

    def run_spk(self) -> None:
        """One time step."""
        inputs = self.receive()
        token = self.schedule.token_at(self.time_step)
        if token is None:
            self.s_out.send(np.zeros_like(inputs[0]))
            return
        if self.schedule.starts_sample(token):
            self.reset()
        self.s_out.send(self.fire(*inputs))
        if self.tally:
            self.overflows[0] = self.tally.total()


class AbstractFloatNeuronModel(AbstractNeuronModel):
    """A neuron model in floating point."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    overflows: np.ndarray = LavaPyType(np.ndarray, float)


class AbstractFixedNeuronModel(AbstractNeuronModel):
    """A neuron model in integers: messages are 32-bit words."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    overflows: np.ndarray = LavaPyType(np.ndarray, np.int32)
