"""How a network is made of Processes: one graph for floating and fixed point."""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix, identity, kron

from lava_ssm import network
from lava_ssm.engine.compiled import Relays, RunningSum, StateNeurons
from lava_ssm.engine.reference.fixed import split_shift
from lava_ssm.network import (
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
)
from lava_ssm.numerics import CHIP
from lava_ssm.proc.network.process import SSMNetwork
from lava_ssm.proc.neuron import FIXED, FLOATING, AbstractNeuron
from lava_ssm.proc.output.process import Output
from lava_ssm.proc.readout.process import Readout
from lava_ssm.proc.relay.process import Relay
from lava_ssm.proc.s4d.process import S4D
from lava_ssm.proc.s5.process import S5

_WITH_INPUT = Gate | FixedGate | network.S5 | FixedS5
"""Layers whose neurons receive the layer's input too."""
_SPARSE = 0.5
"""Share of weights that are not zero below which a synapse is a `Sparse`."""


@implements(proc=SSMNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING, FIXED)
class SSMNetworkModel(AbstractSubProcessModel):
    """The graph as the chip has it: for each stage its synapses, then its neurons."""

    def __init__(self, proc: SSMNetwork) -> None:
        graph = _Graph(proc)
        for name, part in graph.parts.items():
            setattr(self, name, part)  # Lava finds sub-processes among a model's attributes


