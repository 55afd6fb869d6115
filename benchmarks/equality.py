"""Random networks on other machines: is every integer that of the engine?

    nice python benchmarks/equality.py            # 200 networks, 1,000 tokens each: half an hour
    nice python benchmarks/equality.py --targets native onnx --networks 20

Networks of all kinds of layers (`tests.networks.random_chain`) are compiled for each target, ten in
one program with their tokens and the engine's outputs, which compares them itself: native, as a
WebAssembly module (wasmtime), for aarch64 and for Cortex-M4 and -M7 (QEMU). A network whose rule of
overflow is RAISE is run until it raises; the program has to refuse that token. ONNX graphs are
stepped by onnxruntime; none can raise: of such a network it is that of one that wraps, up to where
it raises. Writes `results/equality.json`; the exit code says whether all are equal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from machine import machine, say

sys.path.insert(0, str(Path(__file__).parent.parent))

from lava_ssm import deploy, files
from lava_ssm.deploy import TARGETS, targets
from lava_ssm.exchange import to_onnx
from lava_ssm.network import FixedConv1d, FixedGLU, FixedNetwork
from lava_ssm.numerics import FixedPointOverflow, Overflow
from tests.networks import random_chain, random_mantissas

RESULTS = Path(__file__).parent / "results"
HERE = Path(deploy.__file__).parent
CORTEX = [
    str(HERE / "mps2.c"),
    "-T",
    str(HERE / "mps2.ld"),
    "--specs=rdimon.specs",
    "-nostartfiles",
]
SEMIHOSTING = ["-nographic", "-monitor", "none", "-serial", "none"]
SEMIHOSTING += ["-semihosting-config", "enable=on,target=native", "-kernel"]
RUN = {
    "native": [],
    "aarch64": ["qemu-aarch64"],
    "cortex-m4": ["qemu-system-arm", "-M", "mps2-an386", *SEMIHOSTING],
    "cortex-m7": ["qemu-system-arm", "-M", "mps2-an500", *SEMIHOSTING],
}
EVERY = [*TARGETS, "onnx"]
CHECK = """
#include "n@i@.h"
#include <stdio.h>
static const int32_t tokens[][N@i@_INPUTS] = {@tokens@};
static const int32_t outputs[][N@i@_OUTPUTS] = {@outputs@};
static n@i@_state state;
void check@i@(void)
{
    int32_t y[N@i@_OUTPUTS];
    n@i@_reset(&state);
    for (int t = 0; t < @n@; t++) {
        if (n@i@_step(&state, tokens[t], y) != N@i@_OK) {
            (void)printf("@i@ refuses token %d\\n", t);
            return;
        }
        for (int k = 0; k < N@i@_OUTPUTS; k++) {
            if (y[k] != outputs[t][k]) {
                (void)printf("@i@ differs at token %d channel %d\\n", t, k);
                return;
            }
        }
    }
    if (@raises@ && n@i@_step(&state, tokens[@n@], y) != N@i@_OVERFLOW) {
        (void)printf("@i@ does not raise\\n");
        return;
    }
    (void)printf("@i@ equal\\n");
}
"""


@dataclass(frozen=True)
class Case:
    """A network, its tokens (time, d_input), the engine's outputs up to where it raises, if so."""

    seed: int
    network: FixedNetwork
    tokens: np.ndarray
    outputs: np.ndarray

    @property
    def raises(self) -> bool:
        """Whether a token makes the network raise."""
        return len(self.outputs) < len(self.tokens)


def case(seed: int, n_tokens: int) -> Case | None:
    """A random network; None: whatever it takes it raises."""
    rng = np.random.default_rng(seed)
    net = random_chain(rng, widest=33)
    tokens = random_mantissas(rng, net, (n_tokens,))
    outputs: list[np.ndarray] = []
    try:
        deploy.c(net)
        stream = net.stream()
        for token in tokens:
            outputs.append(stream.step(token))
    except FixedPointOverflow:
        if not outputs:
            return None
    return Case(seed, net, tokens[: len(outputs) + 1], np.array(outputs))


def rows(values: np.ndarray) -> str:
    """Of a matrix, an initialiser in C."""
    return ",\n".join("{" + ",".join(map(str, row)) + "}" for row in values.tolist())


