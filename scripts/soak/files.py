"""Files: writers that are killed, and readers of what was damaged on purpose."""

import os
import signal
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np

import lava_ssm as ssm
from scripts.fuzz import READERS, Reader
from scripts.soak.outcome import Outcome
from tests.network import mutations
from tests.networks import random_chain

DAMAGED = 10
"""Files of each kind and case."""


@cache
def reader_of(kind: str) -> Reader:
    """What reads files of a kind."""
    return READERS[kind]()


def run(seed: tuple[int, ...], failures: Path) -> Outcome:
    """Kill a process that saves a network again and again; then read damaged files."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    killed(rng, outcome)
    for kind in READERS:
        for _ in range(DAMAGED):
            damaged(kind, rng, outcome, failures)
    return outcome


def killed(rng: np.random.Generator, outcome: Outcome) -> None:
    """The file is the old one or the new one, and the next save leaves nothing else."""
    nets = [random_chain(rng, int(rng.choice([5, 70, 300])), 4) for _ in "ab"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        nets[0].save(path)
        child = os.fork()
        if child == 0:
            try:
                while True:
                    for net in nets:
                        net.save(path)
            finally:
                os._exit(1)
        time.sleep(float(rng.uniform(0, 0.05)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        outcome.check("kill -9 in save", ssm.load(path) in nets, "the file is neither of the two")
        nets[1].save(path)
        left = sorted(file.name for file in Path(folder).iterdir())
        outcome.check("saves after a kill -9", left == [path.name], f"{left} are left")


def damaged(kind: str, rng: np.random.Generator, outcome: Outcome, failures: Path) -> None:
    """A damaged file is read, or refused with an error that is documented."""
    reader = reader_of(kind)
    change, content = reader.file(rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / getattr(reader, "name", "file")
        path.write_bytes(content)
        mutations.limit_time()  # kills this process, which whoever started it sees
        error = None
        try:
            reader.read(path)
        except reader.errors:
            pass
        except Exception as unexpected:
            error = f"{kind}, {change}: {type(unexpected).__name__}: {unexpected}"
        signal.setitimer(signal.ITIMER_PROF, 0)
    outcome.check(f"damaged files, {kind}", error is None, str(error))
    if error is not None:
        failures.mkdir(parents=True, exist_ok=True)
        (failures / f"{kind}-{outcome.counts.total()}").write_bytes(content)
