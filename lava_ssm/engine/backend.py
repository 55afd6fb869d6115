"""Which executor runs a network."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import DTypeLike

from lava_ssm.engine import reference
from lava_ssm.engine.executor import Executor
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import one_of

Backend: TypeAlias = Literal["compiled", "reference"]
"""Machine code, or the NumPy that it restates."""


def executor(
    network: Network | FixedNetwork,
    batch: tuple[int, ...],
    backend: Backend | None,
    n_threads: int,
    probe: reference.Probe | None,
    dtype: DTypeLike | None,
) -> Executor:
    """Give what runs a network for a `Stream` with these options.

    Raises
    ------
    ValueError
        There is no such backend, or it cannot do what is asked for.
    """
    kind = _float_kind(network, dtype)
    if backend is not None:
        one_of(backend, get_args(Backend), "backend")
    if backend == "reference" or (backend is None and probe is not None):
        _refuse_in_reference(kind)
        return reference.Reference(network, batch, probe or reference.see_nothing)
    if probe is not None:
        raise ValueError("probe: what happens inside is seen with backend='reference' only")
    from lava_ssm.engine import compiled  # loads Numba

    if not compiled.IS_COMPILED:
        if backend is None:
            _refuse_in_reference(kind)
            return reference.Reference(network, batch)
        raise ValueError(
            "backend: 'compiled' is not to be had, Numba is told not to compile "
            "(NUMBA_DISABLE_JIT); give 'reference' or None"
        )
    return compiled.executor_of(network, batch, n_threads, kind)


def _float_kind(network: Network | FixedNetwork, dtype: DTypeLike | None) -> np.dtype | None:
    """Give the kind of a float network's floats, None: float64."""
    if dtype is None:
        return None
    kind = np.dtype(dtype)
    if isinstance(network, FixedNetwork):
        raise ValueError(f"dtype: a fixed network has integers, it must be None; got {kind}")
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {kind}")
    return kind if kind == np.float32 else None


def _refuse_in_reference(kind: np.dtype | None) -> None:
    if kind is not None:
        raise ValueError(f"dtype: the reference has float64 only, got {kind}")
