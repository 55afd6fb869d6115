"""How fast Lava graphs run in one process, beside Lava's stock runtime.

    python benchmarks/lava_runtime.py          about five minutes
    python benchmarks/lava_runtime.py --quick  about one

Each graph exists twice, on plain Lava and in process; rounds of both alternate, and the table
shows medians. Writes `results/lava_runtime.json` and `results/lava_runtime.png`.
"""

import argparse
import contextlib
import gc
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import networks
import numpy as np
import psutil
import torch
from graphs.chain import chain
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.lif.process import LIF
from machine import machine, plain_lava, say
from networks import fixed_network
from rich.console import Console
from rich.table import Table

from lava_ssm import files, runtime
from lava_ssm.proc import SSMNetwork, source

RESULTS = Path(__file__).parent / "results"
FIXED, FLOATING = "fixed_pt", "floating_pt"
CFG = Loihi2SimCfg(select_tag=FIXED)


@dataclass(frozen=True)
class Graph:
    """A graph to run: one of its Processes, and what must come out equal on both runtimes."""

    process: Any
    read: Callable[[], Any]
    tag: str


@dataclass(frozen=True)
class Speed:
    """Microseconds a time step, medians of the rounds, and the median of their ratios."""

    graph: str
    n_processes: int
    stock_us: float
    in_process_us: float
    models_us: float
    """Of the time in process, what the models' own methods take: no runtime can be faster."""
    ratio: float
    wanted_ratio: float | None
    equal: bool


def chain_graph(shape: tuple[int, ...]) -> Graph:
    """Fourteen Processes in a row."""
    processes = chain(14, shape)
    return Graph(processes[0], processes[-1].last.get, FIXED)


def layers_graph(tag: str, recurrent: bool) -> Graph:
    """Four times Dense and LIF of 64 neurons, driven by a bias; also with Dense back to itself."""
    rng = np.random.default_rng(0)
    fixed = tag == FIXED
    # A decay of 400 of 4096 and of 0.1 is the same; weights of mixed sign are even integers.
    scale = 60 if fixed else 1.0
    decays = {"du": 400, "dv": 400} if fixed else {"du": 0.1, "dv": 0.1}
    bias = rng.integers(1, 50, 64) if fixed else rng.uniform(0.1, 1, 64)

    def weights(factor: float) -> Any:
        values = factor * scale * rng.normal(size=(64, 64))
        return 2 * np.rint(values / 2).astype(int) if fixed else values

    last = LIF(shape=(64,), bias_mant=bias, vth=4, **decays)
    first = last
    for _ in range(4):
        dense = Dense(weights=weights(1))
        lif = LIF(shape=(64,), vth=20 if fixed else 2, **decays)
        last.s_out.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
        if recurrent:
            back = Dense(weights=weights(0.3))
            lif.s_out.connect(back.s_in)
            back.a_out.connect(lif.a_in)
        last = lif
    return Graph(first, last.v.get, tag)


def s4d_graph(d_model: int, d_state: int, n_steps: int) -> Graph:
    """The expanded n-S4D network, untrained, in fixed point: a token a time step."""
    torch.set_num_threads(1)  # plain Lava forks this process
    x = np.random.default_rng(1).uniform(size=(n_steps, 1))
    network = fixed_network(d_model, d_state, "every")
    net = SSMNetwork(network)
    tokens = source(x, net)
    sink = Sink(shape=(10,), buffer=n_steps)
    tokens.s_out.connect(net.a_in)
    net.s_out.connect(sink.a_in)
    return Graph(net, sink.data.get, FIXED)


def measure_speed(
    name: str, build: Callable[[], Graph], wanted: float | None, n_steps: int, rounds: int
) -> Speed:
    """Run a graph on both runtimes in turn."""
    graphs = []
    for where in (plain_lava(), runtime.in_process(strict=True)):
        graph = build()
        with where:
            graph.process.run(
                condition=RunSteps(n_steps), run_cfg=Loihi2SimCfg(select_tag=graph.tag)
            )
        graphs.append(graph)
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for graph, seconds in zip(graphs, times, strict=True):
            before = time.perf_counter()
            graph.process.run(condition=RunSteps(n_steps))
            seconds.append(1e6 * (time.perf_counter() - before) / n_steps)
    results = [graph.read() for graph in graphs]
    equal = np.array_equal(*results) and bool(np.any(results[0]))
    profile = runtime.profile(graphs[1].process, n_steps)
    models = 1e6 * sum(one.seconds for one in profile.processes) / n_steps
    n_processes = len(graphs[0].process.runtime._executable.proc_builders)
    for graph in graphs:
        graph.process.stop()
    ratio = statistics.median(one / other for one, other in zip(*times, strict=True))
    medians = [statistics.median(seconds) for seconds in times]
    return Speed(name, n_processes, medians[0], medians[1], models, ratio, wanted, equal)


