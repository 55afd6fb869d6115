"""NIR graphs of networks, and networks of NIR graphs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lava_ssm
from lava_ssm import zoo
from lava_ssm.exchange import ExchangeError, from_nir, to_nir
from lava_ssm.network import Linear, Network, Readout, Residual
from tests.networks import random_chain, random_network, random_s5_network

h5py = pytest.importorskip("h5py")
nir = pytest.importorskip("nir")


@pytest.mark.parametrize("seed", range(20))
def test_fixed_networks_come_back_equal(seed: int, tmp_path: Path) -> None:
    net = random_chain(np.random.default_rng(seed), widest=9, longest=8)
    assert from_nir(to_nir(net)) == net
    nir.write(tmp_path / "net.nir", to_nir(net))
    assert from_nir(tmp_path / "net.nir") == net


@pytest.mark.parametrize("name", ["ns4d-sdigits-float", "s5-denoise-sparse"])
def test_networks_of_the_zoo_come_back_equal(name: str, tmp_path: Path) -> None:
    assert name.removesuffix("-float") in zoo.NAMES
    net = lava_ssm.load(name)
    nir.write(tmp_path / "net.nir", to_nir(net))
    again = from_nir(tmp_path / "net.nir")
    assert again == net
    assert again.made_by == net.made_by


def test_float_networks_come_back_equal() -> None:
    rng = np.random.default_rng(0)
    for net in (
        random_network(rng, readout=Readout.MEAN_OVER_TIME),
        random_s5_network(rng),
        random_s5_network(rng, relu=False, readout=Readout.LAST_TOKEN),
        Network((Linear([[1.0]]), Residual(1), Linear([[2.0]], [3.0]), Residual(2))),
    ):
        assert from_nir(to_nir(net)) == net


def test_what_nir_has_is_in_its_own_nodes() -> None:
    net = Network((Linear([[1.0, 2.0]], [3.0]), Linear([[2.0]])))
    graph = to_nir(net)
    assert [type(node) for node in graph.nodes.values()] == [
        nir.Input, nir.Affine, nir.Linear, nir.Output,
    ]  # fmt: skip
    assert graph.edges == [("input", "layer_0"), ("layer_0", "layer_1"), ("layer_1", "output")]


def test_a_graph_of_nir_alone_becomes_a_network(tmp_path: Path) -> None:
    graph = nir.NIRGraph.from_list(
        nir.Affine(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([0.5, 0.0])),
        nir.Scale(np.array([2.0, 3.0])),
        nir.Linear(np.array([[1.0, -1.0]])),
    )
    nir.write(tmp_path / "net.nir", graph)
    for net in (from_nir(graph), from_nir(tmp_path / "net.nir")):
        # 2 (1 + 2 * 10 + 0.5) - 3 * 10
        assert net.run(np.array([[1.0, 10.0]])).tolist() == [[13.0]]


def test_what_is_no_layer_is_refused_with_its_name(tmp_path: Path) -> None:
    other = nir.NIRGraph.from_list(nir.Linear(np.ones((1, 1))), nir.Threshold(np.ones(1)))
    with pytest.raises(ExchangeError, match="threshold: a Threshold is no layer of a network"):
        from_nir(other)
    graph = to_nir(Network((Linear([[1.0]]), Linear([[1.0]]))))
    graph.edges.append(("input", "layer_1"))
    with pytest.raises(ExchangeError, match="input: what is behind it is no chain"):
        from_nir(graph)
    with pytest.raises(ExchangeError, match="a NIRGraph is needed, got a Linear"):
        from_nir(nir.Linear(np.ones((1, 1))))
    with pytest.raises(OSError, match="none"):
        from_nir(tmp_path / "none.nir")
    with pytest.raises(TypeError, match="network must be"):
        to_nir(graph)


def test_a_damaged_layer_is_refused_with_its_place() -> None:
    content = to_nir(lava_ssm.load("ns4d-sdigits"))
    node = content.nodes["layer_1"]
    damaged = {**node.to_dict(), "a": np.full((32, 16, 2), 2**15 - 1)}
    node.to_dict = lambda: damaged
    with pytest.raises(ExchangeError, match=r"layer_1: a: .* unstable"):
        from_nir(content)
    damaged["more"] = np.ones(1)
    with pytest.raises(ExchangeError, match=r"layer_1: ssm\.FixedS4D has no more"):
        from_nir(content)


def test_an_equal_network_is_written_whatever_made_it() -> None:
    net = lava_ssm.load("ns4d-sdigits")
    assert from_nir(to_nir(replace(net, made_by={}))) == net  # type: ignore[arg-type, type-var]


def _loop(file: h5py.File) -> None:
    file["node/again"] = file["node"]


def _twice(file: h5py.File) -> None:
    file["node/copy"] = file["node/type"]


def _link(file: h5py.File) -> None:
    file["node/soft"] = h5py.SoftLink("/node")


def _other_file(file: h5py.File) -> None:
    file["node/other"] = h5py.ExternalLink("/etc/passwd", "/")


def _bytes_of_another_file(file: h5py.File) -> None:
    file.create_dataset("node/raw", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def _bomb(file: h5py.File) -> None:
    file.create_dataset("node/zeros", (10**11,), "f4", chunks=(10**6,), compression="gzip")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_loop, "'again' is there twice, or holds itself"),
        (_twice, "is there twice"),
        (_link, "'soft' is a link to elsewhere"),
        (_other_file, "'other' is a link to elsewhere"),
        (_bytes_of_another_file, "'raw' lies in another file"),
        (_bomb, "unpacks to more than"),
    ],
)
def test_a_file_made_to_do_harm_is_refused(
    harm: Callable[[h5py.File], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.nir"
    nir.write(path, to_nir(Network((Linear([[1.0]]),))))
    with h5py.File(path, "a") as file:
        harm(file)
    with pytest.raises(ExchangeError, match=message):
        from_nir(path)


def test_what_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.nir").write_bytes(b"not HDF5")
    with pytest.raises(ExchangeError, match="cannot be read as HDF5"):
        from_nir(tmp_path / "net.nir")
