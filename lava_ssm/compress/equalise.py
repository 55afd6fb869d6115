"""Channels scaled across layers: the same network, with numbers that integers hold better.

A positive factor of a channel passes a rectifier, a residual path if the sum has it too, and every
kind of layer as its `Kind.passes` says; weights before and behind take it in. (Nagel, van Baalen,
Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
2019, section 4.) Powers of two make messages alike in size, so that quiet ones, of an S4D with
small steps as of single channels, use the bits of their words, and weights, so that those of 8 bits
use theirs; finer factors bring weights near to mantissas.
"""

import itertools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from lava_ssm.compress.formats import Formats
from lava_ssm.compress.kinds import Scales, kind_of
from lava_ssm.compress.parameters import FINENESS
from lava_ssm.compress.ranges import Moments, Observed
from lava_ssm.network import Activation, FixedLayer, FixedNetwork, FloatLayer, Network, Residual
from lava_ssm.network.activation import Elementwise
from lava_ssm.numerics import IntArray, RealArray

L = TypeVar("L", FixedLayer, FloatLayer)
_KEY = "scales"
"""Of `made_by`: scales of all channels, edge by edge, as powers of 2^(1/32)."""
_PASSING = (Activation.NONE, Activation.RELU)


def equalised(
    network: Network, observed: Observed, formats: Formats, columns: float
) -> tuple[Network, tuple[Moments, ...]]:
    """Scale channels so that messages, and columns of the weights that take them, are alike.

    Parameters
    ----------
    observed
        What calibration data cause in the network.
    columns
        What counts: 0, the largest message of each channel, so that all use the bits of their word;
        1, the columns, whose weights have fewer bits (a row's error is then the least that it can
        be, whatever its inputs; messages may differ in size); between, their geometric mean.

    Returns
    -------
    tuple
        The network, and the moments of what enters its stages.
    """
    stages = network.stages
    peaks = [observed.stages[0].inputs, *(ranges.reach for ranges in observed.stages)]
    groups = _groups(network)
    free = set(range(len(peaks))) - _fixed(network, groups)
    sizes = _sizes(network, peaks)
    steps = [np.zeros(len(peak), np.int64) for peak in peaks]
    for edge in free:
        together = [other for other in free if groups[other] == groups[edge]]
        peak = np.max([peaks[other] for other in together], axis=0)
        size: RealArray = np.full(len(peak), max(sizes[other] for other in together))
        wanted = _column_sizes([stages[other].layer for other in together])
        used = (peak > 0) & (wanted > 0)
        if used.any():  # sizes of messages that make columns alike, the largest as it was
            wanted = (wanted * peak / np.max(wanted * peak)) ** columns
            size = size * np.where(used, wanted, 1)
        steps[edge] = FINENESS * _power(np.where(peak > 0, size / np.where(peak > 0, peak, 1), 1))
    for edge in sorted(free):
        if groups.count(groups[edge]) > 1:
            continue
        before, behind = (stages[i].layer for i in (edge - 1, edge))
        kind = kind_of(before)
        layer = kind.rescaled(before, _scale(steps[edge - 1]), _scale(steps[edge]))
        entering = observed.moments[edge - 1].scaled(_scale(steps[edge - 1]))
        fine = kind.row_steps(layer, entering, formats.of_layer(edge - 1))
        if kind.hands_on:  # whose own parameters are finer than the weights behind it
            layer = kind_of(behind).rescaled(behind, _scale(steps[edge]), _scale(steps[edge + 1]))
            fine = fine + kind_of(behind).column_steps(layer, formats.of_layer(edge))
        steps[edge] = steps[edge] + fine
    scales = [_scale(of) for of in steps]
    layers = [
        kind_of(stage.layer).rescaled(stage.layer, *ends)
        for stage, ends in zip(stages, itertools.pairwise(scales), strict=True)
    ]
    moments = tuple(of.scaled(k) for of, k in zip(observed.moments, scales[:-1], strict=True))
    made_by = {**network.made_by, _KEY: ";".join(" ".join(map(str, of)) for of in steps)}
    return Network(with_layers(network, layers), network.readout, made_by), moments


