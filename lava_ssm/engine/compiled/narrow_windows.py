"""Windows of 32 inputs and slices of 8 outputs: 32 products in four instructions, by AVX2.

vpshufb takes bytes out of 16 by four bits of their places, or gives zero where the highest bit of a
place is set. Places from 0x70 on set it for the second 16 inputs of a window, and with that bit
inverted for the first. vpmaddubsw multiplies the bytes by weights and adds each two up in 16 bits,
which saturate: no two weights of more than 128 together are laid out as a pair. vpmaddwd adds two
pairs up in 32 bits, those of high bytes 256 times.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.vectors import Arrays, Vector
from lava_ssm.engine.compiled.windows import PART, Shape, adding

HAS_NARROW_WINDOWS = "avx2" in features()
"""Whether this CPU has the instructions (Intel since Haswell, AMD since Excavator)."""
LANES, WINDOW = 8, 32
STEP = 2 * WINDOW
"""Bytes of a step."""
NARROW = Shape(LANES, WINDOW, grid=4, stride=1, origin=0x70, most=128)

_INT8, _INT16, _INT32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
_HALF, _BYTES = ir.VectorType(_INT8, WINDOW // 2), ir.VectorType(_INT8, WINDOW)
_WORDS, _SUMS = ir.VectorType(_INT16, WINDOW // 2), ir.VectorType(_INT32, LANES)


def _high(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    """Where the high bytes begin: in the middle of a table."""
    size = context.make_array(kind)(context, builder, table).nitems
    return builder.lshr(size, ir.Constant(size.type, 1))


@intrinsic
def fill(typingctx: Any, u: Any, at: Any, offset: Any, down: Any, table: Any, to: Any) -> Any:
    """Write the two lowest bytes of `(u + offset) >> down` of 32 inputs to tables.

    Low bytes from `to` on, high ones as far from the table's middle.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        u_, at_, offset_, down_, table_, to_ = args
        arrays = Arrays(context, builder, PART, _INT32)
        source, target = arrays.data(u, u_), arrays.data(table, table_)
        value = builder.add(arrays.load(source, at_).value, arrays.spread(offset_).value)
        value = builder.lshr(value, arrays.spread(down_).value)
        high = _high(context, builder, table, table_)
        for place, amount in ((to_, 0), (builder.add(to_, high), 8)):
            part = builder.lshr(value, ir.Constant(value.type, [amount] * PART))
            pointer = builder.bitcast(builder.gep(target, [place]), _BYTES.as_pointer())
            builder.store(builder.trunc(part, _BYTES), pointer, align=1)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, types.int32, table, types.intp), generate


@intrinsic
def add_slice(
    typingctx: Any, steps: Any, tables: Any, begin: Any, end: Any, table: Any, left: Any, y: Any,
    to: Any,
) -> Any:  # fmt: skip
    """Add the sums of the steps from `begin` to `end`, shifted to the left, to y[to : to + 8].

    Where the CPU lacks the instructions: nothing, for then no matrix is laid out so.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_NARROW_WINDOWS:
            return context.get_dummy_value()
        steps_, tables_, begin_, end_, table_, left_, y_, to_ = args
        arrays = Arrays(context, builder, LANES, _INT32)
        bytes_, starts, source, sums = (
            arrays.data(kind, value)
            for kind, value in ((steps, steps_), (tables, tables_), (table, table_), (y, y_))
        )
        beyond = _high(context, builder, table, table_)

        def load(data: Any, place: Any, kind: Any) -> Any:
            pointer = builder.bitcast(builder.gep(data, [place]), kind.as_pointer())
            return builder.load(pointer, align=1)

        def call(name: str, result: Any, *values: Any) -> Any:
            kind = ir.FunctionType(result, [v.type for v in values])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
            return builder.call(function, values)

        def taken(place: Any, places: Any) -> Any:
            """Sixteen inputs' bytes, to both halves of a vector, and out of it by places."""
            half = load(source, place, _HALF)
            twice = ir.Constant(ir.VectorType(_INT32, WINDOW), [*range(WINDOW // 2)] * 2)
            both = builder.shuffle_vector(half, ir.Constant(_HALF, ir.Undefined), twice)
            return call("avx2.pshuf.b", _BYTES, both, places)

        total = cgutils.alloca_once(builder, _SUMS)
        builder.store(ir.Constant(_SUMS, [0] * LANES), total)
        step, half = ir.Constant(begin_.type, 1), ir.Constant(begin_.type, WINDOW // 2)
        top = ir.Constant(_BYTES, [0x80] * WINDOW)
        with cgutils.for_range_slice(builder, begin_, end_, step, begin_.type) as (n, _):
            at = builder.mul(n, ir.Constant(n.type, STEP))
            first = load(bytes_, at, _BYTES)
            second = builder.xor(first, top)
            weights = load(bytes_, builder.add(at, ir.Constant(at.type, WINDOW)), _BYTES)
            low = builder.load(builder.gep(starts, [n]))
            for window, times in ((low, 1), (builder.add(low, beyond), 256)):
                inputs = builder.or_(taken(window, first), taken(builder.add(window, half), second))
                pairs = call("avx2.pmadd.ub.sw", _WORDS, inputs, weights)
                factors = ir.Constant(_WORDS, [times] * (WINDOW // 2))
                added = call("avx2.pmadd.wd", _SUMS, pairs, factors)
                builder.store(builder.add(builder.load(total), added), total)
        value = builder.shl(builder.load(total), arrays.spread(left_).value)
        before = arrays.load(sums, to_).value
        arrays.store(Vector(builder, builder.add(before, value)), sums, to_)
        return context.get_dummy_value()

    wide = types.intp
    return types.void(steps, tables, wide, wide, table, types.int32, y, wide), generate


add_narrow_windows = adding(NARROW, fill, add_slice)