class _Graph:
    """Builds the chain from `a_in` to `s_out`, keeping its tip and the delay up to there."""

    def __init__(self, proc: SSMNetwork) -> None:
        self.proc = proc
        self.parts: dict[str, AbstractProcess] = {}
        self.tip = proc.in_ports.a_in
        self.offset = proc.offset
        net = proc.network
        self.rules = net.arithmetic if isinstance(net, FixedNetwork) else CHIP
        stages: tuple[network.Stage[Any], ...] = net.stages
        if isinstance(net, FixedNetwork):
            self._load_kernels(net)
        # the message that enters each stage, then one, two, ... time steps later
        self.delayed: list[list[Any]] = []
        self.entered: list[int] = []  # offset at which it does
        for i, stage in enumerate(stages):
            self.delayed.append([self.tip])
            self.entered.append(self.offset)
            rest: Any = 0
            match stage.layer:
                case Linear() | FixedLinear() | Gate() | FixedGate():
                    rest = self._map(f"stage{i}_synapse", *self._weights(i, stage.layer))
                case network.S5() | FixedS5():
                    rest = self._s5(i, stage.layer)
                case _:
                    self._s4d(i, stage.layer)
            self._neurons(f"stage{i}_neurons", self._receivers(i, stage, rest))
            self._beside(i, stage)
        self.tip.connect(proc.out_ports.s_out)

    @staticmethod
    def _load_kernels(net: FixedNetwork) -> None:
        """Load the neurons' kernels here, before processes that need them are forked."""
        Relays(False, 0, net.arithmetic)
        RunningSum(net.arithmetic)
        for stage in net.stages:
            if isinstance(stage.layer, FixedS4D):
                StateNeurons(stage.layer, net.arithmetic)

    def _receivers(self, i: int, stage: network.Stage[Any], rest: Any) -> AbstractNeuron:
        """Make the neurons behind a stage's last synapse."""
        net, layer = self.proc.network, stage.layer
        last = i == len(net.stages) - 1
        common = {
            "relu": stage.relu,
            "shift": rest,
            "arithmetic": self.rules,
            "name": f"{self.proc.name}.stage{i}.neurons",
            **self._turn(),
        }
        plain = not isinstance(layer, _WITH_INPUT) and getattr(layer, "bias", None) is None
        if plain and stage.residual is None and not stage.gelu:
            mean = last and net.readout is network.Readout.MEAN_OVER_TIME
            shape, tag = (layer.d_output,), self.proc.tag
            if mean:
                return Readout(shape, tag == FLOATING, tag=tag, **common)
            return Relay(shape, tag=tag, **common)
        if isinstance(layer, network.S4D | FixedS4D):
            # their sums are those of a linear layer of ones, as far as the neurons are concerned
            none = np.zeros((layer.d_model, 1))
            is_fixed = isinstance(layer, FixedS4D)
            layer = FixedLinear(none.astype(np.int64)) if is_fixed else Linear(none)
        e = net.exponents if isinstance(net, FixedNetwork) else [0] * (len(net.stages) + 1)
        return Output(
            layer,
            input_exponent=e[i],
            residual_shift=0 if stage.residual is None else e[stage.residual] - e[i + 1],
            gelu=stage.gelu,
            readout=net.readout if last else network.Readout.EVERY_TOKEN,
            **common,
        )

    def _beside(self, i: int, stage: network.Stage[Any]) -> None:
        """Connect a stage's neurons to what they receive beside its synapses."""
        neurons = self.parts[f"stage{i}_neurons"]
        if isinstance(stage.layer, _WITH_INPUT):
            self._message(i).connect(neurons.in_ports.u_in)
        if stage.residual is not None:
            self._message(stage.residual).connect(neurons.in_ports.r_in)

    def _message(self, stage: int) -> Any:
        """Give the message that entered a stage, delayed until now."""
        chain = self.delayed[stage]
        width = self.proc.network.stages[stage].layer.d_input
        while len(chain) <= self.offset - self.entered[stage]:
            name = f"stage{stage}_delay{len(chain)}"
            kind = np.int32 if isinstance(self.proc.network, FixedNetwork) else float
            ones = csr_matrix(identity(width), dtype=kind)
            self.parts[name] = delay = _ones(ones, f"{self.proc.name}.{name}")
            chain[-1].connect(delay.in_ports.s_in)
            chain.append(delay.out_ports.a_out)
        return chain[-1]

    def _turn(self) -> dict[str, Any]:
        return {
            "period": self.proc.period,
            "offset": self.offset,
            "reset_every": self.proc.reset_every,
        }

    def _neurons(self, name: str, neurons: AbstractNeuron) -> None:
        self.parts[name] = neurons
        getattr(self.proc.vars, f"{name}_overflows").alias(neurons.vars.overflows)
        self.tip.connect(neurons.a_in)
        self.tip = neurons.s_out

    def _synapse(self, name: str, synapse: Dense | Sparse) -> None:
        self.parts[name] = synapse
        self.tip.connect(synapse.in_ports.s_in)
        self.tip = synapse.out_ports.a_out
        self.offset += 1

    def _weights(self, i: int, layer: Any) -> tuple[np.ndarray, Any]:
        """Give a synapse's weights, and what its sums are shifted by; None in floating point."""
        net = self.proc.network
        shift = layer.shift(net.exponents[i]) if isinstance(net, FixedNetwork) else None
        return layer.weights, shift

    def _map(self, name: str, weights: np.ndarray, amount: Any) -> Any:
        """Add a stock `Dense`, or `Sparse` where few weights are not zero.

        Gives the shift that is left to the neurons behind it.
        """
        given: dict[str, Any] = {"num_message_bits": 24, "name": f"{self.proc.name}.{name}"}
        rest: Any = 0
        if amount is not None:
            common, rest = split_shift(amount)
            weights = 2 * weights  # a mixed-sign weight is even: 2 m for the mantissa m
            given |= {"weight_exp": -common, "sign_mode": SignMode.MIXED}
        if 0 < np.count_nonzero(weights) < _SPARSE * weights.size:
            self._synapse(name, Sparse(weights=csr_matrix(weights), **given))
        else:
            self._synapse(name, Dense(weights=weights, **given))
        return rest

    def _s5(self, i: int, layer: network.S5 | FixedS5) -> Any:
        """Add the synapse to the states, the state neurons, the synapse from them."""
        if isinstance(layer, FixedS5):
            net = self.proc.network
            assert isinstance(net, FixedNetwork)
            b, c = layer.weights_in, layer.weights_out
            shifts: tuple[Any, Any] = (layer.drive_shift(net.exponents[i]), layer.readout_shift)
        else:
            b = np.concatenate([layer.b.real, layer.b.imag])
            c = 2 * np.concatenate([layer.c.real, -layer.c.imag], axis=1)
            shifts = (None, None)
        rest = self._map(f"stage{i}_expansion", b, shifts[0])
        states = S5(
            layer,
            shift=rest,
            arithmetic=self.rules,
            name=f"{self.proc.name}.stage{i}.states",
            **self._turn(),
        )
        self._states(i, states)
        return self._map(f"stage{i}_reduction", c, shifts[1])

    def _states(self, i: int, states: S4D | S5) -> None:
        for part in ("state_re", "state_im"):
            getattr(self.proc.vars, f"stage{i}_{part}").alias(getattr(states.vars, part))
        self._neurons(f"stage{i}_states", states)

    def _s4d(self, i: int, layer: network.S4D | FixedS4D) -> None:
        """Add the expansion to the states, the state neurons, the reduction to the channels."""
        name = f"{self.proc.name}.stage{i}"
        kind = np.int32 if isinstance(layer, FixedS4D) else float
        # each channel's input to all of its states: (d_model * d_state, d_model)
        expansion = csr_matrix(
            kron(identity(layer.d_model), np.ones((layer.d_state, 1))), dtype=kind
        )
        self._synapse(f"stage{i}_expansion", _ones(expansion, f"{name}.expansion"))
        states = S4D(layer, arithmetic=self.rules, name=f"{name}.states", **self._turn())
        self._states(i, states)
        reduction = csr_matrix(expansion.T)  # (d_model, d_model * d_state)
        self._synapse(f"stage{i}_reduction", _ones(reduction, f"{name}.reduction"))


def _ones(weights: csr_matrix, name: str) -> Sparse:
    # mixed signs would keep even weights only and turn the ones into zeros
    return Sparse(weights=weights, sign_mode=SignMode.EXCITATORY, num_message_bits=24, name=name)
