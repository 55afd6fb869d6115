"""InPorts that receive without a detour."""

from collections.abc import Callable

import numpy as np
from lava.magma.core.model.py.ports import (
    IdentityTransformer,
    PyInPort,
    PyInPortVectorDense,
)

from lava_ssm.runtime.channel import LocalRecvPort


def receive_directly(port: PyInPort) -> None:
    """Let an InPort with one connection receive with fewer steps, if it is of Lava's usual kind.

    Lava adds what it receives to an array of zeros, for ports with several connections. Of one
    connection that is the message itself, in the type of the sum; only a float -0.0 becomes 0.0.
    """
    if type(port) is not PyInPortVectorDense or len(port.csp_ports) != 1:
        return
    (channel,) = port.csp_ports
    if type(port._transformer) is not IdentityTransformer or type(channel) is not LocalRecvPort:
        return
    dtype = channel._dtype
    if np.result_type(np.zeros((), port._d_type), dtype) != dtype or port._shape != channel._shape:
        return
    port.recv = channel.recv if dtype.kind in "iub" else _with_positive_zero(channel.recv)


def _with_positive_zero(receive: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    def recv() -> np.ndarray:
        message = receive()
        message += 0.0
        return message

    return recv
