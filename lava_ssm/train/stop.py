"""Signals that ask a training to stop."""

import signal

import torch


class StopSignals:
    """Receives Ctrl-C, and the SIGTERM that clusters send, for a loop to stop between two steps.

    In the middle of a step some of the state has moved on and some has not: what is written then
    does not go on as if nothing had been. A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self._received = 0

    def __enter__(self) -> "StopSignals":
        self._before = {
            number: signal.signal(number, self._receive)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: object) -> None:
        if self._received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number

    def received(self, processes: int) -> int:
        """Number of the signal that one of the processes has received; 0: none."""
        if processes == 1:
            return self._received
        # they stop after the same step: the others would wait for the one that is gone
        most = torch.tensor(self._received)
        torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
        return int(most)
