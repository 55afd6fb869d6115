"""How a network is made of Processes: one graph for floating and fixed point."""

from typing import TypedDict

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from lava_ssm.engine.compiled import OutputNeurons, Relays, RunningSum, StateNeurons
from lava_ssm.engine.reference.fixed import split_shift
from lava_ssm.network import (
    Activation,
    Affine,
    Bilinear,
    Connection,
    Copies,
    Filters,
    FixedNetwork,
    GatedRecurrence,
    InverseSqrt,
    Matrix,
    Ones,
    Population,
    Product,
    Readout,
    Recurrence,
    SelectiveRecurrence,
    Taps,
)
from lava_ssm.numerics import CHIP, Arithmetic, IntArray
from lava_ssm.proc.delay_line.process import DelayLine
from lava_ssm.proc.gated_states.process import GatedStates
from lava_ssm.proc.network.process import SSMNetwork, state_vars
from lava_ssm.proc.neuron import FIXED, FLOATING, AbstractNeuron
from lava_ssm.proc.output.process import Output
from lava_ssm.proc.relay.process import Relay
from lava_ssm.proc.schedule import Schedule
from lava_ssm.proc.states.process import States


class _Common(TypedDict):
    """What all neurons take."""

    tag: str
    arithmetic: Arithmetic
    schedule: Schedule
    name: str


_SPARSE = 0.5
"""Share of weights that are not zero below which a synapse is a `Sparse`."""


@implements(proc=SSMNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING, FIXED)
class SSMNetworkModel(AbstractSubProcessModel):
    """The graph as the chip has it: populations of neurons, and the synapses onto them."""

    def __init__(self, proc: SSMNetwork) -> None:
        graph = _Graph(proc)
        for name, part in graph.parts.items():
            setattr(self, name, part)  # Lava finds sub-processes among a model's attributes


