"""Which tensor's quantisation costs how much at a network's output."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import engine
from lava_ssm.compress.equalise import aligned
from lava_ssm.compress.kinds import kind_of
from lava_ssm.network import FixedNetwork, FloatLayer, Network, check_fixed, check_float
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
    on what else has moved, and shares do not add up.

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
    wanted = network.run(x)
    network = aligned(network, fixed)
    shares = {}
    stage = -1
    for i, (real, quantized) in enumerate(zip(network.layers, values.layers, strict=True)):
        if not (isinstance(real, FloatLayer) and isinstance(quantized, FloatLayer)):
            continue
        stage += 1
        for name, layer in _one_at_a_time(real, quantized):
            layers = list(network.layers)
            layers[i] = layer
            found = Network(tuple(layers), network.readout).run(x)
            shares[f"{stage} {type(real).__name__}{name}"] = signal_to_error(wanted, found)
    integers = fixed.to_float(engine.run(fixed, x).outputs)
    exact = values.run(x)
    shares["all"] = signal_to_error(wanted, exact)
    shares["arithmetic"] = signal_to_error(exact, integers)
    shares["total"] = signal_to_error(wanted, integers)
    return shares


def _one_at_a_time(real: FloatLayer, quantized: FloatLayer) -> Iterator[tuple[str, FloatLayer]]:
    """Give the layer with each of its tensors quantised, the others as they were."""
    for tensor in kind_of(real).tensors:
        # also one that was rounded to nothing
        if any(np.any(getattr(layer, tensor.name)) for layer in (real, quantized)):
            names = (tensor.name, *tensor.along)
            changed = {name: getattr(quantized, name) for name in names}
            yield f" {tensor.name}", replace(real, **changed)
