"""Time a token of fixed S5 denoisers, dense and sparse, by width, on one core.

    python benchmarks/denoiser_speed.py

Networks of the published widths (H = 192 k, P = 128 k, three blocks) with random weights, as many
of them zero as told, fed noise; each token is the median of several runs, and the least, which a
busy machine troubles less, taken by turns with the other networks of its width, in one process on
one thread. Speeds depend on the CPU, on what else it does, and on the share of activations that
are zero, which is shown. Writes `results/denoiser_speed.json`.
"""

import argparse
import copy
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import say
from numpy.random import Generator
from rich.console import Console
from rich.table import Table

from lava_ssm import compress, engine, files
from lava_ssm.network import S5, FixedNetwork, Gate, Linear, Network, ReLU, Residual

RESULTS = Path(__file__).parent / "results"
TOKENS = 500
WIDTHS = 0.25, 0.5, 1.0, 2.0
DENSITIES = 1.0, 0.5, 0.3, 0.2, 0.1, 0.02
"""Shares of weights that are not zero."""


def network(rng: Generator, k: float, density: float) -> FixedNetwork:
    """Make a relufied network of random weights, quantised (W8A16)."""
    h, p = round(192 * k), round(128 * k)

    def matrix(rows: int, columns: int) -> np.ndarray:
        weights = rng.normal(size=(rows, columns)) / np.sqrt(columns * density)
        return weights * (rng.random(weights.shape) < density)

    layers: list[Any] = [Linear(matrix(h, 257), np.zeros(h)), ReLU()]
    for _ in range(3):
        dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), p))
        a = np.exp(dt * (-0.5 + 1j * np.pi * np.arange(p) / 8))
        b = (matrix(p, h) + 1j * matrix(p, h)) * dt[:, np.newaxis]
        layers += [
            S5(a, b, matrix(h, p) + 1j * matrix(h, p), rng.normal(size=h), relu=True),
            ReLU(),
            Gate(matrix(h, h), np.zeros(h)),
            Residual(2),
            ReLU(),
        ]
    net = Network((*layers, Linear(matrix(257, h), np.zeros(257))))
    return compress.quantize(net, noise(rng), arithmetic=compress.W8A16)


def noise(rng: Generator) -> np.ndarray:
    """Tokens as those of sound: magnitudes that come and go."""
    envelope = 1 + np.sin(np.arange(TOKENS) / 20)[:, np.newaxis]
    return np.asarray(np.abs(rng.normal(size=(TOKENS, 257))) * envelope)


def measure(k: float, repeats: int) -> list[dict[str, Any]]:
    """Time the networks of one width by turns, token by token and a clip at a time."""
    rng = np.random.default_rng(0)
    networks = {density: network(rng, k, density) for density in DENSITIES}
    data = {d: np.clip(noise(rng), 0, net.input_format.max) for d, net in networks.items()}
    # each repeat of a copy: where in memory its weights lie makes up to 15 % of a token
    streams = {d: [copy.copy(net).stream() for _ in range(repeats)] for d, net in networks.items()}
    single: dict[float, list[np.ndarray]] = {d: [] for d in networks}
    clip: dict[float, list[float]] = {d: [] for d in networks}
    for repeat in range(repeats):
        for density, net in networks.items():
            stream, tokens = streams[density][repeat], data[density]
            for token in tokens[:50]:  # what the other networks have taken of the caches
                stream.step(token)
            times = np.empty(TOKENS + 1)
            times[0] = time.perf_counter()
            for i, token in enumerate(tokens, 1):
                stream.step(token)
                times[i] = time.perf_counter()
            single[density].append(np.diff(times))
            mantissas = engine.as_tokens(net, tokens)
            start = time.perf_counter()
            engine.run(net, mantissas, n_threads=1)
            clip[density].append((time.perf_counter() - start) / TOKENS)
    # the median of its repeats for each token, whatever else the machine did now and then
    token = {d: float(np.median(times, axis=0).mean()) for d, times in single.items()}
    least = {d: float(np.min(times, axis=0).mean()) for d, times in single.items()}
    results = []
    for density, net in networks.items():
        count = engine.operations(net, data[density])
        results.append(
            {
                "k": k,
                "density": density,
                "activity": float(np.mean(count.activity)),
                "macs_dense": sum(count.dense),
                "macs_effective": count.total,
                "us_token": 1e6 * token[density],
                "us_token_clip": 1e6 * float(np.median(clip[density])),
                "times_dense": token[1.0] / token[density],
                "us_token_least": 1e6 * least[density],
                "times_dense_least": least[1.0] / least[density],
                "bytes": net.nbytes,
            }
        )
        say("network", results[-1])
    return results


def main() -> None:
    """Measure all, and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    results = [line for k in WIDTHS for line in measure(k, given.repeats)]
    table = Table(title=f"Fixed S5 denoisers, one core of {platform.processor() or 'this CPU'}")
    for heading in (
        "k",
        "zeros",
        "activity",
        "multiply-adds",
        "us a token",
        "times as fast as dense",
        "us, least",
        "times as fast, least",
        "us, whole clips",
        "bytes",
    ):
        table.add_column(heading, justify="right")
    for r in results:
        table.add_row(
            f"{r['k']:g}",
            f"{1 - r['density']:.0%}",
            f"{r['activity']:.0%}",
            f"{r['macs_effective']:,.0f}",
            f"{r['us_token']:.1f}",
            f"{r['times_dense']:.2f}",
            f"{r['us_token_least']:.1f}",
            f"{r['times_dense_least']:.2f}",
            f"{r['us_token_clip']:.1f}",
            f"{r['bytes']:,}",
        )
    RESULTS.mkdir(exist_ok=True)
    files.write(RESULTS / "denoiser_speed.json", json.dumps(results, indent=1))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
