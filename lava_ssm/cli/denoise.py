"""`lava-ssm denoise`: a sound file in, a clean one out, token by token."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lava_ssm import files
from lava_ssm.cli.arguments import Another, names_of_networks
from lava_ssm.cli.backend import compare as compare_with
from lava_ssm.cli.backend import run as run_by
from lava_ssm.cli.console import make_console, quoted
from lava_ssm.cli.errors import say

if TYPE_CHECKING:
    import numpy as np


def denoise(
    noisy: Annotated[Path, typer.Argument(metavar="NOISY", help="Mono sound file of 16 kHz.")],
    clean: Annotated[
        Path, typer.Argument(metavar="CLEAN", help="Where to write the clean one (.wav).")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="A network's file, or a name of the zoo.", autocompletion=names_of_networks
        ),
    ],
    realtime_report: Annotated[
        bool, typer.Option(help="Tell the time a token against the 8 ms there are.")
    ] = False,
    compare: Another = None,
) -> None:
    """Stream a file through a network, 128 samples at a time."""
    import numpy as np

    import lava_ssm
    from lava_ssm.audio import Denoiser, analyse, magnitudes, read, write
    from lava_ssm.audio.spectra import DELAY, HOP, SAMPLE_RATE

    console = make_console(stderr=files.is_stdout(clean))  # whoever reads it gets sound alone
    files.check(clean, "CLEAN", ".wav")
    samples = read(noisy)
    network = lava_ssm.load(model)
    denoiser = Denoiser(network)
    _remark(samples)

    blocks = np.zeros((-(-len(samples) // HOP) + DELAY // HOP, HOP))
    blocks.ravel()[: len(samples)] = samples
    parts, seconds = [], np.zeros(len(blocks))
    for i, block in enumerate(blocks):
        start = time.perf_counter()
        parts.append(denoiser.step(block))
        seconds[i] = time.perf_counter() - start
    sound = np.concatenate(parts)[DELAY : DELAY + len(samples)]
    write(clean, sound)
    text = f"{quoted(clean)}: {len(samples) / SAMPLE_RATE:.2f} s, {len(blocks)} tokens"
    console.print(text, soft_wrap=True)
    if realtime_report:
        _report(seconds, HOP / SAMPLE_RATE, console)
    if compare is not None:
        tokens = magnitudes(network, analyse(samples))[np.newaxis]
        outputs, _ = run_by(network, tokens, "compiled", console)
        if not compare_with(network, tokens, outputs, compare, console):
            raise typer.Exit(1)


def _remark(samples: "np.ndarray") -> None:
    import numpy as np

    if not samples.any():
        say("The file is silent; what comes out is what the network makes of it.", "yellow")
        return
    beyond = np.abs(samples).max()
    if beyond > 1:  # floats, which need not stay within full scale
        say(f"Samples reach {beyond:.2f} of full scale; the result is clipped.", "yellow")
        return
    share = np.mean(np.abs(samples) >= 1 - 2**-15)
    if share > 1e-3:
        say(f"{share:.1%} of the samples are clipped; that stays audible.", "yellow")


def _report(seconds: "np.ndarray", budget: float, console: Console) -> None:
    import numpy as np

    rest = seconds[1:] if len(seconds) > 1 else seconds  # the first step compiles and warms up
    median, high, worst = np.quantile(rest, [0.5, 0.99, 1.0])
    verdict = "in real time" if high < budget else "not in real time"
    console.print(
        f"A token, spectrum and synthesis included, took {1e6 * median:,.0f} us in the median, "
        f"{1e6 * high:,.0f} us in the 99th percentile, {1e6 * worst:,.0f} us at worst (measured, "
        f"the first left out); there are {1e6 * budget:,.0f} us: {verdict}, {budget / median:.0f} "
        "times as fast as needed in the median.",
        style=None if high < budget else "red",
    )
