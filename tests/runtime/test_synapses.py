"""Lava's stock synapses in one process: the sums of their equation, on words of 32 bits."""

from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer
from lava.proc.io.source import RingBuffer as Tokens
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from lava_ssm.runtime import in_process

STEPS = 5


def word(x: int) -> int:
    """The low 32 bits, with their sign."""
    return (x + 2**31) % 2**32 - 2**31


def expected(weights: np.ndarray, tokens: np.ndarray, exponent: int, bits: int) -> list[list[int]]:
    """What is sent a step later, in Python's integers."""
    rows = [[0] * len(weights)]
    for token in tokens.T[:-1].tolist():
        x = token if bits else [int(v != 0) for v in token]
        sums = [word(sum(w * v for w, v in zip(row, x, strict=True))) for row in weights.tolist()]
        rows.append([word(s << exponent) if exponent > 0 else s >> -exponent for s in sums])
    return rows


@pytest.mark.parametrize("bits", [0, 24])
@pytest.mark.parametrize("exponent", [-40, -7, 0, 3, 40])
@pytest.mark.parametrize("kind", [Dense, Sparse])
def test_sums_wrap_and_are_shifted(kind: Any, exponent: int, bits: int) -> None:
    rng = np.random.default_rng(3)
    weights = 2 * rng.integers(-127, 128, (9, 21))
    tokens = rng.choice([-(2**31), 2**31 - 1, 0, 1, *rng.integers(-(2**24), 2**24, 4)], (21, STEPS))
    synapse = kind(
        weights=weights if kind is Dense else csr_matrix(weights),
        weight_exp=exponent,
        num_message_bits=bits,
        sign_mode=SignMode.MIXED,
    )
    source, sums = Tokens(data=tokens), RingBuffer(shape=(9,), buffer=STEPS)
    source.s_out.connect(synapse.s_in)
    synapse.a_out.connect(sums.a_in)
    with in_process():
        synapse.run(condition=RunSteps(STEPS), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    got = sums.data.get().astype(int).T.tolist()
    synapse.stop()
    assert got == expected(weights, tokens, exponent, bits)
