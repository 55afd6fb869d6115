"""Channels inside one process: a queue of copies."""

from collections import deque
from typing import Protocol

import numpy as np
from lava.magma.compiler.channels.interfaces import Channel, ChannelType
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.utils.sparse import find
from numpy.typing import DTypeLike
from scipy.sparse import csr_matrix


class Waits(Protocol):
    """Whoever lets other models run meanwhile."""

    def wait(self, port: "LocalPort") -> None:
        """Return when `port` can go on."""


class LocalInfrastructure:
    """What Lava's channel builders ask for the class of a channel."""

    def __init__(self, scheduler: Waits) -> None:
        self.scheduler = scheduler

    def channel_class(self, channel_type: ChannelType) -> "type[LocalChannel]":
        """Return the class of a channel between two Python models."""
        assert channel_type == ChannelType.PyPy, "support.obstacles lets no other type through"
        return LocalChannel


class LocalPort:
    """One end of a channel.

    `name`, `shape`, `dtype` and `size` are as in Lava: of the port, of one message, and how many
    messages the channel holds. The infrastructure's scheduler is called with a port that cannot go
    on, and returns when it can.
    """

    is_glance = False

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        size: int,
        messages: deque[np.ndarray],
        infrastructure: LocalInfrastructure,
    ) -> None:
        self._name = name
        self._shape = shape
        self._dtype = dtype
        self._size = size
        self._messages = messages
        self._infrastructure = infrastructure
        self.described = name

    def start(self) -> None:
        """Lava starts ports to make threads; there are none here."""

    def join(self) -> None:
        """Lava joins ports to end threads; there are none here."""

    def ready(self) -> bool:
        """Whether the port can go on without waiting."""
        raise NotImplementedError


class LocalSendPort(LocalPort, CspSendPort):
    """The sending end."""

    def ready(self) -> bool:
        """Whether there is room for a message."""
        return len(self._messages) < self._size

    def probe(self) -> bool:
        """Whether a message can be sent without waiting."""
        return self.ready()

    def send(self, data: np.ndarray | csr_matrix) -> None:
        """Send a copy of `data`, of the channel's shape; wait while the channel is full."""
        if data.shape != self._shape:
            raise AssertionError(f"{data.shape=} {self._shape=} Mismatch")
        if type(data) is not np.ndarray:
            if isinstance(data, csr_matrix):
                data = find(data, explicit_zeros=True)[2]
            data = np.asarray(data)
        if len(self._messages) >= self._size:
            self._infrastructure.scheduler.wait(self)
        # C order, as the shared memory of the stock channel has it: sums depend on it.
        same = data.dtype is self._dtype
        self._messages.append(data.copy() if same else data.astype(self._dtype, "C"))


class LocalRecvPort(LocalPort, CspRecvPort):
    """The receiving end."""

    def ready(self) -> bool:
        """Whether there is a message."""
        return bool(self._messages)

    def probe(self) -> bool:
        """Whether there is a message, after the other models had their turn to send one."""
        if not self._messages:
            self._infrastructure.scheduler.wait(_Glance(self))
        return bool(self._messages)

    def peek(self) -> np.ndarray:
        """Return a copy of the oldest message and leave it in the channel."""
        if not self._messages:
            self._infrastructure.scheduler.wait(self)
        return self._messages[0].copy()

    def recv(self) -> np.ndarray:
        """Return the oldest message; wait until there is one."""
        if not self._messages:
            self._infrastructure.scheduler.wait(self)
        return self._messages.popleft()


class _Glance(LocalPort):
    """A wait that ends when nobody else can go on: what `probe` needs."""

    is_glance = True

    def __init__(self, port: LocalRecvPort) -> None:
        self.described = port.described
        self._messages = port._messages

    def ready(self) -> bool:
        return bool(self._messages)


class LocalChannel(Channel):
    """A channel between two models of one process, with the signature of Lava's channels."""

    def __init__(
        self,
        infrastructure: LocalInfrastructure,
        src_name: str,
        dst_name: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        size: int,
        *watchdogs: object,
    ) -> None:
        messages: deque[np.ndarray] = deque()
        ends = (shape, np.dtype(dtype), size, messages, infrastructure)
        self._src_port = LocalSendPort(src_name, *ends)
        self._dst_port = LocalRecvPort(dst_name, *ends)

    @property
    def src_port(self) -> LocalSendPort:
        """The sending end."""
        return self._src_port

    @property
    def dst_port(self) -> LocalRecvPort:
        """The receiving end."""
        return self._dst_port
