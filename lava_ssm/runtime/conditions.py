"""What a graph is asked to do: checked before it does it."""

import sys

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import RunConfig

from lava_ssm.numerics import integer

CONTINUOUS = sys.maxsize
"""Steps of a run without an end."""
_MOST = 2**53 - 1  # Lava sends the number as a float64


def check_steps(n_steps: int) -> int:
    """Give a number of time steps, 1 or more, as an int; a ValueError for what is none."""
    return integer(n_steps, "n_steps", 1, _MOST)


def steps_of(condition: object) -> int:
    """Return the time steps of a run condition, `CONTINUOUS` without an end.

    TypeError: no condition that our runtimes know; ValueError: `num_steps` not whole, or below 0.
    """
    if isinstance(condition, RunContinuous):
        return CONTINUOUS
    if not isinstance(condition, RunSteps):
        raise TypeError(f"condition must be a RunSteps or a RunContinuous, not {condition!r}")
    steps = condition.num_steps
    # as Lava, which takes 10.0 too
    real = isinstance(steps, int | float | np.integer | np.floating)
    if not real or isinstance(steps, bool) or not 0 <= steps <= _MOST or int(steps) != steps:
        raise ValueError(f"num_steps must be 0 or more, a whole number, not {steps!r}")
    return int(steps)


def ready(net: object, run_cfg: object, compile_config: object = None) -> None:
    """Build a graph that is not built yet.

    TypeError: no Process, no run configuration, no dict; ValueError: to be built it needs
    `run_cfg`.
    """
    if not isinstance(net, AbstractProcess):
        raise TypeError(f"net must be a Process, not {net!r}")
    if run_cfg is not None and not isinstance(run_cfg, RunConfig):
        raise TypeError(f"run_cfg must be a run configuration of Lava, not {run_cfg!r}")
    if compile_config is not None and not isinstance(compile_config, dict):
        raise TypeError(f"compile_config must be a dict, not {compile_config!r}")
    if net.runtime is None:
        if run_cfg is None:
            raise ValueError("run_cfg must be given for a graph that is not built yet")
        net.create_runtime(run_cfg=run_cfg, compile_config=compile_config)
