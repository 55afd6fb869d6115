"""A network on this CPU: token by token and sample by sample, with Lava and without."""

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from lava_ssm import engine
from lava_ssm.cli.bench.energy import EnergyMeter
from lava_ssm.cli.bench.rows import Row, Unit
from lava_ssm.loihi2.performance import Schedule
from lava_ssm.network import FixedNetwork

HERE = "this CPU"
BATCH = 16
ROUNDS = 3
"""Samples through a Lava graph; the median counts."""
WARM_UP = 16
"""Tokens, at most, that a graph takes before."""
ENOUGH = 10
"""Seconds after which no further sample is begun."""
FALLING = 64
"""Tokens, at most, of a sample that falls through a Lava graph."""
_FULL_SECONDS = 0.3
"""Energy counters tick about once a millisecond: work is repeated for so long."""

Measurement: TypeAlias = tuple[str, Callable[[], Row]]


def measurements(network: FixedNetwork, sample: np.ndarray) -> list[Measurement]:
    """All that can be measured here: what it is, and a function that measures it.

    `sample`: tokens (time, d_input). Each checks that it gave the integers of the engine, and
    raises an AssertionError otherwise.
    """
    tokens = engine.as_tokens(network, sample)
    expected = engine.run(network, tokens).outputs
    meter = EnergyMeter()

    def lava(schedule: Schedule) -> Iterator[Measurement]:
        n = min(len(tokens), FALLING) if schedule == "fall_through" else len(tokens)
        for fused, stock in ((True, False), (False, False), (False, True)):
            case = LavaCase(schedule, fused, stock)
            measure = partial(_lava, network, tokens[:n], expected[:n], case, meter)
            yield f"{schedule.replace('_', '-')}, {case}", measure

    def batch_of(n: int) -> Measurement:
        measure = partial(_engine_sample, network, tokens, expected, n, meter)
        return f"engine, batch {n}", measure

    alone = "engine, token by token", partial(_engine_tokens, network, tokens, meter)
    return [alone, *lava("fall_through"), batch_of(1), batch_of(BATCH), *lava("pipelined")]


def _engine_tokens(network: FixedNetwork, tokens: np.ndarray, meter: EnergyMeter) -> Row:
    stream = network.stream()
    seconds: list[float] = []
    for token in tokens:
        before = time.perf_counter()
        stream.step(token)
        seconds.append(time.perf_counter() - before)
    latency = statistics.median(seconds)

    def work() -> None:
        for token in tokens:
            stream.step(token)

    energy = _energy(meter, work, latency * len(tokens), len(tokens))
    return _row("compiled engine, one core", "token", latency, 1 / latency, energy)


def _engine_sample(
    network: FixedNetwork, tokens: np.ndarray, expected: np.ndarray, batch: int, meter: EnergyMeter
) -> Row:
    x = np.broadcast_to(tokens, (batch, *tokens.shape)).copy()
    _check(engine.run(network, x).outputs, expected)
    seconds: list[float] = []
    for _ in range(5):
        before = time.perf_counter()
        engine.run(network, x)
        seconds.append(time.perf_counter() - before)
    latency = statistics.median(seconds)
    energy = _energy(meter, lambda: engine.run(network, x), latency, batch)
    cores = min(batch, os.cpu_count() or 1)
    mode = "compiled engine, " + ("one core" if cores == 1 else f"batch {batch}, {cores} cores")
    return _row(mode, "sample", latency, batch / latency, energy)


@dataclass(frozen=True)
class LavaCase:
    """How a network runs in Lava.

    `schedule`: one token in flight, or one a step; `fused`: one Process, or its synapses and
    neurons; `stock`: Lava's own runtime, an operating-system process for each Process, or ours.
    """

    schedule: Schedule
    fused: bool
    stock: bool

    def __str__(self) -> str:
        where = "stock runtime, all cores" if self.stock else "in process"
        return f"Lava, {'fused' if self.fused else 'expanded'}, {where}"


def _lava(
    network: FixedNetwork,
    tokens: np.ndarray,
    expected: np.ndarray,
    case: LavaCase,
    meter: EnergyMeter,
) -> Row:
    """Run samples back to back through a graph that has had some tokens to warm up."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    from lava_ssm import proc, runtime
    from lava_ssm.proc.abstract_network import AbstractNetwork

    n, samples = len(tokens), 1 + ROUNDS
    kind = proc.FusedSSMNetwork if case.fused else proc.SSMNetwork
    net: AbstractNetwork = kind(network, schedule=case.schedule, reset_every=n)
    x = np.broadcast_to(tokens, (samples, *tokens.shape)).copy()
    tokens_in, collected = proc.source(x, net), proc.sink(net, samples * n)
    tokens_in.s_out.connect(net.a_in)
    net.s_out.connect(collected.a_in)
    where: AbstractContextManager[None] = (
        contextlib.nullcontext() if case.stock else runtime.in_process()
    )
    steps = n * net.period  # from a sample's first token to the next one's
    seconds: list[float] = []

    def measured() -> None:
        while len(seconds) < ROUNDS and sum(seconds) < ENOUGH:
            before = time.perf_counter()
            net.run(condition=RunSteps(steps))
            seconds.append(time.perf_counter() - before)

    try:
        with where:
            warm_up = RunSteps(min(n, WARM_UP) * net.period)
            net.run(condition=warm_up, run_cfg=Loihi2SimCfg(select_tag=net.tag))
            energy = meter.of(measured)
        outputs = collected.take()
    finally:
        net.stop()
    assert len(outputs), "no token came through"
    _check(outputs, np.tile(expected, (samples, 1))[: len(outputs)])
    median = statistics.median(seconds)
    if case.schedule == "fall_through":  # a token is out when the next one enters
        joules = None if energy is None else energy / (len(seconds) * n)
        return _row(str(case), "token", median / n, n / median, joules)
    joules = None if energy is None else energy / len(seconds)
    # the last output comes `latency` steps after the last token
    return _row(str(case), "sample", median * (1 + net.latency / n), 1 / median, joules)


def _energy(
    meter: EnergyMeter, work: Callable[[], object], seconds: float, units: int
) -> float | None:
    if not meter.available:
        return None
    repeats = max(1, round(_FULL_SECONDS / seconds))

    def all_of_it() -> None:
        for _ in range(repeats):
            work()

    joules = meter.of(all_of_it)
    return None if joules is None else joules / (repeats * units)


def _row(mode: str, unit: Unit, latency: float, throughput: float, energy: float | None) -> Row:
    return Row(HERE, mode, unit, "measured", latency, throughput, energy)


def _check(outputs: np.ndarray, expected: np.ndarray) -> None:
    if not np.array_equal(outputs, np.broadcast_to(expected, outputs.shape)):
        raise AssertionError("two ways of running the network gave different integers")
