"""Memory that is kept while a network is trained."""

import platform
import resource

import numpy as np
import pytest

from lava_ssm.train import memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of GNU's C library")
SIZE = 1 << 25
"""Bytes, of which a fresh page costs a fault."""


def faults() -> int:
    """Pages that were filled while large arrays came and went."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(SIZE, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_freed_memory_is_used_again_and_given_back_in_the_end() -> None:
    an_array = SIZE // resource.getpagesize()
    with memory.kept():
        np.ones(SIZE, np.uint8)
        assert faults() < an_array
        held = resident()
    assert held - resident() > SIZE // 2
