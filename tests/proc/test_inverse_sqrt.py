"""The inverse square root of integers is that of Lava."""

from types import FunctionType
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.graded import models
from lava.proc.graded.process import InvSqrt
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

from lava_ssm import runtime
from lava_ssm.numerics import Rounding, inverse_sqrt, scaled_inverse_sqrt
from lava_ssm.numerics.inverse_sqrt import INVERSE_SQRT_ERROR


def test_it_equals_the_process_of_lava() -> None:
    rng = np.random.default_rng(0)
    edges = [n for bit in range(24) for n in (2**bit - 1, 2**bit, 2**bit + 1)]
    v = np.array([*edges, 2**24 - 1, *rng.integers(1, 2**24, 200)], np.int32)
    source, process = Source(data=v[np.newaxis]), InvSqrt(shape=(1,))
    sink = Sink(shape=(1,), buffer=len(v) + 2)
    source.s_out.connect(process.a_in)
    process.s_out.connect(sink.a_in)
    with runtime.in_process():
        try:
            process.run(condition=RunSteps(len(v) + 2), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            received = sink.data.get()[0]
        finally:
            process.stop()
    first = int(np.argmax(received != 0)) - 1  # v begins with a zero, which gives a zero
    found = received[first : first + len(v)].astype(int)
    np.testing.assert_array_equal(inverse_sqrt(v.astype(int))[: len(found)], found)
    assert len(found) >= len(v) - 2


def test_it_equals_the_code_of_lava_of_all_integers() -> None:
    """Its own code, handed arrays: all numbers of one highest bit at once."""
    for bit in range(24):
        v = np.arange(1 << bit, 1 << (bit + 1))
        own: dict[str, Any] = {
            **vars(models),
            "int": np.asarray,
            "clz": lambda _, bit=bit: 23 - bit,
            "make_fpinv_table": models.make_fpinv_table,
        }
        of_arrays = FunctionType(models.inv_sqrt.__code__, own, None, (5, 12))
        assert models.clz(1 << bit) == models.clz((1 << (bit + 1)) - 1) == 23 - bit
        np.testing.assert_array_equal(inverse_sqrt(v), of_arrays(v))


def test_the_scaled_root_is_as_near_as_is_stated() -> None:
    rng = np.random.default_rng(0)
    v = np.unique((2.0 ** rng.uniform(0, 33, 200_000)).astype(np.int64))
    found = scaled_inverse_sqrt(v, 40, 1 << 60, Rounding.NEAREST)
    wanted = 2.0**40 / np.sqrt(v)
    assert np.abs(found / wanted - 1).max() <= INVERSE_SQRT_ERROR
    limited = scaled_inverse_sqrt(v, 40, 1 << 23, Rounding.NEAREST)
    np.testing.assert_array_equal(limited, np.minimum(found, 1 << 23))
    assert scaled_inverse_sqrt(v, 1000, 7, Rounding.FLOOR).tolist() == [7] * len(v)
    assert not scaled_inverse_sqrt(v, -1000, 7, Rounding.FLOOR).any()
