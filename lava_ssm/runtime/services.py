"""The far side of a graph on the stock runtime: its children, and the channels to its services."""

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Sequence

import numpy as np
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.magma.compiler.channels.watchdog import WatchdogManager
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal

from lava_ssm.runtime.children import Children
from lava_ssm.runtime.errors import ProcessDied, unheard

_CHECK_SECONDS = 0.1  # between two looks at whether the children are well
EXIT_SECONDS = 2.0  # for a polite end when the program ends or the graph is garbage


class Services:
    """Talks to the runtime services of a graph, and ends its children.

    It refers neither to the Processes of the graph nor to its Runtime, so that it is whole when
    these are garbage, and can end what they have forgotten.
    """

    def __init__(self) -> None:
        self._owner_pid = os.getpid()
        self.children = Children()
        self.commands: list[CspSendPort] = []
        """The sending ends of the channels to the services, as Lava numbers these."""
        self.answers: list[CspRecvPort] = []
        """The receiving ends of those from them."""
        self.ports: list[CspSendPort | CspRecvPort] = []
        """Whatever else has threads."""
        self.watchdogs: WatchdogManager | None = None
        self.is_started = False
        self.has_ended = False
        self._stopping = False

    def send(self, *messages: np.ndarray) -> None:
        """Send messages to all services."""
        for port in self.commands:
            for message in messages:
                port.send(message)

    def receive(
        self, ports: Sequence[CspRecvPort], seconds: float | None = None
    ) -> tuple[CspRecvPort, np.ndarray]:
        """Receive from whichever service answers first, while the children are well.

        Raises what a model raised, or `ProcessDied`; everything has ended then.
        """
        try:
            port = self._first_ready(ports, seconds)
            reply = port.recv()
            if enum_equal(reply, MGMT_RESPONSE.ERROR):
                self.children.raise_failure(told=True)
        except BaseException:
            self.release()
            raise
        return port, reply

    def receive_from_all(self, wanted: np.ndarray, seconds: float | None = None) -> None:
        """Receive `wanted` from each service, and pass over what it sent before."""
        missing = list(self.answers)
        while missing:
            port, reply = self.receive(missing, seconds)
            if enum_equal(reply, wanted):
                missing.remove(port)

    def _first_ready(self, ports: Sequence[CspRecvPort], seconds: float | None) -> CspRecvPort:
        arrived = threading.Event()
        deadline = None if seconds is None else time.monotonic() + seconds
        for port in ports:
            port.observer = arrived.set
        try:
            while True:
                arrived.clear()
                for port in ports:
                    if port.probe():
                        return port
                if not arrived.wait(_CHECK_SECONDS):
                    self.children.raise_failure(stopping=self._stopping)
                if deadline is not None and time.monotonic() > deadline:
                    raise ProcessDied("a graph did not stop in time; its processes were killed")
        finally:
            for port in ports:
                port.observer = None

    def stop(self, seconds: float | None = None) -> None:
        """End a run and the children, within `seconds` if that is given, by force if need be."""
        if self.has_ended:
            return
        self._stopping = True
        try:
            if self.is_started:
                self.send(MGMT_COMMAND.STOP)
                self.receive_from_all(MGMT_RESPONSE.TERMINATED, seconds)
                self.children.join(EXIT_SECONDS if seconds is None else seconds)
        finally:
            self.release()

    def release(self) -> None:
        """End the children at once, and free what belongs to them."""
        self.has_ended = True
        self.is_started = False
        self.children.kill()
        for port in self.ports:
            with contextlib.suppress(Exception):
                port.join()
        self.ports.clear()
        if self.watchdogs is not None:
            self.watchdogs.stop()

    def forget(self) -> None:
        """End because the graph is garbage, or the program is over."""
        if os.getpid() != self._owner_pid:
            return  # a process that was forked from that of the graph
        try:
            self.stop(EXIT_SECONDS)
        except Exception as error:
            warnings.warn(unheard(error), RuntimeWarning, stacklevel=2)
