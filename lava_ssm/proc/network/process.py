"""A whole network as one hierarchical Lava Process."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike, NDArray

from lava_ssm.network import S4D, FixedNetwork, FixedS4D, Network, Stage
from lava_ssm.numerics import integers, overflowing, reals, word_range
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.schedule import Schedule


@dataclass(frozen=True)
class LayerState:
    """The state of an S4D layer in a graph, as one array.

    Parameters
    ----------
    re, im
        The Vars that hold it, flat.
    shape
        (d_model, d_state).
    bits
        Width of a mantissa in a fixed network, None in a float one.
    """

    re: Var
    im: Var
    shape: tuple[int, int]
    bits: int | None

    def get(self) -> NDArray[Any]:
        """Read the state, (d_model, d_state, 2): real, imaginary; mantissas in a fixed network."""
        parts = [np.reshape(var.get(), self.shape) for var in (self.re, self.im)]
        return np.stack(parts, axis=-1).astype(np.float64 if self.bits is None else np.int64)

    def set(self, state: ArrayLike) -> None:
        """Write the state, (d_model, d_state, 2), between two runs of the graph.

        Raises
        ------
        TypeError
            Not real numbers, or, of a fixed network, not integers.
        ValueError
            Another shape, values that are not finite, mantissas that do not fit the state's word.
        """
        x = reals(state, "state") if self.bits is None else integers(state, "state")
        if x.shape != (*self.shape, 2):
            raise ValueError(f"state must have shape {(*self.shape, 2)}, got {x.shape}")
        if self.bits is not None and overflowing(x, self.bits).any():
            low, high = word_range(self.bits)
            raise ValueError(
                f"state: mantissas must lie in [{low}, {high}] ({self.bits} bits), "
                f"got {x.min()} to {x.max()}"
            )
        self.re.set(x[..., 0].ravel())
        self.im.set(x[..., 1].ravel())


@dataclass(frozen=True)
class LayerVars:
    """What can be read of an S4D layer while its graph exists.

    Parameters
    ----------
    state
        The state as one array.
    state_re, state_im
        The Vars that hold it, (d_model * d_state,): for a Monitor.
    """

    state: LayerState
    state_re: Var
    state_im: Var


class SSMNetwork(AbstractProcess):
    """A network on Lava: stock `Dense` and `Sparse` synapses, our neurons between them.

    Each synapse takes one time step, as on the chip: a linear layer one, an S4D layer two (its
    expansion to the states and its reduction to the channels).

    Parameters
    ----------
    network
        A fixed network runs under the tag `fixed_pt`, a float one under `floating_pt`.
    period
        Time steps from one token's entry to the next one's. 1, the default, is the pipelined
        schedule: a token enters each step and every layer works on another one.
    offset
        Time steps before the first token enters: behind another network, that one's
        `offset + latency`.
    reset_every
        Tokens of a sample, in a stream of samples back to back: states and running sums are zero
        at each sample's first token. None: never.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (d_input,) and (d_output,): messages, mantissas in fixed point. The output
        is zero on steps that carry no token's output.
    layers
        For each S4D layer, in order, its Vars: `layers[0].state.get()`.
    latency
        Steps from a token's entry to its output.

    Raises
    ------
    TypeError, ValueError
        Not a network, or a period or reset_every that is not a positive integer.
    """

    _runtime = None  # Lava's `__del__` asks for it, also of a Process whose checks failed

    def __init__(
        self,
        network: Network | FixedNetwork,
        period: int = 1,
        offset: int = 0,
        reset_every: int | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(network, Network | FixedNetwork):
            raise TypeError(
                f"network must be a Network or a FixedNetwork, got {type(network).__name__}"
            )
        self._entry = Schedule(period, offset, reset_every)
        self._exit = Schedule(period, offset + network.latency, reset_every)
        super().__init__(
            network=network, period=period, offset=offset, reset_every=reset_every, name=name
        )
        self.network = network
        self.a_in = InPort(shape=(network.d_input,))
        self.s_out = OutPort(shape=(network.d_output,))
        stages: tuple[Stage[Any], ...] = network.stages
        self.layers = tuple(
            self._layer_vars(i, stage.layer)
            for i, stage in enumerate(stages)
            if isinstance(stage.layer, S4D | FixedS4D)
        )
        self._overflow_vars = []
        for i, stage in enumerate(stages):
            kinds = ("states", "neurons") if stage.layer.n_synapses == 2 else ("neurons",)
            for kind in kinds:
                var = Var(shape=(1,), init=0)
                setattr(self, f"stage{i}_{kind}_overflows", var)
                self._overflow_vars.append(var)

    def _layer_vars(self, i: int, layer: S4D | FixedS4D) -> LayerVars:
        shape = (layer.d_model, layer.d_state)
        re, im = (Var(shape=(layer.d_model * layer.d_state,), init=0) for _ in range(2))
        setattr(self, f"stage{i}_state_re", re)
        setattr(self, f"stage{i}_state_im", im)
        net = self.network
        bits = net.arithmetic.state_bits if isinstance(net, FixedNetwork) else None
        return LayerVars(LayerState(re, im, shape, bits), re, im)

    @property
    def tag(self) -> str:
        """The tag that runs this network: `fixed_pt` or `floating_pt`."""
        return FIXED if isinstance(self.network, FixedNetwork) else FLOATING

    @property
    def latency(self) -> int:
        """Time steps from a token's entry to its output."""
        return self.network.latency

    @property
    def offset(self) -> int:
        """Time steps before the first token enters."""
        return self._entry.offset

    @property
    def period(self) -> int:
        """Time steps from one token's entry to the next one's."""
        return self._entry.period

    @property
    def reset_every(self) -> int | None:
        """Tokens of a sample, or None."""
        return self._entry.reset_every

    def step_of(self, token: int) -> int:
        """Time step, from 1, at which `s_out` carries the output of a token, from 0."""
        return self._exit.step_of(_count(token, 0, "token"))

    def steps_for(self, n_tokens: int) -> int:
        """Time steps to run for the outputs of the first `n_tokens` tokens."""
        return self._exit.step_of(_count(n_tokens, 1, "n_tokens") - 1)

    def outputs(self, recorded: ArrayLike, n_tokens: int) -> NDArray[Any]:
        """Pick the tokens' outputs out of what a sink or Monitor recorded of `s_out`.

        Parameters
        ----------
        recorded
            One column a time step from step 1 on, (d_output, steps), as in Lava's sink.

        Returns
        -------
        ndarray
            (n_tokens, d_output); int64 of a fixed network.

        Raises
        ------
        ValueError
            Fewer steps were recorded than these tokens need.
        """
        columns = np.asarray(recorded)
        steps = self.steps_for(n_tokens)
        if columns.ndim != 2 or columns.shape[0] != self.network.d_output:
            raise ValueError(
                f"recorded must have shape ({self.network.d_output}, steps), got {columns.shape}"
            )
        if columns.shape[1] < steps:
            raise ValueError(
                f"n_tokens: {n_tokens} tokens need {steps} steps, {columns.shape[1]} were recorded"
            )
        first = self.step_of(0) - 1
        picked = columns[:, first : steps : self.period].T
        return picked.astype(np.int64) if self.tag == FIXED else picked

    def count_overflows(self) -> int:
        """Integers that left their words in neurons so far (stock synapses do not count theirs)."""
        return sum(int(var.get()[0]) for var in self._overflow_vars)

    def compile(self, run_cfg: Any, compile_config: Any = None) -> Any:
        """Compile the graph; refuses a run configuration whose tag cannot run this network."""
        chosen = getattr(run_cfg, "select_tag", self.tag)
        if chosen != self.tag:
            kind = type(self.network).__name__
            raise ValueError(f"select_tag must be {self.tag!r} for a {kind}, got {chosen!r}")
        return super().compile(run_cfg, compile_config)


def _count(value: int, least: int, name: str) -> int:
    if not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)
