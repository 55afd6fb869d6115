"""How fast networks run as Lava graphs: expanded, fused, in batches, on both runtimes.

    python benchmarks/lava_backend.py          about four minutes
    python benchmarks/lava_backend.py --quick  about one

Beside them, in the same rounds: a graph of three Processes that do nothing, the graph that one
would build of Lava's own Processes (Sparse, S4d, Sparse, Dense; floating point, no rectifiers),
and the compiled engine without Lava. Writes `results/lava_backend.json` and `.png`.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import networks
import numpy as np
import torch
from graphs.chain import chain
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as RingSink
from lava.proc.io.source import RingBuffer as RingSource
from lava.proc.s4d.process import S4d
from lava.proc.sparse.process import Sparse
from machine import machine, plain_lava, ratio, say
from networks import LENGTH, SIZES, fixed_network, float_network, mantissas
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix, identity, kron

from lava_ssm import files, runtime
from lava_ssm.network import S4D
from lava_ssm.proc import FusedSSMNetwork, SSMNetwork, sink, source

RESULTS = Path(__file__).parent / "results"
FIXED, FLOATING = "fixed_pt", "floating_pt"
ENGINE = "engine, no Lava"
NOTHING, NOTHING_IN_PROCESS = "3 Processes that do nothing, stock", "the same, in process"
STOCK_PROCESSES = "Lava's own Processes, stock"
EXPANDED, EXPANDED_IN_PROCESS = "SSMNetwork, stock", "SSMNetwork, in process"
FUSED, FUSED_IN_PROCESS = "FusedSSMNetwork, stock", "FusedSSMNetwork, in process"


@dataclass(frozen=True)
class Subject:
    """What is measured: something that takes some tokens at each call, until it is stopped."""

    run: Callable[[], object]
    stop: Callable[[], object]
    n_tokens: int
    n_processes: int


def graph(process: Any, tag: str, where: AbstractContextManager[None], n_steps: int) -> Subject:
    """Start a graph in a runtime; later calls run it on there."""
    with where:
        process.run(condition=RunSteps(n_steps), run_cfg=Loihi2SimCfg(select_tag=tag))
    return Subject(
        lambda: process.run(condition=RunSteps(n_steps)),
        process.stop,
        n_steps,
        len(process.runtime._executable.proc_builders),
    )


def ours(net: Any, where: AbstractContextManager[None], n_steps: int) -> Subject:
    """Our network between an endless source and a sink."""
    batch = net.a_in.shape[:-1]
    tokens = source(itertools.cycle(mantissas(net.network, LENGTH, *batch)), net)
    collected = sink(net, 10**5)
    tokens.s_out.connect(net.a_in)
    net.s_out.connect(collected.a_in)
    return graph(net, net.tag, where, n_steps)


def stock_processes(d_model: int, d_state: int, n_steps: int) -> Subject:
    """The network as a user of Lava would build it from what Lava offers."""
    network = float_network(d_model, d_state, "every")
    tokens = RingSource(data=np.full((1, 2), 0.5))
    tip = tokens.s_out
    for stage in network.stages:
        layer = stage.layer
        if isinstance(layer, S4D):
            ones = csr_matrix(kron(identity(d_model), np.ones((d_state, 1))))
            spread = Sparse(weights=ones, num_message_bits=24)
            states = S4d(
                shape=(d_model * d_state,),
                a=layer.a.ravel(), b=layer.b.ravel(), c=layer.c.ravel(),
            )  # fmt: skip
            back = Sparse(weights=csr_matrix(ones.T), num_message_bits=24)
            tip.connect(spread.s_in)
            spread.a_out.connect(states.a_in)
            states.s_out.connect(back.s_in)
            tip = back.a_out
        else:
            dense = Dense(weights=layer.weights, num_message_bits=24)
            tip.connect(dense.s_in)
            tip = dense.a_out
    collected = RingSink(shape=(10,), buffer=2)
    tip.connect(collected.a_in)
    return graph(tokens, FLOATING, plain_lava(), n_steps)


def nothing(where: AbstractContextManager[None], n_steps: int) -> Subject:
    """Three Processes that hand a message of ten values on."""
    return graph(chain(3, (10,))[0], FIXED, where, n_steps)


def measure_tokens(size: str, n_steps: int, rounds: int) -> dict[str, Any]:
    """Microseconds a token of each graph, medians of rounds in which they take turns."""
    fixed = fixed_network(*SIZES[size], "every")
    stream = fixed.stream(reset_every=LENGTH)
    tokens = itertools.cycle(mantissas(fixed, LENGTH))

    def engine() -> None:
        for token in itertools.islice(tokens, n_steps):
            stream.step(token)

    in_process = runtime.in_process
    subjects = {
        ENGINE: Subject(engine, lambda: None, n_steps, 0),
        NOTHING: nothing(plain_lava(), n_steps),
        NOTHING_IN_PROCESS: nothing(in_process(), n_steps),
        STOCK_PROCESSES: stock_processes(*SIZES[size], n_steps),
        EXPANDED: ours(SSMNetwork(fixed, reset_every=LENGTH), plain_lava(), n_steps),
        EXPANDED_IN_PROCESS: ours(SSMNetwork(fixed, reset_every=LENGTH), in_process(), n_steps),
        FUSED: ours(FusedSSMNetwork(fixed, reset_every=LENGTH), plain_lava(), n_steps),
        FUSED_IN_PROCESS: ours(FusedSSMNetwork(fixed, reset_every=LENGTH), in_process(), n_steps),
    }
    us: dict[str, list[float]] = {name: [] for name in subjects}
    try:
        for _ in range(rounds):
            for name, subject in subjects.items():
                before = time.perf_counter()
                subject.run()
                us[name].append(1e6 * (time.perf_counter() - before) / subject.n_tokens)
    finally:
        for subject in subjects.values():
            subject.stop()
    return {
        "us a token": {name: statistics.median(times) for name, times in us.items()},
        "processes": {name: subject.n_processes for name, subject in subjects.items()},
        "ratios": {
            "fused stock / doing nothing": 1 / ratio(us[NOTHING], us[FUSED]),
            "Lava's own Processes / fused stock": ratio(us[STOCK_PROCESSES], us[FUSED]),
            "fused in process / engine": 1 / ratio(us[ENGINE], us[FUSED_IN_PROCESS]),
            "SSMNetwork stock / in process": ratio(us[EXPANDED], us[EXPANDED_IN_PROCESS]),
        },
    }


WANTED = {
    "fused stock / doing nothing": "≤ 1.3",
    "Lava's own Processes / fused stock": "≥ 12 (large)",
    "fused in process / engine": "≤ 2",
    "SSMNetwork stock / in process": "≥ 10",
}


@dataclass(frozen=True)
class Batch:
    """Tokens a second of many streams side by side."""

    size: int
    runtime: str
    threads: int
    tokens_a_second: float


def measure_batches(rounds: int) -> list[Batch]:
    """The small network with a batch axis, on all cores."""
    fixed = fixed_network(*SIZES["small"], "every")
    threads = os.cpu_count() or 1
    found = []
    for size in (16, 256):
        for where, name in ((contextlib.nullcontext, "stock"), (runtime.in_process, "in process")):
            net = FusedSSMNetwork(fixed, reset_every=LENGTH, batch_size=size, n_threads=threads)
            subject = ours(net, where(), 50)
            times = []
            try:
                for _ in range(rounds):
                    before = time.perf_counter()
                    subject.run()
                    times.append(time.perf_counter() - before)
            finally:
                subject.stop()
            found.append(Batch(size, name, threads, 50 * size / statistics.median(times)))
            say("batch", asdict(found[-1]))
    return found


def measure_outputs() -> dict[str, float]:
    """Seconds to take a million output values out of a graph that has run."""
    fixed = fixed_network(*SIZES["small"], "every")
    found = {}
    for where, name in ((contextlib.nullcontext, "stock"), (runtime.in_process, "in process")):
        net = FusedSSMNetwork(fixed, batch_size=100)
        token = np.full((100, 1), 100)
        tokens, collected = source(itertools.repeat(token), net), sink(net, 1000)
        tokens.s_out.connect(net.a_in)
        net.s_out.connect(collected.a_in)
        with where():
            net.run(condition=RunSteps(net.steps_for(1000)), run_cfg=Loihi2SimCfg(select_tag=FIXED))
        before = time.perf_counter()
        taken = collected.take()
        found[name] = time.perf_counter() - before
        net.stop()
        assert taken.size == 10**6, taken.shape
    return found


def show(report: dict[str, Any]) -> None:
    """Print what was measured beside what is wanted."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    table = Table(title="n-S4D on Lava: µs a token, medians of alternating rounds")
    table.add_column("")
    table.add_column("Processes", justify="right")
    for size in SIZES:
        table.add_column(size, justify="right")
    for name, n in report["tokens"]["small"]["processes"].items():
        us = (report["tokens"][size]["us a token"][name] for size in SIZES)
        table.add_row(name, str(n or ""), *(f"{value:,.1f}" for value in us))
    console.print(table)
    table = Table(title="ratios")
    for heading in ("", *SIZES, "wanted"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, wanted in WANTED.items():
        values = (report["tokens"][size]["ratios"][name] for size in SIZES)
        table.add_row(name, *(f"{value:.2f}" for value in values), wanted)
    console.print(table)
    for batch in report["batches"]:
        console.print(
            f"batch of {batch['size']}, small, {batch['threads']} threads, {batch['runtime']}: "
            f"{batch['tokens_a_second']:,.0f} tokens a second"
            + (" (wanted ≥ 100,000)" if batch["size"] == 256 else "")
        )
    for name, seconds in report["a million outputs, s"].items():
        console.print(f"a million output values, {name}: {seconds:.3f} s (wanted < 1)")


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the time of a token of each graph."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(report["tokens"]["small"]["us a token"])
    rows = np.arange(len(names))
    figure, axis = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    for shift, size in ((-0.2, "small"), (0.2, "large")):
        us = [report["tokens"][size]["us a token"][name] for name in names]
        bars = axis.barh(rows + shift, us, 0.38, label=f"n-S4D {size}")
        axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axis.set(xscale="log", xlabel="µs a token", yticks=rows, yticklabels=names)
    axis.margins(x=0.15)
    axis.invert_yaxis()
    axis.legend()
    axis.set_title(f"n-S4D on Lava   ({report['machine']['processor']})", fontsize=10)
    files.write_figure(path, figure, dpi=150)
    pyplot.close(figure)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)  # plain Lava forks this process
    rounds = 3 if options.quick else 15
    networks.samples = 1 if options.quick else networks.samples
    report: dict[str, Any] = {"machine": machine("numpy", "numba", "lava-nc"), "tokens": {}}
    for size in SIZES:
        report["tokens"][size] = measure_tokens(size, 100, rounds)
        say(f"{size}, us a token", report["tokens"][size]["us a token"])
    report["batches"] = [asdict(batch) for batch in measure_batches(rounds)]
    report["a million outputs, s"] = measure_outputs()
    show(report)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "lava_backend.json"
    files.write(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    draw(report, options.output / "lava_backend.png")
    print(f"written: {path} and lava_backend.png beside it")


if __name__ == "__main__":
    main()
