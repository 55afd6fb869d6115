"""Long streams: as many tokens as there is time for, in pieces as in one, memory flat."""

import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

from lava_ssm import engine
from lava_ssm.engine import Stream
from lava_ssm.numerics import Arithmetic
from scripts.soak.outcome import Outcome
from tests.networks import BARE, random_chain, random_mantissas

KERNELS = {"chain": {"kinds": BARE, "bare": True}, "blocks": {"kinds": ("linear", "s5", "gate")}}
TOKENS = 20_000
"""Of a case."""


@cache
def pair(seed: int, kernel: str) -> tuple[Stream, Stream]:
    """Two streams of one network, which live as long as this process."""
    rng = np.random.default_rng((seed, len(kernel)))
    while True:
        net = random_chain(rng, 33, 6, Arithmetic(), **KERNELS[kernel])  # type: ignore[arg-type]
        if net.run(random_mantissas(rng, net, (50,))).any() and net.stream().state:
            return net.stream(reset_every=7_777), net.stream(reset_every=7_777)


def run(seed: tuple[int, ...], failures: Path) -> Outcome:
    """Give one of two streams the tokens at once, the other in pieces and one by one."""
    warnings.simplefilter("ignore", engine.OverflowWarning)
    outcome = Outcome(Counter({"tokens": TOKENS * len(KERNELS)}))
    rng = np.random.default_rng(seed)
    for kernel in KERNELS:
        whole, pieces = pair(seed[0], kernel)
        x = random_mantissas(rng, whole.network, (TOKENS,))  # type: ignore[arg-type]
        wanted = whole.run(x)
        found, t = [], 0
        while t < TOKENS:
            n = int(rng.choice([1, 1, 2, 50, 1000, 5000]))
            piece = x[t : t + n]
            found.append(pieces.step(piece[0])[np.newaxis] if n == 1 else pieces.run(piece))
            t += n
        equal = np.array_equal(np.concatenate(found), wanted)
        outcome.check(f"pieces = whole, {kernel}", equal, f"{kernel}: outputs differ")
        same = all(np.array_equal(a, b) for a, b in zip(whole.state, pieces.state, strict=True))
        outcome.check(f"states, {kernel}", same, f"{kernel}: states differ")
        counted = whole.overflows == pieces.overflows
        outcome.check(f"overflows, {kernel}", counted, f"{kernel}: overflows are counted apart")
    return outcome
