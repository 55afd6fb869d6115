"""Feeding tokens to a graph."""

from collections.abc import Iterable, Iterator

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import ArrayLike

from lava_ssm.engine import as_tokens
from lava_ssm.engine.compiled import Tokens
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import as_array, instance, integer
from lava_ssm.proc import checks
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.schedule import Schedule


class Source(AbstractProcess):
    """Sends tokens at the steps at which a network takes them, zero at all others.

    Made by `lava_ssm.proc.source`, with `tokens` that are checked already; its port `s_out` has the
    shape of a token, with the batch.
    """

    _runtime = None  # Lava's `__del__` asks for it, also of a Process whose checks failed

    def __init__(
        self,
        tokens: Iterable[np.ndarray],
        shape: tuple[int, ...],
        schedule: Schedule,
        drain: int,
        name: str | None = None,
    ) -> None:
        shape = checks.shape_of(shape)
        instance(tokens, Iterable, "tokens", "an iterable of tokens")
        instance(schedule, Schedule, "schedule", "a Schedule")
        drain = integer(drain, "drain", 0)
        super().__init__(tokens=tokens, shape=shape, schedule=schedule, drain=drain, name=name)
        self.s_out = OutPort(shape=shape)


class AbstractSourceModel(PyLoihiProcessModel):
    """Takes the next token on its turn."""

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        self.schedule: Schedule = proc_params["schedule"]
        self.tokens: Iterator[np.ndarray] = iter(proc_params["tokens"])
        self.silence = np.zeros(proc_params["shape"])
        self.n_sent = 0
        self.ended = False

    def run_spk(self) -> None:
        """One time step."""
        token = self.silence
        if not self.ended and self.schedule.token_at(self.time_step) is not None:
            try:
                token = next(self.tokens)
                self.n_sent += 1
            except StopIteration:
                self.ended = True
        if self.ended:
            self._check_not_overrun()
        self.s_out.send(token)

    def _check_not_overrun(self) -> None:
        last = self.schedule.step_of(self.n_sent - 1) if self.n_sent else self.schedule.offset
        last += self.proc_params["drain"]
        if self.time_step > last:
            raise ValueError(
                f"the run is longer than the source has tokens: its {self.n_sent} tokens are "
                f"through after step {last} (steps_for({self.n_sent}), unless `drain` was given)"
            )


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PySourceModelFixed(AbstractSourceModel):
    """Mantissas, as 32-bit words."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PySourceModelFloat(AbstractSourceModel):
    """Values."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


def source(
    x: ArrayLike | Iterator[ArrayLike], net: AbstractNetwork, drain: int | None = None
) -> Source:
    """Make a Process that sends tokens at the steps at which `net` takes them.

    Parameters
    ----------
    x
        Tokens (time, d_input), or samples back to back, (samples, time, d_input); with a batch
        (batch_size, time, d_input). Or an iterator of tokens of the shape of `net.a_in`, endless if
        you like, each asked for at the step at which it is sent. For a fixed network floats are
        values and integers mantissas.
    net
        The graph that they are for; connect with `source(x, net).s_out.connect(net.a_in)`.
    drain
        Steps that a run may go on after the last token's entry; zeros enter then. One more makes
        `run` raise a ValueError. None: those that its output takes, `net.latency`; more are needed
        where other Processes follow.

    Raises
    ------
    TypeError
        Neither integers nor real numbers, or `net` is no network's graph.
    ValueError
        Tokens of another width, not finite, beyond the input format, samples whose length is
        not the graph's `reset_every`, or a batch of another size. (Of an iterator's tokens at the
        step at which they are sent: `run` raises it.)
    """
    instance(net, AbstractNetwork, "net", "an SSMNetwork or a FusedSSMNetwork")
    drain = net.latency if drain is None else integer(drain, "drain", 0)
    shape = net.a_in.shape
    tokens: Iterable[np.ndarray]
    if isinstance(x, Iterator):
        tokens = _checked(x, net.network, shape)
    else:
        tokens = _tokens(as_tokens(net.network, as_array(x, "x")), net)
    return Source(tokens, shape, net.entry, drain)


def _tokens(tokens: np.ndarray, net: AbstractNetwork) -> np.ndarray:
    """Bring whole sequences to (tokens, *shape of a token)."""
    width, batch = net.network.d_input, net.a_in.shape[:-1]
    if batch:
        if tokens.ndim != 3 or tokens.shape[0] != batch[0] or 0 in tokens.shape:
            raise ValueError(
                f"x must have shape ({batch[0]}, time, {width}), batch_size first; "
                f"got shape {tokens.shape}"
            )
        return np.moveaxis(tokens, 1, 0)
    if tokens.ndim not in (2, 3) or 0 in tokens.shape:
        raise ValueError(
            f"x must have shape (time, {width}) or (samples, time, {width}), "
            f"got shape {tokens.shape}"
        )
    if tokens.ndim == 3 and tokens.shape[0] > 1 and tokens.shape[1] != net.reset_every:
        raise ValueError(
            f"x: samples have {tokens.shape[1]} tokens, the graph starts a sample every "
            f"{net.reset_every} tokens (reset_every)"
        )
    return tokens.reshape(-1, width)


def _checked(
    x: Iterator[ArrayLike], network: Network | FixedNetwork, shape: tuple[int, ...]
) -> Iterator[np.ndarray]:
    quick = Tokens(network.input_format, shape) if isinstance(network, FixedNetwork) else None
    for i, token in enumerate(x):
        mantissas = quick.mantissas(token) if quick else None
        if mantissas is None:
            name = f"token {i} of the source"
            array = as_array(token, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
            mantissas = as_tokens(network, array, name)
        yield mantissas
