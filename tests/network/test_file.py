"""One file a network: it comes back equal, or not at all."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

import lava_ssm
from lava_ssm import archive
from lava_ssm.network import (
    Activation,
    FixedGLU,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Linear,
    Network,
    NetworkFileError,
    Readout,
    ReLU,
)
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.networks import (
    random_fixed_network,
    random_fixed_s5_network,
    random_network,
    random_s5_network,
)

ROOT = Path(__file__).parent.parent.parent
Arrays = dict[str, np.ndarray]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    n_layers=st.integers(0, 3),
    per_channel=st.booleans(),
    readout=st.sampled_from(Readout),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from(Overflow),
)
def test_a_fixed_network_comes_back_equal(
    tmp_path: Path,
    seed: int,
    n_layers: int,
    per_channel: bool,
    readout: Readout,
    rounding: Rounding,
    overflow: Overflow,
) -> None:
    rng = np.random.default_rng(seed)
    net = random_fixed_network(
        rng,
        n_layers,
        readout=readout,
        per_channel=per_channel,
        arithmetic=Arithmetic(rounding, overflow, state_bits=20),
    )
    net.save(tmp_path / "net.safetensors")
    assert lava_ssm.load(tmp_path / "net.safetensors") == net


def test_a_float_network_comes_back_equal_with_what_made_it(tmp_path: Path) -> None:
    net = random_network(np.random.default_rng(0), readout=Readout.LAST_TOKEN)
    net = Network(net.layers, net.readout, made_by={"command": "train", "é \ud800": "0"})
    net.save(tmp_path / "net")  # whatever its name ends with
    back = lava_ssm.load(str(tmp_path / "net"))
    assert back == net
    assert back.made_by == {"command": "train", "é \ud800": "0"}


def test_a_gated_unit_of_before_there_was_a_choice_is_one_with_a_sigmoid() -> None:
    arrays = [[3, -4], [5, 6]], [[1, 2], [-3, 4]], 6, [7, 8], [9, -9], [100, 200]
    layer = FixedGLU(*arrays, 9, 8, Activation.SIGMOID, 12)
    old = lava_ssm.load(Path(__file__).parent / "old" / "glu.safetensors")
    assert old == FixedNetwork((layer,), input_exponent=5)


def test_numbers_of_numpys_types_are_stored_as_any_others(tmp_path: Path) -> None:
    layer = FixedS4D(*np.full((3, 1, 1, 2), 9), param_bits=np.int16(8))  # type: ignore[arg-type]
    rules = Arithmetic(state_bits=np.int64(20), message_bits=np.uint8(16))  # type: ignore[arg-type]
    net = FixedNetwork((layer,), arithmetic=rules)
    net.save(tmp_path / "net.safetensors")
    assert lava_ssm.load(tmp_path / "net.safetensors") == net


def test_other_programs_can_read_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    random_s5_network(np.random.default_rng(0), 1).save(path)
    with safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()["lava_ssm"].split(" ", 1)[1])
        b = file.get_tensor("layers.1.b")
    assert about["written_by"] == f"lava_ssm {lava_ssm.__version__}"
    assert (about["kind"], about["version"], about["readout"]) == ("Network", 3, "every")
    assert about["layers"][1] == {"kind": "S5", "relu": True}
    layer = random_s5_network(np.random.default_rng(0), 1).layers[1]
    np.testing.assert_array_equal(b[..., 0] + 1j * b[..., 1], layer.b)  # type: ignore[union-attr]


def test_integers_take_the_smallest_type_that_holds_them(tmp_path: Path) -> None:
    bias = [1, 127, -128, 128, 2**23 - 1]
    layers = [FixedLinear([[1]], bias=[b]) for b in bias]
    FixedNetwork(tuple(layers)).save(tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", "numpy") as file:
        kinds = [file.get_slice(f"layers.{i}.bias").get_dtype() for i in range(5)]
    assert kinds == ["I8", "I8", "I8", "I16", "I32"]


def test_reals_take_float32_if_it_holds_them(tmp_path: Path) -> None:
    thirds, tiny = np.full((2, 2), 1 / 3), np.array([[1e-60, 0], [1, -0.0]])
    short = np.float32([[1 / 3, -0.0], [1e30, 1e-40]]).astype(float)
    layers = tuple(Linear(w) for w in (thirds, tiny, short))
    net = Network(layers, Readout.EVERY_TOKEN)
    net.save(tmp_path / "net")
    assert lava_ssm.load(tmp_path / "net") == net
    with safe_open(tmp_path / "net", "numpy") as file:
        kinds = [file.get_tensor(f"layers.{i}.weights").dtype for i in range(3)]
    assert kinds == [np.float64, np.float64, np.float32]


def test_one_network_gives_one_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        net = random_fixed_s5_network(np.random.default_rng(3), per_channel=True)
        net.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "net.safetensors"
    random_fixed_network(np.random.default_rng(0)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(NetworkFileError, match=r"net\.safetensors.*(cut short|not to its end)"):
        lava_ssm.load(path)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path, where: float, bit: int) -> None:
    path = tmp_path / "net.safetensors"
    random_fixed_network(np.random.default_rng(0)).save(path)
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(NetworkFileError):
        lava_ssm.load(path)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    text, other, folder, pipe = (tmp_path / name for name in ("text", "other", "folder", "pipe"))
    text.write_text("weights")
    with pytest.raises(NetworkFileError, match="lava_ssm did not write it"):
        lava_ssm.load(text)
    for about in ({"epoch": 3}, {}, [], "network", 3, None):
        other.write_bytes(archive.pack({"weights": np.ones(3)}, about))
        with pytest.raises(NetworkFileError, match="something else than a network"):
            lava_ssm.load(other)
    os.mkfifo(pipe)
    with pytest.raises(NetworkFileError, match="no regular file"):
        lava_ssm.load(pipe)
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        lava_ssm.load(folder)
    for absent in (tmp_path / "absent.safetensors", text / "net.safetensors"):
        with pytest.raises(FileNotFoundError, match="no network file"):
            lava_ssm.load(absent)


@pytest.mark.parametrize(
    "start",
    [
        b"lava_ssm network, version 2, sha256 " + b"0" * 64 + b"\n" + bytes(411),
        b"\x89HDF\r\n\x1a\n",
        bytes(512) + b"\x89HDF\r\n\x1a\n",
    ],
)
def test_an_hdf5_file_is_answered_with_how_to_convert_it(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "old net.h5"
    path.write_bytes(start + bytes(3000))
    with pytest.raises(NetworkFileError, match=r"HDF5.*convert_h5\.py '.*old net\.h5' NEW"):
        lava_ssm.load(path)


OLD_NETWORKS: dict[int, Callable[[], Network | FixedNetwork]] = {
    1: lambda: random_network(np.random.default_rng(6), 1, d_model=2, d_state=2),
    2: lambda: replace(
        random_fixed_s5_network(
            np.random.default_rng(5), 1, 3, 2, per_channel=True, d_input=2, d_output=2
        ),
        made_by={"command": "train"},
    ),
}


@pytest.mark.parametrize("version", OLD_NETWORKS)
def test_a_file_of_an_older_version_is_converted(tmp_path: Path, version: int) -> None:
    pytest.importorskip("h5py")
    old, new = ROOT / f"tests/network/old/version_{version}.h5", tmp_path / "new.safetensors"
    command = [sys.executable, str(ROOT / "scripts/convert_h5.py")]
    done = subprocess.run([*command, str(old), str(new)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted, back = OLD_NETWORKS[version](), lava_ssm.load(new)
    assert back == wanted
    assert back.made_by == wanted.made_by


def test_a_damaged_file_of_an_older_version_is_not_converted(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    content = bytearray((ROOT / "tests/network/old/version_2.h5").read_bytes())
    content[5000] ^= 1
    (tmp_path / "old.h5").write_bytes(content)
    command = [sys.executable, str(ROOT / "scripts/convert_h5.py"), "old.h5", "new.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "Error: old.h5 is damaged or cut short: its checksum does not fit\n"
    assert os.listdir(tmp_path) == ["old.h5"]


def rewritten(path: Path, change: Callable[[Any, Arrays], object]) -> None:
    """Change what a file says, with a checksum that fits."""
    arrays, about = archive.read(path)
    change(about, arrays)
    path.write_bytes(archive.pack(arrays, about))


def of_layer(i: int, **fields: Any) -> Callable[[Any, Arrays], object]:
    return lambda about, arrays: about["layers"][i].update(fields)


def of_all(**fields: Any) -> Callable[[Any, Arrays], object]:
    return lambda about, arrays: about.update(fields)


def array(name: str, values: Any) -> Callable[[Any, Arrays], object]:
    return lambda about, arrays: arrays.update({name: np.asarray(values)})


WEIGHTS = "layers.0.weights"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (of_all(version=5), "format version 5, this lava_ssm reads up to 4: update lava_ssm"),
        (of_all(version=10**500), "format version 1000.*"),
        (of_all(version=2), "version must be 3 or 4, got 2"),
        (of_all(version=True), "version must be 3 or 4, got True"),
        (of_all(version="3"), "version must be 3 or 4, got '3'"),
        (of_all(kind="Attention"), "got kind 'Attention'; allowed are Network, FixedNetwork"),
        (of_all(kind=["Network"]), r"got kind \['Network'\]; allowed are Network"),
        (of_all(kind="Network"), r"Network has no 'input_exponent'"),
        (of_all(written_by=None), "written_by must be a text"),
        (of_all(made_by={"seed": 0}), "made_by must map texts to texts"),
        (of_all(made_by=None), "made_by must map texts to texts"),
        (of_all(layers={}), "layers must be a list"),
        (of_all(layers=[]), "a network has at least one layer"),
        (of_all(layers=[{"kind": "ReLU"}] * 1025), "at most 1024 are allowed, got 1025"),
        (of_all(layers=["ReLU"]), "layers.0 must be an object, got 'ReLU'"),
        (of_all(readout="first"), "readout must be 'every' or 'last' or 'mean', got 'first'"),
        (of_all(readout=["mean"]), "readout must be"),
        (of_all(input_bits=True), "input_bits must be an integer or left out, got True"),
        (of_all(input_bits=10**300), r"input_bits must be an integer in \[2, 18\]"),
        (of_all(input_exponent=None), "input_exponent must be an integer, got nothing"),
        (of_all(input_exponent=1.0), "input_exponent must be an integer, got 1.0"),
        (of_all(input_exponent=10**30), "input_exponent: integers must fit 64 signed bits"),
        (of_all(arithmetic=None), "arithmetic must be an object"),
        (of_all(arithmetic={}), "arithmetic.rounding must be"),
        (of_all(width=3), "FixedNetwork has no 'width'"),
        (of_layer(0, kind="Attention"), "layers.0: got kind 'Attention'; allowed are .*S4D"),
        (of_layer(0, param_exponent=5), "unstable"),
        (of_layer(0, param_exponent=12.5), "param_exponent must be an integer or an array"),
        (of_layer(0, param_exponent=[12]), "param_exponent must be an integer or an array"),
        (of_layer(0, width=3), "FixedS4D has no 'layers.0.width'"),
        (of_layer(0, a=3), "layers.0.a is there twice, as an array and as 3"),
        (of_layer(1, span=1), "ReLU has no 'layers.1.span'"),
        (of_layer(2, output_exponent="1"), "output_exponent must be an integer or left out"),
        (of_layer(2, kind="Linear"), r"layers\.2\.weights must be an array of float64"),
        (of_layer(2, kind="FixedGate"), "layers.2.bias must be an array of signed integers"),
        (array("layers.0.a", np.zeros((3, 2, 2), np.uint8)), "layers.0.a must be an array of sig"),
        (array("layers.0.a", np.zeros((3, 2, 2))), "layers.0.a must be an array of signed"),
        (array("layers.0.a", np.zeros((3, 2), np.int8)), "a, b, c must have one shape"),
        (array("layers.0.a", np.zeros((3, 0, 2), np.int8)), "a, b, c must have one shape"),
        (array("layers.0.a", np.full((3, 2, 2), 2**20)), r"a: mantissas must lie in .*16 bits"),
        (array("layers.1.a", np.zeros(1, np.int8)), "the array 'layers.1.a' belongs to no layer"),
        (array("layers.9.a", np.zeros(1, np.int8)), "the array 'layers.9.a' belongs to no layer"),
        (array("layers.00.a", np.zeros(1, np.int8)), "the array 'layers.00.a' belongs to no"),
        (array("input_bits", np.zeros(1, np.int8)), "input_bits is there twice"),
        (lambda about, arrays: arrays.pop("layers.0.a"), "layers.0.a must be an array.*nothing"),
        (lambda about, arrays: about["layers"].pop(), "array 'layers.2.* belongs to no layer"),
        (lambda about, arrays: about["layers"].reverse(), "layers.0.weights must be an array"),
    ],
)
def test_what_a_file_says_is_checked(
    tmp_path: Path, change: Callable[[Any, Arrays], object], text: str
) -> None:
    path = tmp_path / "net.safetensors"
    a, b, c = np.random.default_rng(0).integers(-2000, 2000, (3, 3, 2, 2))
    FixedNetwork((FixedS4D(a, b, c), ReLU(), FixedLinear([[1, 2, 3]]))).save(path)
    rewritten(path, change)
    with pytest.raises(NetworkFileError, match=rf"net\.safetensors.*cannot be loaded: .*{text}"):
        lava_ssm.load(path)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.full((2, 3), np.nan), "weights must be finite"),
        (np.zeros(3), "must have shape"),
        (np.zeros((1, 2, 3)), "must have shape"),
        (np.zeros((2, 3), np.int8), "must be an array of float64"),
    ],
)
def test_arrays_of_reals_are_checked(tmp_path: Path, values: np.ndarray, text: str) -> None:
    path = tmp_path / "net.safetensors"
    Network((Linear([[1.0, 2.0]]),)).save(path)
    rewritten(path, array(WEIGHTS, values))
    with pytest.raises(NetworkFileError, match=text):
        lava_ssm.load(path)


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 1), (3, 2, 3), (2,), ()])
def test_complex_numbers_are_pairs(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "net.safetensors"
    random_network(np.random.default_rng(0), 1, d_model=3, d_state=2).save(path)
    rewritten(path, array("layers.1.a", np.zeros(shape)))
    with pytest.raises(NetworkFileError, match=r"cannot be loaded: (layers\.1\.)?a"):
        lava_ssm.load(path)


def test_the_most_layers_that_are_saved_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    layers = (Linear([[1.0]]),) * 1024
    Network(layers).save(path)
    assert len(lava_ssm.load(path).layers) == 1024
    with pytest.raises(ValueError, match="a file holds at most 1024, the network has 1025"):
        Network((*layers, ReLU())).save(tmp_path / "more.safetensors")
    with pytest.raises(ValueError, match="description takes more than"):
        Network(layers, made_by={"text": "x" * 2**22}).save(tmp_path / "more.safetensors")
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_layers_that_a_file_cannot_hold_are_refused_when_it_is_saved(tmp_path: Path) -> None:
    class Dense(Linear):
        pass

    with pytest.raises(TypeError, match=r"layers\[1\]: files hold .*S4D, .*; got Dense"):
        Network((Linear([[1.0]]), Dense([[1.0]]))).save(tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_loading_takes_memory_in_proportion_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    a, b, c = np.zeros((3, 256, 1024, 2), np.int8)  # each number becomes one of eight bytes
    FixedNetwork((FixedS4D(a, b, c, param_bits=8),)).save(path)
    size = path.stat().st_size
    lava_ssm.load(path)
    tracemalloc.start()
    try:
        lava_ssm.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 8 * size < peak < 11 * size


def test_files_made_to_do_harm_are_refused_or_are_networks() -> None:
    command = [sys.executable, "-m", "tests.network.mutations", "0", "500"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{done.stdout[-500:]}{done.stderr}"
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["refused"] > 250
    assert counts["Network"] > 10
    assert counts["FixedNetwork"] > 10


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    net = random_fixed_network(np.random.default_rng(0))
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        net.save(tmp_path / "absent" / "net.safetensors")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        net.save(tmp_path)


def test_a_link_keeps_pointing_to_its_file(tmp_path: Path) -> None:
    net = random_fixed_network(np.random.default_rng(0))
    link = tmp_path / "latest.safetensors"
    link.symlink_to(tmp_path / "net.safetensors")
    net.save(link)
    assert link.is_symlink()
    assert lava_ssm.load(tmp_path / "net.safetensors") == net


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    old = random_fixed_network(np.random.default_rng(0))
    old.save(path)

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        random_fixed_network(np.random.default_rng(1)).save(path)
    assert lava_ssm.load(path) == old
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_a_loaded_network_computes_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME, per_channel=True)
    net.save(tmp_path / "net.safetensors")
    back = lava_ssm.load(tmp_path / "net.safetensors")
    assert isinstance(back, FixedNetwork)
    x = rng.integers(-3000, 3000, (9, 2))
    np.testing.assert_array_equal(back.run(x), net.run(x))


def test_the_network_of_a_run_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"is a folder$"):
        lava_ssm.load(tmp_path)
    Network((Linear([[1.0]]),)).save(tmp_path / "network.safetensors")
    with pytest.raises(IsADirectoryError, match=r"folder's network is '.*/network.safetensors'"):
        lava_ssm.load(tmp_path)
