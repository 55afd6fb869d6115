"""Processes for tests and benchmarks of the runtime.

Alone in this folder: Lava executes every file beside the module of a Process.
"""

import gc
import itertools
import os
import signal
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

Shape = tuple[int, ...]


class Counter(AbstractProcess):
    """Sends the number of the time step."""

    def __init__(self, shape: Shape = (4,), **kwargs: Any) -> None:
        super().__init__(shape=shape, **kwargs)
        self.count = Var(shape=shape, init=0)
        self.s_out = OutPort(shape=shape)


@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyCounterModel(PyLoihiProcessModel):
    count: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        self.count += 1
        self.s_out.send(self.count)


class Relay(AbstractProcess):
    """Passes on what it receives, in the same time step, and keeps it."""

    def __init__(self, shape: Shape = (4,), **kwargs: Any) -> None:
        super().__init__(shape=shape, **kwargs)
        self.last = Var(shape=shape, init=0)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRelayModel(PyLoihiProcessModel):
    last: np.ndarray = LavaPyType(np.ndarray, np.int32)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        self.last = self.a_in.recv()
        self.s_out.send(self.last)


class Noise(AbstractProcess):
    """Draws from NumPy's global generator, or from `rng` ("own"), and sends what it drew."""

    def __init__(self, how: str, every: int = 1, rng: Any = None, **kwargs: Any) -> None:
        super().__init__(how=how, every=every, rng=rng, **kwargs)
        self.drawn = Var(shape=(100,), init=0)
        self.s_out = OutPort(shape=(100,))


@implements(proc=Noise, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyNoiseModel(PyLoihiProcessModel):
    drawn: np.ndarray = LavaPyType(np.ndarray, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def run_spk(self) -> None:
        self._draw()
        self.s_out.send(self.drawn)

    def _draw(self) -> None:
        if self.time_step % self.proc_params["every"]:
            return
        how = self.proc_params["how"]
        if how == "reseed" and self.time_step == 3:
            np.random.seed(5)  # noqa: NPY002
        elif how == "own":
            self.drawn[self.time_step] = self.proc_params["rng"].random()
        else:
            if how == "nested":
                chain(3)[0].run(RunSteps(2), Loihi2SimCfg(select_tag="fixed_pt"))
            draw = np.random.rand if how == "uniform" else np.random.randn
            self.drawn[self.time_step] = draw()


class Failing(AbstractProcess):
    """Passes on what it receives until, at `time_step`, it does what `how` says."""

    def __init__(self, how: str, time_step: int = 3, **kwargs: Any) -> None:
        super().__init__(how=how, time_step=time_step, **kwargs)
        self.state = Var(shape=(4,), init=0)
        self.a_in = InPort(shape=(4,))
        self.s_out = OutPort(shape=(4,))


class OwnError(Exception):
    """Of a class that cannot be sent between processes."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


@implements(proc=Failing, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFailingModel(PyLoihiProcessModel):
    state: np.ndarray = LavaPyType(np.ndarray, np.int32)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        if proc_params["how"] == "raise in constructor":
            raise ValueError("no such size")

    def run_spk(self) -> None:
        self.state = self.a_in.recv()
        if self.time_step == self.proc_params["time_step"]:
            self._fail(self.proc_params["how"])
        self.s_out.send(self.state)

    def post_guard(self) -> bool:
        return self.time_step == self.proc_params["time_step"]

    def run_post_mgmt(self) -> None:
        if self.proc_params["how"] == "raise after":
            raise ValueError("bad state")

    def _fail(self, how: str) -> None:
        if how == "raise":
            raise ValueError("bad input")
        if how == "raise KeyError":
            raise KeyError("missing")
        if how == "raise own":
            raise OwnError("out of ", "spikes")
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "collect garbage":
            gc.collect()
        if how == "pause":
            self._req_pause = True
        if how == "stop":
            self._req_stop = True


class Writer(AbstractProcess):
    """Writes its time step into a Var of another Process, or adds to it."""

    def __init__(self, shape: Shape = (4,), add: bool = False, **kwargs: Any) -> None:
        super().__init__(shape=shape, add=add, **kwargs)
        self.ref = RefPort(shape=shape)


@implements(proc=Writer, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyWriterModel(PyLoihiProcessModel):
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def post_guard(self) -> bool:
        return True

    def run_post_mgmt(self) -> None:
        value = self.ref.read() if self.proc_params["add"] else 0
        self.ref.write(value + np.full(self.ref.shape, self.time_step))
        self.ref.wait()


class Reader(AbstractProcess):
    """Reads a Var of another Process in the spiking phase, when nobody answers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = RefPort(shape=(4,))


@implements(proc=Reader, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyReaderModel(PyLoihiProcessModel):
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        self.ref.read()


class Holder(AbstractProcess):
    """Holds a Var of each kind."""

    def __init__(self, shape: Shape = (2, 3), sparse: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.integers = Var(shape=shape, init=np.arange(np.prod(shape)).reshape(shape))
        self.floats = Var(shape=shape, init=0.5)
        self.number = Var(shape=(1,), init=7)
        self.text = Var(shape=(5,), init="hello")
        self.waves = Var(shape=(2,), init=np.array([1 + 2j, 3 - 4j]))
        self.updates = Var(shape=(1,), init=np.zeros(1))


@implements(proc=Holder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyHolderModel(PyLoihiProcessModel):
    integers: np.ndarray = LavaPyType(np.ndarray, np.int32)
    floats: np.ndarray = LavaPyType(np.ndarray, float)
    number: int = LavaPyType(int, int)
    text: str = LavaPyType(str, str)
    waves: np.ndarray = LavaPyType(np.ndarray, complex)
    updates: np.ndarray = LavaPyType(np.ndarray, float)

    def on_var_update(self) -> None:
        self.updates += 1


class Prober(AbstractProcess):
    """Counts the messages it finds by probing, and waits for the first one by probing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = Var(shape=(1,), init=0)
        self.a_in = InPort(shape=(4,))


@implements(proc=Prober, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyProberModel(PyLoihiProcessModel):
    found: np.ndarray = LavaPyType(np.ndarray, np.int32)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        while self.time_step == 1 and not self.a_in.probe():
            pass
        if self.a_in.probe():
            self.a_in.recv()
            self.found += 1


class Deaf(AbstractProcess):
    """Never receives what it is sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.a_in = InPort(shape=(4,))


@implements(proc=Deaf, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDeafModel(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)


class Free(AbstractProcess):
    """Has an asynchronous model."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = Var(shape=(1,), init=0)


@implements(proc=Free, protocol=AsyncProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFreeModel(PyAsyncProcessModel):
    steps: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def run_async(self) -> None:
        self.steps += self.num_steps


def chain(length: int, shape: Shape = (4,), last: AbstractProcess | None = None) -> list[Any]:
    """Return a Counter and the Relays behind it, connected; `last` takes the last one's place."""
    processes: list[Any] = [Counter(shape), *(Relay(shape) for _ in range(length - 1))]
    if last is not None:
        processes[-1] = last
    for source, target in itertools.pairwise(processes):
        source.s_out.connect(target.a_in)
    return processes