class _Graph:
    """Builds the graph from `a_in` to `s_out`, population by population."""

    def __init__(self, proc: SSMNetwork) -> None:
        self.proc = proc
        self.is_fixed = isinstance(proc.network, FixedNetwork)
        self.rules = proc.network.arithmetic if isinstance(proc.network, FixedNetwork) else CHIP
        self.parts: dict[str, AbstractProcess] = {}
        # of each population, None the input, what it sends, then one, two, ... time steps later
        self.sent: dict[int | None, list[InPort | OutPort]] = {None: [proc.in_ports.a_in]}
        if self.is_fixed:  # loads kernels here, before processes that need them are forked
            Relays(False, 0, self.rules)
            RunningSum(self.rules)
        populations = proc.network.lowered
        for n, p in enumerate(populations):
            is_last = n == len(populations) - 1
            readout = proc.network.readout if is_last else Readout.EVERY_TOKEN
            neurons = self._population(p, readout)
            self.sent[n] = [neurons.s_out]
            for name in ("overflows", *state_vars(p.neurons)):
                proc.var_of(p, name).alias(getattr(neurons.vars, name))
        neurons.s_out.connect(proc.out_ports.s_out)

    def _population(self, p: Population, readout: Readout) -> AbstractNeuron:
        """Add a population and the synapses onto it."""
        made = [self._synapse(p, c) for c in p.connections]
        inputs = made[: len(p.inputs)]
        name, rules = f"stage{p.stage}_{p.name}", p.rules(self.rules)
        common: _Common = {
            "tag": self.proc.tag,
            "arithmetic": rules,
            "schedule": self.proc.entry.later(p.step),
            "name": f"{self.proc.name}.{name}",
        }
        shift = inputs[0][1]
        u_shift = inputs[1][1] if len(inputs) > 1 else 0
        ports = ["a_in", "u_in"][: len(inputs)]
        neurons: AbstractNeuron
        match p:
            case Population(Filters() | Recurrence() as operation):
                if self.is_fixed:
                    StateNeurons(operation, rules)
                neurons = States(operation, shift=shift, **common)
            case Population(
                Affine(n, direct=None, bias=None),
                residual=None,
                activation=Activation.NONE | Activation.RELU,
            ) if readout is not Readout.MEAN_OVER_TIME:
                neurons = Relay((n,), p.activation is Activation.RELU, shift, **common)
            case Population(Taps() as operation):
                neurons = DelayLine(operation, **common)
            case Population(GatedRecurrence() | SelectiveRecurrence() as operation):
                neurons = GatedStates(operation, shift=shift, u_shift=u_shift, **common)
            case Population(Affine() | Product() | Bilinear() | InverseSqrt() as operation):
                if self.is_fixed:
                    given = p.residual_shift, p.activation, p.exponent
                    OutputNeurons(operation, rules, 0, 0, *given)
                neurons = Output(
                    operation,
                    shift=shift,
                    u_shift=u_shift,
                    residual_shift=p.residual_shift,
                    activation=p.activation,
                    exponent=p.exponent,
                    readout=readout,
                    **common,
                )
                ports += ["r_in"]
        self.parts[name] = neurons
        for port, (sums, _) in zip(ports, made, strict=False):
            sums.connect(getattr(neurons.in_ports, port))
        return neurons

    def _synapse(self, p: Population, c: Connection) -> tuple[OutPort, ArrayLike]:
        """Give what a connection's synapse accumulates, and the shift that is left to neurons."""
        match c.synapse:
            case Matrix(weights, shift):
                name = f"stage{p.stage}_{c.name}"
                return self._matrix(name, self._delayed(c.source, c.delay), weights, shift)
            case Ones(n_in, n_out) if n_in == n_out:
                return self._delayed(c.source, c.delay + 1), 0
            case Ones() | Copies() as synapse:
                name = f"stage{p.stage}_{c.name}"
                return self._ones(name, self._delayed(c.source, c.delay), synapse), 0
        raise TypeError(f"no Process for a {type(c.synapse).__name__}")

    def _delayed(self, source: int | None, steps: int) -> InPort | OutPort:
        """Give what a population sends so many steps later, through as many synapses of ones."""
        chain = self.sent[source]
        network = self.proc.network
        width = network.d_input if source is None else network.lowered[source].neurons.n_neurons
        name = "input" if source is None else f"population{source}"
        while len(chain) <= steps:
            chain.append(self._ones(f"{name}_delay{len(chain)}", chain[-1], Ones(width, width)))
        return chain[steps]

    def _ones(self, name: str, source: InPort | OutPort, synapse: Ones | Copies) -> OutPort:
        # mixed signs would keep even weights only and turn the ones into zeros
        weights = synapse.weights(np.int32 if self.is_fixed else float)
        return self._add(name, Sparse, source, weights=weights, sign_mode=SignMode.EXCITATORY)

    def _matrix(
        self, name: str, source: InPort | OutPort, weights: np.ndarray, amount: int | IntArray
    ) -> tuple[OutPort, ArrayLike]:
        """Add a stock `Dense`, or `Sparse` where few weights are not zero."""
        options: dict[str, object] = {}
        rest: ArrayLike = 0
        if self.is_fixed:
            common, rest = split_shift(amount)
            weights = 2 * weights  # a mixed-sign weight is even: 2 m for the mantissa m
            options = {"weight_exp": -common, "sign_mode": SignMode.MIXED}
        if 0 < np.count_nonzero(weights) < _SPARSE * weights.size:
            return self._add(name, Sparse, source, weights=csr_matrix(weights), **options), rest
        return self._add(name, Dense, source, weights=weights, **options), rest

    def _add(self, name: str, kind: type, source: InPort | OutPort, **options: object) -> OutPort:
        synapse = kind(num_message_bits=24, name=f"{self.proc.name}.{name}", **options)
        self.parts[name] = synapse
        source.connect(synapse.in_ports.s_in)
        return synapse.out_ports.a_out
