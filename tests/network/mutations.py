"""Network files changed so as to do harm, with a checksum that fits.

`python -m tests.network.mutations SEED NUMBER` loads NUMBER of them within limits of memory and of
processor time, which kill it where one input needs more; scripts/fuzz.py goes on for longer.
"""

import json
import resource
import signal
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from safetensors.numpy import save

from lava_ssm import archive
from lava_ssm.network import Network, NetworkFileError, load
from tests.networks import (
    random_fixed_network,
    random_fixed_s5_network,
    random_network,
    random_s5_network,
)

MEMORY = 100 * 2**20 + 10 * archive.MOST_HEADER  # bytes beyond those that importing has taken
SECONDS = 5  # of a processor, for one input

NUMBERS = ["0", "-1", "3", "1.5", "1e999", "-0", "NaN", "true", "null", "1" * 30, "1" * 5000]
NUMBERS += ["9223372036854775807", "9223372036854775808", "18446744073709551616", "4294967296"]
VALUES = [*NUMBERS, '"x"', '""', '"every"', '"\\ud800"', "[]", "{}", "[[1]]", '[{"kind": "ReLU"}]']
VALUES += ["[" * 100 + "]" * 100, "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200, "[1," * 50_000]
TYPES = ["I8", "I16", "I32", "I64", "U8", "U64", "F16", "BF16", "F32", "F64", "BOOL", "F4", "C64"]


def originals() -> list[bytes]:
    """Files of small networks of all kinds of layers."""
    rng = np.random.default_rng(0)
    networks = [
        random_network(rng, 1, 3, 2),
        random_s5_network(rng, 1, 3, 2, relu=False),
        random_fixed_network(rng, 1, 3, 2, per_channel=True),
        random_fixed_s5_network(rng, 1, 3, 2, per_channel=True),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net"
        contents = []
        for network in networks:
            network.save(path)
            contents.append(path.read_bytes())
    return contents


def mutated(rng: Generator, contents: list[bytes]) -> tuple[str, bytes]:
    """A kind of change, and a file changed so."""
    change, second = (CHANGES[i] for i in rng.integers(len(CHANGES), size=2))
    content = change(rng, contents[rng.integers(len(contents))])
    if rng.random() < 0.2:
        with suppress(Exception):  # the first change may have left nothing for it
            content = second(rng, content)
    with suppress(archive.ArchiveError):  # nothing is left where the checksum should be
        content = archive.sealed(content)
    return change.__name__, content


def long_headers() -> Iterator[tuple[str, bytes]]:
    """Headers as long as they may be, of what takes the most memory."""
    most = archive.MOST_HEADER
    yield "many lists", archive.pack({}, [[]] * (most // 4 - 100))
    yield "many objects", archive.pack({}, [{}] * (most // 4 - 100))
    yield "many numbers", archive.pack({}, [1000] * (most // 6 - 100))
    names = (f"{i:x}" for i in range(most // 65))
    yield "many arrays", archive.pack({name: np.zeros(0, np.int8) for name in names}, {})


def outcome(path: Path) -> str:
    """What loading a file gives, if it is one of the things that it may give."""
    try:
        network = load(path)
    except NetworkFileError as error:
        causes: list[BaseException] = [error]
        while (cause := causes[-1].__cause__) is not None:
            causes.append(cause)
        if any(isinstance(each, MemoryError) for each in causes):
            raise AssertionError("all memory was taken") from error
        return "refused"
    again = path.with_suffix(".again")
    network.save(again)
    back = load(again)
    assert back == network
    assert back.made_by == network.made_by
    return type(network).__name__ if isinstance(network, Network) else "FixedNetwork"


def flip_bits_of_the_header(rng: Generator, content: bytes) -> bytes:
    return _flipped(rng, content, 0, _header_end(content))


def flip_bits_of_the_arrays(rng: Generator, content: bytes) -> bytes:
    return _flipped(rng, content, _header_end(content), len(content))


def change_the_headers_length(rng: Generator, content: bytes) -> bytes:
    size = struct.unpack("<Q", content[:8])[0]
    sizes = [0, 1, size - 8, size + 8, len(content), len(content) - 8, 2**31, 2**63, 2**64 - 1]
    return struct.pack("<Q", max(0, sizes[rng.integers(len(sizes))])) + content[8:]


def cut_or_lengthen(rng: Generator, content: bytes) -> bytes:
    where = int(rng.integers(len(content)))
    more = rng.bytes(int(rng.integers(1, 200)))
    return [
        content[:where],
        content + more,
        content[:where] + more + content[where:],
        content[:where] + content[where + len(more) :],
    ][rng.integers(4)]


def change_an_entry_of_the_header(rng: Generator, content: bytes) -> bytes:
    """An array's name, type, shape or place, as text: also what JSON libraries do not write."""
    header, data = _parts(content)
    arrays = [name for name in header if name != "__metadata__"]
    if not arrays:
        return content
    name, other = (arrays[i] for i in rng.integers(len(arrays), size=2))
    entry, size = dict(header[name]), len(data)
    length = int(rng.integers(0, 2 * size + 1))
    numbers = NUMBERS[rng.integers(len(NUMBERS))]
    choice = int(rng.integers(10))
    raw = {}
    if choice == 0:
        entry["dtype"] = TYPES[rng.integers(len(TYPES))]
    elif choice == 1:
        entry["data_offsets"] = header[other]["data_offsets"]
    elif choice == 2:
        entry["data_offsets"] = [length, int(rng.integers(0, 2 * size + 1))]
    elif choice == 3:
        raw["data_offsets"] = f"[0,{numbers}]"
    elif choice == 4:
        raw["shape"] = [
            f"[{numbers}]",
            f"[{numbers},{numbers}]",
            f"[0,{numbers}]",
            numbers,
            "[[1]]",
        ][rng.integers(5)]
    elif choice == 5:
        entry["shape"] = [1] * int(rng.integers(1, 100)) + entry["shape"]
    elif choice == 6:
        raw["dtype"] = VALUES[rng.integers(len(VALUES))]
    elif choice == 7:
        raw["more"] = VALUES[rng.integers(len(VALUES))]
    elif choice == 8:
        entry["shape"] = entry["shape"][::-1]
    else:
        entry["shape"] = [int(np.prod(entry["shape"]))]
    fields = {key: json.dumps(value) for key, value in entry.items()} | raw
    text = "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"
    entries = [(key, json.dumps(value)) for key, value in header.items() if key != name]
    entries.append((name, text))
    if rng.random() < 0.1:
        entries.append((name, json.dumps(header[name])))  # a second one
    return _joined(entries, data)


def change_the_description(rng: Generator, content: bytes) -> bytes:
    """A value, anywhere: another, left out, twice, or one that should not be there."""
    header, data = _parts(content)
    about = json.loads(header["__metadata__"]["lava_ssm"][65:])
    places = list(_places(about))
    where, key = places[rng.integers(len(places))]
    mark = "\x00here"
    choice = int(rng.integers(4))
    value = VALUES[rng.integers(len(VALUES))]
    if choice == 0:
        del where[key]
        text = json.dumps(about)
    elif choice == 1:
        where[key] = mark
        text = json.dumps(about).replace(json.dumps(mark), value)
    elif choice == 2 and isinstance(where, dict):
        old, where[key] = where[key], mark
        text = json.dumps(about).replace(json.dumps(mark), f'{json.dumps(old)}, "{key}": {value}')
    else:
        *_, (deep, _) = (p for p in places if isinstance(p[0], dict))
        names = ["kind", "weights", "bias", "span", "relu", "input_bits", "param_exponent", "x"]
        deep[names[rng.integers(len(names))]] = mark
        text = json.dumps(about).replace(json.dumps(mark), value)
    return _described(header, data, text)


def shuffle_layers(rng: Generator, content: bytes) -> bytes:
    """Swapped, repeated, left out, very many, or of other kinds."""
    header, data = _parts(content)
    about = json.loads(header["__metadata__"]["lava_ssm"][65:])
    layers = about["layers"]
    i, j = (int(k) for k in rng.integers(len(layers), size=2))
    choice = int(rng.integers(6))
    if choice == 0:
        layers[i], layers[j] = layers[j], layers[i]
    elif choice == 1:
        layers.insert(i, layers[j])
    elif choice == 2:
        del layers[i]
    elif choice == 3:
        layers += [{"kind": "ReLU"}] * 20_000
    elif choice == 4:
        layers[i]["kind"] = layers[j]["kind"]
    else:
        kinds = ["S4D", "S5", "Linear", "Gate", "GELU", "ReLU", "Residual", "FixedS4D", "FixedS5"]
        layers[i]["kind"] = kinds[rng.integers(len(kinds))]
    return _described(header, data, json.dumps(about))


def change_an_array(rng: Generator, content: bytes) -> bytes:
    """Its numbers, type, shape or name; or there is one more or less."""
    about = json.loads(_parts(content)[0]["__metadata__"]["lava_ssm"][65:])
    arrays, _ = archive.unpack(archive.sealed(content))
    names = list(arrays)
    name = names[rng.integers(len(names))]
    values = arrays[name]
    choice = int(rng.integers(9))
    with np.errstate(all="ignore"):
        if choice == 0:
            kinds = ["i1", "i2", "i8", "u1", "u4", "f2", "f4", "f8", "?"]
            arrays[name] = values.astype(kinds[rng.integers(len(kinds))])
        elif choice == 1:
            arrays[name] = values.T
        elif choice == 2:
            arrays[name] = values[:0]
        elif choice == 3:
            arrays[name] = np.zeros((0, 2**40), values.dtype)
        elif choice == 4:
            arrays[name] = values * values.dtype.type(100)
        elif choice == 5 and values.size:
            extremes = [np.nan, np.inf, 1e300] if values.dtype.kind == "f" else [-1, 127, -128]
            value = extremes[rng.integers(3)]
            values.flat[rng.integers(values.size)] = value
        elif choice == 6:
            arrays[name] = np.resize(values, rng.integers(0, 40, rng.integers(0, 4)))
        elif choice == 7:
            del arrays[name]
        else:
            arrays[f"layers.{rng.integers(9)}.bias"] = arrays.pop(name)
    text = f"{'0' * 64} {json.dumps(about)}"
    return save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, {"lava_ssm": text})


CHANGES: list[Callable[[Generator, bytes], bytes]] = [
    flip_bits_of_the_header,
    flip_bits_of_the_arrays,
    change_the_headers_length,
    cut_or_lengthen,
    change_an_entry_of_the_header,
    change_the_description,
    shuffle_layers,
    change_an_array,
]


def _header_end(content: bytes) -> int:
    return min(8 + int.from_bytes(content[:8], "little"), len(content))


def _flipped(rng: Generator, content: bytes, start: int, end: int) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        changed[rng.integers(start, max(end, start + 1)) % len(changed)] ^= 1 << rng.integers(8)
    return bytes(changed)


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    end = _header_end(content)
    return json.loads(content[8:end]), content[end:]


def _joined(entries: list[tuple[str, str]], data: bytes) -> bytes:
    text = "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in entries) + "}"
    header = text.encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def _described(header: dict[str, Any], data: bytes, text: str) -> bytes:
    metadata = json.dumps({"lava_ssm": f"{'0' * 64} {text}"}, separators=(",", ":"))
    entries = [("__metadata__", metadata)]
    entries += [(k, json.dumps(v)) for k, v in header.items() if k != "__metadata__"]
    return _joined(entries, data)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def limit_memory() -> None:
    """Let this process take a little more memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def limit_time() -> None:
    """End this process when it has used so much processor time from now on."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)


def main(seed: int, number: int) -> None:
    """Load mutated files, and tell what became of them."""
    files = originals()
    rngs = (np.random.default_rng([seed, i]) for i in range(number))
    inputs = chain(list(long_headers()), (mutated(rng, files) for rng in rngs))
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net"
        limit_memory()
        for i, (kind, content) in enumerate(inputs):
            path.write_bytes(content)
            print(f"{i} {kind}", end=" ", flush=True)  # the last one is the one that failed
            limit_time()
            found = outcome(path)
            counts[found] += 1
            print(found)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
