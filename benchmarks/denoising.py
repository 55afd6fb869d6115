"""Quality of speech against compute and memory: dense and sparse S5 networks on mini N-DNS.

    lava-ssm mini-ndns
    python benchmarks/denoising.py                     # all points, resumable
    python benchmarks/denoising.py --points dense-0.5 iterative-0.5 --jobs 2 --backend loky
    python benchmarks/denoising.py --backend dask --scheduler tcp://head:8786

Each point is one training, an independent job in its own run folder (`--runs`); a job that was
stopped goes on where it was. Points that train another one on wait for all that do not. With
`--backend dask` the jobs go to the cluster of a dask scheduler, whose workers have one thread each
(`dask worker --nthreads 1`) and see the same folders; without `--scheduler`, to `--jobs` workers
that are started here.

Writes a table to the terminal, `results/denoising.json` and `results/denoising.png`. Points that
were not asked for stay in them if their settings and data set are still the same.
"""

import argparse
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import lava_ssm
from lava_ssm import audio, files
from lava_ssm.data import ndns
from lava_ssm.train.denoiser import Denoiser, train
from lava_ssm.train.sitting import Sitting

RESULTS = Path(__file__).parent / "results"


def points(runs: Path, epochs: int) -> dict[str, Denoiser]:
    """What to train, by name."""
    fine = max(1, round(0.4 * epochs))
    found: dict[str, Denoiser] = {}
    for k in (0.0625, 0.125, 0.25, 0.5, 1.0):
        # a dense model has what a sparse one and its start have together
        found[f"dense-{k:g}"] = Denoiser(k=k, epochs=epochs if k >= 0.5 else epochs + fine)
    for k in (0.25, 0.5, 1.0):
        start = str(runs / f"dense-{k:g}")
        sparse = Denoiser(k, True, 0.9, start=start, epochs=fine, lr=2e-3, seed=1)
        found[f"iterative-{k:g}"] = sparse
        found[f"one-shot-{k:g}"] = replace(sparse, end=0.0)
        found[f"relu-{k:g}"] = replace(sparse, sparsity=0.0)
    return found


def job(name: str, config: Denoiser, runs: Path, data: Path, here: Path) -> dict[str, Any]:
    """Train one point on one thread, or read what came of it."""
    import torch

    torch.set_num_threads(1)
    # a run is known by its settings as they were given, and a start is one: relative to `here`
    os.chdir(here)
    return {"name": name, **train(config, Sitting(runs / name), data)}


