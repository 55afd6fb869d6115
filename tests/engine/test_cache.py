"""The engine starts anywhere: whatever has become of the machine code on disk, or of its folder."""

import ast
import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.dispatcher import Dispatcher

from lava_ssm import files
from lava_ssm.engine.compiled import cache, compiling

SOURCE = """
from lava_ssm.engine.compiled.compiling import kernel

@kernel
def twice(x):
    return 2 * x
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Any, list[str]]]:
    """Start anew: compile or load a kernel, use it, give it and what was warned of."""
    source = tmp_path / "twice.py"
    source.write_text(SOURCE)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))

    def started() -> tuple[Any, list[str]]:
        monkeypatch.setattr(cache, "_warned", False)
        spec = importlib.util.spec_from_file_location("twice", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            spec.loader.exec_module(module)
            compiling.ready(module.twice, (numba.int64,))
            assert module.twice(21) == 42
            compiling.ready(module.twice, (numba.float64,))
            assert module.twice(0.25) == 0.5
        return module.twice, [str(w.message) for w in caught]

    return started


def kept(folder: Path) -> list[Path]:
    """Give the files of the kernel's machine code."""
    return [path for path in folder.rglob("*.nb?") if path.is_file()]


def test_the_second_start_loads_what_the_first_has_compiled(start: Any, tmp_path: Path) -> None:
    first, warned = start()
    assert (sum(first.stats.cache_misses.values()), warned) == (2, [])
    again, warned = start()
    assert (sum(again.stats.cache_hits.values()), warned) == (2, [])
    assert not again.stats.cache_misses
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda old: b"",
        lambda old: old[:40],
        lambda old: old[: len(old) // 2],
        lambda old: old[:-1],
        lambda old: old + b"x",
        lambda old: os.urandom(len(old)),
        lambda old: old[:-100] + bytes([old[-100] ^ 1]) + old[-99:],
        lambda old: bytes([old[0] ^ 1]) + old[1:],
        lambda old: b"\x80\x04N.",
    ],
)
def test_a_damaged_file_is_compiled_again_and_mended(
    start: Any, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    start()
    for path in kept(tmp_path):
        path.write_bytes(damage(path.read_bytes()))
    outer, warned = start()
    assert not outer.stats.cache_hits
    assert len(warned) == 1
    assert str(tmp_path / "kept") in warned[0]
    outer, warned = start()
    assert (sum(outer.stats.cache_hits.values()), warned) == (2, [])


def test_code_of_other_sources_is_not_taken(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    monkeypatch.setattr(compiling, "_SOURCES", bytes(32))
    outer, warned = start()
    assert (sum(outer.stats.cache_misses.values()), warned) == (2, [])
    outer, _ = start()
    assert sum(outer.stats.cache_hits.values()) == 2
    assert len(kept(tmp_path)) == 2  # in place of the old


def test_code_of_another_cpu_is_not_taken(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    codegen = type(numba.core.registry.cpu_target.target_context.codegen())
    this = codegen.magic_tuple
    monkeypatch.setattr(codegen, "magic_tuple", lambda self: (*this(self)[:-1], "+other"))
    start()
    monkeypatch.setattr(codegen, "magic_tuple", this)
    outer, warned = start()
    assert (sum(outer.stats.cache_misses.values()), warned) == (2, [])


def test_files_that_cannot_be_read_or_replaced_are_left(start: Any, tmp_path: Path) -> None:
    start()
    for path in kept(tmp_path):
        path.unlink()
        path.mkdir()
    outer, warned = start()
    assert sum(outer.stats.cache_misses.values()) == 2
    assert len(warned) == 1
    assert str(tmp_path / "kept") in warned[0]


def test_a_full_disk_leaves_nothing_behind(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    _, warned = start()
    assert len(warned) == 1
    assert "No space left on device" in warned[0]
    assert str(tmp_path / "kept") in warned[0]


def test_a_folder_that_vanishes_is_made_again(start: Any, tmp_path: Path) -> None:
    first, _ = start()
    for path in kept(tmp_path):
        path.unlink()
    Path(first.stats.cache_path).rmdir()
    _, warned = start()
    assert warned == []
    assert len(kept(tmp_path)) == 2


def test_no_folder_at_all_is_no_error(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as nowhere:
        nowhere.setattr(os, "makedirs", refused)
        outer, warned = start()
    assert outer.stats.cache_path is None
    assert len(warned) == 1
    assert "no folder can be written to" in warned[0]


def test_another_numba_is_no_error(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: Any) -> None:
        raise AttributeError("locator")

    monkeypatch.setattr(cache, "CompileResultCacheImpl", changed)
    outer, warned = start()
    assert sum(outer.stats.cache_misses.values()) == 2
    assert len(warned) == 1


def test_any_source_of_the_kernels_changes_the_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compiling.py").write_text("")
    (tmp_path / "neurons.py").write_text("a = 1")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "compiling.py"))
    before = compiling._sources()
    (tmp_path / "neurons.py").write_text("a = 2")
    assert compiling._sources() != before


WITHOUT_COMPILER = """
import warnings
import numpy as np

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from lava_ssm import proc
    from lava_ssm.engine import run
    from tests.networks import random_fixed_network, random_network

    for make in (random_fixed_network, random_network):
        net = make(np.random.default_rng(0), readout="mean")
        x = np.array([[1, -2], [300, 4]])
        stream = net.stream()
        tokens = [stream.step(token) for token in x]
        whole = run(net, x, backend="reference").outputs
        assert np.array_equal(tokens, whole)
        assert np.array_equal(net.run(x), whole)
        assert np.allclose(proc.run(net, x), whole, rtol=1e-12)
    try:
        net.stream(backend="compiled")
    except ValueError as error:
        print(error)
print(*{str(w.message) for w in caught if "NUMBA" in str(w.message)}, sep="; ")
print(sum("NUMBA" in str(w.message) for w in caught))
"""


def test_without_the_compiler_everything_runs_on_the_reference() -> None:
    pytest.importorskip("lava.magma")
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    refused, said, times = done.stdout.splitlines()
    assert refused.startswith("backend: 'compiled' is not to be had")
    assert said == "NUMBA_DISABLE_JIT is set: networks run on the reference, up to a thousand " + (
        "times slower"
    )
    assert times == "1"


def test_a_process_that_is_forked_while_another_thread_compiles_can_compile() -> None:
    code = """
import os, threading, time, numba
from lava_ssm.engine.compiled import compiling
inside, go = threading.Event(), threading.Event()
def compile():
    with compiling._lock:
        inside.set()
        time.sleep(0.3)
thread = threading.Thread(target=compile)
thread.start()
inside.wait()
if os.fork() == 0:
    os._exit(0 if compiling._lock.acquire(timeout=5) else 1)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
thread.join()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def dispatchers(value: object) -> Iterator[Dispatcher]:
    """Those that a module names, also in its forms and operations."""
    if isinstance(value, Dispatcher):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from dispatchers(each)


def test_no_two_functions_of_kernels_have_one_name() -> None:
    """Kernels from disk and those compiled here may stand side by side: names tell them apart."""
    room = importlib.import_module("lava_ssm.engine.compiled")
    functions = {
        function
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
        for value in vars(importlib.import_module(module.name)).values()
        for function in dispatchers(value)
    }
    names = [f"{f.py_func.__module__}.{f.py_func.__qualname__}" for f in functions]
    assert len(names) > 40
    assert sorted(names) == sorted(set(names))


def test_functions_of_the_engine_take_at_most_eight_parameters() -> None:
    folder = Path(importlib.import_module("lava_ssm.engine").__path__[0])
    functions = [
        (path.name, node.name, len([*a.posonlyargs, *a.args, *a.kwonlyargs]))
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for a in [node.args]
    ]
    assert len(functions) > 200
    assert [f for f in functions if f[2] > 8] == []


COUNTING = """
import sys
from collections import Counter
import numpy as np
from numba.core import event
import lava_ssm
from lava_ssm.engine import compiled
from tests.networks import random_fixed_network, random_fixed_s5_network, random_network

class Listener(event.Listener):
    def __init__(self): self.compiled = Counter()
    def on_start(self, e):
        function = e.data["dispatcher"].py_func
        if function.__module__.startswith("lava_ssm"):
            self.compiled[function.__module__, function.__qualname__, str(e.data["args"])] += 1
    def on_end(self, e): pass

listener = Listener()
event.register("numba:compile", listener)
for make in (random_fixed_network, random_fixed_s5_network, random_network):
    for seed in range(2):
        net = make(np.random.default_rng(seed))
        for stream in (net.stream(), net.stream((3,)), net.stream((4,), n_threads=2)):
            stream.run(np.zeros((*stream.batch, 3, net.d_input)))
            stream.step(np.zeros((*stream.batch, net.d_input)))
    print(len(listener.compiled), max(listener.compiled.values()))
"""


@pytest.mark.slow
def test_nothing_is_compiled_twice_in_a_process(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (first, _), (second, _), (_, most) = (map(int, s.split()) for s in done.stdout.splitlines())
    assert most == 1
    assert first > 40  # one kernel takes all fixed networks: a second one compiles no more
    assert second <= first + 1  # what lays windows out
    assert done.stderr.count("compiling the engine") == 1
