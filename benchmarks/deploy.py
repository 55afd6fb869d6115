"""What deployed networks take: time here, beside the engine; memory and instructions of Cortex-M.

    python benchmarks/deploy.py            # two minutes; those that are missing are left out

Time: a token of a stream (`step`), of a sequence (`run`), and of the native program, by turns, on
one core, the least of rounds. Instructions: counted by QEMU (`-icount`), a nanosecond each, on the
boards mps2-an386 and mps2-an500; nothing is timed. Sizes: of the object file. Writes
`results/deploy.json`.
"""

import argparse
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
TOKENS = 300
BOARDS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500"}
CLOCKS = {"cortex-m4": 168, "cortex-m7": 480}
"""MHz of the parts whose memory `TARGETS` has."""
PER_INSTRUCTION = {"cortex-m4": (1.2, 2.0), "cortex-m7": (0.7, 1.4)}
"""Cycles an instruction, assumed: code and constants in flash with a cache, or not."""
TICK = 40
"""Nanoseconds of the boards' clock, 25 MHz."""
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


def counted(net: FixedNetwork, name: str, n: int = 5) -> dict[str, float | str]:
    """Flash, RAM, instructions a token, and how long these take by the assumed range."""
    target = TARGETS[name]
    program = c(net, compressed=target.compressed)
    needed = targets.sizes(program, target, targets.compiled(program, target))
    rows = ",".join("{" + ",".join(map(str, t)) + "}" for t in tokens_of(net, n).tolist())
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
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    rows: dict[str, dict[str, dict[str, float | str]]] = {"time": {}}
    networks = {name: lava_ssm.load(name) for name in zoo.NAMES}
    for name, net in networks.items():
        assert isinstance(net, FixedNetwork)
        rows["time"][name] = dict(timed(net, rounds))
        say(name, rows["time"][name])
    if shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm"):
        for target in BOARDS:
            rows[target] = {}
            for name, net in networks.items():
                assert isinstance(net, FixedNetwork)
                rows[target][name] = counted(net, target)
                say(f"{target} {name}", rows[target][name])
    content = {"machine": machine(), **rows}
    files.write(RESULTS / "deploy.json", json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
