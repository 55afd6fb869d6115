"""Windows of 128 inputs: 64 products an instruction, by AVX-512.

Inputs are taken by vpermi2b, out of two vectors; vpdpbusd multiplies their bytes by weights and
adds each four up. Two or four vectors of outputs share what is read of a window, and a step of four
waits for no sum of the step before. Steps are asked for before they are needed: a token reads
each once, from the second cache.
"""

from itertools import chain

from llvmlite import ir
from numba.core import cgutils

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.form import Form
from lava_ssm.engine.compiled.matrix.windows import Shape, Slice, Sums, windows
from lava_ssm.engine.compiled.writer import LINE

HAS_WIDE_WINDOWS = {"avx512bw", "avx512vbmi", "avx512vnni"} <= features()
"""Whether this CPU has the instructions (Intel since Ice Lake, AMD since Zen 4)."""
LANES, TOGETHER = 16, 4
AHEAD = 2048
"""Bytes from where steps are read to where they are asked for."""

_INT8, _INT32 = ir.IntType(8), ir.IntType(32)
_BYTES, _SUMS = ir.VectorType(_INT8, LINE), ir.VectorType(_INT32, LANES)


def shape(vectors: int) -> Shape:
    """Give what so many vectors of outputs are laid out in."""
    return Shape(vectors * LANES, TOGETHER, 2 * LINE, grid=LINE // 2, most=2 * 128)


def adding_up(vectors: int) -> Sums:
    """Make `sums` of so many vectors of outputs."""

    def sums(given: Slice) -> list[ir.Value]:
        builder = given.builder

        def line(data: ir.Value, place: ir.Value, lines: int) -> ir.Value:
            further = builder.add(place, ir.Constant(place.type, lines * LINE))
            return builder.gep(data, [further])

        totals = [[cgutils.alloca_once(builder, _SUMS) for _ in range(2)] for _ in range(vectors)]
        for total in chain(*totals):
            builder.store(ir.Constant(_SUMS, [0] * LANES), total)
        with given.steps_at(2 * vectors * LINE, unrolled=1) as (at, window):
            halves = [
                [given.load(line(given.table, begin, part), _BYTES) for part in range(2)]
                for begin in (window, builder.add(window, given.middle))
            ]
            for part in range(2 * vectors):
                given.prefetch(line(given.steps, at, AHEAD // LINE + part))
            for i, parts in enumerate(totals):
                places = given.load(line(given.steps, at, i), _BYTES)
                weights = given.load(line(given.steps, at, vectors + i), _SUMS)
                for (one, other), total in zip(halves, parts, strict=True):
                    taken = given.call("avx512.vpermi2var.qi.512", _BYTES, one, places, other)
                    added = given.call(
                        "avx512.vpdpbusd.512", _SUMS, builder.load(total),
                        builder.bitcast(taken, _SUMS), weights,
                    )  # fmt: skip
                    builder.store(added, total)
        eight = ir.Constant(_SUMS, [8] * LANES)
        return [
            builder.add(builder.load(low), builder.shl(builder.load(high), eight))
            for low, high in totals
        ]

    return sums


def _form(vectors: int) -> Form:
    name = f"wide_windows_{vectors}"
    return windows(name, shape(vectors), adding_up(vectors), HAS_WIDE_WINDOWS)


WIDE_WINDOWS_2, WIDE_WINDOWS_4 = _form(2), _form(4)
