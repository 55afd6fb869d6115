"""Sparse matrices in windows: 64 products an instruction, for CPUs that permute bytes.

A *slice* is 16 outputs, the 32-bit lanes of a vector. A *window* is 64 neighbouring inputs, from a
multiple of 32 on, whose bytes a vector holds. A *step* adds to each output of a slice up to four
products of inputs in one window: 64 bytes of places in the window, by which one instruction
(vpermb) takes the inputs' bytes out of the vector, and 64 weights, by which another (vpdpbusd)
multiplies them and adds each four up. Outputs with fewer weights than others of their slice have
weights of zero in the end.

A message u of 16 bits is u + 2^15 without a sign, hence two bytes without one, which take two such
pairs of instructions; what 2^15 adds to a sum is known, and subtracted. Wider messages are
u + 2^31, whose halves are taken one after the other. All modulo 2^32, and exact where
the sum fits 32 bits.
"""

# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled, kernel, ready
from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.vectors import Arrays, Vector
from lava_ssm.numerics import IntArray

LANES, TOGETHER = 16, 4
"""Outputs of a slice; products of an output in a step."""
WINDOW, GRID = 64, 32
"""Inputs of a window; where windows may begin."""
STEP = 2 * WINDOW
"""Bytes of a step, and of a window's table: those of low bytes, then those of high ones."""

HAS_WINDOWS = {"avx512bw", "avx512vbmi", "avx512vnni"} <= features()
"""Whether this CPU has the instructions (Intel since Ice Lake, AMD since Zen 4)."""

_SIGNATURE = (
    types.Array(types.int8, 2, "C"), types.Array(types.int64, 1, "C"),
    types.Array(types.uint8, 3, "C"), *2 * [types.Array(types.int64, 1, "C")],
)  # fmt: skip
_INT8, _INT32 = ir.IntType(8), ir.IntType(32)
_BYTES, _SUMS = ir.VectorType(_INT8, WINDOW), ir.VectorType(_INT32, LANES)


