"""Programs compiled for other machines, and run on them."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import lava_ssm
from lava_ssm import extras, zoo
from lava_ssm.deploy import Library, Options, targets, write
from lava_ssm.network import FixedNetwork
from lava_ssm.numerics import FixedPointOverflow
from tests.deploy.building import needs_cc
from tests.networks import random_chain, random_fixed_network, random_mantissas


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [t for t in tools if not (shutil.which(t) or importlib.util.find_spec(t))]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def small(seed: int = 0) -> FixedNetwork:
    return random_fixed_network(np.random.default_rng(seed), n_layers=1, per_channel=True)


def same(net: FixedNetwork, library: Library, n_tokens: int, seed: int = 0) -> None:
    tokens = random_mantissas(np.random.default_rng(seed), net, (n_tokens,))
    stream = net.stream()
    outputs: list[np.ndarray] = []
    try:
        for token in tokens:
            outputs.append(stream.step(token))
    except OverflowError:  # the rule is to raise
        with pytest.raises(ValueError, match="overflows"):
            library.run(tokens)
        library.reset()
    assert library.run(tokens[: len(outputs)]).tolist() == [y.tolist() for y in outputs]


@needs_cc
def test_a_native_library_gives_the_engines_integers(tmp_path: Path) -> None:
    net = small()
    write(net, tmp_path, "native")
    library = Library(tmp_path / f"net{targets.TARGETS['native'].product}")
    assert (library.d_input, library.d_output) == (net.d_input, net.d_output)
    same(net, library, 50)
    library.reset()
    same(net, library, 50)


@needs("ziglang", "wasmtime")
def test_a_module_gives_the_engines_integers(tmp_path: Path) -> None:
    net = small()
    write(net, tmp_path, "wasm")
    same(net, Library(tmp_path / "net.wasm"), 50)


EMULATORS = {
    "native": (),
    "aarch64": ("ziglang", "qemu-aarch64"),
    "cortex-m4": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "cortex-m7": ("arm-none-eabi-gcc", "qemu-system-arm"),
}


def as_the_readme_says(net: FixedNetwork, target: str, place: Path, n_tokens: int) -> None:
    tokens = random_mantissas(np.random.default_rng(0), net, (n_tokens,))
    # of a microcontroller as much as the boards that are emulated have
    memory = 4 << 20 if targets.TARGETS[target].flash else None
    options = Options(harness=True, flash=memory, ram=memory)
    write(net, place, target, options, tokens)
    command = (place / "README.md").read_text().split("```")[-2]
    done = subprocess.run(command, shell=True, cwd=place, capture_output=True, timeout=600)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr


@needs(*EMULATORS["cortex-m4"])
def test_a_microcontroller_gives_the_engines_integers(tmp_path: Path) -> None:
    as_the_readme_says(small(), "cortex-m4", tmp_path, 20)


@pytest.mark.slow
@pytest.mark.parametrize("target", EMULATORS)
@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_thousand_tokens_of_every_network_of_the_zoo(
    name: str, target: str, tmp_path: Path
) -> None:
    for tool in EMULATORS[target]:
        if not (shutil.which(tool) or importlib.util.find_spec(tool)):
            pytest.skip(f"{tool} not installed")
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    as_the_readme_says(net, target, tmp_path, 1000)


@pytest.mark.slow
@needs("ziglang", "wasmtime")
@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_thousand_tokens_of_every_network_of_the_zoo_in_a_module(
    name: str, tmp_path: Path
) -> None:
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    write(net, tmp_path, "wasm")
    same(net, Library(tmp_path / "net.wasm"), 1000)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["native", "wasm"])
@pytest.mark.parametrize("seed", range(300, 350))
def test_many_random_networks(seed: int, target: str, tmp_path: Path) -> None:
    if target == "wasm":
        pytest.importorskip("wasmtime")
        pytest.importorskip("ziglang")
    net = random_chain(np.random.default_rng(seed), widest=65)
    try:
        paths = write(net, tmp_path, target)
    except FixedPointOverflow:
        pytest.skip("its rule is to raise, and it overflows whatever it takes")
    [path] = [p for p in paths if p.suffix in (".so", ".dll", ".wasm")]
    same(net, Library(path), 1000, seed)


def compared(place: Path, targets: Sequence[str], *options: str) -> None:
    """Run the comparison of random networks."""
    script = Path(__file__).parents[2] / "benchmarks" / "equality.py"
    command = [sys.executable, str(script), "--targets", *targets, *options]
    command += ["--json", str(place / "equality.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((place / "equality.json").read_text())
    assert all(results[target]["equal"] == results["networks"] > 0 for target in targets)


@needs_cc
@needs("onnx", "onnxruntime")
def test_random_networks_as_a_program_and_as_a_graph(tmp_path: Path) -> None:
    compared(tmp_path, ["native", "onnx"], "--networks", "3", "--tokens", "20")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["aarch64", "cortex-m4", "cortex-m7", "onnx"])
def test_many_random_networks_on_other_machines(target: str, tmp_path: Path) -> None:
    for tool in EMULATORS.get(target, ("onnx", "onnxruntime")):
        if not (shutil.which(tool) or importlib.util.find_spec(tool)):
            pytest.skip(f"{tool} not installed")
    compared(tmp_path, [target], "--networks", "50")


@needs_cc
def test_what_a_library_refuses_leaves_its_state(tmp_path: Path) -> None:
    net = small()
    write(net, tmp_path, "native")
    library = Library(tmp_path / f"net{targets.TARGETS['native'].product}")
    with pytest.raises(ValueError, match=r"tokens must have shape \(time, 2\)"):
        library.run([[1, 2, 3]])
    with pytest.raises(ValueError, match="must fit 32 bits"):
        library.run([[2**31, 0]])
    with pytest.raises(ValueError, match="beyond the input's format"):
        library.run([[2**23, 0]])
    same(net, library, 20)


@pytest.mark.parametrize("name", ["none.so", "text.so", "text.wasm"])
def test_a_file_that_is_no_library_is_refused(name: str, tmp_path: Path) -> None:
    if name.endswith("wasm"):
        pytest.importorskip("wasmtime")
    (tmp_path / "text.so").write_text("text")
    (tmp_path / "text.wasm").write_text("text")
    with pytest.raises((OSError, ValueError), match=name.replace(".", r"\.")):
        Library(tmp_path / name)


@pytest.mark.parametrize(
    ("target", "command"),
    [("native", "lava-ssm[deploy]"), ("wasm", "lava-ssm[deploy]"), ("cortex-m7", "[deploy]")],
)
def test_a_missing_compiler_is_told_with_the_command(
    target: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(extras.MissingPackageError) as error:
        write(small(), tmp_path / "build", target)
    assert f'pip install "{command}"' in str(error.value) or command in str(error.value)
    assert not (tmp_path / "build").exists()


@needs_cc
def test_what_a_compiler_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = targets.Target(".so", None, ("--no-such-flag",), "cc", ("-shared",))
    monkeypatch.setitem(targets.TARGETS, "native", target)
    with pytest.raises(targets.CompilerError, match="no-such-flag"):
        write(small(), tmp_path / "build", "native")
    assert not (tmp_path / "build").exists()


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("what", ["flash", "ram"])
def test_a_network_too_large_for_the_part_is_refused_with_the_numbers(
    what: str, tmp_path: Path
) -> None:
    options = Options(**{what: 100})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"{what}: .* takes [\d,]+ bytes, cortex-m4 has 100"):
        write(small(), tmp_path / "build", "cortex-m4", options)
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("target", ["c", "native", "html"])
def test_the_size_of_a_part_is_refused_where_there_is_none(target: str, tmp_path: Path) -> None:
    said = f"flash is that of a part: cortex-m4, cortex-m7; target is {target}"
    with pytest.raises(ValueError, match=said):
        write(small(), tmp_path / "build", target, Options(flash=1000))


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"target must be one of c, .*, got 'fpga'"):
        write(small(), tmp_path / "build", "fpga")
