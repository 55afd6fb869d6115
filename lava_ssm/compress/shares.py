"""Which tensor's quantisation costs how much at a network's output."""

import math
from collections.abc import Iterator, Set
from dataclasses import fields, replace

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.equalise import aligned, with_layers
from lava_ssm.compress.kinds import Tensor, kind_of
from lava_ssm.network import FixedNetwork, FloatLayer, Network, check_fixed, check_float
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, Overflow, RealArray, reals


def signal_to_error(wanted: ArrayLike, found: ArrayLike) -> float:
    """10 log10(sum wanted^2 / sum (found - wanted)^2), in dB; infinite where they are equal.

    Raises
    ------
    TypeError, ValueError
        No arrays of finite real numbers, of one shape, or nothing.
    """
    signal, values = reals(wanted, "wanted"), reals(found, "found")
    if signal.shape != values.shape or signal.size == 0:
        raise ValueError(
            f"wanted, found must have one shape and not be empty, got {signal.shape} and "
            f"{values.shape}"
        )
    error = values - signal
    if not error.any():
        return math.inf
    # norms that neither overflow nor vanish when squared
    sizes = [np.abs(v).max() for v in (signal, error)]
    norms = [
        s * np.linalg.norm(v / s) if s > 0 else 0.0
        for s, v in zip(sizes, (signal, error), strict=True)
    ]
    return 20 * math.log10(norms[0] / norms[1]) if norms[0] > 0 else -math.inf


def without_overflow(wanted: RealArray, fixed: FixedNetwork, x: RealArray) -> float:
    """Signal to error at the outputs of data, were states and messages of 32 bits, in dB."""
    rounding, bits = fixed.arithmetic.rounding, SYNAPSE_BITS
    fixed = replace(fixed, arithmetic=Arithmetic(rounding, Overflow.SATURATE, bits, bits))
    return signal_to_error(wanted, fixed.to_float(engine.run(fixed, x).outputs))


def values_of(network: Network, fixed: FixedNetwork) -> Network:
    """Give the float network with the values of `fixed`, of which `network` is the original.

    Raises
    ------
    TypeError
        Not a float and a fixed network.
    ValueError
        The two have other layers, shapes or readouts.
    """
    check_float(network)
    check_fixed(fixed, "fixed")
    values = fixed.dequantize()
    if layout_of(values) != layout_of(network):
        raise ValueError("fixed: its layers or its readout are not those of network")
    return values


def layout_of(network: Network) -> tuple[object, ...]:
    """Kinds and shapes of the layers, and the readout."""
    shapes = [
        (type(la), *(np.shape(getattr(la, f.name)) for f in fields(la))) for la in network.layers
    ]
    return shapes, network.readout


def error_shares(network: Network, fixed: FixedNetwork, x: ArrayLike) -> dict[str, float]:
    """Signal-to-error ratio of the outputs, in dB, with one tensor quantised at a time.

    One is changed, all others are real: where tensors make up for each other, as c of an S4D for a,
    or weights for what those before them lost, each costs more alone than all of them together.
    Where functions jump (a ReLU of complex states, a norm of two channels), what one adds depends
    on what else has moved, and shares do not add up. Where biases make up for what integers lose
    (`Formats.compensate`), `all` or `arithmetic` alone may be worse than `total`, which is both.

    Parameters
    ----------
    network
        The float network.
    fixed
        The same, quantised.
    x
        Data, (..., time, d_input), real values.

    Returns
    -------
    dict
        By tensor, such as `3 S5 b`: the stage's number, its layer and the tensor, with the bias
        that makes up for its rounding. `all` is with
        all of them quantised and exact arithmetic, `arithmetic` that of the integers against the
        network of the quantised parameters, `total` both: the integers against `network`.

    Raises
    ------
    TypeError
        Not a float and a fixed network, or `x` is no array of real numbers.
    ValueError
        The two are not networks of the same layers and readout, or `x` is empty or misshapen.
    """
    values = values_of(network, fixed)
    x = engine.as_sequences(network, x)
    wanted, network = network.run(x), aligned(network, fixed)
    shares = {}
    for i, stage in enumerate(network.stages):
        for tensor in _present(stage.layer, values.stages[i].layer):
            found = _mixed(network, values, {(i, tensor.name)}).run(x)
            name = f"{i} {type(stage.layer).__name__} {tensor.name}"
            shares[name] = signal_to_error(wanted, found)
    integers = fixed.to_float(engine.run(fixed, x).outputs)
    exact = values.run(x)
    shares["all"] = signal_to_error(wanted, exact)
    shares["arithmetic"] = signal_to_error(exact, integers)
    shares["total"] = signal_to_error(wanted, integers)
    return shares


def error_causes(network: Network, fixed: FixedNetwork, x: ArrayLike) -> dict[str, float]:
    """Signal-to-error ratio of the outputs, in dB, with one cause of errors at a time.

    `weights`: all matrices are quantised, and all else is real; `parameters`: the others, such as a
    and c; `words`: all integers, against the network of the quantised parameters, so that messages,
    states and tables alone are to blame. What limits a network is the least of them.

    Parameters, Raises
        See `error_shares`.
    """
    values = values_of(network, fixed)
    x = engine.as_sequences(network, x)
    wanted, network = network.run(x), aligned(network, fixed)
    few: set[tuple[int, str]] = set()
    others: set[tuple[int, str]] = set()
    for i, stage in enumerate(network.stages):
        for tensor in _present(stage.layer, values.stages[i].layer):
            (few if tensor.bits == WEIGHT_BITS else others).add((i, tensor.name))
    causes = {
        cause: signal_to_error(wanted, _mixed(network, values, which).run(x))
        for cause, which in (("weights", few), ("parameters", others))
    }
    integers = fixed.to_float(engine.run(fixed, x).outputs)
    return {**causes, "words": signal_to_error(values.run(x), integers)}


def _present(real: FloatLayer, quantized: FloatLayer) -> Iterator[Tensor]:
    """Give the tensors of a layer; also one that was rounded to nothing."""
    for tensor in kind_of(real).tensors:
        if any(np.any(getattr(layer, tensor.name)) for layer in (real, quantized)):
            yield tensor


def _mixed(network: Network, values: Network, which: Set[tuple[int, str]]) -> Network:
    """Give a network with some tensors of another's values, by stage and name, and their biases."""
    layers = [stage.layer for stage in network.stages]
    for i, (real, quantized) in enumerate(zip(layers, values.stages, strict=True)):
        names = [
            name
            for tensor in kind_of(real).tensors
            if (i, tensor.name) in which
            for name in (tensor.name, *tensor.along)
        ]
        layers[i] = replace(real, **{name: getattr(quantized.layer, name) for name in names})
    return Network(with_layers(network, layers), network.readout)