def _column_sizes(layers: Sequence[FloatLayer]) -> RealArray:
    """Sizes of columns beside the largest weights of their rows, in [0, 1], (d_input,)."""
    sizes = np.zeros(layers[0].d_input)
    for layer in layers:
        for matrix in kind_of(layer).matrices(layer):
            largest = np.abs(matrix).max(axis=1, keepdims=True)
            size = np.abs(matrix) / np.where(largest > 0, largest, 1)
            sizes = np.maximum(sizes, size.max(axis=0))
    return sizes


def _scale(steps: IntArray) -> RealArray:
    return np.exp2(steps / FINENESS)


def aligned(network: Network, fixed: FixedNetwork) -> Network:
    """Scale a network's channels and states as `quantize` did that made `fixed` of it."""
    stages, values = network.stages, fixed.dequantize().stages
    scales = [np.ones(stages[0].layer.d_input), *(np.ones(s.layer.d_output) for s in stages)]
    if _KEY in fixed.made_by:
        rows = fixed.made_by[_KEY].split(";")
        scales = [_scale(np.array(row.split(), np.int64)) for row in rows]
    layers = [
        kind.scaled_like(kind.rescaled(stage.layer, *ends), of_values.layer)
        for stage, of_values, ends in zip(stages, values, itertools.pairwise(scales), strict=True)
        for kind in (kind_of(stage.layer),)
    ]
    return Network(with_layers(network, layers), network.readout)


def with_layers(network: Network, layers: Sequence[L]) -> tuple[L | Residual | Elementwise, ...]:
    """Give a network's chain with other layers of synapses."""
    given = iter(layers)
    return tuple(
        layer if isinstance(layer, Residual | Elementwise) else next(given)
        for layer in network.layers
    )


def _groups(network: Network) -> list[int]:
    """Number the edges so that those that must have one scale have one number."""
    groups = list(range(len(network.stages) + 1))

    def join(a: int, b: int) -> None:
        old, new = groups[a], groups[b]
        groups[:] = [new if g == old else g for g in groups]

    for i, stage in enumerate(network.stages):
        if stage.residual is not None:
            join(i + 1, stage.residual)
        if kind_of(stage.layer).passes(stage.layer) is Scales.SAME:
            join(i + 1, i)
    return groups


def _fixed(network: Network, groups: list[int]) -> set[int]:
    """Edges whose messages stay as they are: input and output, and what takes no factor."""
    fixed = {0, len(network.stages)}
    for i, stage in enumerate(network.stages):
        if kind_of(stage.layer).passes(stage.layer) is Scales.NONE:
            fixed |= {i, i + 1}
        if stage.activation not in _PASSING:
            fixed.add(i + 1)
    tied = {groups[edge] for edge in fixed}
    return {edge for edge, group in enumerate(groups) if group in tied}


def _sizes(network: Network, peaks: Sequence[RealArray]) -> list[float]:
    """Size that messages of each edge are brought to: where one exponent is handed on from the
    input, or on to the output, theirs.
    """
    sizes = [1.0] * len(peaks)
    last = len(network.stages)
    for edges in (range(last + 1), range(last, -1, -1)):
        for edge in edges:
            if edge in (0, last):
                sizes[edge] = float(np.max(peaks[edge])) or 1.0
                continue
            layer = network.stages[edge - 1 if edges.step > 0 else edge].layer
            if not kind_of(layer).hands_on:
                break
            sizes[edge] = sizes[edge - edges.step]
    return sizes


def _power(ratio: RealArray) -> IntArray:
    return np.rint(np.clip(np.log2(ratio), -900, 900)).astype(np.int64)
