"""How fast the compiled engine runs tokens, sequences and batches, beside its peers.

    python benchmarks/engine.py          several minutes
    python benchmarks/engine.py --quick  about one: fewer rounds, networks that saw one sample

The peers are steps of the same networks in PyTorch (float32, eager and compiled), ONNX Runtime
(float32) and NumPy (complex64), and the reference. Beside some networks stands their roofline: what
bounds a token. Rounds of all alternate; the tables show medians, on one core unless it says
otherwise. Writes `results/engine.json` and `results/engine.png`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import networks
import numba
import numpy as np
import torch
from llvmlite import ir
from machine import alternate, machine, ratio
from networks import LENGTH, SIZES, fixed_network, float_network, mantissas
from numba.core import types
from numba.extending import intrinsic
from peers import Step, peers
from rich.console import Console
from rich.table import Table

from lava_ssm import files, load
from lava_ssm.engine import Stream, run
from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.vectors import Arrays
from lava_ssm.network import (
    Filters,
    FixedNetwork,
    Matrix,
    Recurrence,
)

RESULTS = Path(__file__).parent / "results"
WANTED_US = {"small": 12.0, "large": 45.0}
WANTED_RATIO = {"small": 5.0, "large": 2.5}
CHIP_US = 66.0
"""Published: a token of the large network on Loihi 2, fall-through, 111 cores."""

console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
"""Each row is printed as soon as it is measured."""


def stepping(stream: Stream, tokens: np.ndarray) -> Step:
    """A step of a stream, each with another token."""
    endless = cycle(tokens)
    return lambda: stream.step(next(endless))


def measure_tokens(rounds: int) -> dict[str, dict[str, Any]]:
    """Microseconds a token, streaming; and how many times as fast as the peers."""
    results = {}
    for size, (d_model, d_state) in SIZES.items():
        console.print(f"[dim]tokens of n-S4D {size} ...")
        fixed = fixed_network(d_model, d_state)
        network = float_network(d_model, d_state)
        integers = mantissas(fixed, LENGTH)
        values = np.ldexp(integers, -fixed.input_exponent)
        things: dict[str, Step] = {
            "fixed point": stepping(fixed.stream(reset_every=LENGTH), integers),
            "fixed point, token a float": stepping(fixed.stream(reset_every=LENGTH), values),
            "floating point (float64)": stepping(network.stream(reset_every=LENGTH), values),
            **peers(network, with_compiled=networks.samples > 1),
            "reference, fixed point": stepping(fixed.stream(backend="reference"), integers),
        }
        repeats = {name: 1 if "reference" in name else 300 for name in things}
        seconds = alternate(things, rounds, repeats)
        results[size] = {
            "us": {name: 1e6 * statistics.median(s) for name, s in seconds.items()},
            "times as fast": {
                name: ratio(s, seconds["fixed point"]) for name, s in seconds.items()
            },
        }
        show_tokens(size, results[size])
    return results


LANES = 16 if "avx512f" in features() else 8
"""Floats of a vector."""
STEPS, VECTORS = 16, 12
"""Multiplications and additions a number in `vector_operations`; of so many vectors."""


@intrinsic
def _horner(typingctx, x):  # type: ignore[no-untyped-def]
    """Horner's rule on vectors side by side."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        arrays = Arrays(context, builder, LANES, ir.FloatType())
        data = arrays.data(x, args[0])
        places = [ir.Constant(ir.IntType(64), LANES * i) for i in range(VECTORS)]
        a, b, *values = (arrays.load(data, place) for place in [*places[:2], *places])
        for _ in range(STEPS):
            values = [value * a + b for value in values]
        for value, place in zip(values, places, strict=True):
            arrays.store(value, data, place)
        return context.get_dummy_value()

    return types.void(x), generate


@numba.njit
def vector_operations(x: np.ndarray, repeats: int) -> None:
    """Multiplications and additions in registers: as many as the CPU can do."""
    for _ in range(repeats):
        _horner(x)


def operations_of(stream: Stream) -> float:
    """Vector operations of a token, at best, float32 and 32-bit integers.

    A filter's state takes 28 (8 products, each rounded; sums; the greatest magnitude), 44 if its
    parameters are to be widened, a recurrence's 2 x 14 in doubles. A weight is half a product of a
    lane: two of 16 bits, or four of 8 bits twice. Of a float network a state takes 6, a weight one,
    fused with additions.
    """
    network, layout = stream.network, executor_of(stream)._layout
    is_fixed = isinstance(network, FixedNetwork)
    of_state = (44 if layout.arrays["packed"].size else 28) if is_fixed else 6
    total = 0.0
    for p in network.lowered:
        match p.neurons:
            case Filters() as filters:
                total += of_state * filters.n_neurons
            case Recurrence() as states:
                total += 28 * len(states.a)
        for c in p.inputs:
            if isinstance(c.synapse, Matrix):
                total += (0.5 if is_fixed else 1) * np.count_nonzero(c.synapse.weights)
    return total / LANES * (1 if is_fixed else layout.real.itemsize / 4)


