"""The graph of a fixed network in Processes that Intel's lava-loihi implements."""

# First: it guards the import of Lava.
from lava_ssm.network import check_fixed

import lava_ssm.runtime  # noqa: F401  # isort: skip
from dataclasses import dataclass

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from numpy.typing import ArrayLike, NDArray
from rich.table import Table
from scipy.sparse import csr_matrix

from lava_ssm.engine import as_tokens
from lava_ssm.loihi2.lowering import hardware
from lava_ssm.loihi2.lowering.parts import MESSAGE_BITS, STATE_EXPONENT, ChipParts, Parts
from lava_ssm.network import (
    Activation,
    Affine,
    Connection,
    Filters,
    FixedNetwork,
    Matrix,
    Population,
    Readout,
)
from lava_ssm.numerics import Rounding
from lava_ssm.tables import Tabular, empty_table


class LoweringError(ValueError):
    """A network that the chip's neurons do not compute as it is, and why."""


class Graph:
    """A network's Processes, connected, from the synapses that take a token to the last neurons.

    Attributes
    ----------
    processes
        By name, in the order in which a token passes them.
    entries
        In-ports that take a token: several where rows of the first matrix differ in their shift.
    s_out
        Out-port of the outputs.
    """

    def __init__(self, network: FixedNetwork, parts: Parts) -> None:
        self.network = network
        self.processes: dict[str, AbstractProcess] = {}
        self.entries: tuple[InPort, ...] = ()
        self.s_out: OutPort
        self._parts = parts
        sent: dict[int | None, OutPort | None] = {None: None}
        for n, p in enumerate(network.lowered):
            (c,) = p.inputs
            synapses = self._synapses(p, c)
            self._receive(sent[c.source], synapses)
            name = f"stage{p.stage}_{p.name}"
            neurons = self._add(name, self._neurons(p, name))
            for synapse in synapses:
                synapse.out_ports.a_out.connect(neurons.in_ports.a_in)
            self.s_out = sent[n] = neurons.out_ports.s_out

    def _synapses(self, p: Population, c: Connection) -> list[AbstractProcess]:
        """One for each shift to the right that a matrix's rows have; they add up in the neurons."""
        name = f"stage{p.stage}_{c.name}"
        if not isinstance(c.synapse, Matrix):
            ones = c.synapse.weights(np.int32)
            e = STATE_EXPONENT if isinstance(p.neurons, Filters) else self._parts.summed_exp
            return [self._add(name, self._parts.synapses(ones, e, name, ones=True))]
        doubled = 2 * c.synapse.weights  # a mixed-sign weight is even: 2 m for the mantissa m
        shifts = np.broadcast_to(c.synapse.shift, len(doubled))
        each = np.unique(shifts)
        if len(each) == 1:
            return [self._add(name, self._parts.synapses(doubled, -int(each[0]), name))]
        made = []
        for amount in each:
            rows = csr_matrix(np.where((shifts == amount)[:, np.newaxis], doubled, 0))
            part = f"{name}_shift{amount}"
            made.append(self._add(part, self._parts.synapses(rows, -int(amount), part)))
        return made

    def _neurons(self, p: Population, name: str) -> AbstractProcess:
        if isinstance(p.neurons, Filters):
            return self._parts.states(p.neurons, name)
        return self._parts.relay(p.neurons.n_neurons, p.activation is Activation.RELU, name)

    def _receive(self, source: OutPort | None, synapses: list[AbstractProcess]) -> None:
        ports = tuple(synapse.in_ports.s_in for synapse in synapses)
        if source is None:
            self.entries = ports
        else:
            for port in ports:
                source.connect(port)

    def _add(self, name: str, process: AbstractProcess) -> AbstractProcess:
        self.processes[name] = process
        return process


