"""The peak of what steps of training keep in memory, each kind in a Python of its own (Linux)."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def peak_megabytes(make: Callable[..., Callable[[], None]], *arguments: Any) -> float:
    """MB that steps take at most beyond what the program has without them, on one thread.

    Parameters
    ----------
    make
        A function of a module, which gives a step; what it keeps for its steps counts.
    arguments
        Of `make`.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (make, *arguments))


def _peak(make: Callable[..., Callable[[], None]], *arguments: Any) -> float:
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of the imports is none of the steps'
    before = _kilobytes("VmRSS")
    step = make(*arguments)
    for _ in range(2):
        step()
    return (_kilobytes("VmHWM") - before) / 1024


def _kilobytes(what: str) -> int:
    """What Linux says about this process: resident now (VmRSS), or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))
