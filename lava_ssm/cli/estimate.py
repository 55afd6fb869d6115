"""`lava-ssm estimate`: modelled time and energy of a network on Loihi 2."""

from pathlib import Path
from typing import Annotated

import typer

import lava_ssm
from lava_ssm import files
from lava_ssm.cli import placement
from lava_ssm.cli.arguments import NetworkFile
from lava_ssm.cli.console import make_console, show


def estimate_network(
    network: NetworkFile,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="NumPy file (.npy) of tokens (..., time, d_input), on which operations are "
            "counted. Without it every message is taken to be sent: an upper bound."
        ),
    ] = None,
    system: placement.SystemName = "oheo-gulch",
    strategy: placement.StrategyName = "pack",
    neurons_per_core: placement.NeuronsPerCore = None,
    cores_per_layer: placement.CoresPerLayer = None,
    receiver: placement.Receiver = False,
    json: placement.JsonFile = None,
) -> None:
    """Model latency, throughput and energy on Loihi 2, in both schedules. Nothing is measured."""
    if json is not None:
        files.check(json, "--json")
    net = lava_ssm.load(network)

    from lava_ssm.loihi2.counting import count
    from lava_ssm.loihi2.describe import describe
    from lava_ssm.loihi2.mapping import map
    from lava_ssm.loihi2.performance import SCHEDULES, estimate

    if tokens is None:
        description = describe(net, name=network.stem)
    else:
        description = count(net, placement.read_tokens(tokens), name=network.stem, progress=True)
    mapping = map(description, system, strategy, neurons_per_core, cores_per_layer, receiver)
    results = [estimate(description, mapping, schedule) for schedule in SCHEDULES]
    for result in results:
        show(result)
    if tokens is None:
        make_console().print("Every message is taken to be sent: give --tokens to count real ones.")
    if json is not None:
        placement.write_json({r.schedule: r.to_json() for r in results}, json)
