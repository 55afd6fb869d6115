"""Chains of networks, spiking neurons and synapses: of descriptions, and back."""

from collections.abc import Sequence

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF as LavaLIF
from lava.utils.weightutils import SignMode, clip_weights, determine_sign_mode, truncate_weights

from lava_ssm.network import (
    LIF,
    FixedDense,
    FixedLIF,
    FixedNetwork,
    Part,
    check_parts,
    dense,
)
from lava_ssm.numerics import shown
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.network.process import SSMNetwork


def chain(parts: Sequence[Part]) -> tuple[AbstractProcess, ...]:
    """Make the Processes of a hybrid chain, each connected to the next.

    Networks become `SSMNetwork`, the others Lava's stock `LIF` and `Dense`. A token enters each
    step; a network's first is the step at which what stands before it sends the chain's first.

    Raises
    ------
    TypeError, ValueError
        See `check_parts`.
    """
    processes: list[AbstractProcess] = []
    passed = 0  # steps before a part gets the first token
    for part in check_parts(parts):
        match part:
            case FixedDense():
                processes.append(
                    Dense(
                        weights=part.weights,
                        weight_exp=part.weight_exp,
                        num_message_bits=part.num_message_bits,
                        sign_mode=_sign_mode(part.weights),
                    )
                )
                passed += 1
            case LIF() | FixedLIF():
                bias = (
                    {"bias_mant": part.bias_mant, "bias_exp": part.bias_exp}
                    if isinstance(part, FixedLIF)
                    else {"bias_mant": part.bias}
                )
                decays = {"du": part.du, "dv": part.dv}
                processes.append(LavaLIF(shape=(part.n,), vth=part.vth, **decays, **bias))
            case _:
                processes.append(SSMNetwork(part, offset=passed))
                passed += part.latency
        if len(processes) > 1:
            _port(processes[-2], 1).connect(_port(processes[-1], 0))
    return tuple(processes)


def parts(*processes: AbstractProcess) -> tuple[Part, ...]:
    """Describe Processes that are connected in a chain: `lava_ssm.exchange.to_nir` takes it.

    Parameters
    ----------
    processes
        Lava's `Dense` and `LIF`, `SSMNetwork` and `FusedSSMNetwork`, at least one of these: whether
        it is fixed says whether the others' parameters are meant as integers.

    Raises
    ------
    TypeError
        Another Process, or no network.
    ValueError
        Two are not connected, or one has what no description says: a state to begin with, a
        schedule other than a token a step, a `FusedSSMNetwork` of a batch.
    """
    kinds = {type(p.network) for p in processes if isinstance(p, AbstractNetwork)}
    if not kinds:
        raise TypeError("processes: at least one must be an SSMNetwork or FusedSSMNetwork")
    fixed = FixedNetwork in kinds
    described: list[Part] = []
    for i, process in enumerate(processes):
        if type(process) not in (Dense, LavaLIF) and not isinstance(process, AbstractNetwork):
            raise TypeError(
                f"processes[{i}] must be a Dense, LIF, SSMNetwork or FusedSSMNetwork, "
                f"got {shown(process)}"
            )
        if i and _port(process, 0) not in _port(processes[i - 1], 1).out_connections:
            raise ValueError(f"processes[{i}] must be connected to the one before it")
        spikes = i > 0 and type(processes[i - 1]) is LavaLIF
        described.append(_described(process, fixed, spikes, f"processes[{i}]"))
    return check_parts(described)


def _sign_mode(weights: np.ndarray) -> SignMode:
    """The mode that changes none of them."""
    return determine_sign_mode(weights) if (weights % 2).any() else SignMode.MIXED


def _port(process: AbstractProcess, side: int) -> InPort | OutPort:
    """Where a Process receives, 0, or sends, 1."""
    names = ("s_in", "a_out") if isinstance(process, Dense) else ("a_in", "s_out")
    port: InPort | OutPort = getattr(process, names[side])
    return port


def _described(process: AbstractProcess, fixed: bool, spikes: bool, name: str) -> Part:
    if isinstance(process, AbstractNetwork):
        if process.period != 1 or process.reset_every is not None or len(process.a_in.shape) > 1:
            raise ValueError(f"{name}: a chain takes a token a step, of one stream without end")
        return process.network
    if type(process) is Dense:
        weights = np.asarray(process.weights.init)
        bits = int(process.num_message_bits.init)
        if not fixed:
            if bits == 0 and not spikes:  # it would take all that is not zero as one
                raise ValueError(f"{name}: num_message_bits must not be 0 but behind a LIF")
            return dense(weights)
        params = process.proc_params
        mode = params.get("sign_mode") or determine_sign_mode(weights)
        # what Lava's model makes of them before the first step
        weights = clip_weights(weights.astype(np.int32), mode, num_bits=8)
        weights = truncate_weights(weights, mode, params.get("num_weight_bits", 8))
        return FixedDense(weights, int(params.get("weight_exp", 0)), bits)
    for state in ("u", "v"):
        if np.any(getattr(process, state).init):
            raise ValueError(f"{name}: {state} must be zero to begin with")
    if len(process.a_in.shape) != 1:
        raise ValueError(f"{name}: shape must be (n,), got {process.a_in.shape}")
    (n,) = process.a_in.shape
    du, dv, vth = (np.asarray(getattr(process, v).init).item() for v in ("du", "dv", "vth"))
    mant, exp = process.bias_mant.init, process.bias_exp.init
    return FixedLIF(n, du, dv, vth, mant, exp) if fixed else LIF(n, du, dv, vth, mant)
