"""Which runtime a graph gets: chosen when a Process is run for the first time."""

import atexit
import contextlib
import warnings
import weakref
from collections.abc import Iterator

from lava.magma.compiler.executable import Executable
from lava.magma.runtime.runtime import Runtime

from lava_ssm.numerics import flag
from lava_ssm.runtime import patches
from lava_ssm.runtime.errors import UnsupportedGraph
from lava_ssm.runtime.hardened import HardenedRuntime
from lava_ssm.runtime.own_runtime import OwnRuntime
from lava_ssm.runtime.single_process import SingleProcessRuntime
from lava_ssm.runtime.support import needs_hardware, obstacles


class _Choice:
    """What the user asked for."""

    in_process = False
    strict = False
    hygiene = False


_started: "weakref.WeakSet[OwnRuntime]" = weakref.WeakSet()


def _choose_runtime(executable: Executable, *args: object, **kwargs: object) -> Runtime:
    runtime: OwnRuntime | None = None
    if _Choice.in_process:
        reasons = list(obstacles(executable))
        if not reasons:
            runtime = SingleProcessRuntime(executable, *args, **kwargs)
        else:
            text = "this graph cannot be run in one process: " + "; ".join(reasons)
            if _Choice.strict:
                raise UnsupportedGraph(text + ".")
            warnings.warn(text + ". It gets Lava's stock runtime.", RuntimeWarning, stacklevel=4)
    if runtime is None and _Choice.hygiene and not needs_hardware(executable):
        runtime = HardenedRuntime(executable, *args, **kwargs)
    if runtime is None:
        return Runtime(executable, *args, **kwargs)
    _started.add(runtime)
    return runtime


def _apply() -> None:
    if _Choice.in_process or _Choice.hygiene:
        patches.set_runtime_factory(_choose_runtime)
    else:
        patches.reset_runtime_factory()


def install(strict: bool = False) -> None:
    """Run every graph that is built from now on in one process.

    Graphs that already run keep their runtime.

    Parameters
    ----------
    strict
        Raise `UnsupportedGraph` for a graph that cannot be run in one process, instead of
        warning and giving it Lava's stock runtime.
    """
    _Choice.in_process, _Choice.strict = True, flag(strict, "strict")
    _apply()


def uninstall() -> None:
    """Give graphs that are built from now on Lava's stock runtime again."""
    _Choice.in_process, _Choice.strict = False, False
    _apply()


@contextlib.contextmanager
def in_process(strict: bool = False) -> Iterator[None]:
    """Run graphs that are built inside the `with` block in one process, as `install` does.

    They stay there after the block; graphs that were built before keep their runtime.
    """
    before = _Choice.in_process, _Choice.strict
    install(strict)
    try:
        yield
    finally:
        _Choice.in_process, _Choice.strict = before
        _apply()


def set_hygiene(on: bool) -> None:
    """Make Lava's stock runtime safe, or leave it as Lava made it, for graphs built from now on.

    It is on from the import of `lava_ssm.runtime`; `docs/runtime.md` lists what it mends.
    """
    _Choice.hygiene = flag(on, "on")
    if on:
        patches.apply_hygiene()
    else:
        patches.undo_hygiene()
    _apply()


def _stop_all() -> None:
    for runtime in list(_started):
        with contextlib.suppress(Exception):
            runtime.stop_at_exit()


atexit.register(_stop_all)
