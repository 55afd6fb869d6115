"""Arguments of Processes, checked where they are given."""

import numpy as np
from lava.magma.core.run_configs import RunConfig
from numpy.typing import ArrayLike

from lava_ssm.numerics import IntArray, instance, integers, is_integer, shown


def shape_of(shape: tuple[int, ...], name: str = "shape") -> tuple[int, ...]:
    """Give a shape of integers from 1 as a tuple of ints.

    TypeError: not a tuple; ValueError: empty, or not such integers.
    """
    instance(shape, tuple, name, "a tuple of integers")
    if not shape or not all(is_integer(n) and 1 <= n < 2**31 for n in shape):
        raise ValueError(
            f"{name} must have integers of at least 1, below 2**31, got {shown(shape)}"
        )
    return tuple(int(n) for n in shape)


def shifts(values: ArrayLike, shape: tuple[int, ...], name: str = "shift") -> IntArray:
    """Give the shift of a population's input: one integer or one a neuron, at least 0."""
    amount = integers(values, name)
    if amount.shape not in ((), shape) or (amount < 0).any():
        raise ValueError(
            f"{name} must be an integer of at least 0, or have shape {shape}; got {shown(values)}"
        )
    return amount


def run_config(run_cfg: object) -> None:
    """Raise a TypeError for what is no run configuration of Lava."""
    instance(run_cfg, RunConfig, "run_cfg", "a run configuration, such as Loihi2SimCfg")
    tag = getattr(run_cfg, "select_tag", None)
    if tag is not None and not isinstance(tag, str | np.str_):
        raise TypeError(f"select_tag must be a text, got {shown(tag)}")
