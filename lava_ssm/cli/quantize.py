"""`lava-ssm quantize`: a float network becomes one of the chip's integers."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from lava_ssm.cli.arguments import (
    Calibration,
    DataFolder,
    DataSet,
    FloatNetworkName,
    FormatsName,
    check_new_network,
)
from lava_ssm.cli.backend import run as run_by
from lava_ssm.cli.console import make_console, quoted, show
from lava_ssm.cli.errors import say
from lava_ssm.cli.evaluate import fitting
from lava_ssm.extras import MissingPackageError
from lava_ssm.train.folder import join_of

if TYPE_CHECKING:
    import numpy as np

    from lava_ssm.compress import BitSearch, Report
    from lava_ssm.data import Split
    from lava_ssm.network import FixedNetwork, Network

_CHARACTERS = 256
"""Of each calibration sample of a text."""
_REPORTED = 16
"""Calibration samples on which the report is made."""


Bound = Literal["calibrated", "certified"]
"""What exponents make room for."""


def quantize_network(
    net: FloatNetworkName,
    task: DataSet,
    out: Annotated[Path, typer.Option(help="Where to write the fixed network (.safetensors).")],
    formats: FormatsName = "best",
    bound: Annotated[
        Bound,
        typer.Option(help="Room for what the calibration data cause, or proven for any input."),
    ] = "calibrated",
    calibration: Calibration = 128,
    budget: Annotated[
        int | None,
        typer.Option(
            min=1, help="Bytes that the network may take: bits are chosen layer by layer."
        ),
    ] = None,
    min_db: Annotated[
        float | None,
        typer.Option(help="The same for the smallest network with this signal to error, in dB."),
    ] = None,
    data: DataFolder = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Classify so many test samples with both networks.")
    ] = None,
) -> None:
    """Quantise a trained network without training it on; tell what that did to each tensor.

    The report's figure is written beside the network, that of a search for bits as
    NAME-bits.png. S5 networks get messages of 16 bits. Of a language model DATA is a text, see
    train-lm, and --limit characters of it.
    """
    import lava_ssm

    console = make_console()
    figure, trade_off = out.with_suffix(".png"), out.with_name(f"{out.stem}-bits.png")
    searched = budget is not None or min_db is not None
    if searched and bound != "calibrated":
        raise ValueError("--budget, --min-db: are for --bound calibrated")
    check_new_network(out, figure, *[trade_off] * searched)
    network = lava_ssm.load(net)

    from lava_ssm import compress
    from lava_ssm import data as data_sets
    from lava_ssm.language import VOCABULARY, characters_of
    from lava_ssm.network import Network

    if not isinstance(network, Network):
        raise ValueError(f"{net} is quantised already: give a float network, such as {_FLOAT}")
    seen: np.ndarray
    ends: float | None = None
    if VOCABULARY in network.made_by:
        text = data_sets.load_text(task, data)
        seen, ends = characters_of(network).samples(text.train, calibration, _CHARACTERS), 1.0
    else:
        sets = fitting(network, net, data_sets.load(task, data), labelled=limit is not None)
        seen = sets.train.first(calibration).joined(join_of(network)).x
    rules = compress.published_arithmetic(network)
    form = compress.PAPER if formats == "paper" else compress.Formats()
    found: BitSearch | None = None
    if searched:
        found = compress.search_bits(network, seen, budget, min_db, form, rules, input_range=ends)
        fixed = found.fixed
        show(found)
    else:
        fixed = compress.quantize(
            network, seen, form, bound, rules, ends if bound == "calibrated" else None
        )
    report = compress.report(network, fixed, seen[:_REPORTED])
    show(report)
    if limit is not None and ends is not None:
        for kind, each in (("float", network), ("fixed", fixed)):
            _foretell(kind, each, text.test[:limit], console)
    elif limit is not None:
        test = sets.test.first(limit).joined(join_of(network))
        for kind, each in (("float", network), ("fixed", fixed)):
            _classify(kind, each, test, console)
    # only now: all of them, or none
    drawn = "" if found is None else _draw(found, trade_off)
    drawn += _draw(report, figure)
    fixed.save(out)
    nbytes = compress.packed_nbytes(fixed)
    console.print(f"{quoted(out)}, {nbytes:,} bytes{drawn}", soft_wrap=True)


def _foretell(kind: str, network: "Network | FixedNetwork", text: str, console: Console) -> None:
    from lava_ssm import language

    nats = language.loss(network, text)
    console.print(f"{kind}: {nats:.4f} nats a character, perplexity {math.exp(nats):.3f}")


def _draw(report: "Report | BitSearch", figure: Path) -> str:
    """Draw the figure, where it can be drawn; what to tell of it."""
    try:
        from lava_ssm.train.figures import write_figure
    except MissingPackageError as error:
        say(f"No figure: {error}", "yellow")
        return ""
    write_figure(report, figure)
    return f"; {quoted(figure)}"


_FLOAT = "ns4d-sdigits-float"


def _classify(
    kind: str, network: "Network | FixedNetwork", test: "Split", console: Console
) -> None:
    outputs, overflows = run_by(network, test.x, "compiled", console, last=True)
    right = int((outputs[:, -1].argmax(-1) == test.y).sum())
    console.print(
        f"{kind}: {right} of {len(test)} right, {right / len(test):.2%}; {overflows}",
        soft_wrap=True,
    )
