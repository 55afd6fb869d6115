"""What a graph is asked to do: checked before it does it."""

import sys
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import RunConfig

CONTINUOUS = sys.maxsize
"""Steps of a run without an end."""
_MOST = 2**53 - 1  # Lava sends the number as a float64


def check_steps(n_steps: Any) -> int:
    """Give `n_steps` as an int.

    Raises
    ------
    ValueError
        No whole number from 1.
    """
    whole = isinstance(n_steps, int | np.integer) and not isinstance(n_steps, bool)
    if not whole or not 1 <= n_steps <= _MOST:
        raise ValueError(f"n_steps must be a whole number of 1 or more, not {n_steps!r}")
    return int(n_steps)


def steps_of(condition: Any) -> int:
    """Return the time steps of a run condition, `CONTINUOUS` without an end.

    Raises
    ------
    TypeError
        No condition that our runtimes know.
    ValueError
        Its `num_steps` is no whole number from 0.
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


def ready(net: Any, run_cfg: Any, compile_config: Any = None) -> None:
    """Build a graph that is not built yet.

    Raises
    ------
    TypeError
        `net` is no Process, `run_cfg` no run configuration, or `compile_config` no dict.
    ValueError
        It needs a `run_cfg` to be built.
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


def check_flag(value: Any, name: str) -> bool:
    """Give a flag back; raise a TypeError for what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value
