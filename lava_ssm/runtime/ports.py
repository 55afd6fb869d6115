"""Ports that receive and send without a detour."""

from collections.abc import Callable
from functools import partial

import numpy as np
from lava.magma.core.model.py.ports import (
    AbstractPyPort,
    IdentityTransformer,
    PyInPortVectorDense,
    PyOutPortVectorDense,
)

from lava_ssm.runtime.channel import LocalRecvPort, LocalSendPort


def shorten(port: AbstractPyPort) -> None:
    """Let a port with one connection, or none, receive or send with fewer steps.

    If it is Lava's usual one: Lava adds what an InPort receives to an array of zeros, for ports
    with several connections. Of one connection that is the message itself, in the type of the sum;
    a float -0.0 becomes 0.0.
    """
    if type(port) not in (PyInPortVectorDense, PyOutPortVectorDense) or len(port.csp_ports) > 1:
        return
    if not port.csp_ports:
        if type(port) is PyInPortVectorDense:
            port.recv = partial(np.zeros, port._shape, port._d_type)
        return
    (channel,) = port.csp_ports
    if type(channel) is LocalSendPort:
        port.send = channel.send
    elif type(channel) is LocalRecvPort and type(port._transformer) is IdentityTransformer:
        dtype = channel._dtype
        sums = np.result_type(np.zeros((), port._d_type), dtype)
        if sums == dtype and port._shape == channel._shape:
            is_exact = dtype.kind in "iub"
            port.recv = channel.recv if is_exact else _with_positive_zero(channel.recv)


def _with_positive_zero(receive: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    def recv() -> np.ndarray:
        message = receive()
        message += 0.0
        return message

    return recv
