"""Layers with states as other programs name their parameters."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lava_ssm import network
from lava_ssm.exchange.graph import with_direct_map
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.discretization import Discretization
from lava_ssm.numerics import ComplexArray

Arrays: TypeAlias = Mapping[str, np.ndarray]
"""Parameters of one module, by name."""
System: TypeAlias = network.S4D | network.S5
Layers: TypeAlias = tuple[network.FloatLayer | Elementwise, ...]
MAMBA = ("in_proj", "conv1d", "x_proj", "dt_proj", "out_proj")
"""Parts of the public block of Mamba."""
METHODS: tuple[Discretization, ...] = ("zoh", "bilinear")


def s4d(arrays: Arrays, method: Discretization) -> network.S4D:
    """The public S4D: A = -exp(log_A_real) + i A_imag, B = 1, C of pairs (H, N, 2), exp(log_dt)."""
    a = -np.exp(arrays["log_A_real"]) + 1j * arrays["A_imag"]
    c, dt = _complex(arrays["C"], a.ndim), np.exp(arrays["log_dt"])
    return network.S4D.from_continuous(a, np.ones(a.shape), c, dt, method, arrays.get("D"))


def s4_diagonal(arrays: Arrays, method: Discretization) -> network.S4D:
    """The public S4 with mode="diag", of whose systems one may be that of several channels.

    A = -exp(A_real) - i A_imag and exp(inv_dt), B and C of pairs, of which the product counts;
    before its fourth version A = -exp(inv_A_real) + i A_imag and exp(log_dt).
    """
    if "inv_dt" in arrays:
        dt, a = np.exp(arrays["inv_dt"]), -np.exp(arrays["A_real"]) - 1j * arrays["A_imag"]
    else:
        dt, a = np.exp(arrays["log_dt"]), -np.exp(arrays["inv_A_real"]) + 1j * arrays["A_imag"]
    b, c = (arrays[name][..., 0] + 1j * arrays[name][..., 1] for name in "BC")
    if c.ndim != 3 or len(c) != 1 or dt.size != c.shape[1]:
        raise ValueError(
            f"C, dt: a network has one kernel and one step a channel (channels=1, forward in time, "
            f"dt_tie=True), got {c.shape} and {dt.shape}"
        )
    a, b = (np.tile(v.reshape(a.shape), (dt.size // len(a), 1)) for v in (a, b))
    return network.S4D.from_continuous(a, b, c[0], dt.ravel(), method)


def s5(arrays: Arrays, method: Discretization) -> network.S5:
    """s5-pytorch: y = Re(C x) + D u, all states of a conjugate pair there."""
    step = np.exp(np.ravel(arrays["log_step"]))
    b, c = _complex(arrays["B"], 2), _complex(arrays["C"], 2)
    return network.S5.from_continuous(arrays["Lambda"], b, c / 2, arrays["D"], step, method)


def sparse_rnns(arrays: Arrays, method: Discretization) -> network.S5:
    """SparseRNNs: y = 2 Re(C r(x)) + D u, one state of each conjugate pair."""
    a = arrays["Lambda_re"] + 1j * arrays["Lambda_im"]
    step = np.exp(np.ravel(arrays["log_step"]))
    b, c = _complex(arrays["B"], 2), _complex(arrays["C"], 2)
    return network.S5.from_continuous(a, b, c, arrays["D"], step, method, relu=True)


def lru(arrays: Arrays, method: Discretization) -> network.S5:
    """A linear recurrent unit, which is discrete already.

        a = exp(-exp(nu_log) + i exp(theta_log)),   y = Re(C x) + D u,   B times exp(gamma_log)

    (Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences", ICML 2023,
    section 3.) D is a vector or a matrix.
    """
    a = np.exp(-np.exp(arrays["nu_log"]) + 1j * np.exp(arrays["theta_log"]))
    b, c = (
        arrays[f"{name}_re"] + 1j * arrays[f"{name}_im"]
        if f"{name}_re" in arrays
        else _complex(arrays[name], 2)
        for name in "BC"
    )
    if "gamma_log" in arrays:
        b = b * np.exp(arrays["gamma_log"])[:, np.newaxis]
    if b.shape[1] != c.shape[0]:
        raise ValueError(
            f"takes {b.shape[1]} channels and gives {c.shape[0]}; a state space layer of a network "
            "has as many of both: put a linear layer before or behind it"
        )
    plain = network.S5(a, b, c / 2)
    d = arrays.get("D")
    if d is None:
        return plain
    return with_direct_map(plain, network.Linear(np.diag(d) if d.ndim == 1 else d))


@dataclass(frozen=True)
class Kind:
    """How another program has a state space layer.

    Parameters
    ----------
    names
        Of the arrays by which a module is known to have one, the first of them its alone.
    make
        What makes it.
    more
        Names of further arrays that it may have.
    """

    names: tuple[str, ...]
    make: Callable[[Arrays, Discretization], System]
    more: tuple[str, ...] = ()


KINDS = {
    "s4d": Kind(("log_dt", "log_A_real", "A_imag", "C"), s4d, ("D",)),
    "s4": Kind(("inv_dt", "A_real", "A_imag", "B", "C"), s4_diagonal),
    "s4 before": Kind(("inv_A_real", "log_dt", "A_imag", "B", "C"), s4_diagonal),
    "s5": Kind(("Lambda", "B", "C", "D", "log_step"), s5),
    "sparse-rnns": Kind(("Lambda_re", "Lambda_im", "B", "C", "D", "log_step"), sparse_rnns),
    "lru": Kind(
        ("nu_log", "theta_log"),
        lru,
        ("gamma_log", "B", "C", "D", "B_re", "B_im", "C_re", "C_im"),
    ),
}


def systems(arrays: Arrays) -> Iterator[System]:
    """Give the systems that a module's parameters may be, by their names; none of other names."""
    for kind in KINDS.values():
        if set(kind.names) <= set(arrays):
            for method in METHODS if kind.make is not lru else METHODS[:1]:
                yield kind.make(arrays, method)


