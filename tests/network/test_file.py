"""One file a network: it comes back equal, or not at all."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lava_ssm
from lava_ssm.network import FixedNetwork, Network, NetworkFileError, Readout
from lava_ssm.network.file import sealed
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.networks import random_fixed_network, random_network


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
    net.save(tmp_path / "net.h5")
    assert lava_ssm.load(tmp_path / "net.h5") == net


def test_a_float_network_comes_back_equal_with_what_made_it(tmp_path: Path) -> None:
    net = random_network(np.random.default_rng(0), readout=Readout.LAST_TOKEN)
    net = Network(net.layers, net.readout, made_by={"command": "train", "seed": "0"})
    net.save(tmp_path / "net.h5")
    back = lava_ssm.load(str(tmp_path / "net.h5"))
    assert back == net
    assert back.made_by == {"command": "train", "seed": "0"}
    with h5py.File(tmp_path / "net.h5") as file:  # any HDF5 reader skips the header
        assert file.attrs["written_by"] == f"lava_ssm {lava_ssm.__version__}"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "net.h5"
    random_fixed_network(np.random.default_rng(0)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(NetworkFileError, match=r"net\.h5.*(cut short|not to its end)"):
        lava_ssm.load(path)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path, where: float, bit: int) -> None:
    path = tmp_path / "net.h5"
    random_fixed_network(np.random.default_rng(0)).save(path)
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(NetworkFileError):
        lava_ssm.load(path)


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    foreign, newer, text = (tmp_path / name for name in ("foreign.h5", "newer.h5", "text.h5"))
    with h5py.File(foreign, "w") as file:
        file["weights"] = np.ones(3)
    text.write_text("weights")
    for path in (foreign, text):
        with pytest.raises(NetworkFileError, match="was not written by lava_ssm"):
            lava_ssm.load(path)
    random_fixed_network(np.random.default_rng(0)).save(newer)
    newer.write_bytes(sealed(newer.read_bytes(), version=99))
    with pytest.raises(NetworkFileError, match=r"format version 99.*update lava_ssm"):
        lava_ssm.load(newer)
    with pytest.raises(FileNotFoundError, match="no network file"):
        lava_ssm.load(tmp_path / "absent.h5")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("param_exponent", 5, "unstable"),
        ("param_exponent", 12.5, "must be integers"),
        ("kind", "Attention", "Attention"),
        ("width", 3, "width"),
    ],
)
def test_values_in_a_file_are_checked_like_any_others(
    tmp_path: Path, name: str, value: object, text: str
) -> None:
    path = tmp_path / "net.h5"
    random_fixed_network(np.random.default_rng(0)).save(path)
    with h5py.File(path, "a") as file:
        file["layers/1"].attrs[name] = value
    path.write_bytes(sealed(path.read_bytes()))
    with pytest.raises(NetworkFileError, match=rf"does not hold a network.*{text}"):
        lava_ssm.load(path)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    net = random_fixed_network(np.random.default_rng(0))
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        net.save(tmp_path / "absent" / "net.h5")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        net.save(tmp_path)


def test_a_link_keeps_pointing_to_its_file(tmp_path: Path) -> None:
    net = random_fixed_network(np.random.default_rng(0))
    link = tmp_path / "latest.h5"
    link.symlink_to(tmp_path / "net.h5")
    net.save(link)
    assert link.is_symlink()
    assert lava_ssm.load(tmp_path / "net.h5") == net


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.h5"
    old = random_fixed_network(np.random.default_rng(0))
    old.save(path)

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        random_fixed_network(np.random.default_rng(1)).save(path)
    assert lava_ssm.load(path) == old
    assert os.listdir(tmp_path) == ["net.h5"]


def test_a_loaded_network_computes_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME, per_channel=True)
    net.save(tmp_path / "net.h5")
    back = lava_ssm.load(tmp_path / "net.h5")
    assert isinstance(back, FixedNetwork)
    x = rng.integers(-3000, 3000, (9, 2))
    np.testing.assert_array_equal(back.run(x), net.run(x))
