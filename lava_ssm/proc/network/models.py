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
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Linear
from lava_ssm.numerics import CHIP
from lava_ssm.proc.network.process import SSMNetwork
from lava_ssm.proc.neuron import FIXED, FLOATING, AbstractNeuron
from lava_ssm.proc.readout.process import Readout
from lava_ssm.proc.relay.process import Relay
from lava_ssm.proc.s4d.process import S4D


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
        for i, stage in enumerate(stages):
            rest: Any = 0
            if isinstance(stage.layer, Linear | FixedLinear):
                rest = self._linear(i, stage.layer)
            else:
                self._s4d(i, stage.layer)
            mean = stage is stages[-1] and net.readout is network.Readout.MEAN_OVER_TIME
            neurons = (Readout if mean else Relay)(
                shape=(stage.layer.d_output,),
                relu=stage.relu,
                shift=rest,
                arithmetic=self.rules,
                tag=proc.tag,
                name=f"{proc.name}.stage{i}.neurons",
                **self._turn(),
            )
            self._neurons(f"stage{i}_neurons", neurons)
        self.tip.connect(proc.out_ports.s_out)

    @staticmethod
    def _load_kernels(net: FixedNetwork) -> None:
        """Load the neurons' kernels here, before processes that need them are forked."""
        Relays(False, 0, net.arithmetic)
        RunningSum(net.arithmetic)
        for stage in net.stages:
            if isinstance(stage.layer, FixedS4D):
                StateNeurons(stage.layer, net.arithmetic)

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

    def _linear(self, i: int, layer: Linear | FixedLinear) -> Any:
        """Add a stock `Dense`; give the shift that is left to the neurons behind it."""
        name = f"{self.proc.name}.stage{i}.synapse"
        if isinstance(layer, Linear):
            dense = Dense(weights=layer.weights, num_message_bits=24, name=name)
            self._synapse(f"stage{i}_synapse", dense)
            return 0
        net = self.proc.network
        assert isinstance(net, FixedNetwork)
        common, rest = split_shift(layer.shift(net.exponents[i]))
        dense = Dense(
            weights=2 * layer.weights,  # a mixed-sign weight is even: 2 m for the mantissa m
            weight_exp=-common,
            sign_mode=SignMode.MIXED,
            num_message_bits=24,
            name=name,
        )
        self._synapse(f"stage{i}_synapse", dense)
        return rest

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
        for part in ("state_re", "state_im"):
            getattr(self.proc.vars, f"stage{i}_{part}").alias(getattr(states.vars, part))
        self._neurons(f"stage{i}_states", states)
        reduction = csr_matrix(expansion.T)  # (d_model, d_model * d_state)
        self._synapse(f"stage{i}_reduction", _ones(reduction, f"{name}.reduction"))


def _ones(weights: csr_matrix, name: str) -> Sparse:
    # mixed signs would keep even weights only and turn the ones into zeros
    return Sparse(weights=weights, sign_mode=SignMode.EXCITATORY, num_message_bits=24, name=name)
