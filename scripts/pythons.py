"""What the wheel is on each Python: size, times, tests, the demonstration; for README's table.

make pythons    (PYTHONS="3.12 3.13": these alone)

Each Python gets fresh environments from the wheel in dist/: the core alone, which is measured; what
`make test-core` installs, which is tested; `[train,lava]` and Lava, for `lava-ssm demo`. Needs uv
and the Pythons, and for each about ten minutes and 6 GB.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import machine
from lava_ssm import files
from scripts.check_dist import tracked

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/pythons.json"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
FIRST = "import numpy as np, lava_ssm as ssm; ssm.load('ns4d-smnist').run(np.zeros((1, 784, 1)))"

Row = dict[str, object]


class Environment:
    """A fresh virtual environment in which the wheel is installed."""

    def __init__(self, folder: Path, python: str, wheel: Path, extras: str = "") -> None:
        self.folder, self.python = folder, python
        # neither this checkout nor machine code that is already compiled
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self.environ |= {"NUMBA_CACHE_DIR": str(folder / "kernels"), "COLUMNS": "120"}
        self._uv("venv", "--quiet", "--seed", "--python", python, str(folder))
        to = ("--python", str(self.folder / "bin/python"))
        constraints = ("--constraint", str(ROOT / f"constraints/{python}.txt"))
        self._uv("pip", "install", "--quiet", *to, *constraints, f"{wheel}{extras}")

    def _uv(self, *arguments: str) -> None:
        subprocess.run(["uv", *arguments], check=True, cwd=self.folder.parent)

    def run(self, command: str, *arguments: str, cwd: Path | None = None) -> str:
        """Run a command of the environment; its output, whatever its exit code."""
        return subprocess.run(
            [str(self.folder / "bin" / command), *arguments],
            cwd=cwd or self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout

    def seconds(self, *command: str, repeats: int = 7, compiles: bool = False) -> float:
        """Measure the least processor time of a command, which other work changes little."""
        times = []
        for repeat in range(repeats):
            if compiles:  # into a folder in which nothing is
                self.environ["NUMBA_CACHE_DIR"] = str(self.folder / f"kernels{repeat}")
            start = _of_children()
            self.run(*command)
            times.append(_of_children() - start)
        return round(min(times), 2)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(core: Environment) -> Row:
    """Measure the core: its size with bytecode, and how soon it answers."""
    core.run("python", "-m", "pip", "uninstall", "--yes", "--quiet", "pip", "setuptools")
    library = next((core.folder / "lib").glob("python*"))
    core.run("python", "-m", "compileall", "-q", str(library))
    size = sum(f.stat().st_size for f in library.rglob("*") if f.is_file() and not f.is_symlink())
    return {
        "numpy": core.run("python", "-c", "import numpy; print(numpy.__version__)").strip(),
        "size_mb": round(size / 1e6),
        "interpreter_s": core.seconds("python", "-c", "pass"),
        "version_s": core.seconds("lava-ssm", "--version"),
        "refusal_s": core.seconds("lava-ssm", "map", "none"),
        "import_s": core.seconds("python", "-c", "import lava_ssm"),
        "first_run_s": core.seconds("python", "-c", FIRST, repeats=2, compiles=True),
        "later_run_s": core.seconds("python", "-c", FIRST),
    }


def test(core: Environment) -> Row:
    """Run the tests that need neither PyTorch nor Lava, against the wheel."""
    copy = core.folder / "tests"
    for name in sorted(tracked()):
        if not name.startswith("lava_ssm/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    # test_imports reads the library's source, which is not there
    options = ("-n", "2", "-m", "not slow", "--ignore", "tests/test_imports.py")
    told = core.run("python", "-m", "pytest", *options, cwd=copy)
    print(told[-2000:])
    counts = {
        name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|error|skipped)", told)
    }
    return {f"tests_{name}": counts.get(name, 0) for name in ("passed", "failed", "skipped")}


def demonstrate(whole: Environment) -> Row:
    """Install Lava as a user does, and run the demonstration."""
    told = whole.run("lava-ssm", "install-lava")
    print(told)
    told = whole.run("lava-ssm", "demo")
    print(told)
    accuracies = re.findall(r"(?:PyTorch|engine|Lava), .*?│ *([\d.]+%) *│", told)
    equal = re.search(r"on (\d+) of (\d+) tokens", told)
    return {
        "torch": whole.run("python", "-c", "import torch; print(torch.__version__)").strip(),
        "demo_accuracy": accuracies,
        "demo_equal_tokens": list(map(int, equal.groups())) if equal else None,
    }


PARTS = {
    "measure": (measure, ""),
    "test": (test, "[audio,data,plot,test]"),
    "demo": (demonstrate, "[train,lava]"),
}
"""What is done, and the extras that it takes."""
LINES = {
    "NumPy that was installed": "{numpy}",
    "size with bytecode, MB": "{size_mb}",
    "`lava-ssm --version`, s": "{version_s:.2f}",
    "a refusal (`lava-ssm map none`), s": "{refusal_s:.2f}",
    "`import lava_ssm`, s": "{import_s:.2f}",
    'the first `ssm.load("ns4d-smnist").run(x)`, which compiles, s': "{first_run_s:.1f}",
    "the same in a later process, s": "{later_run_s:.2f}",
    "tests that need neither PyTorch nor Lava: passed, failed": "{tests_passed}, {tests_failed}",
    "PyTorch that `[train]` installed": "{torch}",
    "`lava-ssm demo`: accuracy of the first two rows": "{demo_accuracy[0]}, {demo_accuracy[1]}",
    "tokens with equal integers": "{demo_equal_tokens[0]} of {demo_equal_tokens[1]}",
}
"""Of README's table."""


def table(rows: dict[str, Row]) -> str:
    """Give README's table."""
    pythons = sorted(rows, key=lambda python: int(python.partition(".")[2]))
    lines = [
        f"| the core alone, from the wheel | {' | '.join(pythons)} |",
        "|---" * (len(pythons) + 1) + "|",
    ]
    for heading, text in LINES.items():
        with contextlib.suppress(KeyError, TypeError):  # of a part that was not run
            lines.append(f"| {heading} | {' | '.join(text.format(**rows[p]) for p in pythons)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and leave a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="*", default=PYTHONS, help="3.10 to 3.13")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="the rest stays")
    arguments = parser.parse_args()
    (wheel,) = (ROOT / "dist").glob("*.whl")
    rows = json.loads(arguments.json.read_text())["pythons"] if arguments.json.exists() else {}
    for python in arguments.pythons:
        row = rows.setdefault(python, {})
        for part in arguments.parts:
            run, extras = PARTS[part]
            with tempfile.TemporaryDirectory() as folder:
                row |= run(Environment(Path(folder) / "fresh", python, wheel, extras))
            print(python, row, flush=True)
            report = {"command": "make pythons", "machine": machine(), "pythons": rows}
            files.write(arguments.json, json.dumps(report, indent=2) + "\n")
    print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
