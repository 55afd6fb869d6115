"""Memory that is kept while a network is trained."""

import platform

import numpy as np
import pytest

from lava_ssm.train import memory

resource = pytest.importorskip("resource")  # Windows has none
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of GNU's C library")
SIZE = 1 << 25
"""Bytes, of which a fresh page costs a fault."""


def faults(size: int = SIZE) -> int:
    """Pages that were filled while large arrays came and went."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(size, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident(which: int = 1) -> int:
    """Bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[which]) * resource.getpagesize()


def addresses() -> int:
    """Bytes that are mapped."""
    return resident(0)


def test_freed_memory_is_used_again_and_given_back_in_the_end() -> None:
    an_array = SIZE // resource.getpagesize()
    with memory.kept():
        np.ones(SIZE, np.uint8)
        assert faults() < an_array
        held = resident()
    assert held - resident() > SIZE // 2
    np.ones(SIZE - 4096, np.uint8)
    assert faults(SIZE - 4096) < an_array  # as before trainings, where the C library adapts


def test_of_two_trainings_the_last_one_gives_it_back() -> None:
    size, an_array = 2 * SIZE, 2 * SIZE // resource.getpagesize()
    with memory.kept():
        with memory.kept():
            np.ones(size, np.uint8)
        assert faults(size) < an_array
        held = resident()
    assert held - resident() > size // 2


def test_more_than_two_gigabytes_are_kept() -> None:
    size = 9 << 28
    with memory.kept():
        np.empty(size, np.uint8)  # nothing is in it: it costs addresses alone
        held = addresses()
    assert held - addresses() > size // 2