def min_grus(maps: Arrays, out: Arrays) -> Iterator[Layers]:
    """Give the layers that a minGRU of mingru-pytorch may be: W and V in one matrix, a map behind.

    Candidates are positive there; in copies of it they may have no activation.
    """
    weights, gate = np.split(maps["weight"], 2)
    bias, gate_bias = np.split(maps.get("bias", np.zeros(2 * len(weights))), 2)
    behind = (network.Linear(out["weight"], out.get("bias")),) if out else ()
    for activation in (network.Activation.POSITIVE, network.Activation.NONE):
        yield network.MinGRU(weights, gate, bias, gate_bias, activation), *behind


def mamba(own: Arrays, parts: tuple[Arrays, ...]) -> Layers:
    """Give the layers of the public Mamba's block, whose gate passes the convolution.

    (As `nn.mamba_block`, without its norm and the path around it.)
    """
    into, conv, maps, step, out = parts
    (inner, n), rank = own["A_log"].shape, step["weight"].shape[1]
    passing, zeros = np.zeros_like(conv["weight"]), np.zeros(inner)
    passing[..., -1] = 1
    biases = np.concatenate([conv.get("bias", zeros), zeros])
    down, b, c = np.split(maps["weight"], [rank, rank + n])
    a, up = -np.exp(own["A_log"]), step["weight"]
    return (
        network.Linear(into["weight"], into.get("bias")),
        network.Conv1d(np.concatenate([conv["weight"], passing]), biases, 2 * inner),
        network.SiLU(),
        network.SelectiveSSM(a, down, up, b, c, own["D"], step.get("bias", zeros), True),
        network.Linear(out["weight"], out.get("bias")),
    )


def _complex(values: np.ndarray, ndim: int) -> ComplexArray:
    """Complex values, or pairs of their parts on a last axis."""
    pairs = not np.iscomplexobj(values) and values.ndim == ndim + 1 and values.shape[-1] == 2
    return values[..., 0] + 1j * values[..., 1] if pairs else np.asarray(values, np.complex128)
