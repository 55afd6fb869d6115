"""The state neurons of one layer, to build graphs of one's own."""

from lava_ssm.network import Filters, Recurrence
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.states.process import States


def S4D(layer: Layer, **given: object) -> States:
    """Neurons of an S4D layer, without the sum over each channel's states.

    Parameters
    ----------
    layer
        `network.S4D`, which runs under the tag `floating_pt`, or `network.FixedS4D`, `fixed_pt`.
    given
        What `States` takes beside.

    Raises
    ------
    TypeError
        Another layer.
    """
    return _states(layer, Filters, "an S4D or a FixedS4D", given)


def S5(layer: Layer, **given: object) -> States:
    """Neurons of an S5 layer: the synapse before them has B, the one behind them C.

    As `S4D`, of a `network.S5` or a `network.FixedS5`.
    """
    return _states(layer, Recurrence, "an S5 or a FixedS5", given)


def _states(layer: Layer, operation: type, wanted: str, params: dict[str, object]) -> States:
    neurons = layer.lowered()[0].neurons if isinstance(layer, FixedLayer | FloatLayer) else None
    if not isinstance(neurons, operation):
        raise TypeError(f"layer must be {wanted}, got {type(layer).__name__}")
    return States(neurons, FIXED if isinstance(layer, FixedLayer) else FLOATING, **params)  # type: ignore[arg-type]
