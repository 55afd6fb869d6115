"""The core alone runs, streams, quantises, maps and estimates; the rest says what it lacks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lava_ssm.cli.lava import NEEDED

BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
EXTRAS = (
    "torch",
    "torchvision",
    "sklearn",
    "PIL",
    "matplotlib",
    "soundfile",
    "G722",
    "lava",
    "greenlet",
    "joblib",
    "dask",
    "distributed",
    "pandas",
    "networkx",
    "ziglang",
    "wasmtime",
    "onnx",
    "nir",
    "h5py",
)
CORE = """
import numpy as np
import lava_ssm as ssm
from lava_ssm.network import S5, Gate, Linear, Network, ReLU, Residual

network = ssm.load("ns4d-sdigits-float")
x = np.random.default_rng(0).random((3, 20, 1))
fixed = ssm.quantize(network, calibration=x)
fixed.save(sys.argv[1])
again = ssm.load(sys.argv[1])
logits = again.run(x)
stream = again.stream(batch=(3,))
assert (np.stack([stream.step(x[:, t]) for t in range(20)], axis=1) == logits).all()
assert (again.run(x, backend="reference") == logits).all()
assert network.run(x).shape == logits.shape
print(ssm.compress.report(network, fixed, x))
counted = ssm.loihi2.count(fixed, x)
print(ssm.loihi2.estimate(counted, ssm.loihi2.map(counted)))
assert not ssm.loihi2.is_available()
assert ssm.audio.si_snr(x[:, :, 0], x[:, :, 0] + 0.1).shape == (3,)
from lava_ssm.cli import app
app(["map", sys.argv[1]], standalone_mode=False)
app(["estimate", sys.argv[1]], standalone_mode=False)
"""


def python(code: str, *arguments: str, without: tuple[str, ...] = EXTRAS) -> str:
    """Run code in a Python in which some packages cannot be imported; give what it prints."""
    command = [sys.executable, "-c", BLOCK.format(packages=set(without)) + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_needs_no_extra(tmp_path) -> None:  # type: ignore[no-untyped-def]
    python(CORE, str(tmp_path / "net.safetensors"))


def extra(name: str) -> list[str]:
    """What an extra asks for, in pyproject.toml."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    (listed,) = re.findall(rf"^{name} = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    return re.findall(r'^    "([^"]*)"', listed, re.MULTILINE)


def test_the_core_is_few_packages() -> None:
    packages = {re.split("[<>=]", text)[0] for text in extra("dependencies")}
    assert packages == {"numpy", "scipy", "numba", "safetensors", "psutil", "rich", "typer"}


def test_lava_gets_on_newer_pythons_what_its_extra_lists() -> None:
    newer = [text.split(";")[0] for text in extra("lava") if "<" not in text.partition(";")[2]]
    assert tuple(newer) == NEEDED


LAVA = "lava-ssm install-lava" if sys.version_info >= (3, 11) else 'pip install "lava-ssm[lava]"'
AUDIO = 'pip install "lava-ssm[audio]"'
DEPLOY = 'pip install "lava-ssm[deploy]"'
EXCHANGE = 'pip install "lava-ssm[exchange]"'
EVERYTHING = """
import lava_ssm as ssm

for room in ssm._ROOMS:
    try:
        names = getattr(ssm, room).__all__
    except ssm.extras.MissingPackageError as error:
        print(error)
        continue
    for name in names:
        try:
            getattr(getattr(ssm, room), name)
        except ssm.extras.MissingPackageError as error:
            print(error)
"""


def test_every_public_name_is_there_or_answered_by_a_command() -> None:
    answers = {line.rpartition(": ")[2] for line in python(EVERYTHING).splitlines()}
    assert answers == {'pip install "lava-ssm[train]"', 'pip install "lava-ssm[plot]"', LAVA}


@pytest.mark.parametrize(
    ("use", "package", "command"),
    [
        ("ssm.nn", "torch", 'pip install "lava-ssm[train]"'),
        ("ssm.compress.FixedModel", "torch", 'pip install "lava-ssm[train]"'),
        ("ssm.compress.Pruner", "torch", 'pip install "lava-ssm[train]"'),
        ("ssm.data.load('sdigits')", "sklearn", 'pip install "lava-ssm[data]"'),
        ("ssm.compress.report(net, fixed, x).plot()", "matplotlib", 'pip install "lava-ssm[plot]"'),
        ("ssm.loihi2.draw_chips", "matplotlib", 'pip install "lava-ssm[plot]"'),
        ("ssm.audio.read(__import__('sys').argv[1])", "soundfile", 'pip install "lava-ssm[audio]"'),
        ("__import__('lava_ssm.data.mini_ndns')", "soundfile", 'pip install "lava-ssm[audio]"'),
        ("__import__('lava_ssm.data.mini_ndns')", "G722", 'pip install "lava-ssm[audio]"'),
        ("ssm.proc", "lava", LAVA),
        ("ssm.runtime", "lava", LAVA),
        ("ssm.runtime", "greenlet", 'pip install "lava-ssm[lava]"'),
        ("ssm.loihi2.lower", "lava", LAVA),
        ("ssm.loihi2.emulate", "lava", LAVA),
        ("ssm.exchange.from_torch", "torch", 'pip install "lava-ssm[train]"'),
        ("ssm.exchange.to_onnx(fixed)", "onnx", 'pip install "lava-ssm[exchange]"'),
        ("ssm.exchange.to_nir(net)", "nir", 'pip install "lava-ssm[exchange]"'),
        ("ssm.exchange.from_nir('net.nir')", "nir", 'pip install "lava-ssm[exchange]"'),
        ("ssm.deploy.write(fixed, 'none', 'wasm')", "ziglang", 'pip install "lava-ssm[deploy]"'),
    ],
)
def test_who_lacks_a_package_is_told_the_command(use: str, package: str, command: str) -> None:
    code = f"""
import numpy as np
import lava_ssm as ssm
x = np.zeros((1, 9, 1))
if "net" in {use!r} or "fixed" in {use!r}:
    net = ssm.load("ns4d-sdigits-float")
    fixed = ssm.quantize(net, x + 0.5)
try:
    {use}
except ImportError as error:
    print(error)
"""
    if package == "greenlet":
        pytest.importorskip("lava.magma")  # which is looked for first
    told = python(code, __file__, without=(package,))
    assert told.strip().endswith(f": {command}")
    assert package in told


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("train", "sdigits", "--out", "none/run"), 'pip install "lava-ssm[train]"'),
        (("train-denoiser", "--out", "none/run"), 'pip install "lava-ssm[train]"'),
        (("evaluate", "ns4d-sdigits", "sdigits"), 'pip install "lava-ssm[data]"'),
        (("map", "ns4d-sdigits", "--figure", "chips.png"), 'pip install "lava-ssm[plot]"'),
        (("mini-ndns", "--data", "none"), 'pip install "lava-ssm[audio]"'),
        (("bench", "fall-through-vs-pipelined", "ns4d-sdigits"), LAVA),
        (("denoise", __file__, "b.wav", "--model", "s5-denoise-sparse"), AUDIO),
        (("deploy", "ns4d-sdigits", "--target", "html", "--out", "none"), DEPLOY),
        (("deploy", "ns4d-sdigits", "--target", "onnx", "--out", "none"), EXCHANGE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_command_line_tells_it_in_one_line(arguments: tuple[str, ...], command: str) -> None:
    code = BLOCK.format(packages=set(EXTRAS)) + "from lava_ssm.cli import app; app()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.endswith(f": {command}")
