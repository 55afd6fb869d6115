"""Run Lava's own unit tests on plain Lava, on the hardened stock runtime, and in process.

    make test-lava                 PYTHON=3.13: on Lava as it is mended for newer Pythons

The tests come with the lava-nc wheel as the package `tests`; they are run from a copy. Prints how
many pass, names every test that passes on plain Lava and not elsewhere, and fails unless each of
these is expected here, with its reason. Writes `benchmarks/results/lava_tests.json`.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

from lava_ssm import files

ROOT = Path(__file__).parent.parent
FOLDERS = ("magma/runtime", "magma/core", "proc")
MODES = {
    "plain Lava": "import lava_ssm",  # which mends Lava on newer Pythons, and nothing else
    "stock with hygiene": "import lava_ssm.runtime",
    "in process": "import lava_ssm.runtime; lava_ssm.runtime.install()",
}
LIMIT = 900  # seconds a folder

_OWN_EXCEPTION = (
    "asserts Lava's RuntimeError '<n> Exception(s) occurred'; the model's own exception is raised"
)
EXPECTED = {
    f"tests.lava.magma.runtime.test_exception_handling.TestExceptionHandling.{name}": _OWN_EXCEPTION
    for name in ("test_one_pm", "test_two_pm", "test_three_pm")
}


def lava_tests() -> Path:
    """Return the folder of Lava's tests."""
    lava = importlib.util.find_spec("lava.magma.core.process")
    assert lava is not None
    assert lava.origin is not None or lava.submodule_search_locations
    place = Path(lava.origin or next(iter(lava.submodule_search_locations or ())))
    site = next(parent for parent in place.parents if parent.name == "site-packages")
    return site / "tests" / "lava"


def run_folder(copy: Path, folder: str, mode: str) -> dict[str, str]:
    """Run the tests of a folder; return what became of each.

    Some tests race with the threads of their own channels, on a busy machine one time in four, on
    plain Lava too: what failed and is not expected to is run up to three times more.
    """
    outcomes = run_tests(copy, [f"tests/lava/{folder}"], mode)
    for _ in range(3):
        failed = [name for name, ended in outcomes.items() if ended not in ("passed", "skipped")]
        failed = [name for name in failed if name not in EXPECTED]
        if not failed or "hung" in outcomes.values():
            break
        outcomes |= run_tests(copy, [node(name) for name in failed], mode)
    return outcomes


def node(name: str) -> str:
    """Return what pytest calls a test that the report names."""
    module, test_class, test = name.rsplit(".", 2)
    return f"{module.replace('.', '/')}.py::{test_class}::{test}"


def run_tests(copy: Path, what: list[str], mode: str) -> dict[str, str]:
    """Run some tests in a Python of their own; return what became of each."""
    report = copy / "report.xml"
    report.unlink(missing_ok=True)
    (copy / "conftest.py").write_text(MODES[mode] + "\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", *what]
    path = os.pathsep.join([str(copy), str(ROOT)])
    try:
        subprocess.run(
            command,
            cwd=copy,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {" ".join(what): "hung"}
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = f"{case.get('classname')}.{case.get('name')}"
        outcomes[name] = kinds.pop() if kinds else "passed"
    return outcomes


def main() -> int:
    """Run everything, print, write; 1 if something differs that is not expected."""
    outcomes: dict[str, dict[str, str]] = {mode: {} for mode in MODES}
    seconds: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory() as place,
        Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as progress,
    ):
        copy = Path(place)
        shutil.copytree(lava_tests(), copy / "tests" / "lava")
        (copy / "tests" / "__init__.py").touch()
        task = progress.add_task("", total=len(MODES) * len(FOLDERS))
        for folder in FOLDERS:
            for mode in MODES:
                progress.update(task, description=f"{folder}, {mode}")
                before = time.monotonic()
                outcomes[mode] |= run_folder(copy, folder, mode)
                seconds[mode] += time.monotonic() - before
                progress.advance(task)
    counts = {mode: Counter(ended.values()) for mode, ended in outcomes.items()}
    passed = {name for name, ended in outcomes["plain Lava"].items() if ended == "passed"}
    differ = {
        mode: sorted(name for name in passed if ended.get(name) != "passed")
        for mode, ended in outcomes.items()
    }
    gained = {
        mode: sum(e == "passed" and n not in passed for n, e in ended.items())
        for mode, ended in outcomes.items()
    }
    console = Console()
    table = Table("runtime", "passed", "failed", "skipped", "seconds", title="Lava's unit tests")
    for mode, count in counts.items():
        failed = count["failure"] + count["error"] + count["hung"]
        row = (count["passed"], failed, count["skipped"], round(seconds[mode]))
        table.add_row(mode, *map(str, row))
    console.print(table)
    for mode, names in differ.items():
        for name in names:
            console.print(f"{mode}: {name}\n    {EXPECTED.get(name, 'NOT EXPECTED')}")
    report = {
        mode: {
            **count,
            "seconds": round(seconds[mode]),
            "passed here only": gained[mode],
            "passed on plain Lava only": {name: EXPECTED.get(name, "?") for name in differ[mode]},
        }
        for mode, count in counts.items()
    }
    newer = "" if sys.version_info < (3, 11) else f"-{sys.version_info[0]}.{sys.version_info[1]}"
    path = ROOT / "benchmarks" / "results" / f"lava_tests{newer}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, json.dumps(report, indent=2) + "\n")
    return int(any(name not in EXPECTED for names in differ.values() for name in names))


if __name__ == "__main__":
    raise SystemExit(main())