def in_windows(weights: IntArray) -> tuple[NDArray[np.uint8], IntArray, IntArray]:
    """Lay a matrix out.

    Parameters
    ----------
    weights
        Mantissas of 8 bits, (d_output, d_input).

    Returns
    -------
    steps
        uint8, (n_steps, 2, 64): places, and weights, four an output.
    tables
        int64, (n_steps,): where the table of each step's window begins.
    pointers
        int64, (n_slices + 1,): where the steps of each slice begin, and the end.
    """
    mantissas = np.ascontiguousarray(weights, np.int8)
    ahead = np.zeros(LANES, np.int64)
    pointers = np.zeros(-(-len(weights) // LANES) + 1, np.int64)
    ready(lay_out, _SIGNATURE)
    for _ in ("to count the steps", "to write them"):
        steps = np.zeros((pointers[-1], 2, WINDOW), np.uint8)
        tables = np.zeros(pointers[-1], np.int64)
        lay_out(mantissas, ahead, steps, tables, pointers)
    return steps, tables, pointers


@kernel
def lay_out(weights, ahead, steps, tables, pointers):
    """Fill `pointers`, and `steps` and `tables` unless they are empty.

    Parameters
    ----------
    weights
        int8, (d_output, d_input).
    ahead
        int64, (LANES,): to write on, each output's next input whose weight is not zero.
    """
    d_output, d_input = weights.shape
    n = 0
    for k in range(pointers.size - 1):
        lanes = min(LANES, d_output - k * LANES)
        for i in range(lanes):
            ahead[i] = _next(weights[k * LANES + i], 0)
        while True:
            begin = d_input
            for i in range(lanes):
                begin = min(begin, ahead[i])
            if begin == d_input:
                break
            begin -= begin % GRID
            end = min(begin + WINDOW, d_input)
            for i in range(lanes):
                row = weights[k * LANES + i]
                at, most = TOGETHER * i, TOGETHER * (i + 1)
                while at < most and ahead[i] < end:
                    if steps.size > 0:
                        steps[n, 0, at] = ahead[i] - begin
                        steps[n, 1, at] = np.uint8(row[ahead[i]])
                    ahead[i] = _next(row, ahead[i] + 1)
                    at += 1
            if steps.size > 0:
                tables[n] = begin // GRID * STEP
            n += 1
        pointers[k + 1] = n


@compiled
def _next(row, at):
    """The first weight that is not zero, from `at` on."""
    while at < row.size and row[at] == 0:
        at += 1
    return at


def aligned(x: NDArray[Any]) -> NDArray[Any]:
    """Copy a flat array to where a vector's load never touches two lines of the cache."""
    space = np.empty(x.nbytes + WINDOW, np.uint8)
    begin = -space.ctypes.data % WINDOW
    copy = space[begin : begin + x.nbytes].view(x.dtype)
    copy[...] = x
    return copy


@compiled
def add_windows(
    steps, tables, pointers, gains, of_pointers, of_gains, d_input, d_output, most, u, table, y
):  # fmt: skip
    """`y = 2 weights @ u` modulo 2^32.

    Parameters
    ----------
    steps, tables
        See `in_windows`, of all matrices.
    pointers
        From `of_pointers` on those of the matrix.
    gains
        int64: from `of_gains` on the sum of each output's weights.
    most
        The greatest magnitude of u.
    u, y
        int32, (multiples of 64 with room for d_input and d_output,); y is written.
    table
        uint8, `STEP` for each 32 inputs begun: to write on.
    """
    n_slices = (d_output + LANES - 1) // LANES
    narrow = most < 1 << 15
    offset = np.int32(1 << 15) if narrow else np.int32(-(1 << 31))
    of_offset = gains[of_gains : of_gains + d_output]
    for i in range(d_output):
        y[i] = np.int32(-2 * offset * of_offset[i])
    for half in range(1 if narrow else 2):
        for at in range(0, d_input, GRID):
            fill(u, at, offset, np.int32(16 * half), table, at // GRID * STEP)
        for k in range(n_slices):
            begin, end = pointers[of_pointers + k], pointers[of_pointers + k + 1]
            add_slice(steps, tables, begin, end, table, np.int32(16 * half + 1), y, k * LANES)


@intrinsic
def fill(typingctx: Any, u: Any, at: Any, offset: Any, down: Any, table: Any, to: Any) -> Any:
    """Write the two lowest bytes of `(u + offset) >> down` of 32 inputs to tables.

    To the beginning of their own window's, from `to` on, and to the end of the one before.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        u_, at_, offset_, down_, table_, to_ = args
        arrays = Arrays(context, builder, GRID, _INT32)
        source, target = arrays.data(u, u_), arrays.data(table, table_)
        value = builder.add(arrays.load(source, at_).value, arrays.spread(offset_).value)
        value = builder.lshr(value, arrays.spread(down_).value)
        halves = ir.VectorType(_INT8, GRID)
        eight = ir.Constant(value.type, [8] * GRID)
        low = builder.trunc(value, halves)
        high = builder.trunc(builder.lshr(value, eight), halves)

        def put(part: Any, offset: int) -> None:
            place = builder.add(to_, ir.Constant(to_.type, offset))
            pointer = builder.gep(target, [place])
            builder.store(part, builder.bitcast(pointer, halves.as_pointer()), align=1)

        put(low, 0)
        put(high, WINDOW)
        first = builder.icmp_signed("==", to_, ir.Constant(to_.type, 0))
        with builder.if_then(builder.not_(first)):
            put(low, GRID - STEP)
            put(high, GRID + WINDOW - STEP)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, types.int32, table, types.intp), generate


@intrinsic
def add_slice(
    typingctx: Any, steps: Any, tables: Any, begin: Any, end: Any, table: Any, left: Any, y: Any,
    to: Any,
) -> Any:  # fmt: skip
    """Add the sums of the steps from `begin` to `end`, shifted to the left, to y[to : to + 16].

    Where the CPU lacks the instructions: nothing, for then no matrix is laid out so.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_WINDOWS:
            return context.get_dummy_value()
        steps_, tables_, begin_, end_, table_, left_, y_, to_ = args
        arrays = Arrays(context, builder, LANES, _INT32)
        bytes_, starts, source, sums = (
            arrays.data(kind, value)
            for kind, value in ((steps, steps_), (tables, tables_), (table, table_), (y, y_))
        )

        def load(data: Any, place: Any) -> Any:
            pointer = builder.bitcast(builder.gep(data, [place]), _BYTES.as_pointer())
            return builder.load(pointer, align=1)

        def call(name: str, result: Any, *values: Any) -> Any:
            kind = ir.FunctionType(result, [v.type for v in values])
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, values)

        totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(2)]
        for total in totals:
            builder.store(ir.Constant(_SUMS, [0] * LANES), total)
        beyond = ir.Constant(begin_.type, WINDOW)
        step = ir.Constant(begin_.type, 1)
        with cgutils.for_range_slice(builder, begin_, end_, step, begin_.type) as (n, _):
            at = builder.mul(n, ir.Constant(n.type, STEP))
            places, weights = load(bytes_, at), load(bytes_, builder.add(at, beyond))
            window = builder.load(builder.gep(starts, [n]))
            for part, total in enumerate(totals):
                here = builder.add(window, beyond) if part else window
                taken = call("llvm.x86.avx512.permvar.qi.512", _BYTES, load(source, here), places)
                before = builder.load(total)
                added = call(
                    "llvm.x86.avx512.vpdpbusd.512", _SUMS, before,
                    *(builder.bitcast(v, _SUMS) for v in (taken, weights)),
                )  # fmt: skip
                builder.store(added, total)
        low, high = (builder.load(total) for total in totals)
        total = builder.add(low, builder.shl(high, ir.Constant(_SUMS, [8] * LANES)))
        total = builder.shl(total, arrays.spread(left_).value)
        before = arrays.load(sums, to_).value
        arrays.store(Vector(builder, builder.add(before, total)), sums, to_)
        return context.get_dummy_value()

    wide = types.intp
    return types.void(steps, tables, wide, wide, table, types.int32, y, wide), generate
