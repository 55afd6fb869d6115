"""Streams: tokens one at a time or in pieces, the state carried across."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.engine import reference
from lava_ssm.engine.executor import Executor
from lava_ssm.engine.overflows import Overflows
from lava_ssm.engine.states import checked_state
from lava_ssm.engine.tokens import as_tokens
from lava_ssm.network import S4D, FixedLinear, FixedNetwork, FixedS4D, Linear, Network, Stage
from lava_ssm.numerics import FixedPointOverflow

Backend: TypeAlias = Literal["compiled", "reference"]


class Stream:
    """A network running on tokens as they come.

    However a sequence is cut into pieces, the outputs are the same (the same integers, of a fixed
    network).

    Parameters
    ----------
    network
        Float or fixed.
    batch
        Shape of the batch of streams that run side by side; () for one.
    reset_every
        Tokens of a sample: the state is zero at each sample's first token. None: never.
    backend
        "compiled": machine code. "reference": NumPy, to be read and to be probed, up to a thousand
        times slower. The integers of a fixed network are the same. None: compiled, unless probed
        or of a kind that is not: float networks with S5 layers, gates, residuals or biases; fixed
        ones that have S4D layers beside these, or raise on overflow, or run on neither x86-64 nor
        64-bit ARM.
    n_threads
        Threads that a compiled batch is shared out among; the results do not depend on it. None:
        one for each core.
    probe
        Shown the values inside the network as they arise, by the reference only.

    Raises
    ------
    ValueError
        `reset_every` or `n_threads` is not a positive integer, there is no such backend, or the
        compiled one is to be probed.
    """

    def __init__(
        self,
        network: Network | FixedNetwork,
        batch: tuple[int, ...] = (),
        reset_every: int | None = None,
        backend: Backend | None = None,
        n_threads: int | None = 1,
        probe: reference.Probe | None = None,
    ) -> None:
        for name, value in (("reset_every", reset_every), ("n_threads", n_threads)):
            if value is not None and not (isinstance(value, int | np.integer) and value >= 1):
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        if not (
            isinstance(batch, Sequence)
            and all(isinstance(n, int | np.integer) and n >= 0 for n in batch)
        ):
            raise TypeError(f"batch must be a shape, such as () or (8,), got {batch!r}")
        self.network = network
        self.batch = tuple(batch)
        self.reset_every = reset_every
        self._executor = _executor(network, self.batch, backend, n_threads, probe)
        self._last = 0, 0  # tokens of the sample before the last call, tokens of the last call
        self.reset()

    def reset(self) -> None:
        """Begin a new sample: the state is zero again. Overflows stay counted."""
        self.n_tokens = 0
        self._executor.reset()

    @property
    def state(self) -> tuple[NDArray[Any], ...]:
        """State of each layer that has one; a copy, may be set.

        Of an S4D (*batch, d_model, d_state, 2), of an S5 (*batch, d_state, 2): re, im.

        Raises
        ------
        TypeError
            What it is set to is no sequence, or are not real numbers, or, of a fixed network, not
            integers.
        ValueError
            Another number or shape of arrays, values that are not finite, or mantissas beyond the
            state's word.
        """
        return tuple(self._executor.states)

    @state.setter
    def state(self, given: Sequence[ArrayLike]) -> None:
        network = self.network
        wanted = [x.shape for x in self._executor.states]
        if not isinstance(given, Sequence):
            raise TypeError(f"state must be a sequence of arrays, got {type(given).__name__}")
        if len(given) != len(wanted):
            raise ValueError(f"state must have {len(wanted)} arrays, one a layer, got {len(given)}")
        bits = network.arithmetic.state_bits if isinstance(network, FixedNetwork) else None
        checked = [
            checked_state(x, shape, bits, f"state[{i}]")
            for i, (x, shape) in enumerate(zip(given, wanted, strict=True))
        ]
        self._executor.set_states(checked)

    @property
    def overflows(self) -> Overflows:
        """Overflows since the stream was made."""
        names = [type(stage.layer).__name__ for stage in self.network.stages]
        tallies = [Counter(tally) for tally in self._executor.tallies]
        return Overflows(tuple(zip(names, tallies, strict=True)))

    def step(self, token: ArrayLike) -> NDArray[Any]:
        """Take one token (*batch, d_input) and give the output (*batch, d_output).

        Raises
        ------
        ValueError
            A token of another shape, not finite, or beyond the input format.
        FixedPointOverflow
            A word overflows, and the rules say RAISE. The stream is as before.
        """
        if self.n_tokens != self.reset_every:
            outputs = self._executor.step(token)
            if outputs is not None:
                self._last = self.n_tokens, 1
                self.n_tokens += 1
                return outputs
        u = self._checked(token, "token", ())
        return self._advance(u[..., np.newaxis, :])[..., 0, :]

    def run(self, tokens: ArrayLike) -> NDArray[Any]:
        """Take tokens (*batch, time, d_input) and give their outputs (*batch, time, d_output).

        Raises
        ------
        ValueError
            Tokens of another shape, not finite, or beyond the input format.
        FixedPointOverflow
            A word overflows, and the rules say RAISE. The stream is as before.
        """
        return self._run(tokens, "tokens")

    def to_float(self, outputs: ArrayLike) -> NDArray[np.float64]:
        """Logits of what the last call of `step` or `run` gave.

        Raises
        ------
        ValueError
            Outputs of another shape than that call's.
        """
        values = np.asarray(outputs)
        first, n = self._last
        numbers = first + np.arange(n)  # of each token in its sample, from 0
        if self.reset_every is not None:
            numbers %= self.reset_every
        if values.shape == (*self.batch, n, self.network.d_output):
            return self.network.to_float(values, numbers + 1)
        if n == 1 and values.shape == (*self.batch, self.network.d_output):
            return self.network.to_float(values, numbers[0] + 1)
        raise ValueError(f"outputs must be those of the last call, got shape {values.shape}")

    def _run(self, tokens: ArrayLike, name: str) -> NDArray[Any]:
        return self._advance(self._checked(tokens, name, ("time",)))

    def _checked(self, given: ArrayLike, name: str, time: tuple[str, ...]) -> NDArray[Any]:
        shape = np.shape(given)
        if len(shape) != len(self.batch) + len(time) + 1 or shape[: len(self.batch)] != self.batch:
            wanted = str((*self.batch, *time, self.network.d_input)).replace("'", "")
            raise ValueError(f"{name} must have shape {wanted}, got shape {shape}")
        return as_tokens(self.network, given, name)

    def _advance(self, u: NDArray[Any]) -> NDArray[Any]:
        first, n = self.n_tokens, u.shape[-2]
        if self.reset_every is None or first + n <= self.reset_every:
            outputs = self._executor.advance(u)
            self.n_tokens += n
        else:
            before = self._executor.saved()
            try:
                outputs = self._over_samples(u, self.reset_every)
            except FixedPointOverflow:
                self._executor.restore(before)
                self.n_tokens = first
                raise
        self._last = first, n
        return outputs

    def _over_samples(self, u: NDArray[Any], reset_every: int) -> NDArray[Any]:
        n = u.shape[-2]
        pieces = []
        start = 0
        while start < n:
            if self.n_tokens == reset_every:
                self.reset()
            stop = min(n, start + reset_every - self.n_tokens)
            pieces.append(self._executor.advance(u[..., start:stop, :]))
            self.n_tokens += stop - start
            start = stop
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-2)


def _is_chain(network: Network | FixedNetwork) -> bool:
    """Whether a network is one of S4D and linear layers alone, without biases."""
    stages: tuple[Stage[Any], ...] = network.stages
    return all(
        isinstance(stage.layer, S4D | FixedS4D | Linear | FixedLinear)
        and getattr(stage.layer, "bias", None) is None
        and stage.residual is None
        and not stage.gelu
        for stage in stages
    )


def _executor(
    network: Network | FixedNetwork,
    batch: tuple[int, ...],
    backend: Backend | None,
    n_threads: int | None,
    probe: reference.Probe | None,
) -> Executor:
    if backend not in (None, "compiled", "reference"):
        raise ValueError(f"backend must be 'compiled' or 'reference', got {backend!r}")
    if backend == "reference" or (backend is None and probe is not None):
        return reference.Reference(network, batch, probe or reference.see_nothing)
    if probe is not None:
        raise ValueError("probe: what happens inside is seen with backend='reference' only")
    from lava_ssm.engine import compiled  # loads Numba

    threads = os.cpu_count() or 1 if n_threads is None else n_threads
    is_fixed = isinstance(network, FixedNetwork)
    if _is_chain(network):
        kind: Any = compiled.CompiledFixed if is_fixed else compiled.CompiledFloat
        made: Executor = kind(network, batch, threads)
        return made
    if isinstance(network, FixedNetwork) and compiled.CompiledBlocks.fits(network):
        return compiled.CompiledBlocks(network, batch, threads)
    if backend is None:
        return reference.Reference(network, batch)
    raise ValueError(
        "backend: 'compiled' knows chains of S4D and Linear layers without biases, and fixed "
        "networks of Linear, S5 and Gate layers whose overflows do not raise (on x86-64 and 64-bit "
        "ARM); this network runs on 'reference'"
    )


@dataclass(frozen=True)
class Run:
    """What came of running whole sequences.

    Parameters
    ----------
    outputs
        What the network emitted at each token, (..., time, d_output).
    state
        Of each layer that has one, after the last token: of an S4D (..., d_model, d_state, 2),
        of an S5 (..., d_state, 2): real, imaginary.
    overflows
        How many integers left their words, and where; none in a float network.
    """

    outputs: NDArray[Any]
    state: tuple[NDArray[Any], ...]
    overflows: Overflows


def run(
    network: Network | FixedNetwork,
    x: ArrayLike,
    reset_every: int | None = None,
    backend: Backend | None = None,
    n_threads: int | None = None,
    probe: reference.Probe | None = None,
) -> Run:
    """Run whole sequences x (..., time, d_input) from the zero state.

    Parameters
    ----------
    x
        For a fixed network floats are values and integers mantissas.
    reset_every
        Tokens of a sample, where `time` holds several back to back. None: one sample.
    backend, n_threads, probe
        See `Stream`. A batch is shared out among all cores by default.

    Raises
    ------
    ValueError
        A wrong shape, a value that is not finite, or beyond the input format's range.
    """
    shape = np.shape(x)
    if len(shape) < 2:
        raise ValueError(f"x must have shape (..., time, {network.d_input}), got shape {shape}")
    stream = Stream(network, shape[:-2], reset_every, backend, n_threads, probe)
    outputs = stream._run(x, "x")
    return Run(outputs, stream.state, stream.overflows)
