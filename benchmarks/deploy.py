"""What deployed networks take: time here, beside the engine; memory and instructions of Cortex-M.

    python benchmarks/deploy.py            # two minutes; those that are missing are left out

Time: a token of a stream (`step`), of a sequence (`run`), and of the native program, by turns, on
one core, the least of rounds; then of the WebAssembly module, by wasmtime and in chromium.
Instructions: counted by QEMU (`-icount`), a nanosecond each, on the
boards mps2-an386 and mps2-an500; nothing is timed. Sizes: of the object file. Writes
`results/deploy.json`.
"""

import argparse
import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import alternate, machine, say

import lava_ssm
from lava_ssm import files, zoo
from lava_ssm.deploy import TARGETS, Library, c, targets, write
from lava_ssm.network import FixedNetwork

RESULTS = Path(__file__).parent / "results"
TOKENS = 50
"""Of a round: so few that it is over before another process has its turn."""
BOARDS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500"}
CLOCKS = {"cortex-m4": 168, "cortex-m7": 480}
"""MHz of the parts whose memory `TARGETS` has."""
PER_INSTRUCTION = {"cortex-m4": (1.2, 2.0), "cortex-m7": (0.7, 1.4)}
"""Cycles an instruction, assumed: code and constants in flash with a cache, or not."""
TICK = 40
"""Nanoseconds of the boards' clock, 25 MHz."""
TIMING = """
#define _POSIX_C_SOURCE 199309L
#include "net.h"
#include <stdio.h>
#include <time.h>
static net_state state;
static const int32_t tokens[][NET_INPUTS] = {@tokens@};
static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}
int main(void)
{
    int32_t output[NET_OUTPUTS];
    const int n = (int)(sizeof tokens / sizeof tokens[0]);
    for (int round = 0; round < @rounds@; round++) {
        const double before = now();
        for (int t = 0; t < n; t++) {
            (void)net_step(&state, tokens[t], output);
        }
        (void)printf("%f\\n", (now() - before) / n);
    }
    return 0;
}
"""
IN_A_PAGE = """([tokens, rounds]) => {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = performance.now();
    let n = 0, now = before;
    for (; now - before < 2; n += tokens.length) {
      for (const token of tokens) { network.token.set(token); network.e.host_step(); }
      now = performance.now();
    }
    least = Math.min(least, (now - before) / n);
  }
  return 1000 * least;
}"""
COUNTING = """
#include "net.h"
#include <stdio.h>
static net_state state;
static const int32_t tokens[][NET_INPUTS] = {@tokens@};
int main(void)
{
    volatile uint32_t *const timer = (volatile uint32_t *)0xE000E010u;
    int32_t output[NET_OUTPUTS];
    const int n = (int)(sizeof tokens / sizeof tokens[0]);
    net_reset(&state);
    timer[1] = 0xFFFFFFu;
    timer[2] = 0;
    timer[0] = 5;
    const uint32_t before = timer[2];
    for (int t = 0; t < n; t++) {
        if (net_step(&state, tokens[t], output) != NET_OK) {
            return 1;
        }
    }
    (void)printf("%u\\n", (unsigned)((before - timer[2]) & 0xFFFFFFu));
    return 0;
}
"""


def tokens_of(net: FixedNetwork, n: int) -> np.ndarray:
    """Tokens such as the networks of the zoo take: pixels, or magnitudes of sound."""
    rng = np.random.default_rng(0)
    most = 2.0 ** min(net.input_format.exponent, net.input_format.bits - 2)
    values = rng.random((n, net.d_input)) ** 2 * most
    return np.rint(values).astype(np.int64)


def timed(net: FixedNetwork, rounds: int) -> dict[str, float]:
    """Microseconds a token, and how many times the engine's the native program takes."""
    tokens = tokens_of(net, TOKENS)
    with tempfile.TemporaryDirectory() as folder:
        write(net, folder, "native")
        library = Library(Path(folder) / f"net{TARGETS['native'].product}")
    stream, sequence = net.stream(), net.stream()
    assert np.array_equal(library.run(tokens), net.stream().run(tokens))
    times = alternate(
        {
            "native": lambda: library.run(tokens),
            "step": lambda: [stream.step(token) for token in tokens],
            "run": lambda: sequence.run(tokens),
        },
        rounds,
    )
    result = {name: min(t) / TOKENS * 1e6 for name, t in times.items()}
    return result | {f"native / {k}": result["native"] / result[k] for k in ("step", "run")}


