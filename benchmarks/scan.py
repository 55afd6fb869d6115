"""The linear recurrence of S5 over whole sequences: our scan beside a tree and a loop.

python benchmarks/scan.py                # about two minutes; --quick for a first look

x_t = a x_{t-1} + v_t of a batch of 8, complex64, forward and with the gradients of a and v. The
tree is what `jax.lax.associative_scan` does, and with it the S5 of Smith, Warrington and Linderman
(ICLR 2023, section 2.2), restated in torch, with torch's own gradient; the loop takes a token
after another.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from machine import alternate, machine, ratio, say
from memory import peak_megabytes
from rich.console import Console
from rich.table import Table
from torch import Tensor

from lava_ssm import files
from lava_ssm.nn import S5
from lava_ssm.nn.scan import scan

RESULTS = Path(__file__).parent / "results" / "scan.json"
BATCH = 8
LENGTHS = (500, 3750)
STATES = (64, 128)


def associative_scan(a: Tensor, v: Tensor) -> Tensor:
    """Run the recurrence with a (d_state,) and v (..., time, d_state) as a tree over time.

    (a_1, v_1) . (a_2, v_2) = (a_2 a_1, a_2 v_1 + v_2) is associative; x is the second part of its
    prefix sums.
    """
    return _prefixes(a.expand(v.shape[-2:]), v)[1]


def _prefixes(a: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """All prefix sums of a (time, d_state) and v (..., time, d_state)."""
    time = a.shape[0]
    if time < 2:
        return a, v
    pairs = time // 2
    left, right = slice(0, 2 * pairs, 2), slice(1, None, 2)
    odd_a, odd_v = _prefixes(
        a[right] * a[left], a[right] * v[..., left, :] + v[..., right, :]
    )  # those that end at 1, 3, ...
    later, before = slice(2, None, 2), slice(0, (time - 1) // 2)
    even_a = torch.cat([a[:1], a[later] * odd_a[before]])
    even_v = torch.cat([v[..., :1, :], a[later] * odd_v[..., before, :] + v[..., later, :]], -2)
    return _merge(even_a, odd_a), _merge(even_v, odd_v)


def _merge(even: Tensor, odd: Tensor) -> Tensor:
    """Rows by turns; there may be one more even one."""
    pairs = odd.shape[-2]
    both = torch.stack([even[..., :pairs, :], odd], -2).flatten(-3, -2)
    return torch.cat([both, even[..., pairs:, :]], -2)


def loop(a: Tensor, v: Tensor) -> Tensor:
    """Run the recurrence as it is written."""
    x = torch.zeros_like(v[..., 0, :])
    states = []
    for v_t in v.unbind(-2):
        x = a * x + v_t
        states.append(x)
    return torch.stack(states, -2)


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ours": scan,
    "associative scan": associative_scan,
    "loop": loop,
}


def forward(way: str, time: int, d_state: int) -> Callable[[], None]:
    """A run without gradients."""
    run, (a, v) = WAYS[way], _given(time, d_state)

    def step() -> None:
        with torch.no_grad():
            run(a, v)

    return step


def forward_and_backward(way: str, time: int, d_state: int) -> Callable[[], None]:
    """A run and its gradients."""
    run, (a, v) = WAYS[way], _given(time, d_state)
    a.requires_grad_()
    v.requires_grad_()
    gradient = torch.randn_like(v)

    def step() -> None:
        a.grad = v.grad = None
        run(a, v).backward(gradient)

    return step


def _given(time: int, d_state: int) -> tuple[Tensor, Tensor]:
    """Give a (d_state,) as S5 begins with it, and v (batch, time, d_state)."""
    torch.manual_seed(0)
    a = S5(1, d_state, blocks=8).arrays()["a"].detach()
    return a, torch.randn(BATCH, time, d_state, dtype=a.dtype)


def measure(time: int, d_state: int, rounds: int) -> dict[str, Any]:
    """Median ms and MB of each way; how many times as long as ours it takes."""
    rows: dict[str, Any] = {way: {} for way in WAYS}
    for make in (forward, forward_and_backward):
        seconds = alternate({way: make(way, time, d_state) for way in WAYS}, rounds)
        for way, row in rows.items():
            row[make.__name__] = {
                "ms": 1e3 * statistics.median(seconds[way]),
                "ratio": ratio(seconds[way], seconds["ours"]),
            }
    for way, row in rows.items():
        row["peak_mb"] = peak_megabytes(forward_and_backward, way, time, d_state)
        times = {name: row[name]["ms"] for name in ("forward", "forward_and_backward")}
        say(f"{time} tokens, {d_state} states, {way}", {"ms": times, "MB": row["peak_mb"]})
    return rows


def show(report: dict[str, Any]) -> Table:
    """Show what was measured."""
    shown = Table(title=f"x_t = a x_(t-1) + v_t, batch {BATCH}, {report['threads']} thread(s)")
    for heading in (
        "tokens", "states", "", "forward, ms", "of ours", "and backward, ms", "of ours", "peak MB",
    ):  # fmt: skip
        shown.add_column(heading, justify="right" if heading else "left")
    for size in report["sizes"]:
        for way, row in size["ways"].items():
            once, both = row["forward"], row["forward_and_backward"]
            shown.add_row(
                f"{size['tokens']:,}",
                str(size["d_state"]),
                way,
                f"{once['ms']:.1f}",
                f"{once['ratio']:.2f}",
                f"{both['ms']:.1f}",
                f"{both['ratio']:.2f}",
                f"{row['peak_mb']:.0f}",
            )
        shown.add_section()
    return shown


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    rounds = 3 if given.quick else 15
    torch.set_num_threads(given.threads)
    report = {
        "machine": machine("torch"),
        "batch": BATCH,
        "threads": given.threads,
        "rounds": rounds,
        "sizes": [
            {"tokens": time, "d_state": d_state, "ways": measure(time, d_state, rounds)}
            for time, d_state in product(LENGTHS, STATES)
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    files.write(RESULTS, json.dumps(report, indent=1) + "\n")
    Console(width=110).print(show(report))


if __name__ == "__main__":
    main()
