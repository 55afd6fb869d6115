"""Windows of 16 inputs and slices of 16 outputs: 32 products in ten instructions, by AVX2.

vpshufb takes bytes out of 16. vpmaddubsw multiplies them by weights and adds each two up in 16
bits, which saturate: no two weights of more than 128 together are laid out as a pair. Sums of low
bytes and of high ones are interleaved, for vpmaddwd to add up in 32 bits, the high ones 256 times.
"""

from llvmlite import ir
from numba.core import cgutils

from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.windows import Shape, Slice, windows

HAS_NARROW_WINDOWS = "avx2" in features()
"""Whether this CPU has the instructions (Intel since Haswell, AMD since Excavator)."""
LANES, WINDOW = 16, 16
PLACES = 2 * LANES
"""Products of a step, and bytes of its places, which weights follow."""
NARROW = Shape(LANES, 2, WINDOW, grid=1, most=128)

_INT8, _INT16, _INT32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
_HALF, _BYTES = ir.VectorType(_INT8, WINDOW), ir.VectorType(_INT8, PLACES)
_WORDS, _SUMS = ir.VectorType(_INT16, LANES), ir.VectorType(_INT32, LANES // 2)


def sums(given: Slice) -> list[ir.Value]:
    """Generate the sums of a slice: outputs 0 to 7, and 8 to 15."""
    builder = given.builder

    def shuffled(one: ir.Value, other: ir.Value, places: list[int]) -> ir.Value:
        kind = ir.VectorType(_INT32, len(places))
        return builder.shuffle_vector(one, other, ir.Constant(kind, places))

    def pairs(place: ir.Value, places: ir.Value, weights: ir.Value) -> ir.Value:
        """Sums of two products each with bytes of a table."""
        half = given.load(builder.gep(given.table, [place]), _HALF)
        both = shuffled(half, ir.Constant(_HALF, ir.Undefined), [*range(WINDOW)] * 2)
        taken = given.call("avx2.pshuf.b", _BYTES, both, places)
        return given.call("avx2.pmadd.ub.sw", _WORDS, taken, weights)

    quarters = [[*range(at, at + 4)] for at in range(0, LANES, 4)]
    factors = ir.Constant(_WORDS, [1, 256] * (LANES // 2))
    totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(2)]
    for total in totals:
        builder.store(ir.Constant(_SUMS, [0] * (LANES // 2)), total)
    with given.steps_at(2 * PLACES, unrolled=2) as (at, window):
        places, weights = (
            given.load(builder.gep(given.steps, [builder.add(at, ir.Constant(at.type, n))]), _BYTES)
            for n in (0, PLACES)
        )
        low = pairs(window, places, weights)
        high = pairs(builder.add(window, given.middle), places, weights)
        # quarters 0 and 2 of the outputs, then 1 and 3: vectors interleave by halves
        for first, total in enumerate(totals):
            order = [
                i + source
                for quarter in quarters[first::2]
                for i in quarter
                for source in (0, LANES)
            ]
            added = given.call("avx2.pmadd.wd", _SUMS, shuffled(low, high, order), factors)
            builder.store(builder.add(builder.load(total), added), total)
    one, other = (builder.load(total) for total in totals)
    return [shuffled(one, other, [*quarters[half], *quarters[half + 2]]) for half in range(2)]


NARROW_WINDOWS = windows("narrow_windows", NARROW, sums, HAS_NARROW_WINDOWS)
