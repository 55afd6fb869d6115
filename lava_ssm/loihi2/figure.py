"""A picture of a chip's cores, coloured by layer."""

from os import PathLike

from lava_ssm import files
from lava_ssm.extras import needed
from lava_ssm.loihi2.mapping import Core, Mapping

with needed("matplotlib"):
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

_COLUMNS = 15
_MOST_CHIPS = 8


def draw_chips(mapping: Mapping, path: str | PathLike[str]) -> None:
    """Draw the chips in use, a square a core, coloured by layer, as full as it is.

    The height of the colour in a square is the share of the core's fullest table. Cores are drawn
    in the order of their numbers, which is not where they are on the die.

    Parameters
    ----------
    path
        Of the picture; its ending says the format, as matplotlib knows it. Up to 8 chips are
        drawn.

    Raises
    ------
    OSError
        It cannot be written, see `lava_ssm.files.check`.
    ValueError
        Matplotlib does not know the format.
    """
    files.check(path)
    layers = mapping.description.layers
    palette = "tab10" if len(layers) <= 10 else "tab20"
    n_colours = matplotlib.colormaps[palette].N
    colours = {name: matplotlib.colormaps[palette](i % n_colours) for i, name in enumerate(layers)}
    n_chips = min(mapping.n_chips, _MOST_CHIPS)
    per_chip = mapping.system.cores_per_chip
    rows = -(-per_chip // _COLUMNS)
    figure = Figure(figsize=(11, 0.9 + 0.6 * rows * n_chips), layout="constrained")
    all_axes = figure.subplots(n_chips, 1, squeeze=False)[:, 0]
    for chip, axes in enumerate(all_axes):
        used = {core.number: core for core in mapping.cores if core.chip == chip}
        for number in range(per_chip):
            row, column = divmod(number, _COLUMNS)
            _draw_core(axes, column, row, used.get(number), mapping, colours)
        axes.set(xlim=(-0.2, _COLUMNS + 0.2), ylim=(rows + 0.2, -0.2), aspect="equal")
        axes.set(xticks=[], yticks=[], ylabel=f"chip {chip}" if mapping.n_chips > 1 else "")
        for spine in axes.spines.values():
            spine.set_visible(False)
    of_layer = mapping.cores_of_layer
    handles = [Patch(facecolor=colours[name], label=f"{name}: {of_layer[name]}") for name in layers]
    figure.legend(handles=handles, loc="outside right center", frameon=False, title="cores")
    figure.supxlabel("number: neurons of the core; height of colour: share of its fullest table")
    more = f", {n_chips} of {mapping.n_chips} chips drawn" if n_chips < mapping.n_chips else ""
    figure.suptitle(
        f"{mapping.description.name} on {mapping.system.name}: {mapping.n_cores} of "
        f"{mapping.system.n_cores:,} cores ({mapping.strategy}; model{more})",
        parse_math=False,  # a name is no formula
    )
    files.write_figure(path, figure, dpi=120)


def _draw_core(  # type: ignore[no-untyped-def]
    axes, column: int, row: int, core: Core | None, mapping: Mapping, colours: dict
) -> None:
    box = (column + 0.06, row + 0.06)
    side = 0.88
    axes.add_patch(Rectangle(box, side, side, facecolor="0.95", edgecolor="0.75", lw=0.8))
    if core is None:
        return
    colour = colours[core.layer]
    full = side * _fullest(core, mapping)
    axes.add_patch(Rectangle(box, side, side, facecolor=colour, alpha=0.35, edgecolor="none"))
    axes.add_patch(
        Rectangle((box[0], box[1] + side - full), side, full, facecolor=colour, edgecolor="none")
    )
    axes.text(
        column + 0.5, row + 0.5, f"{core.tables.neurons:,}", ha="center", va="center", fontsize=6
    )


def _fullest(core: Core, mapping: Mapping) -> float:
    t, limits = core.tables, mapping.limits
    return max(
        t.neuron_units / limits.neuron_units,
        t.axons / limits.axons,
        t.synapse_words / limits.synapse_words,
        t.axon_map / limits.axon_map,
        (t.axons + t.synapse_words) / limits.synaptic_words,
    )
