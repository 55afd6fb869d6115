"""Quality of speech against compute and memory: dense and sparse S5 networks on mini N-DNS.

    lava-ssm mini-ndns
    python benchmarks/denoising.py                     # all points, resumable
    python benchmarks/denoising.py --points dense-0.5 iterative-0.5 --jobs 2 --backend loky

Each point is one training, an independent job in its own run folder (`--runs`); a job that was
stopped goes on where it was. Points that train another one on wait for it. With `--backend dask`
joblib spreads them over the cluster of a running `dask.distributed` client.

Writes a table to the terminal, `results/denoising.json` and `results/denoising.png`.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import lava_ssm
from lava_ssm import audio
from lava_ssm.cli.denoising import Denoiser, train
from lava_ssm.data import ndns

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


def job(name: str, config: Denoiser, runs: Path, data: Path) -> dict[str, Any]:
    """Train one point on one thread, or read what came of it."""
    import torch

    torch.set_num_threads(1)
    return {"name": name, **train(config, runs / name, data)}


def sweep(chosen: dict[str, Denoiser], runs: Path, data: Path, jobs: int, backend: str) -> list:
    """Run the jobs, those first that others start from."""
    results = []
    with parallel_config(backend=backend, n_jobs=jobs):
        for first in (True, False):
            part = {n: c for n, c in chosen.items() if (c.start is None) is first}
            results += Parallel()(delayed(job)(n, c, runs, data) for n, c in part.items())
    return results


def table(results: list[dict[str, Any]]) -> Table:
    """Show what was measured."""
    shown = Table(title="Speech denoising on mini N-DNS (measured)")
    for heading in (
        "point",
        "parameters",
        "zeros",
        "SI-SNR (dB)",
        "gain (dB)",
        "fixed - float (dB)",
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
        axes.grid(alpha=0.3)
    compute.legend(frameon=False)
    _spectrograms(bottom, results, runs, data)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=110)
    part.replace(path)


def _spectrograms(figure: Any, results: list[dict[str, Any]], runs: Path, data: Path) -> None:
    clip = next(c for c in ndns(data / "test_set") if c.snr is not None and 2 <= c.snr <= 6)
    noisy, clean = clip.read()
    shown = {"noisy": noisy, "clean": clean}
    best = {
        kind: max(
            (r for r in results if r["name"].startswith(kind)),
            key=lambda r: r["float_si_snr"],
            default=None,
        )
        for kind in ("dense", "iterative")
    }
    for kind, file in (("dense", "network.h5"), ("iterative", "fixed.h5")):
        r = best[kind]
        if r is not None:
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
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--backend", default="loky", help="joblib's: loky, dask, ...")
    parser.add_argument("--points", nargs="*", help="names of points; all without")
    given = parser.parse_args()
    every = points(given.runs, given.epochs)
    names = given.points or list(every)
    unknown = set(names) - set(every)
    if unknown:
        parser.error(f"--points: no {sorted(unknown)}; there are {list(every)}")
    results = sweep(
        {name: every[name] for name in names}, given.runs, given.data, given.jobs, given.backend
    )
    RESULTS.mkdir(exist_ok=True)
    content = {"points": {n: asdict(every[n]) for n in names}, "results": results}
    (RESULTS / "denoising.json").write_text(json.dumps(content, indent=1))
    draw(results, given.runs, given.data, RESULTS / "denoising.png")
    Console(width=140).print(table(results))


if __name__ == "__main__":
    main()
