"""Reading a Var, whether its graph has run or not."""

import numpy as np
from lava.magma.core.process.variable import Var
from numpy.typing import NDArray


def var_value(var: Var) -> NDArray[np.generic]:
    """Give a copy of a Var's value; before the graph is built, its initial one, in all places.

    RuntimeError: the graph is running, or was stopped.
    """
    value = var.get()
    if value is None:  # Lava's answer
        raise RuntimeError(f"Var '{var.name}' cannot be read while the graph runs: pause() it")
    return np.array(np.broadcast_to(value, var.shape))
