"""One file a network: it comes back equal, or not at all."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lava_ssm
from lava_ssm.network import FixedNetwork, Linear, Network, NetworkFileError, Readout
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
    with h5py.File(tmp_path / "net.h5") as file:
        assert file.attrs["written_by"] == f"lava_ssm {lava_ssm.__version__}"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "net.h5"
    random_fixed_network(np.random.default_rng(0)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(NetworkFileError, match=r"net\.h5.* is not a whole network file"):
        lava_ssm.load(path)


def test_a_flipped_byte_in_an_array_is_found(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    Network((Linear(np.random.default_rng(0).normal(size=(64, 64))),)).save(path)
    with h5py.File(path) as file:
        where = file["layers/0/weights"].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[where + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(NetworkFileError):
        lava_ssm.load(path)


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    foreign, newer, text = (tmp_path / name for name in ("foreign.h5", "newer.h5", "text.h5"))
    with h5py.File(foreign, "w") as file:
        file["weights"] = np.ones(3)
    with pytest.raises(NetworkFileError, match="was not written by lava_ssm"):
        lava_ssm.load(foreign)
    random_fixed_network(np.random.default_rng(0)).save(newer)
    with h5py.File(newer, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(NetworkFileError, match=r"format version 99.*update lava_ssm"):
        lava_ssm.load(newer)
    text.write_text("weights")
    with pytest.raises(NetworkFileError, match="is not a whole network file"):
        lava_ssm.load(text)
    with pytest.raises(FileNotFoundError, match="no network file"):
        lava_ssm.load(tmp_path / "absent.h5")


def test_values_in_a_file_are_checked_like_any_others(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    random_fixed_network(np.random.default_rng(0)).save(path)
    with h5py.File(path, "a") as file:
        file["layers/1"].attrs["param_exponent"] = 5  # now |a| > 1
    with pytest.raises(NetworkFileError, match="unstable"):
        lava_ssm.load(path)


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
