"""The soak: all its parts in turn, a table at the end."""

import json
import os
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from lava_ssm import files
from scripts.soak.ends import Held
from scripts.soak.worker import Worker

PARTS = {
    "networks": "random networks: each executor = Python's integers",
    "graphs": "Lava graphs, expanded and fused = the engine",
    "ended": "Lava graphs ended in every way",
    "files": "files: kill -9 in save, damaged ones",
    "streams": "long streams: in pieces = in one",
}
"""Modules of this package with a function `run`, and what they do."""
TURN = 5.0
"""Seconds after which it is another part's turn, once a case has ended."""
LIMIT = 300.0
"""Seconds that a case may take: far more than it does on a machine that is busy with others."""
MOST_MEGABYTES = 20
"""What memory may grow by: allocators keep some."""
SHOWN = 10
"""Of what differs in a part, how many are printed."""


@dataclass
class Total:
    """What came of a part so far."""

    part: str
    what: str
    cases: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    grown: Held = field(default_factory=lambda: Held(0.0, 0, 0, 0, 0))
    has_settled: bool = False

    @property
    def leaks(self) -> bool:
        """Whether it holds more than it did when all had settled."""
        return self.has_settled and (
            self.grown.megabytes > MOST_MEGABYTES or any(n > 0 for n in self.grown.but_memory)
        )

    @property
    def growth(self) -> str:
        """What it holds more, in words."""
        if not self.has_settled:
            return "(too few cases)"
        counts = vars(self.grown).items()
        more = [f"{n:+} {what}" for what, n in counts if what != "megabytes" and n > 0]
        return ", ".join([f"{self.grown.megabytes:+.1f} MB", *more])

    @property
    def is_well(self) -> bool:
        """Whether nothing differs, leaks or hangs."""
        return not (self.differences or self.hangs or self.leaks)


def run_case(total: Total, worker: Worker, seed: int, out: Path) -> bool:
    """Run the part's next case; whether the worker still lives."""
    name = f"{total.part}-{seed}-{total.cases}"
    start = time.monotonic()
    done = worker.run((seed, total.cases), out / name, LIMIT)
    total.seconds += time.monotonic() - start
    again = f"python -m scripts.soak --parts {total.part} --seed {seed} --first {total.cases} -n 1"
    total.cases += 1
    if isinstance(done, str):
        found = [done]
        total.hangs.append(f"{done}: {again}")
    else:
        found = done.outcome.differences
        total.counts.update(done.outcome.counts)
        total.differences += [f"{text}: {again}" for text in found]
        total.grown, total.has_settled = done.grown, done.has_settled
    if found:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.txt").write_text("\n".join([*found, again, ""]))
    return not isinstance(done, str)


def table(totals: list[Total], title: str) -> Table:
    """All parts, a line each."""
    shown = Table(title=title)
    shown.add_column("part")
    for heading in ("cases", "compared", "differ", "hang"):
        shown.add_column(heading, justify="right")
    shown.add_column("grown by")
    shown.add_column("minutes", justify="right")
    for total in totals:
        shown.add_row(
            total.what,
            f"{total.cases:,}",
            f"{total.counts.total():,}",
            str(len(total.differences)),
            str(len(total.hangs)),
            total.growth,
            f"{total.seconds / 60:.1f}",
            style=None if total.is_well else "red",
        )
    return shown


def soak(
    minutes: Annotated[float, typer.Option(help="How long, all parts together.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    parts: Annotated[str, typer.Option(help="Which, separated by commas.")] = ",".join(PARTS),
    first: Annotated[int, typer.Option(help="Number of the first case: to repeat it.")] = 0,
    n: Annotated[int | None, typer.Option("-n", help="Cases of each part instead of time.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for what fails.")] = Path("runs/soak"),
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the numbers.")] = None,
) -> None:
    """Look for what differs, leaks or hangs; exit code 1 if anything does. Ctrl-C ends it."""
    chosen = parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise typer.BadParameter(
            f"{sorted(unknown)}; there are {', '.join(PARTS)}", param_hint="--parts"
        )
    console = Console()
    totals = [Total(part, PARTS[part], cases=first) for part in chosen]
    workers: dict[str, Worker] = {}
    start = time.monotonic()
    title = f"soak, seed {seed}"
    try:
        with Live(table(totals, title), console=console, auto_refresh=False) as live:
            while n is None or any(total.cases < first + n for total in totals):
                left = 60 * minutes - (time.monotonic() - start)
                if n is None and left <= 0:
                    break
                unfinished = [t for t in totals if n is None or t.cases < first + n]
                total = min(unfinished, key=lambda t: t.seconds)  # whose turn it is
                turn = time.monotonic()
                while time.monotonic() - turn < TURN and (n is None or total.cases < first + n):
                    if total.part not in workers:
                        workers[total.part] = Worker(total.part)
                    if not run_case(total, workers[total.part], seed, out):
                        del workers[total.part]
                    passed = (time.monotonic() - start) / 60
                    live.update(table(totals, f"{title}, {passed:.1f} minutes"), refresh=True)
    except KeyboardInterrupt:
        console.print("Ctrl-C")
    finally:
        for worker in workers.values():
            worker.stop()
    console.print(table(totals, title))
    for total in totals:
        found = [*total.hangs, *total.differences]
        for text in found[:SHOWN]:
            console.print(f"{total.part}: {text}", markup=False)
        if len(found) > SHOWN:
            console.print(f"{total.part}: {len(found) - SHOWN} more in {out}", markup=False)
    if json_file is not None:
        content = json.dumps(report(totals, seed, time.monotonic() - start), indent=2)
        files.write(json_file, content)
    raise typer.Exit(0 if all(total.is_well for total in totals) else 1)


def report(totals: list[Total], seed: int, seconds: float) -> dict[str, object]:
    """All numbers, for a file."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seed": seed,
        "minutes": round(seconds / 60, 1),
        "parts": {
            t.part: {
                "what": t.what,
                "cases": t.cases,
                "checks": dict(sorted(t.counts.items())),
                "differences": t.differences,
                "hangs": t.hangs,
                "grown by": vars(t.grown) if t.has_settled else None,
                "minutes": round(t.seconds / 60, 1),
            }
            for t in totals
        },
    }


if __name__ == "__main__":
    typer.run(soak)
