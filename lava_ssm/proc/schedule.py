"""When a neuron has its turn: tokens are not time steps."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from lava_ssm.numerics import integer, one_of, shown

ScheduleName: TypeAlias = Literal["pipelined", "fall_through"]


def period_of(schedule: ScheduleName | None, period: int | None, latency: int) -> int:
    """Steps between tokens: of a named schedule, or as given; pipelined if neither is.

    "pipelined": a token enters each step, every layer works on another one. "fall_through": the
    next token enters when the last one has left, `latency + 1` steps later. ValueError: an unknown
    schedule, or both are given.
    """
    if schedule is None:
        return 1 if period is None else period
    if period is not None:
        both = f"{shown(schedule)} and {shown(period)}"
        raise ValueError(f"schedule, period: give one of them, got {both}")
    one_of(schedule, get_args(ScheduleName), "schedule")
    return 1 if schedule == "pipelined" else latency + 1


@dataclass(frozen=True)
class Schedule:
    """Which of Lava's time steps (1, 2, ...) carry which token (0, 1, ...) at one neuron.

    Token k enters the network at step 1 + k * period and reaches the neuron `offset` steps later.
    On all other steps the neuron holds its state, ignores its input and sends zero.

    Parameters
    ----------
    period
        Steps from one token's entry to the next one's, at least 1.
    offset
        Steps from a token's entry to this neuron, at least 0.
    reset_every
        Tokens of a sample: the state is zero at a sample's first token. None: never.

    Raises
    ------
    ValueError
        One of them is not an integer, or too small.
    """

    period: int = 1
    offset: int = 0
    reset_every: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("period", 1), ("offset", 0), ("reset_every", 1)):
            value = getattr(self, name)
            if value is None and name == "reset_every":
                continue
            object.__setattr__(self, name, integer(value, name, least))

    def later(self, steps: int) -> "Schedule":
        """Give the schedule of a neuron that tokens reach so many steps later."""
        return replace(self, offset=self.offset + steps)

    def token_at(self, time_step: int) -> int | None:
        """Token that the neuron handles in a time step, or None when it is not its turn."""
        since = time_step - 1 - self.offset
        return since // self.period if since >= 0 and since % self.period == 0 else None

    def step_of(self, token: int) -> int:
        """Time step in which the neuron handles a token."""
        return 1 + token * self.period + self.offset

    def number_in_sample(self, token: int) -> int:
        """Number of a token in its sample, from 1."""
        return 1 + (token if self.reset_every is None else token % self.reset_every)

    def starts_sample(self, token: int) -> bool:
        """Whether a token is the first of its sample."""
        return self.reset_every is not None and token % self.reset_every == 0


EVERY_STEP = Schedule()
"""A token each time step, from the first one on."""
