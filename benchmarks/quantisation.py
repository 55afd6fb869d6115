"""Signal to error of quantised networks of many shapes, on data that they were not calibrated with.

    python benchmarks/quantisation.py            # minutes, row by row; --quick: every eighth
    python benchmarks/quantisation.py --resume   # goes on with the networks that have no row yet
    python benchmarks/quantisation.py --only dt  # families whose names begin so
    python benchmarks/quantisation.py --only held    # fourteen that no rule was chosen by
    python benchmarks/quantisation.py --causes  # what limits those below 40 dB (24-bit messages)
    python benchmarks/quantisation.py --against other.json

Random and trained-like networks; each is quantised with one exponent a channel and one a tensor,
with messages of 24 and of 16 bits. Nothing is timed. Writes `results/quantisation.json`;
`--against` tells what another version's file (`--out`) has otherwise, by half a dB and more.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import say
from numpy.random import Generator

import lava_ssm as ssm
from lava_ssm import compress, engine, files, network
from lava_ssm.network import GLU, S4D, S5, Gate, Linear, Network, ReLU, Residual
from lava_ssm.numerics import CHIP

RESULTS = Path(__file__).parent / "results" / "quantisation.json"
Case = tuple[str, Network, np.ndarray, np.ndarray]
RULES = {24: CHIP, 16: compress.W8A16}
ASKED = {True: 40.0, False: 25.0}
"""dB with one exponent a channel, and one a tensor."""


def states(rng: Generator, d: int, n: int, dt: Any, **rest: Any) -> S4D:
    """S4D-Lin as it begins training, a step for all channels or one each."""
    a = np.broadcast_to(-0.5 + 1j * np.pi * np.arange(n), (d, n))
    c = (rng.normal(size=(d, n)) + 1j * rng.normal(size=(d, n))) * np.sqrt(0.5)
    return S4D.from_continuous(a, np.ones((d, n)), c, dt, **rest)


def steps(rng: Generator, d: int) -> np.ndarray:
    """Steps as S4D draws them."""
    return np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), d))


def recurrence(rng: Generator, d: int, n: int, density: float = 1, rows: int = 0) -> S5:
    """An S5, its rows of B and columns of C as unlike as 2^rows, many weights zero."""
    a = np.exp(steps(rng, n) * (-0.5 + 1j * np.pi * np.arange(n) / 4))
    unlike = np.exp2(rng.uniform(-rows, rows, n)) if rows else np.ones(n)

    def matrix(p: int, q: int) -> np.ndarray:
        values = (rng.normal(size=(p, q)) + 1j * rng.normal(size=(p, q))) / np.sqrt(q * density)
        return np.where(rng.random((p, q)) < density, values, 0)

    b = matrix(n, d) * (unlike * (1 - np.abs(a)) ** 0.5)[:, np.newaxis]
    return S5(a, b, matrix(d, n), rng.normal(size=d), relu=bool(rng.random() < 0.5))


def dense(rng: Generator, p: int, q: int, bias: bool = True) -> Linear:
    """A linear map that keeps what it is given as large as it was."""
    return Linear(rng.normal(size=(p, q)) / np.sqrt(q), rng.normal(size=p) / 4 if bias else None)


def chain(rng: Generator, kinds: tuple[str, ...], depth: int, d: int) -> Network:
    """Blocks of random kinds, some with a residual path, between two linear maps."""
    layers: list[Any] = [dense(rng, d, 3), ReLU()]
    for _ in range(depth):
        match kinds[rng.integers(len(kinds))]:
            case "s4d":
                layers.append(states(rng, d, 8, steps(rng, d)))
            case "s5":
                layers.append(recurrence(rng, d, 16))
            case "gate":
                layers.append(Gate(rng.normal(size=(d, d)) / d**0.5, rng.normal(size=d) / 4))
            case "glu":
                w, g = rng.normal(size=(2, d, d)) / d**0.5
                layers.append(GLU(w, g, rng.normal(size=d) / 4, rng.normal(size=d) / 4))
            case "norm":
                layers.append(network.LayerNorm(rng.uniform(0.5, 2, d), rng.normal(size=d) / 4))
            case "conv":
                layers.append(network.Conv1d(rng.normal(size=(d, d, 3)) / np.sqrt(3 * d)))
            case _:
                layers.append(dense(rng, d, d, bool(rng.random() < 0.5)))
        if rng.random() < 0.4:
            layers.append(Residual(1))
        layers.append(ReLU())
    return Network((*layers, dense(rng, 4, d)))


def data(rng: Generator, d: int, tokens: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Calibration sequences, and others: rough ones, smooth ones, and such with a mean."""
    x = rng.normal(size=(24, tokens, d))
    x[::3] = np.cumsum(x[::3], axis=1) / 8
    x[1::3] += 1
    return x[:12], x[12:]