@contextlib.contextmanager
def workers(backend: str, jobs: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Give what joblib must be told for jobs to run there; workers started here end with it."""
    if backend != "dask":
        yield {"backend": backend, "n_jobs": jobs}
        return
    try:
        from dask.distributed import Client, LocalCluster
    except ImportError as error:
        raise SystemExit(
            "--backend dask: not installed; pip install 'lava-ssm[cluster]'"
        ) from error
    with contextlib.ExitStack() as stack:
        where: Any = scheduler
        if scheduler is None:
            # no limit: a worker that reaches its share of the memory would be killed
            where = LocalCluster(
                n_workers=jobs, threads_per_worker=1, memory_limit=None, dashboard_address=":0"
            )
            stack.enter_context(where)
        client = stack.enter_context(Client(where))
        threads = max(client.nthreads().values(), default=1)
        if threads > 1:
            # two trainings in one process would draw from the same random numbers
            raise SystemExit(
                f"--scheduler: workers must have one thread each, got {threads}; start them with "
                "dask worker --nthreads 1"
            )
        yield {"backend": "dask", "client": client}


def sweep(
    chosen: dict[str, Denoiser],
    runs: Path,
    data: Path,
    jobs: int,
    backend: str,
    scheduler: str | None = None,
) -> list[dict[str, Any]]:
    """Run the jobs, those first that others start from."""
    places = runs.absolute(), data.absolute(), Path.cwd()
    results: list[dict[str, Any]] = []
    with workers(backend, jobs, scheduler) as there, parallel_config(**there):
        for first in (True, False):
            part = {n: c for n, c in chosen.items() if (c.start is None) is first}
            # one job at a time: runs that are only read must not make joblib bundle trainings
            run = Parallel(batch_size=1)
            results += run(delayed(job)(n, c, *places) for n, c in part.items())
    return results


def _data_of(result: dict[str, Any]) -> str | None:
    """What tells the data set of a result from others."""
    return result.get("config", {}).get("data")


def merge(path: Path, every: dict[str, Denoiser], results: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the file's content with new results, in the order of `every`.

    Of the old ones those stay whose points have the same settings now, and the same data set.
    """
    old = json.loads(path.read_text()) if path.is_file() else {"points": {}, "results": []}
    usual = asdict(Denoiser())  # a setting that there was none of yet had this value
    known = {n: usual | c for n, c in old["points"].items() if n in every}
    settings = {n: c for n, c in known.items() if c == asdict(every[n])}
    settings |= {r["name"]: asdict(every[r["name"]]) for r in results}
    of_now = [_data_of(r) for r in results]
    kept = [r for r in old["results"] if _data_of(r) in of_now]
    found = {r["name"]: r for r in [*kept, *results]}
    names = [n for n in every if n in settings and n in found]
    return {"points": {n: settings[n] for n in names}, "results": [found[n] for n in names]}


def table(results: list[dict[str, Any]]) -> Table:
    """Show what was measured."""
    shown = Table(title="Speech denoising on mini N-DNS (measured)")
    errors = {
        key: heading
        for key, heading in (
            ("signal_to_error", "signal to error (dB)"),
            ("arithmetic_signal_to_error", "arithmetic (dB)"),
        )
        if any(key in r for r in results)
    }
    for heading in (
        "point",
        "parameters",
        "zeros",
        "SI-SNR (dB)",
        "gain (dB)",
        "fixed - float (dB)",
        *errors.values(),
        "multiply-adds a token",
        "bytes, fixed",
    ):
        shown.add_column(heading, justify="left" if heading == "point" else "right")
    for r in sorted(results, key=lambda r: r["macs_effective"]):
        loss = r["fixed_si_snr"] - r["float_si_snr_of_these"] if "fixed_si_snr" in r else None
        shown.add_row(
            r["name"],
            f"{r['parameters']:,}",
            f"{r['sparsity']:.1%}",
            f"{r['float_si_snr']:.2f}",
            f"{r['float_si_snr'] - r['noisy_si_snr']:+.2f}",
            "" if loss is None else f"{loss:+.3f}",
            *(f"{r[key]:.1f}" if key in r else "" for key in errors),
            f"{r['macs_effective']:,.0f}",
            f"{r['fixed_bytes']:,}" if "fixed_bytes" in r else "",
        )
    return shown


def draw(results: list[dict[str, Any]], runs: Path, data: Path, path: Path) -> None:
    """Draw quality against compute and memory, and spectrograms of one clip."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1])
    compute, memory = top.subplots(1, 2)
    colours = {"dense": "0.4", "relu": "tab:blue", "iterative": "tab:green", "one-shot": "tab:red"}
    for axes, key, label in (
        (compute, "macs_effective", "effective multiply-adds a token"),
        (memory, "bytes", "bytes of 8-bit weights"),
    ):
        for kind, colour in colours.items():
            some = [r for r in results if r["name"].rsplit("-", 1)[0] == kind]
            x = [r[key] if key in r else r.get("fixed_bytes", r["parameters"]) for r in some]
            y = [r["float_si_snr"] for r in some]
            axes.plot(x, y, "o", color=colour, label=kind)
            for r, u, v in zip(some, x, y, strict=True):
                axes.annotate(
                    r["name"].rsplit("-", 1)[1], (u, v), (5, 4), textcoords="offset points"
                )
        axes.set(xscale="log", xlabel=label, ylabel="test SI-SNR (dB)")
        axes.margins(0.12)  # room for what stands beside points
        axes.grid(alpha=0.3)
    compute.legend(frameon=False)
    _spectrograms(bottom, results, runs, data)
    files.write_figure(path, figure, dpi=110)


def _spectrograms(figure: Any, results: list[dict[str, Any]], runs: Path, data: Path) -> None:
    clip = next(c for c in ndns(data / "test_set") if c.snr is not None and 2 <= c.snr <= 6)
    noisy, clean = clip.read()
    shown = {"noisy": noisy, "clean": clean}
    for kind, file in (("dense", "network.safetensors"), ("iterative", "fixed.safetensors")):
        # results that were kept may be of another folder of runs
        some = [r for r in results if r["name"].startswith(kind)]
        there = [r for r in some if (runs / r["name"] / file).is_file()]
        if there:
            r = max(there, key=lambda r: r["float_si_snr"])
            net = lava_ssm.load(runs / r["name"] / file)
            title = f"{r['name']}, {'fixed point' if kind == 'iterative' else 'float'}"
            shown[title] = audio.denoise(net, noisy)
    axes = figure.subplots(1, len(shown), sharey=True)
    for ax, (title, sound) in zip(axes, shown.items(), strict=True):
        size = np.abs(audio.analyse(sound))
        decibel = 20 * np.log10(size + 1e-3)
        ax.imshow(
            decibel.T, origin="lower", aspect="auto", cmap="magma", vmin=-40, vmax=30,
            extent=(0, len(sound) / 16000, 0, 8),
        )  # fmt: skip
        quality = "" if title == "clean" else f"\n{audio.si_snr(sound, clean):.1f} dB SI-SNR"
        ax.set(title=title + quality, xlabel="s")
    axes[0].set_ylabel("kHz")


def main() -> None:
    """Train what is missing, and show all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/mini-ndns"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--epochs", type=int, default=10, help="of a dense model")
    parser.add_argument("--jobs", type=int, default=1, help="at a time, on this machine")
    parser.add_argument("--backend", default="loky", help="joblib's: loky, dask, ...")
    parser.add_argument("--scheduler", help="address of a running dask scheduler")
    parser.add_argument("--points", nargs="*", help="names of points; all without")
    given = parser.parse_args()
    every = points(given.runs, given.epochs)
    names = given.points or list(every)
    unknown = set(names) - set(every)
    if unknown:
        parser.error(f"--points: no {sorted(unknown)}; there are {list(every)}")
    if given.scheduler is not None and given.backend != "dask":
        parser.error(f"--scheduler: is for --backend dask, got {given.backend}")
    chosen = {name: every[name] for name in names}
    results = sweep(chosen, given.runs, given.data, given.jobs, given.backend, given.scheduler)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "denoising.json"
    content = merge(path, every, results)
    files.write(path, json.dumps(content, indent=1))
    draw(content["results"], given.runs, given.data, path.with_suffix(".png"))
    Console(width=160).print(table(content["results"]))


if __name__ == "__main__":
    main()
