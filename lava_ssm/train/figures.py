"""Pictures of a run folder."""

from pathlib import Path

from lava_ssm import files
from lava_ssm.compress import BitSearch, Report
from lava_ssm.extras import needed

with needed("matplotlib"):
    from matplotlib import pyplot
    from matplotlib.figure import Figure


def write_report(report: Report, stem: Path) -> None:
    """Write a report's table to STEM.txt and its figure to STEM.png."""
    files.write(stem.with_name(f"{stem.name}.txt"), str(report))
    write_figure(report, stem.with_name(f"{stem.name}.png"))


def write_figure(report: Report | BitSearch, path: Path) -> None:
    """Write a report's figure."""
    figure = report.plot()
    files.write_figure(path, figure, dpi=120)
    pyplot.close(figure)


def write_curves(log: list[dict[str, float]], path: Path) -> None:
    """Draw how a training went: loss, and errors or SI-SNR, of each epoch."""
    epochs = [line["epoch"] for line in log]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, scores = figure.subplots(1, 2)
    score_of = next(key for key in log[0] if f"kept_{key}" in log[0] and key != "loss")
    classified = score_of == "accuracy"
    unit = {"accuracy": "wrongly classified (%)", "si_snr": "SI-SNR (dB)"}
    for key, label, style in (("", "training", "0.6"), ("kept_", "kept aside", "black")):
        loss.plot(epochs, [line[f"{key}loss"] for line in log], "o-", color=style, label=label)
        score = [line[f"{key}{score_of}"] for line in log]
        score = [100 * (1 - share) for share in score] if classified else score
        scores.plot(epochs, score, "o-", color=style, label=label)
    loss.set(xlabel="epoch", ylabel="loss" if score_of == "si_snr" else "cross entropy")
    scores.set(xlabel="epoch", ylabel=unit.get(score_of, "log-likelihood (nats)"))
    loss.legend(frameon=False)
    for plot in (loss, scores):
        if classified and any((line.get_ydata() > 0).any() for line in plot.lines):
            plot.set_yscale("log")
        plot.grid(which="both", color="0.92")
        plot.xaxis.get_major_locator().set_params(integer=True)
    files.write_figure(path, figure, dpi=120)
