"""Lava graphs of random networks: the engine's integers on each token, on both runtimes."""

import contextlib
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import engine, proc, runtime
from lava_ssm.network import FixedNetwork
from lava_ssm.numerics import FixedPointOverflow
from scripts.soak.outcome import Outcome
from tests.networks import random_chain, random_mantissas

KINDS: dict[str, Any] = {"expanded": proc.SSMNetwork, "fused": proc.FusedSSMNetwork}
SCHEDULES: tuple[Any, ...] = ("pipelined", "fall_through")
STOCK = 0.02
"""Share of graphs that run on the stock runtime: an operating-system process each Process."""


def difference(
    net: FixedNetwork, x: np.ndarray, kind: str, schedule: Any, in_two: bool, stock: bool
) -> str | None:
    """Say what differs from the engine, of samples (rows, time, d_input) back to back."""
    rows, time, _ = x.shape
    n_tokens = rows * time
    wanted = or_raises(net, x)
    graph = KINDS[kind](net, schedule=schedule, reset_every=time)
    source, sink = proc.source(x, graph), proc.sink(graph, n_tokens)
    source.s_out.connect(graph.a_in)
    graph.s_out.connect(sink.a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    with runtime.in_process() if not stock else contextlib.nullcontext():
        try:
            if in_two and n_tokens > 1:  # two runs of one graph, paused in between
                first = graph.steps_for(n_tokens // 2)
                graph.run(condition=RunSteps(first), run_cfg=config)
                taken = [sink.take()]
                rest = graph.steps_for(n_tokens) - first
                graph.run(condition=RunSteps(rest), run_cfg=config)
                found = np.concatenate([*taken, sink.take()])
            else:
                graph.run(condition=RunSteps(graph.steps_for(n_tokens)), run_cfg=config)
                found = sink.take()
            states = [layer.state.get() for layer in graph.layers]
            counted = graph.count_overflows()
        except FixedPointOverflow:
            # the first layers of a pipeline take zeros behind the last sample
            after = np.zeros_like(x[:1]) if schedule == "pipelined" else x[:0]
            legal = or_raises(net, np.concatenate([x, after])) is None
            return None if legal else "an overflow is raised that is none"
        finally:
            graph.stop()
    if wanted is None:
        return "an overflow is not raised"
    outputs = wanted.outputs.reshape(n_tokens, -1)
    if not np.array_equal(found, outputs):
        return f"outputs, first at {np.argwhere(found != outputs)[0]}"
    if schedule != "fall_through":
        return None  # the first layers have taken zeros since the last token
    for i, (mine, state) in enumerate(zip(states, wanted.state, strict=True)):
        if not np.array_equal(mine, state[-1]):
            return f"the state of layer {i}"
    tallies = [tally for _, tally in wanted.overflows.stages]
    total = sum(tally.total() for tally in tallies)
    if kind == "expanded":  # stock synapses count none
        total -= sum(tally["synapse"] for tally in tallies)
    return None if counted == total else f"{counted} overflows are counted, not {total}"


def or_raises(net: FixedNetwork, x: np.ndarray) -> engine.Run | None:
    """Run the engine; None if an overflow raises."""
    try:
        return engine.run(net, x)
    except FixedPointOverflow:
        return None


def run(seed: tuple[int, ...], failures: Path) -> Outcome:
    """Run one network as four graphs; what differs is written into a folder."""
    warnings.simplefilter("ignore", engine.OverflowWarning)
    rng = np.random.default_rng(seed)
    net = random_chain(rng, int(rng.choice([3, 17, 17, 70])), int(rng.integers(1, 6)))
    x = random_mantissas(rng, net, (int(rng.integers(1, 4)), int(rng.integers(1, 8))))
    outcome = Outcome(Counter({"networks": 1}))
    for kind in KINDS:
        for schedule in SCHEDULES:
            stock, in_two = bool(rng.random() < STOCK), bool(rng.random() < 0.3)
            what = f"graphs, {kind}, {schedule}{', stock runtime' if stock else ''}"
            try:
                found = difference(net, x, kind, schedule, in_two, stock)
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
            outcome.check(what, found is None, f"{what}, in two runs: {in_two}: {found}")
    if outcome.differences:
        failures.mkdir(parents=True, exist_ok=True)
        net.save(failures / "network.safetensors")
        np.save(failures / "tokens.npy", x)
    return outcome