def measure_building(rounds: int) -> dict[str, float]:
    """Build, run a step of and stop a graph of four Processes: milliseconds, medians."""
    runtimes = {
        "stock": plain_lava,
        "stock with hygiene": contextlib.nullcontext,
        "in process": runtime.in_process,
    }
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    for _ in range(rounds):
        for name, where in runtimes.items():
            with where():
                before = time.perf_counter()
                processes = chain(4, (64,))
                processes[0].run(condition=RunSteps(1), run_cfg=CFG)
                processes[0].stop()
                times[name].append(1e3 * (time.perf_counter() - before))
    return {name: statistics.median(values) for name, values in times.items()}


def measure_growth(n_graphs: int) -> dict[str, float]:
    """Build, run and stop many graphs in this Python: what it holds more afterwards."""
    this = psutil.Process()

    def held() -> tuple[float, int, int]:
        gc.collect()
        return this.memory_info().rss / 2**20, this.num_fds(), threading.active_count()

    with runtime.in_process():
        for i in range(n_graphs + 5):
            if i == 5:
                before = held()
            processes = chain(4, (64,))
            processes[0].run(condition=RunSteps(1), run_cfg=CFG)
            processes[0].stop()
    del processes
    names = ("megabytes", "handles", "threads")
    grown = (after - at_first for after, at_first in zip(held(), before, strict=True))
    return {"graphs": n_graphs, **dict(zip(names, grown, strict=True))}


def measure_vars(rounds: int) -> dict[str, dict[str, float]]:
    """Get and set a Var of 1e5 elements: milliseconds, medians."""
    results = {}
    for name, where, repeats in (
        ("stock", plain_lava, 1),
        ("stock with hygiene", contextlib.nullcontext, rounds),
        ("in process", runtime.in_process, rounds),
    ):
        processes = chain(2, (100_000,))
        with where():
            processes[0].run(condition=RunSteps(1), run_cfg=CFG)
        var = processes[1].last
        times: dict[str, list[float]] = {"get": [], "set": []}
        for _ in range(repeats):
            before = time.perf_counter()
            value = var.get()
            times["get"].append(1e3 * (time.perf_counter() - before))
            before = time.perf_counter()
            var.set(value + 1)
            times["set"].append(1e3 * (time.perf_counter() - before))
        processes[0].stop()
        results[name] = {what: statistics.median(values) for what, values in times.items()}
    return results


