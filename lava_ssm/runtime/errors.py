"""What can go wrong when a graph runs, and where it did."""

from dataclasses import dataclass


class UnsupportedGraph(RuntimeError):
    """The graph cannot be run in one process, and a fallback was not wanted."""


class Deadlock(RuntimeError):
    """Every model that is left waits for a message; the message names the ports."""


class GraphStopped(RuntimeError):
    """A graph was used after it was stopped, or after one of its models failed."""


class ProcessDied(RuntimeError):
    """The operating-system process of a Lava Process ended while its graph was running."""


@dataclass(frozen=True)
class Location:
    """Where in a graph something happened."""

    process: str
    """Name and class of the Process."""
    model: str
    """Class of the ProcessModel."""
    phase: str
    """Phase of the Loihi protocol, "construction" before the first one."""
    time_step: int
    """Time step of the model, 0 before the first."""

    def __str__(self) -> str:
        return (
            f"in Process {self.process}, model {self.model}, "
            f"{self.phase}, time step {self.time_step}"
        )


def locate(error: BaseException, location: Location) -> None:
    """Add to an exception of a model where it was raised.

    The exception keeps its type. The location becomes its attribute `location`, one of its
    `__notes__` (shown by Python 3.11 and by pytest), and a line of its message; where the class
    makes its message itself (`KeyError`, `OSError`), the location is its cause instead.
    """
    if getattr(error, "location", None) is not None:
        return
    try:
        error.location = location  # type: ignore[attr-defined]
        error.__notes__ = [*getattr(error, "__notes__", []), str(location)]  # type: ignore[attr-defined]
    except AttributeError:  # a class with slots
        pass
    plain = type(error).__str__ in (BaseException.__str__, Exception.__str__)
    if plain and all(isinstance(arg, str) for arg in error.args) and len(error.args) <= 1:
        error.args = ("\n".join([*error.args, str(location)]),)
    elif error.__cause__ is None and error.__context__ is None:
        error.__cause__ = RuntimeError(str(location))


def unheard(error: BaseException) -> str:
    """Return the warning for an exception that nobody was there to receive."""
    name = type(error).__name__
    return f"a graph failed in the background and nobody waited for it: {name}: {error}"
