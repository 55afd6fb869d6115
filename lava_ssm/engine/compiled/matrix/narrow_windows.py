"""Windows of 16 inputs and slices of 16 outputs: 32 products in ten instructions, by AVX2.

vpshufb takes bytes out of 16. vpmaddubsw multiplies them by weights and adds each two up in 16
bits, which saturate: no two weights of more than 128 together are laid out as a pair. Sums of low
bytes and of high ones are interleaved, for vpmaddwd to add up in 32 bits, the high ones 256 times.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.windows import PART, Shape, Slice, windows
from lava_ssm.engine.compiled.vectors import Arrays

HAS_NARROW_WINDOWS = "avx2" in features()
"""Whether this CPU has the instructions (Intel since Haswell, AMD since Excavator)."""
LANES, WINDOW = 16, 16
PLACES = 2 * LANES
"""Products of a step, and bytes of its places, which weights follow."""
NARROW = Shape(LANES, 2, WINDOW, grid=1, stride=1, most=128)

_INT8, _INT16, _INT32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
_HALF, _BYTES = ir.VectorType(_INT8, WINDOW), ir.VectorType(_INT8, PLACES)
_WORDS, _SUMS = ir.VectorType(_INT16, LANES), ir.VectorType(_INT32, LANES // 2)


def _middle(builder: ir.IRBuilder, size: ir.Value) -> ir.Value:
    """Where the high bytes of a table begin."""
    return builder.lshr(size, ir.Constant(size.type, 1))


@intrinsic
def fill(typingctx, u, at, offset, down, table, to):  # type: ignore[no-untyped-def]
    """Write the two lowest bytes of `(u + offset) >> down` of 32 inputs to tables.

    Low bytes from `to` on, high ones as far from the table's middle.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        u_, at_, offset_, down_, table_, to_ = args
        arrays = Arrays(context, builder, PART, _INT32)
        source, target = arrays.data(u, u_), arrays.data(table, table_)
        value = builder.add(arrays.load(source, at_).value, arrays.spread(offset_).value)
        value = builder.lshr(value, arrays.spread(down_).value)
        size = context.make_array(table)(context, builder, table_).nitems
        high = _middle(builder, size)
        bytes_ = ir.VectorType(_INT8, PART)
        for place, amount in ((to_, 0), (builder.add(to_, high), 8)):
            part = builder.lshr(value, ir.Constant(value.type, [amount] * PART))
            pointer = builder.bitcast(builder.gep(target, [place]), bytes_.as_pointer())
            builder.store(builder.trunc(part, bytes_), pointer, align=1)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, types.int32, table, types.intp), generate


def sums(given: Slice) -> list[ir.Value]:
    """Generate the sums of a slice: outputs 0 to 7, and 8 to 15."""
    builder = given.builder
    middle = _middle(builder, given.size)

    def load(data: ir.Value, place: ir.Value, kind: ir.Type) -> ir.Value:
        pointer = builder.bitcast(builder.gep(data, [place]), kind.as_pointer())
        return builder.load(pointer, align=1)

    def call(name: str, result: ir.Type, *values: ir.Value) -> ir.Value:
        kind = ir.FunctionType(result, [v.type for v in values])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx2.{name}")
        return builder.call(function, values)

    def shuffled(one: ir.Value, other: ir.Value, places: list[int]) -> ir.Value:
        kind = ir.VectorType(_INT32, len(places))
        return builder.shuffle_vector(one, other, ir.Constant(kind, places))

    def pairs(place: ir.Value, places: ir.Value, weights: ir.Value) -> ir.Value:
        """Sums of two products each with bytes of a table."""
        half = load(given.table, place, _HALF)
        both = shuffled(half, ir.Constant(_HALF, ir.Undefined), [*range(WINDOW)] * 2)
        taken = call("pshuf.b", _BYTES, both, places)
        return call("pmadd.ub.sw", _WORDS, taken, weights)

    quarters = [[*range(at, at + 4)] for at in range(0, LANES, 4)]
    factors = ir.Constant(_WORDS, [1, 256] * (LANES // 2))
    totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(2)]
    for total in totals:
        builder.store(ir.Constant(_SUMS, [0] * (LANES // 2)), total)
    step = ir.Constant(given.begin.type, 1)
    with cgutils.for_range_slice(builder, given.begin, given.end, step, given.begin.type) as (n, _):
        at = builder.mul(n, ir.Constant(n.type, 2 * PLACES))
        places = load(given.steps, at, _BYTES)
        weights = load(given.steps, builder.add(at, ir.Constant(at.type, PLACES)), _BYTES)
        window = builder.sext(builder.load(builder.gep(given.tables, [n])), n.type)
        low = pairs(window, places, weights)
        high = pairs(builder.add(window, middle), places, weights)
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
    return [shuffled(one, other, [*quarters[half], *quarters[half + 2]]) for half in range(2)]


NARROW_WINDOWS = windows("narrow_windows", NARROW, fill, sums, HAS_NARROW_WINDOWS)