def show(speeds: list[Speed], rest: dict[str, Any]) -> None:
    """Print what was measured beside what is wanted."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    table = Table(title="µs a time step, medians of alternating rounds")
    headings = ("Processes", "stock", "in process", "of it models", "ratio", "wanted", "results")
    table.add_column("graph")
    for heading in headings:
        table.add_column(heading, justify="right")
    for speed in speeds:
        table.add_row(
            speed.graph,
            str(speed.n_processes),
            f"{speed.stock_us:,.0f}",
            f"{speed.in_process_us:,.0f}",
            f"{speed.models_us:,.0f}",
            f"{speed.ratio:.1f}x",
            f"≥ {speed.wanted_ratio:.0f}x" if speed.wanted_ratio else "",
            "equal" if speed.equal else "DIFFERENT",
        )
    console.print(table)
    table = Table(title="ms, medians")
    for heading in ("", *rest["building_ms"], "wanted in process"):
        table.add_column(heading, justify="right")
    table.add_row(
        "build, run a step, stop (4 Processes)",
        *(f"{value:,.1f}" for value in rest["building_ms"].values()),
        "≤ 15",
    )
    for what in ("get", "set"):
        values = (one[what] for one in rest["vars_ms"].values())
        wanted = "≤ 5 (≤ 20 on stock)"
        table.add_row(f"Var.{what}, 1e5 elements", *(f"{value:,.2f}" for value in values), wanted)
    console.print(table)
    growth = rest["growth"]
    console.print(
        f"{growth['graphs']} graphs in one Python: {growth['megabytes']:+.1f} MB (wanted ≤ 50), "
        f"{growth['handles']:+d} handles, {growth['threads']:+d} threads (wanted 0)"
    )


def draw(speeds: list[Speed], where: dict[str, str], path: Path) -> None:
    """Draw the time of a step on both runtimes, and the ratio."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [f"{speed.graph}\n{speed.n_processes} Processes" for speed in speeds]
    rows = np.arange(len(speeds))
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 1.6 + 0.7 * len(speeds)), sharey=True, layout="constrained"
    )
    stock = left.barh(rows - 0.2, [s.stock_us for s in speeds], 0.4, color="0.65", label="stock")
    ours = left.barh(
        rows + 0.2, [s.in_process_us for s in speeds], 0.4, color="C0", label="in process"
    )
    for bars in (stock, ours):
        left.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    models = [min(s.models_us, s.in_process_us) for s in speeds]
    left.barh(rows + 0.2, models, 0.4, color="#14496b", label="of it the models")
    left.set_xscale("log")
    left.margins(y=0.01)
    left.set_xlim(right=4 * max(s.stock_us for s in speeds))
    left.set_yticks(rows, names)
    left.invert_yaxis()
    left.set_xlabel("µs a time step")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    right.barh(rows, [s.ratio for s in speeds], 0.5, color="C0")
    for row, speed in zip(rows, speeds, strict=True):
        wanted = speed.wanted_ratio or 0.0
        if wanted:
            label = "wanted" if row == 0 else None
            right.plot([wanted] * 2, [row - 0.35, row + 0.35], color="C3", label=label)
        end = max(speed.ratio, wanted)
        right.text(end + 0.5, row, f"{speed.ratio:.1f}x", va="center", fontsize=8)
    right.set_xlim(right=1.15 * max(s.ratio for s in speeds))
    right.set_xlabel("times as fast")
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.suptitle(f"Lava graphs in one process   ({where['processor']})", fontsize=10)
    files.write_figure(path, figure, dpi=150)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    rounds = 3 if options.quick else 11
    growth = 200 if options.quick else 1000
    networks.samples = 1 if options.quick else networks.samples
    buffer = 50 * (rounds + 2)
    cases: list[tuple[str, Callable[[], Graph], float | None, int]] = [
        ("chain of (64,)", lambda: chain_graph((64,)), 20, 200),
        ("chain of (16384,)", lambda: chain_graph((16384,)), 10, 100),
        ("4 x (Dense + LIF) of 64, float", lambda: layers_graph(FLOATING, False), 10, 200),
        ("the same, recurrent", lambda: layers_graph(FLOATING, True), 10, 200),
        ("4 x (Dense + LIF) of 64, fixed", lambda: layers_graph(FIXED, False), None, 200),
        ("the same, recurrent", lambda: layers_graph(FIXED, True), None, 200),
        ("n-S4D, small (H = 64, N = 32), fixed", lambda: s4d_graph(64, 32, buffer), 10, 50),
        ("n-S4D, large (H = 128, N = 64), fixed", lambda: s4d_graph(128, 64, buffer), 5, 50),
    ]
    speeds = []
    for name, build, wanted, n_steps in cases:
        speeds.append(measure_speed(name, build, wanted, n_steps, rounds))
        say("us a step", asdict(speeds[-1]))
    rest: dict[str, Any] = {}
    for key, measure in (
        ("building_ms", lambda: measure_building(rounds)),
        ("vars_ms", lambda: measure_vars(rounds)),
        ("growth", lambda: measure_growth(growth)),
    ):
        rest[key] = measure()
        say(key, rest[key])
    show(speeds, rest)
    where = machine("numpy", "lava-nc")
    options.output.mkdir(parents=True, exist_ok=True)
    report = {"machine": where, "speed": [asdict(speed) for speed in speeds], **rest}
    path = options.output / "lava_runtime.json"
    files.write(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    draw(speeds, where, options.output / "lava_runtime.png")
    print(f"written: {path} and lava_runtime.png beside it")


if __name__ == "__main__":
    main()
