"""Random fixed networks: every executor against an independent simulator in Python's integers."""

import contextlib
import copy
import pickle
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator

import lava_ssm as ssm
from lava_ssm import engine
from lava_ssm.engine import Overflows, Stream
from lava_ssm.network import FixedNetwork, FixedS4D, Readout
from lava_ssm.numerics import FixedPointOverflow, Overflow
from scripts.soak.outcome import Outcome
from tests.engine.plain import Plain, PlainOverflow, mantissa
from tests.networks import BARE, random_chain, random_mantissas

KERNELS: dict[str, dict[str, Any]] = {
    "chain": {"kinds": BARE, "bare": True},
    "blocks": {"kinds": ("linear", "s5", "gate")},
    "mixed": {},
}
"""Layers of the networks that each compiled kernel takes, and of those that neither does."""

Ran: TypeAlias = tuple[Any, Sequence[Any], Sequence[Overflows]]
"""Outputs (rows, time, d_output), states (rows, ...) of each layer that has one, overflows."""


def random_case(rng: Generator) -> tuple[str, FixedNetwork, np.ndarray]:
    """A network of some kind, and sequences for it (rows, time, d_input)."""
    kind = str(rng.choice(list(KERNELS)))
    widest = int(rng.choice([4, 20, 20, 70, 70, 300]))
    net = random_chain(rng, widest, 8 if widest < 100 else 4, **KERNELS[kind])
    rows, time = int(rng.choice([1, 2, 5])), int(rng.choice([1, 2, 9, 20, 150]))
    tokens = max(1, int(0.3 / seconds_a_token(net)))
    rows = min(rows, tokens)
    return kind, net, random_mantissas(rng, net, (rows, min(time, max(1, tokens // rows))))


def seconds_a_token(net: FixedNetwork) -> float:
    """About how long the simulator takes for a token, and the reference."""
    layers = [stage.layer for stage in net.stages]
    return 2e-3 * len(layers) + sum(
        8e-6 * layer.a[..., 0].size if isinstance(layer, FixedS4D) else 3e-8 * layer.n_parameters
        for layer in layers
    )


class Wanted:
    """What the simulator makes of sequences (rows, time, d_input), a stream each."""

    def __init__(
        self, net: FixedNetwork, x: np.ndarray, reset_every: int | None, states: Any | None
    ) -> None:
        self.outputs: list[list[list[int]]] = []
        self.states: list[list[Any]] = []
        self.tallies = [Counter[str]() for _ in net.stages]
        self.raises = False
        for k, row in enumerate(x.tolist()):
            plain = Plain(net)
            if states is not None:
                plain.state = [layer[k] for layer in states]
            outputs = []
            try:
                for t, token in enumerate(row):
                    if reset_every is not None and t and t % reset_every == 0:
                        self._count(plain)
                        plain = Plain(net)
                    outputs.append(plain.step(token))
            except PlainOverflow:
                self.raises = True
            self._count(plain)
            self.outputs.append(outputs)
            self.states.append(plain.state)

    def _count(self, plain: Plain) -> None:
        for mine, tally in zip(self.tallies, plain.overflows, strict=True):
            mine.update(tally)

    def difference(self, run: Callable[[], Ran]) -> str | None:
        """Say what is not as it should be."""
        try:
            outputs, states, overflows = run()
        except FixedPointOverflow:
            return None if self.raises else "an overflow is raised that is none"
        if self.raises:
            return "an overflow is not raised"
        if not np.array_equal(outputs, self.outputs):
            return f"outputs, first at {np.argwhere(np.not_equal(outputs, self.outputs))[0]}"
        for i, x in enumerate(states):
            if not np.array_equal(x, [state[i] for state in self.states]):
                return f"the state of layer {i}"
        tallies = [Counter[str]() for _ in self.tallies]
        for each in overflows:
            for total, (_, tally) in zip(tallies, each.stages, strict=True):
                total.update(tally)
        if tallies != self.tallies:
            return f"overflows: {tallies} are counted, not {self.tallies}"
        return None


def whole(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """All sequences in one batch."""
    run = engine.run(net, x, **options)
    return run.outputs, run.state, [run.overflows]


def on_threads(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """The same, shared out."""
    return whole(net, x, rng, n_threads=int(rng.integers(2, 5)), **options)


def row_by_row(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """One sequence after another."""
    runs = [engine.run(net, row, **options) for row in x]
    states = [np.stack(layer) for layer in zip(*(run.state for run in runs), strict=True)]
    return [run.outputs for run in runs], states, [run.overflows for run in runs]


def in_pieces(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """A batch on two axes, cut in time, empty pieces too."""
    stream = net.stream((1, len(x)), **options)
    pieces = np.split(x[np.newaxis], np.sort(rng.integers(0, x.shape[1] + 1, 3)), axis=2)
    outputs = np.concatenate([stream.run(piece) for piece in pieces], axis=2)
    return outputs[0], [layer[0] for layer in stream.state], [stream.overflows]


def token_by_token(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """Each sequence a stream."""
    streams = [net.stream(**options) for _ in x]
    outputs = [
        [stream.step(token) for token in row] for stream, row in zip(streams, x, strict=True)
    ]
    return outputs, _states(streams), [stream.overflows for stream in streams]


def batches_of_tokens(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """A token of each sequence at a time."""
    stream = net.stream((len(x),), **options)
    outputs = [stream.step(x[:, t]) for t in range(x.shape[1])]
    return np.stack(outputs, axis=1), stream.state, [stream.overflows]


def as_values(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """Real numbers that round to the mantissas: nearest, ties to even; at once or one by one."""
    e = net.input_exponent
    if abs(e) > 900:
        return whole(net, x, rng, **options)
    part = rng.choice([-0.49, -0.25, 0, 0.25, 0.49, 0.5, -0.5], x.shape)
    part[(np.abs(part) == 0.5) & (x % 2 == 1)] = 0
    inside = np.abs(x) < net.input_format.max_mantissa
    values = np.ldexp(x + np.where(inside, part, 0), -e)
    assert [mantissa(v, e) for v in values.flat] == x.ravel().tolist()
    if rng.random() < 0.5:
        return whole(net, values, rng, **options)
    return token_by_token(net, values, rng, **options)


def copied(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """A stream that is copied or pickled on the way, network and all."""
    stream = net.stream((len(x),), **options)
    at = int(rng.integers(0, x.shape[1] + 1))
    first = stream.run(x[:, :at])
    twins: list[Stream] = [copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    twin, other = (twins[i] for i in rng.permutation(2))
    with contextlib.suppress(FixedPointOverflow):
        other.run(x[:, :1])  # is nothing to the others
    rest = twin.run(x[:, at:])
    return np.concatenate([first, rest], axis=1), twin.state, [twin.overflows]


def from_a_file(net: FixedNetwork, x: np.ndarray, rng: Generator, **options: Any) -> Ran:
    """The network saved and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        net.save(path)
        loaded = ssm.load(path)
    assert loaded == net
    assert isinstance(loaded, FixedNetwork)
    return whole(loaded, x, rng, **options)


EXECUTORS: dict[str, Callable[..., Ran]] = {
    run.__name__.replace("_", " "): run
    for run in (
        whole,
        on_threads,
        row_by_row,
        in_pieces,
        token_by_token,
        batches_of_tokens,
        as_values,
        copied,
        from_a_file,
    )
}


def after_a_state(net: FixedNetwork, x: np.ndarray, rng: Generator, states: Any) -> Ran:
    """A stream that goes on from states that it is given."""
    stream = net.stream((len(x),))
    stream.state = states
    return stream.run(x), stream.state, [stream.overflows]


def random_states(rng: Generator, net: FixedNetwork, rows: int) -> list[np.ndarray]:
    """States of each layer that has one, of any size, the ends of their word among them."""
    states = []
    for of_one, bits in zip(net.state_shapes, net.state_bits, strict=True):
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        shape = (rows, *of_one)
        size = 2.0 ** rng.uniform(0, bits - 1)
        x = np.clip(rng.uniform(-size, size, shape).astype(np.int64), low, high)
        ends = rng.random(shape) < rng.choice([0, 0.1])
        states.append(np.where(ends, rng.choice([low, high, 0], shape), x))
    return states


def raising(net: FixedNetwork, row: np.ndarray) -> str | None:
    """Say what differs where a stream is stopped by an overflow: it must be as before it."""
    plain, stream = Plain(net), net.stream()
    for t, token in enumerate(row):
        try:
            wanted = plain.step(token.tolist())
        except PlainOverflow:
            with_error = False
            try:
                stream.step(token)
            except FixedPointOverflow:
                with_error = True
            if not with_error:
                return f"token {t} does not raise"
            wanted = None
        else:
            if stream.step(token).tolist() != wanted:
                return f"the output of token {t}"
        if [x.tolist() for x in stream.state] != plain.state:
            return f"the state after token {t}{' was refused' if wanted is None else ''}"
    return None


def _states(streams: Sequence[Stream]) -> list[np.ndarray]:
    return [np.stack(layer) for layer in zip(*(s.state for s in streams), strict=True)]


def compare(net: FixedNetwork, x: np.ndarray, rng: Generator, outcome: Outcome) -> None:
    """Compare all executors on a network and its sequences."""
    wanted = Wanted(net, x, None, None)
    compiled = net.stream()._executor.__class__.__name__ != "Reference"
    tasks: list[tuple[str, Callable[[], str | None]]] = [
        ("reference", lambda: wanted.difference(lambda: whole(net, x, rng, backend="reference")))
    ]
    for name, run in EXECUTORS.items():
        options = {} if compiled and rng.random() < 0.8 else {"backend": "reference"}
        kind = "compiled" if not options else "reference"
        tasks.append(
            (
                f"{kind}, {name}",
                lambda run=run, options=options: wanted.difference(
                    lambda: run(net, x, rng, **options)
                ),
            )
        )
    states = random_states(rng, net, 1)
    every = int(rng.integers(1, x.shape[1] + 1))
    tasks += [
        (
            "from a state",
            lambda: Wanted(net, x[-1:], None, states).difference(
                lambda: after_a_state(net, x[-1:], rng, states)
            ),
        ),
        (
            "reset",
            lambda: Wanted(net, x[:1], every, None).difference(
                lambda: whole(net, x[:1], rng, reset_every=every)
            ),
        ),
    ]
    if net.arithmetic.overflow is Overflow.RAISE:
        tasks.append(("raising", lambda: raising(net, x[0])))
    for name, task in tasks:
        try:
            difference = task()
        except Exception as error:
            difference = f"{type(error).__name__}: {error}"
        outcome.check(f"{name} = Python's integers", difference is None, f"{name}: {difference}")


def smallest(
    net: FixedNetwork, x: np.ndarray, seed: tuple[int, ...]
) -> tuple[FixedNetwork, np.ndarray]:
    """Leave stages, sequences and tokens away for as long as something differs."""

    def differs(net: FixedNetwork, x: np.ndarray) -> bool:
        outcome = Outcome()
        compare(net, x, np.random.default_rng(seed), outcome)
        return bool(outcome.differences)

    for n in range(1, len(net.layers)):
        try:
            part = replace(net, layers=net.layers[:n], readout=Readout.EVERY_TOKEN)
            if differs(part, x):
                net = part
                break
        except (TypeError, ValueError):
            continue
    for row in x:
        if differs(net, row[np.newaxis]):
            x = row[np.newaxis]
            break
    for t in range(1, x.shape[1]):
        if differs(net, x[:, :t]):
            x = x[:, :t]
            break
    return net, x


def run(seed: tuple[int, ...], failures: Path) -> Outcome:
    """Run one case; what differs is written into a folder, as small as it can be made."""
    warnings.simplefilter("ignore", engine.OverflowWarning)
    rng = np.random.default_rng(seed)
    kind, net, x = random_case(rng)
    outcome = Outcome(Counter({f"networks, {kind}": 1}))
    compare(net, x, rng, outcome)
    if outcome.differences:
        net, x = smallest(net, x, seed)
        failures.mkdir(parents=True, exist_ok=True)
        net.save(failures / "network.safetensors")
        np.save(failures / "tokens.npy", x)
    return outcome
