"""Every change to Lava's internals that this room makes, each with the reason for it.

Lava is archived at 0.10.0, so private names stay where they are; another version is refused.
Importing this module imports Lava, guarded (see `_import_lava`): the other modules of the room
are imported after it.
"""

import functools
import importlib
import importlib.metadata
import logging
import multiprocessing
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

from lava_ssm.extras import command, needed

LAVA_VERSION = "0.10.0"


def _check_version() -> None:
    with needed("lava"):
        version = importlib.metadata.version("lava-nc")
    if version != LAVA_VERSION:
        raise ImportError(
            f"lava_ssm.runtime builds on private parts of lava-nc {LAVA_VERSION} and refuses "
            f"lava-nc {version}: {command('lava')}"
        )


def _import_lava() -> None:
    """Import the module of Lava that sets the start method, with a method set earlier kept.

    Lava calls `multiprocessing.set_start_method("fork")`, which raises when the program has
    already chosen a start method.
    """
    name = "lava.magma.runtime.message_infrastructure.multiprocessing"
    if multiprocessing.get_start_method(allow_none=True) is None:
        with needed("lava"):
            importlib.import_module(name)
        return
    original = multiprocessing.set_start_method
    multiprocessing.set_start_method = lambda method, force=False: None
    try:
        with needed("lava"):
            importlib.import_module(name)
    finally:
        multiprocessing.set_start_method = original


_check_version()
_import_lava()

from lava.magma.compiler.channels import pypychannel  # noqa: E402
from lava.magma.compiler.compiler import Compiler  # noqa: E402
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs  # noqa: E402
from lava.magma.core.process import process as process_module  # noqa: E402
from lava.magma.core.process.process import (  # noqa: E402
    AbstractProcess,
    Collection,
    ProcessServer,
)
from lava.magma.core.process.variable import Var, VarServer  # noqa: E402
from lava.magma.runtime.runtime import Runtime  # noqa: E402

Member: TypeAlias = AbstractProcess | Var
Server: TypeAlias = ProcessServer | VarServer
RuntimeFactory = Callable[..., Runtime]


def set_runtime_factory(factory: RuntimeFactory) -> None:
    """Decide which Runtime a Process gets when it is run.

    `AbstractProcess.create_runtime` names the class `Runtime` of its module: this is the one
    place where every graph passes.
    """
    process_module.Runtime = factory


def reset_runtime_factory() -> None:
    """Give Processes Lava's own Runtime again."""
    process_module.Runtime = Runtime


class ForgetsItself:
    """A runtime that notices by itself that its Processes are forgotten, and that has its Vars."""


_original_del = AbstractProcess.__del__


def _del_of_lavas_runtime(self: AbstractProcess) -> None:
    runtime = self.__dict__.get("_runtime")
    if runtime is not None and not isinstance(runtime, ForgetsItself):
        _original_del(self)


_original_set, _original_get = Var.set, Var.get


def _runtime_of(var: Var) -> Runtime | None:
    """Return the runtime of a Var if it is one of ours; of an alias, that of what it stands for."""
    runtime = getattr(var.process, "runtime", None)
    ours = var.aliased_var is None and isinstance(runtime, ForgetsItself)
    return runtime if ours else None


def _set(self: Var, value: object, idx: object = None) -> None:
    runtime = _runtime_of(self)
    if runtime is None:
        _original_set(self, value, idx)
    else:
        runtime.set_var(self.id, value, idx)


def _get(self: Var, idx: object = None) -> object:
    runtime = _runtime_of(self)
    return _original_get(self, idx) if runtime is None else runtime.get_var(self.id, idx)


def _describe(self: Var) -> str:
    try:
        value = self.get()
        value = "(the graph is running)" if value is None else value
    except Exception as error:
        value = f"({error})"
    return "\n    ".join(
        [
            f"Variable: {self.name}",
            f"shape: {self.shape}",
            f"init: {self.init}",
            f"shareable: {self.shareable}",
            f"value: {value}",
        ]
    )


# Lava sends sparse matrices as float64s without their places, takes values of any shape and picks
# from the value what an index was to pick from the Var. What is said of a Var raises whenever it
# cannot be read. With Lava's own Runtime `set` and `get` do what they did.
Var.set, Var.get, Var.__repr__ = _set, _get, _describe


class _NoMember(AttributeError, AssertionError):
    """Lava raises an AssertionError, at which `hasattr` and what prints objects stumble."""


_original_getattr = Collection.__getattr__


def _member(self: Collection, name: str) -> object:
    if name == "_members":  # of a copy that is not whole yet
        raise AttributeError(name)
    try:
        return _original_getattr(self, name)
    except AssertionError as error:
        raise _NoMember(*error.args) from None


Collection.__getattr__ = _member