@dataclass(frozen=True, eq=False)
class Lowered(Tabular):
    """A fixed network as a graph for a chip; prints as a table.

    Parameters
    ----------
    network
        The fixed network.
    graph
        Its Processes: stock `Dense`, `Sparse`, `S4d`, `GradedVec` and `GradedReluVec`.
    """

    network: FixedNetwork
    graph: Graph

    @property
    def processes(self) -> dict[str, AbstractProcess]:
        """Processes by name, in the order in which a token passes them."""
        return self.graph.processes

    @property
    def latency(self) -> int:
        """Time steps from a token's entry to its output; a token enters each step."""
        return self.network.latency

    def rows(self) -> list[dict[str, object]]:
        """Give what there is, Process by Process, as data."""
        return [_row(name, process) for name, process in self.processes.items()]

    def run(self, x: ArrayLike, run_cfg: RunConfig | None = None) -> NDArray[np.int64]:
        """Run tokens on a chip. **Never tried**: no public Loihi 2 was there to try it on.

        Parameters
        ----------
        x
            Tokens of one sample, (time, d_input): floats are values, integers mantissas.
        run_cfg
            A run configuration; None: `Loihi2HwCfg` that refuses to fall back to the CPU.

        Returns
        -------
        ndarray
            What the network emits at each token, (time, d_output), int64.

        Raises
        ------
        HardwareUnavailableError
            lava-loihi or a board is missing: says which, and how access is obtained.
        """
        tokens = sample(self.network, x)
        hardware.check()
        graph = Graph(self.network, ChipParts())  # Lava runs a graph's Processes but once
        into, out_of = _adapters(self.network.d_input, self.network.d_output)
        steps = len(tokens) + self.latency
        columns = np.zeros((self.network.d_input, steps), np.int32)
        columns[:, : len(tokens)] = tokens.T
        source = Source(data=columns)
        sink = Sink(shape=(self.network.d_output,), buffer=steps)
        source.s_out.connect(into.inp)
        for port in graph.entries:
            into.out.connect(port)
        graph.s_out.connect(out_of.inp)
        out_of.out.connect(sink.a_in)
        try:
            source.run(condition=RunSteps(steps), run_cfg=run_cfg or hardware.chip_only())
            received = sink.data.get()
        finally:
            source.stop()
        words = (received.astype(np.int32) << 8) >> 8  # 24 bits, their sign to be carried on
        return emitted(self.network, words[:, self.latency :].T.astype(np.int64))

    def __rich__(self) -> Table:
        table = empty_table(
            f"For Loihi 2: {len(self.processes)} Processes, latency {self.latency} steps",
            dict.fromkeys(("name", "Process", "shape", "parameters"), False),
        )
        for row in self.rows():
            row = dict(row)
            heading = [row.pop(key) for key in ("name", "process", "shape")]
            table.add_row(*map(str, heading), ", ".join(f"{k}={v}" for k, v in row.items()))
        return table


def lower(fixed: FixedNetwork) -> Lowered:
    """Build the graph of a fixed network for a chip; nothing runs.

    Linear layers become `Dense` with the weights 2 m, mixed signs, and one `weight_exp`; where
    rows differ in their shift, one `Sparse` for each shift, adding up in the same neurons. An S4D
    becomes a `Sparse` of ones with `weight_exp` 6 (the chip's `u << 6`), `S4d` with
    `s4_exp` = param_exponent and parameters that times 2^s4_exp are the mantissas exactly, and a
    `Sparse` of ones. Neurons between are `GradedVec` or, rectifying, `GradedReluVec`.

    Raises
    ------
    TypeError
        Not a fixed network, or a layer that lava-loihi has no public Process for.
    LoweringError
        The chip's neurons would compute something else: another rounding, word or shift, or
        exponents that differ from channel to channel of an S4D.
    """
    check_fixed(fixed, "fixed")
    _check_rules(fixed)
    for p in fixed.lowered:
        _check_population(p, type(fixed.stages[p.stage].layer).__name__)
    return Lowered(fixed, Graph(fixed, ChipParts()))


