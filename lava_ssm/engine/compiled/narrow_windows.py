"""Windows of 16 inputs and slices of 16 outputs: 32 products in ten instructions, by AVX2.

vpshufb takes bytes out of 16. vpmaddubsw multiplies them by weights and adds each two up in 16
bits, which saturate: no two weights of more than 128 together are laid out as a pair. Sums of low
bytes and of high ones are interleaved, for vpmaddwd to add up in 32 bits, the high ones 256 times.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.vectors import Arrays
from lava_ssm.engine.compiled.windows import PART, Shape, adding, write

HAS_NARROW_WINDOWS = "avx2" in features()
"""Whether this CPU has the instructions (Intel since Haswell, AMD since Excavator)."""
LANES, WINDOW = 16, 16
PLACES = 2 * LANES
"""Products of a step, and bytes of its places, which weights follow."""
NARROW = Shape(LANES, 2, WINDOW, grid=1, stride=1, most=128)

_INT8, _INT16, _INT32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
_HALF, _BYTES = ir.VectorType(_INT8, WINDOW), ir.VectorType(_INT8, PLACES)
_WORDS, _SUMS = ir.VectorType(_INT16, LANES), ir.VectorType(_INT32, LANES // 2)


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
        bytes_ = ir.VectorType(_INT8, PART)
        for place, amount in ((to_, 0), (builder.add(to_, high), 8)):
            part = builder.lshr(value, ir.Constant(value.type, [amount] * PART))
            pointer = builder.bitcast(builder.gep(target, [place]), bytes_.as_pointer())
            builder.store(builder.trunc(part, bytes_), pointer, align=1)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, types.int32, table, types.intp), generate


@intrinsic
def add_slice(
    typingctx: Any, steps: Any, tables: Any, begin: Any, end: Any, table: Any, left: Any,
    before: Any, of_before: Any, down: Any, of_down: Any, mask: Any, y: Any, to: Any,
) -> Any:  # fmt: skip
    """Write the sums of the steps from `begin` to `end` to y[to : to + 16], see `windows.adding`.

    Where the CPU lacks the instructions: nothing, for then no matrix is laid out so.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_NARROW_WINDOWS:
            return context.get_dummy_value()
        (
            steps_, tables_, begin_, end_, table_, left_, before_, of_before_, down_, of_down_,
            mask_, y_, to_,
        ) = args  # fmt: skip
        arrays = Arrays(context, builder, LANES // 2, _INT32)
        bytes_, starts, source, others, amounts, sums = (
            arrays.data(kind, value)
            for kind, value in (
                (steps, steps_), (tables, tables_), (table, table_), (before, before_),
                (down, down_), (y, y_),
            )
        )  # fmt: skip
        beyond = _high(context, builder, table, table_)

        def load(data: Any, place: Any, kind: Any) -> Any:
            pointer = builder.bitcast(builder.gep(data, [place]), kind.as_pointer())
            return builder.load(pointer, align=1)

        def call(name: str, result: Any, *values: Any) -> Any:
            kind = ir.FunctionType(result, [v.type for v in values])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx2.{name}")
            return builder.call(function, values)

        def shuffled(one: Any, other: Any, places: list[int]) -> Any:
            kind = ir.VectorType(_INT32, len(places))
            return builder.shuffle_vector(one, other, ir.Constant(kind, places))

        def pairs(place: Any, places: Any, weights: Any) -> Any:
            """Sums of two products each with bytes of a table."""
            half = load(source, place, _HALF)
            both = shuffled(half, ir.Constant(_HALF, ir.Undefined), [*range(WINDOW)] * 2)
            taken = call("pshuf.b", _BYTES, both, places)
            return call("pmadd.ub.sw", _WORDS, taken, weights)

        quarters = [[*range(at, at + 4)] for at in range(0, LANES, 4)]
        factors = ir.Constant(_WORDS, [1, 256] * (LANES // 2))
        totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(2)]
        for total in totals:
            builder.store(ir.Constant(_SUMS, [0] * (LANES // 2)), total)
        step = ir.Constant(begin_.type, 1)
        with cgutils.for_range_slice(builder, begin_, end_, step, begin_.type) as (n, _):
            at = builder.mul(n, ir.Constant(n.type, 2 * PLACES))
            places = load(bytes_, at, _BYTES)
            weights = load(bytes_, builder.add(at, ir.Constant(at.type, PLACES)), _BYTES)
            window = builder.sext(builder.load(builder.gep(starts, [n])), n.type)
            low = pairs(window, places, weights)
            high = pairs(builder.add(window, beyond), places, weights)
            # quarters 0 and 2 of the outputs, then 1 and 3: vectors interleave by halves
            for first, total in enumerate(totals):
                order = [
                    i + source
                    for quarter in quarters[first::2]
                    for i in quarter
                    for source in (0, LANES)
                ]
                added = call("pmadd.wd", _SUMS, shuffled(low, high, order), factors)
                builder.store(builder.add(builder.load(total), added), total)
        one, other = (builder.load(total) for total in totals)
        for half in range(2):
            value = shuffled(one, other, [*quarters[half], *quarters[half + 2]])
            write(
                arrays, value, left_, (others, of_before_), (amounts, of_down_), mask_, (sums, to_),
                LANES // 2 * half,
            )  # fmt: skip
        return context.get_dummy_value()

    wide = types.intp
    return types.void(
        steps,
        tables,
        wide,
        wide,
        table,
        types.int32,
        before,
        wide,
        down,
        wide,
        types.int32,
        y,
        wide,
    ), generate


add_narrow_windows = adding(NARROW, fill, add_slice)
