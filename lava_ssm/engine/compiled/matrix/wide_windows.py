"""Windows of 64 inputs and slices of 32 outputs: 64 products an instruction, by AVX-512.

Inputs are taken by vpermb; vpdpbusd multiplies their bytes by weights and adds each four up. Two
vectors of outputs share what is read of a window.
"""

from itertools import chain

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.windows import PART, Shape, Slice, windows
from lava_ssm.engine.compiled.vectors import Arrays

HAS_WIDE_WINDOWS = {"avx512bw", "avx512vbmi", "avx512vnni"} <= features()
"""Whether this CPU has the instructions (Intel since Ice Lake, AMD since Zen 4)."""
LANES, WINDOW, VECTORS = 16, 64, 2
TABLE = 2 * WINDOW
"""Bytes of a window's table: those of low bytes, then those of high ones."""
STEP = 2 * VECTORS * WINDOW
"""Bytes of a step: those of places, then weights."""
WIDE = Shape(VECTORS * LANES, 4, WINDOW, grid=PART, stride=TABLE // PART, most=2 * 128)

_INT8, _INT32 = ir.IntType(8), ir.IntType(32)
_BYTES, _SUMS = ir.VectorType(_INT8, WINDOW), ir.VectorType(_INT32, LANES)


@intrinsic
def fill(typingctx, u, at, offset, down, table, to):  # type: ignore[no-untyped-def]
    """Write the two lowest bytes of `(u + offset) >> down` of 32 inputs to tables.

    To the beginning of their own window's, from `to` on, and to the end of the one before.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        u_, at_, offset_, down_, table_, to_ = args
        arrays = Arrays(context, builder, PART, _INT32)
        source, target = arrays.data(u, u_), arrays.data(table, table_)
        value = builder.add(arrays.load(source, at_).value, arrays.spread(offset_).value)
        value = builder.lshr(value, arrays.spread(down_).value)
        halves = ir.VectorType(_INT8, PART)
        eight = ir.Constant(value.type, [8] * PART)
        low = builder.trunc(value, halves)
        high = builder.trunc(builder.lshr(value, eight), halves)

        def put(part: ir.Value, offset: int) -> None:
            place = builder.add(to_, ir.Constant(to_.type, offset))
            pointer = builder.gep(target, [place])
            builder.store(part, builder.bitcast(pointer, halves.as_pointer()), align=1)

        put(low, 0)
        put(high, WINDOW)
        first = builder.icmp_signed("==", to_, ir.Constant(to_.type, 0))
        with builder.if_then(builder.not_(first)):
            put(low, PART - TABLE)
            put(high, PART + WINDOW - TABLE)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, types.int32, table, types.intp), generate


def sums(given: Slice) -> list[ir.Value]:
    """Generate the sums of a slice."""
    builder = given.builder

    def load(data: ir.Value, place: ir.Value) -> ir.Value:
        pointer = builder.bitcast(builder.gep(data, [place]), _BYTES.as_pointer())
        return builder.load(pointer, align=1)

    def call(name: str, result: ir.Type, *values: ir.Value) -> ir.Value:
        kind = ir.FunctionType(result, [v.type for v in values])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, values)

    totals = [[cgutils.alloca_once(builder, _SUMS) for _ in range(2)] for _ in range(VECTORS)]
    for total in chain(*totals):
        builder.store(ir.Constant(_SUMS, [0] * LANES), total)
    step = ir.Constant(given.begin.type, 1)

    def further(place: ir.Value, vectors: int) -> ir.Value:
        return builder.add(place, ir.Constant(place.type, vectors * WINDOW))

    with cgutils.for_range_slice(builder, given.begin, given.end, step, given.begin.type) as (n, _):
        at = builder.mul(n, ir.Constant(n.type, STEP))
        window = builder.sext(builder.load(builder.gep(given.tables, [n])), n.type)
        halves = [load(given.table, further(window, part)) for part in range(2)]
        for i, parts in enumerate(totals):
            places = load(given.steps, further(at, i))
            weights = builder.bitcast(load(given.steps, further(at, VECTORS + i)), _SUMS)
            for half, total in zip(halves, parts, strict=True):
                taken = call("llvm.x86.avx512.permvar.qi.512", _BYTES, half, places)
                added = call(
                    "llvm.x86.avx512.vpdpbusd.512", _SUMS, builder.load(total),
                    builder.bitcast(taken, _SUMS), weights,
                )  # fmt: skip
                builder.store(added, total)
    eight = ir.Constant(_SUMS, [8] * LANES)
    return [
        builder.add(builder.load(low), builder.shl(builder.load(high), eight))
        for low, high in totals
    ]


WIDE_WINDOWS = windows("wide_windows", WIDE, fill, sums, HAS_WIDE_WINDOWS)