def verdicts(cases: Sequence[Case], name: str) -> dict[int, str]:
    """What one program with all the networks says of each, by seed."""
    target = TARGETS[name]
    calls = "".join(f"    check{i}();\n" for i in range(len(cases)))
    declared = "".join(f"void check{i}(void);\n" for i in range(len(cases)))
    with tempfile.TemporaryDirectory(prefix="lava-ssm-") as folder:
        place = Path(folder)
        (place / "main.c").write_text(f"{declared}int main(void)\n{{\n{calls}    return 0;\n}}\n")
        for i, one in enumerate(cases):
            program = deploy.c(one.network, name=f"n{i}", compressed=target.compressed)
            (place / f"n{i}.h").write_text(program.header)
            (place / f"n{i}.c").write_text(program.source)
            text = CHECK
            for key, value in (
                ("i", i),
                ("n", len(one.outputs)),
                ("raises", int(one.raises)),
                ("tokens", rows(one.tokens)),
                ("outputs", rows(one.outputs)),
            ):
                text = text.replace(f"@{key}@", str(value))
            (place / f"check{i}.c").write_text(text)
        command = [*targets.command(target), *sorted(p.name for p in place.glob("*.c"))]
        if name == "wasm":  # with a main, and something to print by
            command = [part.replace("-freestanding", "-wasi") for part in command]
        elif name.startswith("cortex"):
            command += CORTEX
        elif target.triple is not None:
            command += ["-static"]
        subprocess.run([*command, "-o", "run"], cwd=place, check=True, timeout=3600)
        said = module(place) if name == "wasm" else printed([*RUN[name], str(place / "run")])
    lines = {int(line.split()[0]): line.split(" ", 1)[1] for line in said.splitlines()}
    return {one.seed: lines.get(i, "said nothing") for i, one in enumerate(cases)}


def graph_says(one: Case) -> str:
    """What onnxruntime makes of a network's graph, on one thread."""
    import onnxruntime

    net = one.network
    if net.arithmetic.overflow is Overflow.RAISE:
        net = replace(net, arithmetic=replace(net.arithmetic, overflow=Overflow.WRAP))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(net).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    states = {x.name: np.zeros((1, *x.shape[1:]), np.int64) for x in session.get_inputs()[1:]}
    names = [x.name for x in session.get_outputs()]
    for t, (token, output) in enumerate(zip(one.tokens, one.outputs, strict=False)):
        values = session.run(None, {"token": token[np.newaxis], **states})
        made = dict(zip(names, values, strict=True))
        if not np.array_equal(made["output"][0], output):
            return f"differs at token {t}"
        states = {name: made[f"{name}_next"] for name in states}
    return "equal"


def kinds_of(net: FixedNetwork) -> set[str]:
    """Kinds of layers in a network, with what has forms of its own apart."""
    kinds = set()
    for layer in net.layers:
        kind = type(layer).__name__.removeprefix("Fixed")
        if isinstance(layer, FixedGLU):
            kind += f" {layer.activation.name.lower()}"
        if isinstance(layer, FixedConv1d) and layer.groups > 1:
            kind += " in groups"
        kinds.add(kind)
    return kinds


def printed(command: list[str]) -> str:
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=3600).stdout


def module(place: Path) -> str:
    """What the WebAssembly module `run` in a folder prints."""
    import wasmtime

    engine = wasmtime.Engine()
    linker, store = wasmtime.Linker(engine), wasmtime.Store(engine)
    linker.define_wasi()
    wasi = wasmtime.WasiConfig()
    wasi.stdout_file = str(place / "out")
    store.set_wasi(wasi)
    made = linker.instantiate(store, wasmtime.Module.from_file(engine, str(place / "run")))
    try:
        made.exports(store)["_start"](store)  # type: ignore[operator]
    except wasmtime.ExitTrap as end:
        print(f"exit code {end.code}")
    return (place / "out").read_text()


def main() -> None:
    """Compare, print, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=10, help="networks in one program")
    parser.add_argument("--targets", nargs="+", default=EVERY, choices=EVERY)
    parser.add_argument("--json", type=Path, default=RESULTS / "equality.json")
    options = parser.parse_args()
    cases: list[Case] = []
    seed = 1000
    while len(cases) < options.networks:
        one = case(seed, options.tokens)
        seed += 1
        if one is not None:
            cases.append(one)
    kinds = Counter(kind for one in cases for kind in kinds_of(one.network))
    content: dict[str, object] = {
        "machine": machine(),
        "networks": len(cases),
        "networks that raise": sum(c.raises for c in cases),
        "tokens": options.tokens,
        "integers": int(sum(c.outputs.size for c in cases)),
        "networks with a layer of each kind": dict(sorted(kinds.items())),
    }
    say("networks", content)
    equal = True
    for name in options.targets:
        said: dict[int, str] = {}
        if name == "onnx":
            said = {one.seed: graph_says(one) for one in cases}
        else:
            for i in range(0, len(cases), options.batch):
                said |= verdicts(cases[i : i + options.batch], name)
        others = {str(s): v for s, v in said.items() if v != "equal"}
        equal &= not others
        content[name] = {"equal": len(said) - len(others), "others, by seed": others}
        say(name, {"equal": len(said) - len(others), "others": others})
        files.write(options.json, json.dumps(content, indent=1) + "\n")
    sys.exit(not equal)


if __name__ == "__main__":
    main()
