"""`lava-ssm quantize`: a float network becomes one of the chip's integers."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lava_ssm import files
from lava_ssm.cli.backend import Backend
from lava_ssm.cli.backend import run as run_by
from lava_ssm.cli.console import make_console, show
from lava_ssm.cli.errors import say
from lava_ssm.cli.evaluate import check
from lava_ssm.cli.finetune import Preset
from lava_ssm.cli.train import DataSet
from lava_ssm.extras import MissingPackageError
from lava_ssm.train.folder import join_of

if TYPE_CHECKING:
    from lava_ssm.compress import Report
    from lava_ssm.data import Split
    from lava_ssm.network import FixedNetwork, Network

_REPORTED = 16
"""Calibration samples on which the report is made."""


class Bound(str, Enum):
    """What exponents make room for."""

    CALIBRATED = "calibrated"
    CERTIFIED = "certified"


def quantize_network(
    net: Annotated[str, typer.Argument(help="A float network's file, or a name of the zoo.")],
    task: DataSet,
    out: Annotated[Path, typer.Option(help="Where to write the fixed network (.safetensors).")],
    formats: Annotated[
        Preset, typer.Option(help="The best that fit, or those of the paper.")
    ] = Preset.BEST,
    bound: Annotated[
        Bound,
        typer.Option(help="Room for what the calibration data cause, or proven for any input."),
    ] = Bound.CALIBRATED,
    calibration: Annotated[
        int, typer.Option(min=1, help="Training samples by which exponents are chosen.")
    ] = 128,
    data: Annotated[
        Path | None, typer.Option(help="Folder of data sets; without it LAVA_SSM_DATA, or ./data.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Classify so many test samples with both networks.")
    ] = None,
) -> None:
    """Quantise a trained network without training it on; tell what that did to each tensor.

    The report's figure is written beside the network. S5 networks get messages of 16 bits.
    """
    import lava_ssm

    console = make_console()
    figure = out.with_suffix(".png")
    _check_free(out, figure)
    network = lava_ssm.load(net)

    from lava_ssm import compress
    from lava_ssm import data as data_sets
    from lava_ssm.network import S5, Network
    from lava_ssm.numerics import CHIP

    if not isinstance(network, Network):
        raise ValueError(f"{net} is quantised already: give a float network, such as {_FLOAT}")
    sets = data_sets.load(task, data)
    check(network, net, sets)
    seen = sets.train.first(calibration).joined(join_of(network)).x
    rules = compress.W8A16 if any(isinstance(la, S5) for la in network.layers) else CHIP
    fixed = compress.quantize(
        network,
        seen,
        compress.PAPER if formats is Preset.PAPER else compress.Formats(),
        bound.value,
        rules,
    )
    report = compress.report(network, fixed, seen[:_REPORTED])
    drawn = _draw(report, figure)
    fixed.save(out)
    show(report)
    if limit is not None:
        test = sets.test.first(limit).joined(join_of(network))
        for kind, each in (("float", network), ("fixed", fixed)):
            _classify(kind, each, test, console)
    console.print(f"{out}, {fixed.nbytes:,} bytes{drawn}", soft_wrap=True)


def _draw(report: "Report", figure: Path) -> str:
    """Draw the figure, where it can be drawn; what to tell of it."""
    try:
        from lava_ssm.train.figures import write_figure
    except MissingPackageError as error:
        say(f"No figure: {error}", "yellow")
        return ""
    write_figure(report, figure)
    return f"; {figure}"


_FLOAT = "ns4d-sdigits-float"


def _check_free(out: Path, figure: Path) -> None:
    if out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {out}")
    for path in (out, figure):
        files.check(path, "--out")
        if path.exists():
            raise ValueError(f"--out: {path} exists already; choose another name, or remove it")


def _classify(
    kind: str, network: "Network | FixedNetwork", test: "Split", console: Console
) -> None:
    outputs, overflows = run_by(network, test.x, Backend.COMPILED, console, last=True)
    right = int((outputs[:, -1].argmax(-1) == test.y).sum())
    console.print(
        f"{kind}: {right} of {len(test)} right, {right / len(test):.2%}; {overflows}",
        soft_wrap=True,
    )