def sample(network: FixedNetwork, x: ArrayLike) -> NDArray[np.int64]:
    """Check the tokens (time, d_input) of one sample, and bring them to mantissas."""
    tokens: NDArray[np.int64] = as_tokens(network, x)
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise ValueError(f"x must have shape (time, {network.d_input}), got shape {tokens.shape}")
    return tokens


def emitted(network: FixedNetwork, outputs: np.ndarray) -> np.ndarray:
    """Apply the readout to the outputs (time, d_output): a running sum is taken on the host."""
    if network.readout is Readout.MEAN_OVER_TIME:
        return np.asarray(np.cumsum(outputs, axis=0))
    return outputs


def _check_rules(fixed: FixedNetwork) -> None:
    rules = fixed.arithmetic
    if rules.rounding is not Rounding.TOWARD_ZERO:
        raise LoweringError(
            f"arithmetic: the chip's S4d rounds TOWARD_ZERO, this network {rules.rounding.name}"
        )
    for name in ("state_bits", "message_bits"):
        if getattr(rules, name) != MESSAGE_BITS:
            raise LoweringError(
                f"arithmetic: the chip's {name} are {MESSAGE_BITS}, this network's "
                f"{getattr(rules, name)}"
            )


def _check_population(p: Population, kind: str) -> None:
    match p.neurons:
        case Filters():
            _check_filters(p.stage, p.neurons)
        case Affine(direct=None, bias=None):
            pass
        case Affine(direct=None):
            raise LoweringError(f"stage {p.stage}: the chip's graded neurons have no bias")
        case _:
            raise TypeError(f"stage {p.stage}: no public Process of lava-loihi computes a {kind}")
    if p.activation.table is not None:
        raise LoweringError(
            f"stage {p.stage}: no public neuron of lava-loihi has the table of a "
            f"{p.activation.value}"
        )
    if p.residual is not None:
        raise LoweringError(
            f"stage {p.stage}: the chip's graded neurons cannot shift a residual path's messages"
        )


def _check_filters(i: int, layer: Filters) -> None:
    for name in ("param_exponent", "state_exponent"):
        values = np.unique(getattr(layer, name))
        if len(values) > 1:
            raise LoweringError(
                f"stage {i}: the chip's S4d has one {name} for all neurons, this layer has "
                f"{values.tolist()}"
            )
    if np.max(layer.state_exponent) != STATE_EXPONENT:
        raise LoweringError(
            f"stage {i}: the chip's S4d shifts by {STATE_EXPONENT}, this layer's state_exponent is "
            f"{int(np.max(layer.state_exponent))}"
        )
    if layer.param_bits > 16:
        raise LoweringError(
            f"stage {i}: the chip's S4d has 16 bits for a, b, c; this layer's param_bits are "
            f"{layer.param_bits}"
        )


def _adapters(d_input: int, d_output: int) -> tuple[AbstractProcess, AbstractProcess]:
    from lava.proc.embedded_io.spike import NxToPyAdapter, PyToNxAdapter  # of lava-loihi

    return (
        PyToNxAdapter(shape=(d_input,), num_message_bits=MESSAGE_BITS),
        NxToPyAdapter(shape=(d_output,), num_message_bits=MESSAGE_BITS),
    )


def _row(name: str, process: AbstractProcess) -> dict[str, object]:
    row: dict[str, object] = {"name": name, "process": type(process).__name__}
    params = process.proc_params
    if params.get("weight_exp") is not None:
        weights = process.vars.weights.init
        row["shape"] = weights.shape
        row["weight_exp"] = params["weight_exp"]
        row["sign_mode"] = params["sign_mode"].name
        row["num_message_bits"] = params["num_message_bits"]
        row["synapses"] = int(getattr(weights, "nnz", np.size(weights)))
        return row
    row["shape"] = process.s_out.shape
    for key in ("s4_exp", "inp_exp", "vth"):
        if hasattr(process, key):
            row[key] = int(np.max(getattr(process, key).init))
    return row