class _Members:
    """A list attribute of one of Lava's servers that does not keep its members alive."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _alive(self, server: Server) -> "weakref.WeakValueDictionary[int, Member]":
        members: weakref.WeakValueDictionary[int, Member]
        members = server.__dict__.setdefault(f"_weak_{self._name}", weakref.WeakValueDictionary())
        return members

    def __get__(self, server: Server, owner: type) -> list[Member]:
        return list(self._alive(server).values())

    def __set__(self, server: Server, members: list[Member]) -> None:
        self._alive(server).clear()
        for member in members:
            self.add(server, member)

    def add(self, server: Server, member: Member) -> None:
        self._alive(server)[id(member)] = member


def _weaken(server_class: type, name: str) -> Callable[[], None]:
    """Let a server of Lava hold its members weakly; return what undoes it."""
    members = _Members(name)
    register = server_class.register  # type: ignore[attr-defined]
    held = list(server_class.instance.__dict__.pop(name, [])) if server_class.instance else []  # type: ignore[attr-defined]

    def register_weakly(self: Server, member: Member) -> int:
        members.add(self, member)
        next_id: int = self.get_next_id()
        return next_id

    setattr(server_class, name, members)
    server_class.register = register_weakly  # type: ignore[attr-defined]
    if server_class.instance:  # type: ignore[attr-defined]
        setattr(server_class.instance, name, held)  # type: ignore[attr-defined]

    def undo() -> None:
        delattr(server_class, name)
        server_class.register = register  # type: ignore[attr-defined]
        if server_class.instance:  # type: ignore[attr-defined]
            alive = members.__get__(server_class.instance, server_class)  # type: ignore[attr-defined]
            server_class.instance.__dict__[name] = alive  # type: ignore[attr-defined]

    return undo


_original_find = ProcGroupDiGraphs._find_proc_models
_found: dict[tuple[type, tuple[type, ...]], list[type]] = {}


def _find_models_once(proc: AbstractProcess) -> list[type]:
    """Return the ProcessModels of a Process as Lava finds them, with one search a class."""
    process_class = type(proc)
    module = sys.modules[process_class.__module__]
    own = ProcGroupDiGraphs._find_proc_models_in_module(proc, module)
    if own and module.__name__ == "__main__":
        return own  # the files beside a script define no model for a class of `__main__`
    key = process_class, tuple(own)
    if key not in _found:
        _found[key] = _original_find(proc)
    return list(_found[key])


def _without_repeated_handler(logger: logging.Logger) -> None:
    """Take back the handler that was added last if the logger has one like it."""

    def look(handler: logging.Handler) -> tuple[object, ...]:
        form = getattr(handler.formatter, "_fmt", None)
        return type(handler), getattr(handler, "stream", None), handler.level, form

    if logger.handlers and look(logger.handlers[-1]) in map(look, logger.handlers[:-1]):
        logger.removeHandler(logger.handlers[-1])


def _with_one_handler(constructor: Callable[..., None]) -> Callable[..., None]:
    """Wrap a constructor of Lava that gives its logger another handler each time."""

    @functools.wraps(constructor)
    def construct(self: AbstractProcess | Compiler, *args: object, **kwargs: object) -> None:
        constructor(self, *args, **kwargs)
        _without_repeated_handler(self.log)

    return construct


def _replace(owner: type | ModuleType, name: str, new: object) -> None:
    """Set an attribute of a class or module of Lava until `undo_hygiene`."""
    original = vars(owner)[name]
    setattr(owner, name, new)
    _undo.append(lambda: setattr(owner, name, original))


_undo: list[Callable[[], None]] = []


def apply_hygiene() -> None:
    """Change the parts of Lava that no subclass can reach; a second call changes nothing."""
    if _undo:
        return
    # A forgotten Process stops its graph: a hang where it is collected in a forked child, or in a
    # thread that somebody waits for. Our runtimes notice by themselves that they are forgotten.
    _replace(AbstractProcess, "__del__", _del_of_lavas_runtime)
    # Every Process and every Compiler adds a handler to a logger that they share: a message is
    # printed once for each, and none is ever freed.
    _replace(AbstractProcess, "__init__", _with_one_handler(AbstractProcess.__init__))
    _replace(Compiler, "__init__", _with_one_handler(Compiler.__init__))
    # Channels join forked children only. Semaphores of another start method have names, which a
    # thread that dies with the program leaves to Python's resource tracker: it warns of them.
    _replace(pypychannel, "Semaphore", multiprocessing.get_context("fork").Semaphore)
    # Each compilation executes every file beside the module of each Process: 80 % of its time.
    _replace(ProcGroupDiGraphs, "_find_proc_models", staticmethod(_find_models_once))
    # The servers hold every Process and Var for ever, so that no graph is ever freed.
    _undo.append(_weaken(ProcessServer, "processes"))
    _undo.append(_weaken(VarServer, "vars"))


def undo_hygiene() -> None:
    """Give Lava its own methods back."""
    while _undo:
        _undo.pop()()