def networks() -> Iterator[Case]:
    """Give every network, by its name, with its data."""

    def rng_of(*key: float) -> Generator:
        return np.random.default_rng([int(1e6 * (k + 64)) for k in key])

    for dt in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0):
        for d, n in ((1, 1), (4, 64), (16, 8), (128, 4)):
            rng = rng_of(1, dt, d)
            layers = (
                Linear(rng.normal(size=(d, 2))),
                states(rng, d, n, dt),
                ReLU(),
                dense(rng, 4, d, False),
            )
            yield f"dt {dt:g} d{d} n{n}", Network(layers), *data(rng, 2)
    for spread in (0, 1, 3, 5, 10):
        for kind in ("linear", "s4d", "s5", "glu"):
            rng, d = rng_of(2, spread, len(kind)), 16
            k = np.exp2(rng.integers(-spread, spread + 1, d).astype(float))
            v, w = (
                rng.normal(size=(4, d)) / 4 / k,
                rng.normal(size=(d, 4)) * k[:, np.newaxis],
            )
            between = {
                "linear": (ReLU(),),
                "s4d": (states(rng, d, 8, steps(rng, d)), ReLU()),
                "s5": (rescaled(recurrence(rng, d, 16), k), ReLU()),
                "glu": (
                    ReLU(),
                    GLU(
                        rng.normal(size=(d, d)) / 4 * k[:, np.newaxis] / k,
                        rng.normal(size=(d, d)) / 4 / k,
                    ),
                ),
            }[kind]
            yield (
                f"spread {spread} {kind}",
                Network((Linear(w), *between, Linear(v))),
                *data(rng, 4),
            )
    for depth in (1, 2, 3, 4, 5, 6):
        for d in (2, 16, 64):
            rng = rng_of(3, depth, d)
            yield (
                f"deep s4d {depth} d{d}",
                chain(rng, ("s4d", "linear"), depth, d),
                *data(rng, 3),
            )
            kinds = ("s4d", "s5", "gate", "glu", "linear")
            yield f"deep mixed {depth} d{d}", chain(rng, kinds, depth, d), *data(rng, 3)
            if hasattr(network, "LayerNorm"):
                kinds = ("s4d", "norm", "conv", "glu")
                yield (
                    f"deep normed {depth} d{d}",
                    chain(rng, kinds, depth, d),
                    *data(rng, 3),
                )
    for density in (1.0, 0.5, 0.1):
        for rows in (0, 2, 4):
            rng, d = rng_of(4, density, rows), 48
            layers = [dense(rng, d, 8), ReLU()]
            for _ in range(2):
                layers += [recurrence(rng, d, 32, density, rows), ReLU()]
                layers += [
                    Gate(rng.normal(size=(d, d)) / d**0.5, np.zeros(d)),
                    Residual(2),
                ]
            yield (
                f"s5 density {density:g} rows {rows}",
                Network((*layers, dense(rng, 8, d))),
                *data(rng, 8),
            )
    for power in (2, 4, 6, 8):
        for where in ("row", "column", "weight", "input", "token"):
            rng, d = rng_of(5, power, len(where)), 16
            w, (x, y) = rng.normal(size=(d, 4)), data(rng, 4)
            if where == "row":
                w[3] *= 2.0**power
            elif where == "column":
                w[:, 1] *= 2.0**power
            elif where == "weight":
                w[5, 2] *= 2.0**power
            elif where == "input":
                x[..., 2] *= 2.0**power
                y[..., 2] *= 2.0**power
            else:  # one token of the calibration data is far louder than all others
                x[2, 7] *= 2.0**power
            layers = (
                Linear(w),
                states(rng, d, 8, steps(rng, d)),
                ReLU(),
                dense(rng, 4, d, False),
            )
            yield f"outlier {where} {power}", Network(layers), x, y
    yield from earlier(rng_of)
    yield from held_out(rng_of)


