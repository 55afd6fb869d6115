"""Windows of 64 inputs and slices of 16 outputs: 64 products an instruction, by AVX-512.

Inputs are taken by vpermb; vpdpbusd multiplies their bytes by weights and adds each four up.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.windows import PART, Shape, Slice, windows
from lava_ssm.engine.compiled.vectors import Arrays

HAS_WIDE_WINDOWS = {"avx512bw", "avx512vbmi", "avx512vnni"} <= features()
"""Whether this CPU has the instructions (Intel since Ice Lake, AMD since Zen 4)."""
LANES, WINDOW = 16, 64
STEP = 2 * WINDOW
"""Bytes of a step, and of a window's table: those of low bytes, then those of high ones."""
WIDE = Shape(LANES, 4, WINDOW, grid=PART, stride=STEP // PART, most=2 * 128)

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
            put(low, PART - STEP)
            put(high, PART + WINDOW - STEP)
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

    totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(2)]
    for total in totals:
        builder.store(ir.Constant(_SUMS, [0] * LANES), total)
    beyond = ir.Constant(given.begin.type, WINDOW)
    step = ir.Constant(given.begin.type, 1)
    with cgutils.for_range_slice(builder, given.begin, given.end, step, given.begin.type) as (n, _):
        at = builder.mul(n, ir.Constant(n.type, STEP))
        places, weights = load(given.steps, at), load(given.steps, builder.add(at, beyond))
        window = builder.sext(builder.load(builder.gep(given.tables, [n])), n.type)
        for part, total in enumerate(totals):
            here = builder.add(window, beyond) if part else window
            taken = call("llvm.x86.avx512.permvar.qi.512", _BYTES, load(given.table, here), places)
            so_far = builder.load(total)
            added = call(
                "llvm.x86.avx512.vpdpbusd.512", _SUMS, so_far,
                *(builder.bitcast(v, _SUMS) for v in (taken, weights)),
            )  # fmt: skip
            builder.store(added, total)
    low, high = (builder.load(total) for total in totals)
    return [builder.add(low, builder.shl(high, ir.Constant(_SUMS, [8] * LANES)))]


WIDE_WINDOWS = windows("wide_windows", WIDE, fill, sums, HAS_WIDE_WINDOWS)