def executor_of(stream: Stream) -> Any:
    """What computes a stream; it has what is laid out."""
    return stream._executor


def bytes_of(stream: Stream) -> float:
    """Bytes that a token reads and writes: what is laid out, and states twice."""
    executor = executor_of(stream)
    arrays = executor._layout.arrays
    constants = sum(x.nbytes for name, x in arrays.items() if name not in ("integers", "places"))
    return constants + 2 * sum(x.nbytes for x in executor._memory.values())


def roofline(stream: Stream) -> dict[str, float]:
    """What bounds a token: bytes over the bandwidth where they lie, operations over their rate."""
    touched = bytes_of(stream)
    data = np.zeros(max(1024, int(touched) // 8), np.float32)  # a copy reads and writes
    target, x = np.empty_like(data), np.full(LANES * VECTORS, 0.5, np.float32)
    copies = max(1, 2**20 // data.nbytes)

    def copy() -> None:
        for _ in range(copies):
            np.copyto(target, data)

    seconds = alternate({"copy": copy, "operations": lambda: vector_operations(x, 1000)}, 15, 5)
    copied, computed = (1e6 * min(seconds[name]) for name in ("copy", "operations"))
    rate = 1000 * 2 * STEPS * VECTORS / computed  # a us
    us = {"of bytes": copied / copies, "of operations": operations_of(stream) / rate}
    return {"kB touched": touched / 1e3, "vector operations a us": rate, **us}


START = "Python and the kernel's start"
FLOATS = "parameters in floats, which with the states are more than the second cache"
ROWS = {
    "small": ((7.0, 13.0), f"{START}, then filters, of which 4 in 28 operations find the greatest"),
    "large": ((14.0, 25.0), "filters, 16 of whose 44 operations widen parameters of 16 bits"),
    "denoiser, dense": ((8.0, 12.0), f"{START}, then recurrences in doubles"),
    "denoiser, sparse": ((6.0, 9.0), f"{START}, then recurrences in doubles"),
    "float64, small": ((None, None), "Python, and twice the bytes of float32"),
    "float32, small": ((None, None), "Python, then matrices in floats"),
    "float64, large": ((None, None), FLOATS),
    "float32, large": ((26.0, None), FLOATS),
}
"""Of each row: us that were asked, with AVX-512 and with AVX2; what is left beyond its roofline."""


def measure_rooflines(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds a token of untrained and of shipped networks, beside their rooflines."""
    streams: dict[str, tuple[Stream, np.ndarray]] = {}
    for size in SIZES:
        network = fixed_network(*SIZES[size])
        streams[size] = network.stream(reset_every=LENGTH), mantissas(network, LENGTH)
        values = np.random.default_rng(2).uniform(size=(LENGTH, 1))
        for kind in ("float64", "float32"):
            streams[f"{kind}, {size}"] = float_network(*SIZES[size]).stream(dtype=kind), values
    for form in ("dense", "sparse"):
        shipped = load(f"s5-denoise-{form}")
        streams[f"denoiser, {form}"] = shipped.stream(), in_range(shipped)
    steps = {name: stepping(stream, x) for name, (stream, x) in streams.items()}
    seconds = alternate(steps, rounds, 300)
    results = {}
    for name, (stream, _) in streams.items():
        bound, (asked, left) = roofline(stream), ROWS[name]
        us, least = (1e6 * f(seconds[name]) for f in (statistics.median, min))
        limit = max(bound["of bytes"], bound["of operations"])
        results[name] = {"us": us, "least us": least, **bound, "times the roofline": least / limit}
        if (wanted := asked[LANES == 8]) is not None:
            results[name]["asked us"] = wanted
        shown = ", ".join(f"{key} {value:,.1f}" for key, value in results[name].items())
        console.print(f"{name}: {shown}; left: {left}")
    return results


def in_range(network: FixedNetwork) -> np.ndarray:
    """Tokens at which nothing overflows: noise, as loud as may be."""
    x = np.random.default_rng(3).uniform(size=(LENGTH, network.d_input))
    while run(network, x).overflows.total:
        x /= 2
    return x


def measure_sequences(n_sequences: int, n_threads: int) -> dict[str, float]:
    """Many sequences of 784 tokens through the small network, bit for bit."""
    network = fixed_network(*SIZES["small"])
    x = mantissas(network, n_sequences, LENGTH)
    network.run(x[:4])
    before = time.perf_counter()
    outputs = network.run(x, n_threads=n_threads)
    seconds = time.perf_counter() - before
    some = [0, n_sequences // 2, n_sequences - 1]
    expected = run(network, x[some, :60], backend="reference").outputs
    equal = bool(np.array_equal(outputs[some, :60], expected))
    tokens = n_sequences * LENGTH
    console.print(
        f"{n_sequences:,} sequences of {LENGTH} tokens, small, {n_threads} threads: "
        f"{seconds:.1f} s ({tokens / seconds / 1e6:.2f} million a second), "
        f"{'equal to' if equal else 'DIFFERENT FROM'} the reference"
    )
    return {
        "sequences": n_sequences,
        "threads": n_threads,
        "seconds": seconds,
        "million tokens a second": tokens / seconds / 1e6,
        "equal to the reference": equal,
    }


WIDTHS = ((32, 16), (32, 32), (64, 32), (64, 64), (128, 64), (128, 128), (256, 128))


def measure_scaling(rounds: int) -> dict[str, list[dict[str, float]]]:
    """Microseconds a token against states, tokens, batch and threads."""
    found: dict[str, list[dict[str, float]]] = {"states": [], "tokens": [], "batch": []}
    for d_model, d_state in WIDTHS if networks.samples > 1 else WIDTHS[:5]:
        network = fixed_network(d_model, d_state)
        step = stepping(network.stream(reset_every=LENGTH), mantissas(network, LENGTH))
        seconds = alternate({"": step}, rounds, 200)[""]
        found["states"].append(
            {"states": 4 * d_model * d_state, "us a token": 1e6 * statistics.median(seconds)}
        )
        show_last(found["states"])
    network = fixed_network(*SIZES["small"])
    for n in (1, 10, 100, 1000, 10_000):
        stream, x = network.stream(reset_every=LENGTH), mantissas(network, n)
        seconds = alternate({"": lambda s=stream, x=x: s.run(x)}, min(rounds, 5), 1 + 1000 // n)[""]
        found["tokens"].append({"tokens": n, "ms": 1e3 * statistics.median(seconds)})
        show_last(found["tokens"])
    for n_threads in (1, 2):
        for batch in (1, 4, 16, 64, 256):
            stream = Stream(network, (batch,), LENGTH, n_threads=n_threads)
            x = mantissas(network, batch, 20)
            seconds = alternate({"": lambda s=stream, x=x: s.run(x)}, min(rounds, 5), 3)[""]
            rate = batch * 20 / statistics.median(seconds)
            found["batch"].append({"batch": batch, "threads": n_threads, "tokens a second": rate})
            show_last(found["batch"])
    return found


MEMORY = """
import sys, numpy as np
from pathlib import Path
from lava_ssm import load
network, n = load(sys.argv[1]), int(sys.argv[2])
stream = network.stream(reset_every=1000)
piece = np.random.default_rng(0).integers(0, 2**network.input_exponent, (1000, 1))
for _ in range(n // 1000):
    stream.run(piece)
# not getrusage: a child starts with the peak of its parent there
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def measure_two_threads(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds a token that two threads share, beside one; both have been running."""
    results = {}
    for size, shape in SIZES.items():
        network = fixed_network(*shape)
        tokens = mantissas(network, LENGTH)
        streams = {n: network.stream(reset_every=LENGTH, n_threads=n) for n in (1, 2)}
        seconds: dict[int, list[float]] = {n: [] for n in streams}
        settle = stepping(streams[2], tokens)
        for _ in range(20_000):  # at first the second thread is late, and left out for a while
            settle()
        for _ in range(rounds):
            for n, stream in streams.items():
                step = stepping(stream, tokens)
                for _ in range(LENGTH - 300):
                    step()
                for _ in range(30):  # ten at a time: where one core is interrupted both wait
                    begin = time.perf_counter()
                    for _ in range(10):
                        step()
                    seconds[n].append((time.perf_counter() - begin) / 10)
        one, two = (1e6 * statistics.median(seconds[n]) for n in streams)
        times = ratio(seconds[2], seconds[1])
        results[size] = {"one, us": one, "two, us": two, "of one": times}
        console.print(
            f"two threads a token, {size}: {two:.1f} us, one {one:.1f}; {times:.2f} of one"
        )
    return results


def measure_memory(folder: Path) -> dict[str, float]:
    """Peak memory of streams of two lengths, MB, each in a Python of its own (Linux)."""
    if not Path("/proc/self/status").exists():
        return {}
    path = folder / "memory.safetensors"
    fixed_network(*SIZES["small"]).save(path)
    found = {}
    for n in (100_000, 1_000_000) if networks.samples > 1 else (20_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(path), str(n)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found[f"{n} tokens"] = int(done.stdout) / 1024
        console.print(f"peak memory of a stream of {n} tokens: {found[f'{n} tokens']:.1f} MB")
    path.unlink()
    return found


def show_tokens(size: str, found: dict[str, Any]) -> None:
    """Print the tokens of one network beside what is wanted."""
    d_model, d_state = SIZES[size]
    table = Table(title=f"a token of n-S4D {size} ({d_model}, {d_state}), one core")
    for heading in ("", "µs", "of fixed point's time", "wanted"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, us in found["us"].items():
        wanted = ""
        if name == "fixed point":
            wanted = f"≤ {WANTED_US[size]:g} µs"
        elif name.startswith("PyTorch"):
            wanted = f"≥ {WANTED_RATIO[size]:g}x"
        table.add_row(name, f"{us:,.1f}", f"{found['times as fast'][name]:,.1f}x", wanted)
    if size == "large":
        table.add_row("Loihi 2, fall-through (published)", f"{CHIP_US:g}", "", "")
    console.print(table)


def show_last(rows: list[dict[str, float]]) -> None:
    """Print the row that was measured last."""
    console.print(", ".join(f"{name}: {value:,.4g}" for name, value in rows[-1].items()))


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw tokens beside peers, and the cost against size, length, batch and threads."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7.5), layout="constrained")
    axis = axes[0, 0]
    names = [n for n in report["tokens"]["small"]["us"] if n != "fixed point, token a float"]
    rows = np.arange(len(names))
    for shift, size in ((-0.2, "small"), (0.2, "large")):
        us = [report["tokens"][size]["us"][name] for name in names]
        bars = axis.barh(rows + shift, us, 0.38, label=f"n-S4D {size}")
        axis.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=8)
    axis.axvline(CHIP_US, color="C3", linewidth=1, label="large on Loihi 2 (published)")
    axis.set(xscale="log", xlabel="µs a token, one core", yticks=rows, yticklabels=names)
    axis.set_xlim(1, 6 * max(report["tokens"]["large"]["us"].values()))
    axis.invert_yaxis()
    axis.legend(fontsize=8, loc="upper right")
    axis = axes[0, 1]
    points = report["scaling"]["states"]
    states = np.array([p["states"] for p in points])
    axis.loglog(states, [p["us a token"] for p in points], "o-", label="measured")
    largest = points[-1]["us a token"]
    axis.loglog(states, largest * states / states[-1], "--", color="0.6", label="linear")
    axis.set(xlabel="states (d_model x d_state x 4 layers)", ylabel="µs a token")
    axis.legend(fontsize=8)
    axis = axes[1, 0]
    points = report["scaling"]["tokens"]
    tokens = np.array([p["tokens"] for p in points])
    axis.loglog(tokens, [p["ms"] for p in points], "o-", label="measured (small)")
    axis.loglog(tokens, points[-1]["ms"] * tokens / tokens[-1], "--", color="0.6", label="linear")
    axis.set(xlabel="tokens of a sequence", ylabel="ms")
    axis.legend(fontsize=8)
    axis = axes[1, 1]
    for n_threads in (1, 2):
        points = [p for p in report["scaling"]["batch"] if p["threads"] == n_threads]
        rate = [p["tokens a second"] / 1e3 for p in points]
        axis.plot([p["batch"] for p in points], rate, "o-", label=f"{n_threads} thread(s)")
    axis.set(xscale="log", xlabel="batch", ylabel="thousand tokens a second (small)")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    figure.suptitle(f"The compiled engine, fixed point   ({report['machine']['processor']})")
    files.write_figure(path, figure, dpi=150)
    pyplot.close(figure)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rounds, n_sequences = (2, 200) if options.quick else (15, 10_000)
    networks.samples = 1 if options.quick else networks.samples
    threads = sorted({1, os.cpu_count() or 1})
    report = {
        "machine": machine("numpy", "numba", "torch", "onnxruntime"),
        "tokens": measure_tokens(rounds),
        "rooflines": measure_rooflines(rounds),
        "two threads a token": measure_two_threads(rounds),
        "sequences": [measure_sequences(n_sequences, n) for n in threads],
        "scaling": measure_scaling(rounds),
        "memory_mb": measure_memory(options.output),
    }
    path = options.output / "engine.json"
    files.write(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    draw(report, options.output / "engine.png")
    print(f"written: {path} and engine.png beside it")


if __name__ == "__main__":
    main()