def earlier(rng_of: Callable[..., Generator]) -> Iterator[Case]:
    """Give networks that were held out until somebody looked at them."""
    steps_of = (
        (3e-6, 24, 12, False),
        (2e-4, 10, 40, True),
        (5e-2, 96, 2, True),
        (0.4, 6, 20, False),
    )
    yield from single("earlier", rng_of, 6, (5, 7, 200), steps_of)
    blocks = (
        (("s4d", "linear"), 7, 40),
        (("s4d", "glu"), 4, 28),
        (("s4d", "norm", "linear"), 4, 40),
        (("conv", "glu", "linear"), 3, 20),
    )
    yield from deep("earlier", rng_of, 7, blocks)
    for i, loud in enumerate((3, 30)):
        yield f"earlier loud {loud}", *noisy_network(rng_of(8, i), loud, 32)
    steps_of = (
        (8e-6, 20, 16, True),
        (6e-4, 48, 6, False),
        (2e-2, 14, 28, True),
        (0.7, 9, 5, False),
    )
    yield from single("earlier", rng_of, 9, (4, 6, 300), steps_of)
    blocks = (
        (("s4d", "linear"), 5, 56),
        (("s4d", "glu", "linear"), 5, 36),
        (("s4d", "gate"), 3, 44),
        (("s4d", "norm", "conv"), 3, 52),
        (("s5", "linear"), 2, 30),
    )
    yield from deep("earlier", rng_of, 10, blocks)
    for i, loud in enumerate((5, 12)):
        yield f"earlier loud {loud}", *noisy_network(rng_of(11, i), loud, 40)
    rng, d = rng_of(12), 24  # other data are twice as loud as those of the calibration
    net = Network((dense(rng, d, 3), states(rng, d, 8, steps(rng, d)), ReLU(), dense(rng, 5, d)))
    x, y = data(rng, 3)
    yield "earlier louder 2", net, x, 2 * y


def held_out(rng_of: Callable[..., Generator]) -> Iterator[Case]:
    """Give networks of other shapes and seeds, at which nobody looked while rules were made."""
    steps_of = ((2e-6, 40, 10, False), (4e-3, 18, 24, True), (0.15, 28, 7, True))
    yield from single("held out", rng_of, 13, (6, 5, 160), steps_of)
    blocks = (
        (("s4d", "linear"), 6, 32),
        (("s4d", "glu", "gate"), 4, 20),
        (("s4d", "norm", "linear"), 3, 24),
        (("conv", "linear"), 4, 26),
        (("conv", "norm", "s4d"), 4, 18),
        (("s5", "linear"), 3, 22),
        (("s5", "gate"), 2, 38),
        (("s5", "s4d", "glu"), 3, 34),
    )
    yield from deep("held out", rng_of, 14, blocks)
    for i, loud in enumerate((4, 20)):
        yield f"held out loud {loud}", *noisy_network(rng_of(15, i), loud, 36)
    rng, d = rng_of(16), 30  # an S5 of states that are whole or zero, and one of others
    layers = [dense(rng, d, 6), ReLU(), recurrence(rng, d, 24), ReLU(), dense(rng, d, d), ReLU()]
    net = Network((*layers, recurrence(rng, d, 12, 0.5), ReLU(), dense(rng, 5, d)))
    x, y = data(rng, 6)
    yield "held out s5 louder 1.5", net, x, 1.5 * y


def single(
    name: str,
    rng_of: Callable[..., Generator],
    key: int,
    sizes: tuple[int, int, int],
    steps_of: tuple[tuple[float, int, int, bool], ...],
) -> Iterator[Case]:
    """Give networks of one S4D; `sizes`: inputs, outputs and tokens."""
    d_input, d_output, tokens = sizes
    for i, (dt, d, n, bias) in enumerate(steps_of):
        rng = rng_of(key, i)
        first, layer = dense(rng, d, d_input, bias), states(rng, d, n, dt)
        net = Network((first, layer, ReLU(), dense(rng, d_output, d, bias)))
        yield f"{name} dt {dt:g} d{d} n{n}", net, *data(rng, d_input, tokens)


def deep(
    name: str,
    rng_of: Callable[..., Generator],
    key: int,
    blocks: tuple[tuple[tuple[str, ...], int, int], ...],
) -> Iterator[Case]:
    """Give networks of blocks: of which kinds, how many, and their width."""
    for i, (kinds, depth, d) in enumerate(blocks):
        rng = rng_of(key, i)
        yield f"{name} deep {'+'.join(kinds)} d{d}", chain(rng, kinds, depth, d), *data(rng, 3)


def noisy_network(rng: Generator, loud: float, d: int) -> tuple[Network, Any, Any]:
    """Give a network with some weights, and calibration data with a token, that are far larger."""
    w, (x, y) = rng.normal(size=(d, 6)), data(rng, 6)
    w[rng.random(w.shape) < 0.05] *= loud
    x[4, 50] *= loud
    layers = dense(rng, d, 6), ReLU(), Linear(w @ rng.normal(size=(6, d)) / 8), ReLU()
    net = Network((*layers, states(rng, d, 6, steps(rng, d)), ReLU(), dense(rng, 3, d)))
    return net, x, y


def rescaled(layer: S5, k: np.ndarray) -> S5:
    """Give the layer whose channels are `k` times as large."""
    return S5(
        layer.a, layer.b / k, layer.c * k[:, np.newaxis], layer.d, layer.drive_bias,
        layer.bias * k, layer.relu,
    )  # fmt: skip


