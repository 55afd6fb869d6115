"""How Lava graphs are executed: all in one process, or on the stock runtime made safe.

Any graph of `PyLoihiProcessModel`s; nothing here knows of state space layers.

- `in_process()`, `install()`, `uninstall()`: run graphs in the process of the caller.
- `set_hygiene()`: the mended stock runtime, on from the import of this room.
- `run()`: a run with a progress bar. `profile()`: the time of each Process.
- `UnsupportedGraph`, `Deadlock`, `GraphStopped`, `ProcessDied`: what can be raised, besides
  what models raise. `Location`: where in a graph that was.
"""

# First: it checks Lava's version and guards the import of Lava.
import lava_ssm.runtime.patches  # noqa: F401  # isort: skip
from lava_ssm.runtime.errors import (
    Deadlock,
    GraphStopped,
    Location,
    ProcessDied,
    UnsupportedGraph,
)
from lava_ssm.runtime.profiling import ProcessTime, Profile, profile
from lava_ssm.runtime.progress import run
from lava_ssm.runtime.selection import in_process, install, set_hygiene, uninstall

__all__ = [
    "Deadlock",
    "GraphStopped",
    "Location",
    "ProcessDied",
    "ProcessTime",
    "Profile",
    "UnsupportedGraph",
    "in_process",
    "install",
    "profile",
    "run",
    "set_hygiene",
    "uninstall",
]

set_hygiene(True)
