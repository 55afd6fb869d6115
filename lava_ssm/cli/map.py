"""`lava-ssm map`: a network on the neurocores of Loihi 2."""

from pathlib import Path
from typing import Annotated

import typer

import lava_ssm
from lava_ssm import files
from lava_ssm.cli import placement
from lava_ssm.cli.arguments import NetworkFile
from lava_ssm.cli.console import show


def map_network(
    network: NetworkFile,
    system: placement.SystemName = "oheo-gulch",
    strategy: placement.StrategyName = "pack",
    neurons_per_core: placement.NeuronsPerCore = None,
    cores_per_layer: placement.CoresPerLayer = None,
    receiver: placement.Receiver = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the chips' cores, coloured by layer, to this file.")
    ] = None,
    json: placement.JsonFile = None,
) -> None:
    """Place a network on the neurocores of Loihi 2 and print what each layer takes (a model)."""
    for option, path in (("--json", json), ("--figure", figure)):
        if path is not None:
            files.check(path, option)
    net = lava_ssm.load(network)

    from lava_ssm.loihi2.describe import describe
    from lava_ssm.loihi2.mapping import map

    if figure is not None:  # refused before anything is computed, where matplotlib is missing
        from lava_ssm.loihi2.figure import draw_chips

    description = describe(net, name=network.stem)
    mapping = map(description, system, strategy, neurons_per_core, cores_per_layer, receiver)
    if figure is not None:
        draw_chips(mapping, figure)
    show(mapping)
    if json is not None:
        placement.write_json(mapping.to_json(), json)
    if figure is not None:
        typer.echo(f"Figure: {figure}")