def quantized(net: Network, x: np.ndarray, fresh: np.ndarray, bits: int, per_channel: bool) -> Any:
    """Quantise a network; inputs may be somewhat larger than those of the calibration."""
    ends = float(max(np.abs(x).max(), np.abs(fresh).max())) * 1.01
    formats = compress.Formats(per_channel=per_channel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ssm.quantize(net, x, formats, arithmetic=RULES[bits], input_range=ends)


def measure(case: Case) -> dict[str, float]:
    """Quantise a network in each way; dB of signal to error on fresh data."""
    name, net, x, fresh = case
    wanted, reached = net.run(fresh), {}
    for per_channel in (True, False):
        for bits in RULES:
            way = f"{'channel' if per_channel else 'tensor'} {bits}"
            try:
                fixed = quantized(net, x, fresh, bits, per_channel)
            except ValueError as error:  # of another version
                print(f"{name}, {way}: {error}", flush=True)
                reached[way] = -1.0
                continue
            found = fixed.to_float(engine.run(fixed, fresh).outputs)
            reached[way] = round(min(compress.signal_to_error(wanted, found), 200.0), 2)
    return reached


def causes(case: Case) -> dict[str, float]:
    """Signal to error on fresh data with one cause of errors alone, in dB, see `error_causes`.

    `own data`: quantised by the very data that it is measured on. `nearest`: weights alone, each
    rounded to the nearest of 8 bits; `bits`: how many they need that way for 40 dB.
    """
    _, net, x, fresh = case
    wanted = net.run(fresh)
    reached = compress.error_causes(net, quantized(net, x, fresh, 24, True), fresh)
    own = quantized(net, fresh, fresh, 24, True)
    reached["own data"] = compress.signal_to_error(
        wanted, own.to_float(engine.run(own, fresh).outputs)
    )

    def nearest(bits: int) -> float:
        return compress.signal_to_error(wanted, rounded(net, bits).run(fresh))

    reached["nearest"] = nearest(8)
    reached["bits"] = next(bits for bits in range(8, 33) if nearest(bits) >= ASKED[True])
    return {cause: round(dB, 1) for cause, dB in reached.items()}


def rounded(net: Network, bits: int) -> Network:
    """Give a network with the matrices of its layers rounded to so many bits, an exponent a row."""
    layers: list[Any] = []
    for layer in net.layers:
        changed = {}
        for name in {"weights", "gate", "b", "c"} & vars(layer).keys():
            value = getattr(layer, name)
            if isinstance(layer, S4D) or np.ndim(value) < 2:  # those have 16 bits
                continue
            parts = np.maximum(np.abs(value.real), np.abs(value.imag)).reshape(len(value), -1)
            largest = np.maximum(parts.max(axis=1), 1e-100)  # rows may be zero
            fits = np.exp2(np.floor(np.log2((2 ** (bits - 1) - 1) / largest)))
            rows = fits.reshape(-1, *[1] * (value.ndim - 1))
            changed[name] = np.round(value * rows) / rows
        layers.append(replace(layer, **changed) if changed else layer)
    return Network(tuple(layers), net.readout)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--causes", action="store_true")
    options = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    if options.resume:
        rows = json.loads(options.out.read_text())["networks"]
    cases = [c for c in networks() if c[0].startswith(options.only)]
    if options.causes:
        measured = json.loads(options.out.read_text())["networks"]
        for case in cases:
            if measured[case[0]]["channel 24"] < ASKED[True]:
                say(case[0], causes(case))
        return
    for case in cases[:: 8 if options.quick else 1]:
        if case[0] not in rows:
            rows[case[0]] = measure(case)
            files.write(
                options.out,
                json.dumps({"unit": "dB", "networks": rows}, indent=1) + "\n",
            )
            say(case[0], rows[case[0]])
    for apart in (False, True):
        some = [row for name, row in rows.items() if name.startswith("held out") is apart]
        for way in some[0] if some else ():
            values = np.array([row[way] for row in some])
            asked = ASKED[way.startswith("channel")]
            print(
                f"{'held out, ' if apart else ''}{way}: median {np.median(values):.1f} dB, least "
                f"{values.min():.1f}, {(values < asked).sum()} of {len(values)} below {asked:g}"
            )
    if options.against is not None:
        before = json.loads(options.against.read_text())["networks"]
        for name, row in rows.items():
            for way, value in row.items():
                if name in before and abs(value - before[name][way]) >= 0.5:
                    print(f"{name}, {way}: {before[name][way]:.1f} -> {value:.1f} dB")


if __name__ == "__main__":
    main()