def by_wasmtime(net: FixedNetwork, rounds: int) -> float:
    """Microseconds a token of the WebAssembly module, measured inside."""
    import wasmtime

    target = TARGETS["wasm"]
    program = c(net, compressed=target.compressed)
    main = TIMING.replace("@tokens@", initialiser(tokens_of(net, TOKENS)))
    command = [part.replace("-freestanding", "-wasi") for part in targets.command(target)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "net.h").write_text(program.header)
        (place / "net.c").write_text(program.source)
        (place / "main.c").write_text(main.replace("@rounds@", str(rounds)))
        subprocess.run([*command, "net.c", "main.c", "-o", "run"], cwd=place, check=True)
        engine = wasmtime.Engine()
        linker, store = wasmtime.Linker(engine), wasmtime.Store(engine)
        linker.define_wasi()
        wasi = wasmtime.WasiConfig()
        wasi.stdout_file = str(place / "out")
        store.set_wasi(wasi)
        module = wasmtime.Module.from_file(engine, str(place / "run"))
        made = linker.instantiate(store, module).exports(store)
        try:
            made["_start"](store)  # type: ignore[operator]
        except wasmtime.ExitTrap as end:
            if end.code:
                raise
        return min(map(float, (place / "out").read_text().split()))


def in_browsers(networks: dict[str, FixedNetwork], rounds: int) -> dict[str, float]:
    """Microseconds a token of each network's page, in chromium."""
    from playwright.sync_api import sync_playwright

    times: dict[str, float] = {}
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, net in networks.items():
            write(net, Path(folder, name), "html")
            page = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(Path(folder, name, "net.html").as_uri())
            page.wait_for_function("window.network")
            tokens = tokens_of(net, TOKENS).tolist()
            times[name] = float(page.evaluate(IN_A_PAGE, [tokens, rounds]))
            page.close()
        browser.close()
    return times


def initialiser(values: np.ndarray) -> str:
    """Of a matrix, in C."""
    return ",".join("{" + ",".join(map(str, row)) + "}" for row in values.tolist())


def counted(net: FixedNetwork, name: str, n: int = 5) -> dict[str, float | str]:
    """Flash, RAM, instructions a token, and how long these take by the assumed range."""
    target = TARGETS[name]
    program = c(net, compressed=target.compressed)
    needed = targets.sizes(program, target, targets.compiled(program, target))
    rows = initialiser(tokens_of(net, n))
    counting = replace(program, harness=COUNTING.replace("@tokens@", rows))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net")
        path.write_bytes(targets.harness(counting, name, target))
        command = ["qemu-system-arm", "-M", BOARDS[name], "-nographic", "-monitor", "none"]
        command += ["-serial", "none", "-icount", "shift=0", "-kernel", str(path)]
        command += ["-semihosting-config", "enable=on,target=native"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    instructions = int(re.findall(r"\d+", done.stdout)[-1]) * TICK / n
    low, high = (instructions * k / CLOCKS[name] for k in PER_INSTRUCTION[name])
    fits = needed.flash <= (target.flash or 0) and needed.ram <= (target.ram or 0)
    return {
        "flash": needed.flash,
        "ram": needed.ram,
        "instructions": round(instructions),
        "us_low": low,
        "us_high": high,
        "fits": "yes" if fits else "no",
    }


def main() -> None:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    rows: dict[str, dict[str, dict[str, float | str]]] = {"time": {}}
    networks: dict[str, FixedNetwork] = {}
    for name in zoo.NAMES:
        net = lava_ssm.load(name)
        assert isinstance(net, FixedNetwork)
        networks[name] = net
        rows["time"][name] = dict(timed(net, rounds))
        if all(map(importlib.util.find_spec, ("ziglang", "wasmtime"))):
            rows["time"][name]["wasmtime"] = by_wasmtime(net, rounds)
        say(name, rows["time"][name])
    if shutil.which("chromium") and importlib.util.find_spec("playwright"):
        for name, us in in_browsers(networks, rounds).items():
            rows["time"][name]["chromium"] = us
            say(name, {"chromium": us})
    if shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm"):
        for target in BOARDS:
            rows[target] = {}
            for name, net in networks.items():
                rows[target][name] = counted(net, target)
                say(f"{target} {name}", rows[target][name])
    content = {"machine": machine(), **rows}
    files.write(RESULTS / "deploy.json", json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
