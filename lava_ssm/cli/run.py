"""`lava-ssm run`: what a network gives of the test set of some data, in a file."""

import io
from pathlib import Path
from typing import Annotated

import typer

from lava_ssm import files
from lava_ssm.cli.arguments import BackendName, DataFolder, DataSet, FirstSamples, NetworkName
from lava_ssm.cli.backend import names_of
from lava_ssm.cli.backend import run as run_by
from lava_ssm.cli.console import make_console, quoted
from lava_ssm.cli.evaluate import fitting
from lava_ssm.train.folder import join_of


def run_network(
    net: NetworkName,
    task: DataSet,
    out: Annotated[Path, typer.Option(help="Where to write outputs and classes (.npz).")],
    backend: BackendName = "compiled",
    limit: FirstSamples = None,
    data: DataFolder = None,
) -> None:
    """Run a network on the test set; write what it gives of each token, and classes."""
    import lava_ssm

    files.check(out, "--out", ".npz")
    console = make_console()
    network = lava_ssm.load(net)

    import numpy as np

    from lava_ssm.data import load

    test = fitting(network, net, load(task, data)).test.at(slice(limit)).joined(join_of(network))
    outputs, overflows = run_by(network, test.x, backend, console)
    content = io.BytesIO()
    classes = outputs[:, -1].argmax(-1)
    names = np.array(names_of(network))
    np.savez(content, outputs=outputs, classes=classes, labels=test.y, names=names)
    files.write(out, content.getvalue())
    console.print(
        f"{quoted(out)}: outputs {outputs.shape} of {outputs.dtype}, classes; {overflows}",
        soft_wrap=True,
    )
