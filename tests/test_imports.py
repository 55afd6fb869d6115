"""Who may import whom: arrows point down only (docs/design.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lava_ssm"

# room -> rooms it may import
ALLOWED = {
    "extras": set(),
    "lava_import": set(),
    "files": set(),
    "archive": set(),
    "tables": set(),
    "progress": set(),
    "numerics": set(),
    "network": {"archive", "files", "numerics", "tables"},
    "engine": {"files", "network", "numerics", "tables"},
    "nn": {"engine", "extras", "network", "numerics"},
    "compress": {"engine", "extras", "network", "nn", "numerics", "tables"},
    "language": {"engine", "network", "numerics"},
    "plot": {"engine", "extras", "network", "numerics"},
    "exchange": {"engine", "extras", "files", "network", "nn", "numerics", "tables"},
    "runtime": {"extras", "numerics", "progress", "tables"},
    "proc": {"engine", "network", "numerics", "runtime", "tables"},
    "audio": {"engine", "extras", "files", "network", "numerics"},
    "data": {"audio", "extras", "files", "tables"},
    "deploy": {"engine", "extras", "files", "network", "numerics", "tables"},
    "loihi2": {"engine", "extras", "files", "network", "numerics", "tables"},
    "loihi2.lowering": {"engine", "loihi2", "network", "numerics", "proc", "runtime", "tables"},
    "zoo": {"files", "network"},
    "train": {
        "archive",
        "audio",
        "compress",
        "data",
        "engine",
        "extras",
        "files",
        "language",
        "network",
        "nn",
        "numerics",
        "progress",
        "zoo",
    },
}
# A part of a room with arrows of its own; its room's face loads it when it is used.
PARTS = {"loihi2.lowering"}
# `Network.run` and `.stream` hand over to the engine inside the method; `nn` hands out, for one
# release, the names of what has moved to `train`.
EXCEPTIONS = {("network/any_network.py", "engine"), ("nn/__init__.py", "train")}
# Packages that only these rooms may import: all others work without them.
HEAVY = {
    "torch": {"nn", "compress", "data", "exchange", "train"},
    "lava": {"loihi2.lowering", "proc", "runtime"},
}
FREE = {"cli", "__init__", "__main__"}  # the command line and the package's face may import all


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE).parts
    part = ".".join(inside[:2])
    return part if part in PARTS else inside[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import (Lava's compiler cannot follow it)"
            modules.add(node.module or "")
            if node.module == "lava_ssm":
                names = {alias.name for alias in node.names} - {"__version__"}
                modules |= {f"lava_ssm.{name}" for name in names}
    return modules


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room in FREE:
        return
    for module in imported_modules(path):
        top, _, rest = module.partition(".")
        if top == "lava_ssm" and rest:
            target = rest.split(".")[0]
            allowed = target == room or target in ALLOWED[room]
            named = (str(path.relative_to(PACKAGE)), target) in EXCEPTIONS
            assert allowed or named, f"{room} must not import {target}"
        assert room in HEAVY.get(top, {room}), f"{room} must not import {top}"


def names_of(path: Path) -> set[str]:
    return {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
    }


def kinds_of_layers() -> set[str]:
    from lava_ssm import network

    kinds = {
        name
        for name, value in vars(network).items()
        if isinstance(value, type)
        and issubclass(value, network.Layer)
        and value not in (network.Layer, network.FloatLayer, network.FixedLayer)
    }
    assert len(kinds) >= 10
    return kinds


ROOMS_WITHOUT_KINDS = ["audio", "cli", "data", "deploy", "engine", "loihi2", "plot", "proc", "zoo"]


@pytest.mark.parametrize("room", ROOMS_WITHOUT_KINDS)
def test_no_executor_and_no_command_knows_a_kind_of_layer(room: str) -> None:
    """They walk what a network is lowered to: a kind of layer is its own files and the faces."""
    for path in (PACKAGE / room).rglob("*.py"):
        named = names_of(path) & kinds_of_layers()
        assert not named, f"{path} names {named}"


def test_what_quantises_knows_kinds_of_layers_by_their_rules_alone() -> None:
    """A kind is a file in `compress/kinds`."""
    for name in (
        "balance",
        "bounds",
        "certify",
        "equalise",
        "finetune",
        "headroom",
        "quantize",
        "ranges",
        "report",
        "search",
        "shares",
    ):
        named = names_of(PACKAGE / "compress" / f"{name}.py") & kinds_of_layers()
        assert not named, f"{name} names {named}"


def lines_naming(path: Path, kind: str) -> int:
    """Lines of imports and lists that name a kind, its fixed form or its rule."""
    names = {kind, f"Fixed{kind}", f"{kind}Kind"}
    nodes = (n for n in ast.walk(ast.parse(path.read_text())) if hasattr(n, "lineno"))
    return len({n.lineno for n in nodes if {getattr(n, a, 0) for a in ("name", "value")} & names})


def test_a_kind_of_layer_takes_three_lines_of_faces() -> None:
    """And two more to be trained: faces hand out its names, and no table has to be told."""
    processes = PACKAGE / "proc" / "__init__.py"  # two are named as layers
    faces = [face for face in PACKAGE.rglob("__init__.py") if face != processes]
    for kind in (name for name in kinds_of_layers() if not name.startswith("Fixed")):
        of_nn = lines_naming(PACKAGE / "nn" / "__init__.py", kind)
        assert of_nn <= 2, kind
        assert sum(lines_naming(face, kind) for face in faces) - of_nn <= 3, kind


def test_every_room_has_its_rule() -> None:
    assert {room_of(p) for p in sources()} <= set(ALLOWED) | FREE


def test_importing_the_package_loads_neither_torch_nor_lava_nor_numpy() -> None:
    code = (
        "import sys, lava_ssm; print([m for m in ('torch', 'lava', 'numpy') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_of_types_are_types(path: Path) -> None:
    """Text joins `typing.Union` by `|`, and not `types.UnionType`, which NumPy 2 has."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            assert not isinstance(node.value, ast.Constant), ast.unparse(node)
