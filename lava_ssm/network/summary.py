"""What a network is, a row a layer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lava_ssm.network.activation import Activation
from lava_ssm.network.layer import FixedLayer, Layer
from lava_ssm.network.population import Population
from lava_ssm.network.stage import Stage
from lava_ssm.tables import empty_table

if TYPE_CHECKING:
    from rich.table import Table


def summary(
    title: str,
    stages: Sequence[Stage[Layer]],
    populations: Sequence[Population],
    exponents: Sequence[int],
    made_by: Mapping[str, str],
) -> "Table":
    """Give a table of a network's layers, with what follows each.

    Parameters
    ----------
    title
        What is said of the whole.
    stages, populations, exponents, made_by
        Of the network; of `made_by` the texts of `layers[0]` and so on, numbers as in its `layers`.
    """
    fixed = isinstance(stages[0].layer, FixedLayer)
    origins = _origins(stages, made_by)
    numbers = ["channels", "states", "parameters", *(["bytes", "exponent"] if fixed else [])]
    columns = {
        "": True,
        "layer": False,
        "then": False,
        **dict.fromkeys(numbers, True),
        "step": True,
    }
    if any(origins):
        columns["was"] = False
    table = empty_table(title, columns, _approximated(populations) if fixed else None)
    for i, stage in enumerate(stages):
        layer = stage.layer
        own = [p for p in populations if p.stage == i]
        states = [s[:-1] or s for p in own if (s := p.neurons.state_shape) is not None]
        cells = [
            str(i),
            type(layer).__name__,
            _behind(stage, i),
            f"{layer.d_input} to {layer.d_output}",
            " ".join(" x ".join(map(str, shape)) for shape in states),
            f"{layer.n_parameters:,}",
        ]
        if isinstance(layer, FixedLayer):
            cells += [f"{layer.nbytes:,}", str(exponents[i + 1])]
        cells.append(str(own[-1].step))
        table.add_row(*cells, *([origins[i]] if any(origins) else []))
    return table


def _approximated(populations: Sequence[Population]) -> str | None:
    """Say which functions are taken by tables, and how far these are from them."""
    tables = {p.activation.name: p.activation.table for p in populations}
    texts = [f"{name} within {table.error:.1g}" for name, table in tables.items() if table]
    return f"by table: {', '.join(texts)}" if texts else None


def _behind(stage: Stage[Layer], i: int) -> str:
    """What the neurons do behind a layer's synapses."""
    path = "" if stage.residual is None else f"+ what entered {stage.residual}"
    what = "" if stage.activation is Activation.NONE else stage.activation.name
    return ", ".join(text for text in (path, what) if text)


def _origins(stages: Sequence[Stage[Layer]], made_by: Mapping[str, str]) -> list[str]:
    place, origins = 0, []
    for stage in stages:
        origins.append(made_by.get(f"layers[{place}]", ""))
        place += 1 + (stage.residual is not None) + (stage.activation is not Activation.NONE)
    return origins
