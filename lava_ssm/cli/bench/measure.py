"""A network on this CPU: token by token and sample by sample, with Lava and without."""

import contextlib
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from lava_ssm.cli.bench.energy import EnergyMeter
from lava_ssm.cli.bench.rows import Row, Unit
from lava_ssm.network import FixedNetwork

HERE = "this CPU"
BATCH = 16
_FULL_SECONDS = 0.3
"""Energy counters tick about once a millisecond: work is repeated for so long."""


def measured_rows(
    network: FixedNetwork, sample: np.ndarray, on_row: Callable[[], object] = lambda: None
) -> list[Row]:
    """Measure all that runs here, one after another, and check that the integers are equal.

    Parameters
    ----------
    sample
        Tokens (time, d_input), as floats or mantissas.
    on_row
        Called after each row, for a progress bar.

    Raises
    ------
    AssertionError
        Two ways of running the network differ.
    """
    from lava_ssm.engine import as_tokens

    tokens = as_tokens(network, sample)
    expected = network.run(tokens)
    meter = EnergyMeter()
    rows = []
    for one in (
        lambda: _engine_tokens(network, tokens, meter),
        lambda: _lava(network, tokens, expected, "fall_through", True, meter),
        lambda: _lava(network, tokens, expected, "fall_through", False, meter),
        lambda: _engine_sample(network, tokens, expected, 1, meter),
        lambda: _engine_sample(network, tokens, expected, BATCH, meter),
        lambda: _lava(network, tokens, expected, "pipelined", True, meter),
        lambda: _lava(network, tokens, expected, "pipelined", False, meter),
        lambda: _lava(network, tokens, expected, "pipelined", False, meter, stock=True),
    ):
        rows.append(one())
        on_row()
    return rows


def _engine_tokens(network: FixedNetwork, tokens: np.ndarray, meter: EnergyMeter) -> Row:
    stream = network.stream()
    seconds = []
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
    _check(network.run(x), expected)
    seconds = []
    for _ in range(5):
        before = time.perf_counter()
        network.run(x)
        seconds.append(time.perf_counter() - before)
    latency = statistics.median(seconds)
    energy = _energy(meter, lambda: network.run(x), latency, batch)
    cores = min(batch, os.cpu_count() or 1)
    mode = "compiled engine, " + ("one core" if cores == 1 else f"batch {batch}, {cores} cores")
    return _row(mode, "sample", latency, batch / latency, energy)


def _lava(
    network: FixedNetwork,
    tokens: np.ndarray,
    expected: np.ndarray,
    schedule: Any,
    fused: bool,
    meter: EnergyMeter,
    stock: bool = False,
) -> Row:
    """Run a sample through a graph; a second one, after a reset, is measured."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    from lava_ssm import proc, runtime

    n = len(tokens)
    kind = proc.FusedSSMNetwork if fused else proc.SSMNetwork
    net: Any = kind(network, schedule=schedule, reset_every=n)
    tokens_in, collected = proc.source(np.stack([tokens, tokens]), net), proc.sink(net, 2 * n)
    tokens_in.s_out.connect(net.a_in)
    net.s_out.connect(collected.a_in)
    first, both = net.steps_for(n), net.steps_for(2 * n)
    where: AbstractContextManager[None] = (
        contextlib.nullcontext() if stock else runtime.in_process()
    )
    seconds = []

    def second() -> None:
        before = time.perf_counter()
        net.run(condition=RunSteps(both - first))
        seconds.append(time.perf_counter() - before)

    try:
        with where:
            net.run(condition=RunSteps(first), run_cfg=Loihi2SimCfg(select_tag=net.tag))
            energy = meter.of(second)
        outputs = collected.take().reshape(2, n, -1)
    finally:
        net.stop()
    _check(outputs, expected)
    mode = f"Lava, {'fused' if fused else 'expanded'}, " + (
        "stock runtime" if stock else "in process"
    )
    token_by_token = schedule == "fall_through"
    units = n if token_by_token else 1
    latency = seconds[0] / units
    return _row(
        mode,
        "token" if token_by_token else "sample",
        latency,
        1 / latency,
        None if energy is None else energy / units,
    )


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
