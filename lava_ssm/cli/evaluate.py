"""`lava-ssm evaluate`: how well a network does on a data set, by one of its executors."""

import math
import time
from typing import TYPE_CHECKING, Annotated

import typer

from lava_ssm.cli.arguments import (
    Another,
    BackendName,
    DataFolder,
    DataSet,
    FirstSamples,
    NetworkName,
    names_of_networks,
)
from lava_ssm.cli.backend import compare as compare_with
from lava_ssm.cli.backend import run as run_by
from lava_ssm.cli.console import make_console
from lava_ssm.cli.errors import say
from lava_ssm.train.folder import join_of

if TYPE_CHECKING:
    from lava_ssm.data import TokenData
    from lava_ssm.network import FixedNetwork, Network


def evaluate(
    net: NetworkName,
    task: DataSet,
    backend: BackendName = "compiled",
    limit: FirstSamples = None,
    data: DataFolder = None,
    beside: Annotated[
        str | None,
        typer.Option(
            help="Another network, to count the samples that both classify alike.",
            autocompletion=names_of_networks,
        ),
    ] = None,
    compare: Another = None,
) -> None:
    """Classify the test set of a task; of a language model, foretell the test part of a text."""
    import lava_ssm

    console = make_console()
    names = [net] if beside is None else [net, beside]
    networks = [lava_ssm.load(name) for name in names]

    from lava_ssm.language import VOCABULARY

    if any(VOCABULARY in checked.made_by for checked in networks):
        if backend != "compiled" or compare is not None:
            raise ValueError("--backend, --compare: are not for language models")
        for name, checked in zip(names, networks, strict=True):
            _foretell(name, checked, task, data, limit)
        return

    import numpy as np

    from lava_ssm.data import load as load_data
    from lava_ssm.data.own import classes_of

    sets = load_data(task, data)
    test, *others = (
        fitting(checked, name, sets).test.first(limit).joined(join_of(checked))
        for name, checked in zip(names, networks, strict=True)
    )
    network = networks[0]
    start = time.perf_counter()
    outputs, overflows = run_by(network, test.x, backend, console, last=compare is None)
    seconds = time.perf_counter() - start
    classes = outputs[:, -1].argmax(-1)
    right = int((classes == test.y).sum())
    console.print(
        f"{net} on {task}, {type(network).__name__}, {backend}: {right} of "
        f"{len(test)} right, {right / len(test):.2%}; {overflows}; "
        f"{1e6 * seconds / test.x[..., 0].size:.1f} us a token",
        soft_wrap=True,
    )
    for other, split in zip(networks[1:], others, strict=True):
        theirs, _ = run_by(other, split.x, "compiled", console, last=True)
        pair = [classes, theirs[:, -1].argmax(-1)]
        named = [np.array(classes_of(each.made_by)) for each in (network, other)]
        if all(map(len, named)):  # a place is another class of a network of other data
            pair = [names[places] for names, places in zip(named, pair, strict=True)]
        alike = int(np.equal(*pair).sum())
        console.print(
            f"{beside} gives the same class to {alike} of {len(test)}, {alike / len(test):.2%}",
            soft_wrap=True,
        )
    if compare is not None and not compare_with(network, test.x, outputs, compare, console):
        raise typer.Exit(1)


def _foretell(
    name: str, network: "Network | FixedNetwork", task: str, data: DataFolder, limit: int | None
) -> None:
    """Print how well a language model foretells the part of a text that is for tests."""
    from lava_ssm.data import load_text
    from lava_ssm.language import loss

    text = load_text(task, data).test[:limit]
    start = time.perf_counter()
    nats = loss(network, text)
    seconds = time.perf_counter() - start
    make_console().print(
        f"{name} on {task}, {type(network).__name__}: {nats:.4f} nats a character, perplexity "
        f"{math.exp(nats):.3f}, {len(text):,} characters; "
        f"{1e6 * seconds / len(text):.1f} us a token",
        soft_wrap=True,
    )


def fitting(
    network: "Network | FixedNetwork", name: str, sets: "TokenData", labelled: bool = True
) -> "TokenData":
    """Give data with the labels of a network's classes, or as they are, if labels do not matter.

    It warns of a network that was made for other data.

    Raises
    ------
    ValueError
        The data have another width, or a class that the network has not.
    """
    from lava_ssm.data.own import classes_of

    if network.d_input != sets.d_input:
        raise ValueError(
            f"{name} takes tokens of {network.d_input} channels, {sets.name} has {sets.d_input}"
        )
    classes = classes_of(network.made_by)
    if labelled and classes and sets.classes:
        return sets.labelled_as(classes)
    made_for = network.made_by.get("data", sets.name)
    if made_for != sets.name:
        say(
            f"{name} was made for {made_for}, not for {sets.name}: its classes may mean nothing "
            "here",
            "yellow",
        )
    return sets
