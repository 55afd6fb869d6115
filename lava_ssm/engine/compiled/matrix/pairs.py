"""Dense matrices by the columns of inputs that are not zero, two at a time, by AVX2.

A *block* is 32 outputs, whose weights of one input a vector holds, a byte each. Two inputs' vectors
are interleaved by 16 bits: of each lane of 32 bits the even bytes are one output's weights of both
inputs, the odd ones another's. vpmaddwd multiplies them by the two messages and adds up. Weights
are w + 2^7, without a sign, as then a mask or a shift is enough to take them out; what 2^7 adds is
the same for all outputs, and subtracted.

Messages of more than 16 bits are u_1 2^15 + u_0, taken one after the other. All modulo 2^32, and
exact where the sum fits 32 bits.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.dense import active
from lava_ssm.engine.compiled.matrix.form import Form, Row
from lava_ssm.engine.compiled.vectors import Arrays, Vector
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.numerics import IntArray

HAS_PAIRS = "avx2" in features()
"""Whether this CPU has the instructions."""
BLOCK = 32
"""Outputs of a block."""
MOST_INPUTS = 1 << 16
"""Two inputs' numbers fit 32 bits."""
_ORIGIN = 128

_INT8, _INT16, _INT32, _INT64 = (ir.IntType(n) for n in (8, 16, 32, 64))
_BYTES, _WORDS, _SUMS = (ir.VectorType(kind, 256 // kind.width) for kind in (_INT8, _INT16, _INT32))


def _place(i: int) -> int:
    """Where the weight of a block's output is so that sums come out in order."""
    quarter, lane = divmod(i, 8)  # low words' even and odd bytes, high words' even and odd ones
    half, word = divmod(lane, 4)
    return 16 * half + 8 * (quarter // 2) + 2 * word + quarter % 2


PLACE = np.array([_place(i) for i in range(BLOCK)])


def lay_out(writer: Writer, row: Row, weights: IntArray) -> None:
    """(n_blocks, d_input, BLOCK), flat."""
    d_output, d_input = weights.shape
    blocks = np.zeros((-(-d_output // BLOCK) * BLOCK, d_input), np.uint8)
    blocks[:d_output] = weights + _ORIGIN
    parts = blocks.reshape(-1, BLOCK, d_input)
    placed = np.empty((len(parts), d_input, BLOCK), np.uint8)
    placed[..., PLACE] = np.moveaxis(parts, 1, 2)
    row["first"] = writer.put("weights", placed.view(np.int8))


@compiled
def add_pairs(matrix, data, u, y, most):
    """See `Form`."""
    d_input, pairs = matrix.columns, data.wide
    total = np.int32(0)
    for j in range(d_input):
        total += u[j]
    n_outputs = (matrix.rows + BLOCK - 1) // BLOCK * BLOCK
    for i in range(n_outputs):
        y[i] = np.int32(-2 * _ORIGIN * total)
    narrow = most < 1 << 15
    for part in range(1 if narrow else 2):
        n = active(u, d_input, pairs)
        down, mask = (0, 0xFFFF) if narrow else ((0, 0x7FFF) if part == 0 else (15, 0xFFFF))
        n_pairs = _pair(u, n, pairs, down, mask)
        for i in range(0, n_outputs, BLOCK):
            first = matrix.first + i * d_input
            add_block(data.weights, first, pairs, n_pairs, np.int32(15 * part + 1), y, i)


@compiled
def add_pairs_wide(matrix, data, u, totals):
    """In 64 bits, input by input: of a one-hot token all but one are zero."""
    weights, d_input = data.weights, matrix.columns
    for j in range(d_input):
        if u[j] == 0:
            continue
        v, column = 2 * np.int64(u[j]), matrix.first + j * BLOCK
        for i in range(matrix.rows):
            at = column + i // BLOCK * d_input * BLOCK + PLACE[i % BLOCK]
            totals[i] += v * (np.int64(np.uint8(weights[at])) - _ORIGIN)


@compiled
def _pair(u, n, numbers, down, mask):
    """Replace numbers of inputs by two messages of 16 bits and two numbers; gives how many."""
    n_pairs = n // np.uint64(2)
    for k in range(n_pairs):
        i, j = (
            np.uint64(numbers[np.uint64(2) * k]),
            np.uint64(numbers[np.uint64(2) * k + np.uint64(1)]),
        )
        one, other = (np.int64(u[i]) >> down) & mask, (np.int64(u[j]) >> down) & mask
        numbers[k] = one | other << 16 | np.int64(i) << 32 | np.int64(j) << 48
    if n % np.uint64(2) == 0:
        return np.int64(n_pairs)
    i = np.uint64(numbers[n - np.uint64(1)])
    numbers[n_pairs] = ((np.int64(u[i]) >> down) & mask) | np.int64(i) << 32 | np.int64(i) << 48
    return np.int64(n_pairs) + 1


@intrinsic
def add_block(typingctx, weights, first, pairs, n_pairs, left, y, to):
    """Add a block's sums over pairs, shifted to the left, to y[to : to + 32].

    Where the CPU lacks the instructions: nothing, for then no matrix is laid out so.
    """

    def generate(context, builder, signature, args):
        if not HAS_PAIRS:
            return context.get_dummy_value()
        weights_, first_, pairs_, n_pairs_, left_, y_, to_ = args
        arrays = Arrays(context, builder, 8, _INT32)
        bytes_, listed, sums = (
            arrays.data(kind, value)
            for kind, value in ((weights, weights_), (pairs, pairs_), (y, y_))
        )
        start = builder.gep(bytes_, [first_])

        def constant(kind: ir.Type, value: int) -> ir.Value:
            return ir.Constant(kind, [value] * kind.count)

        def column(j: ir.Value) -> ir.Value:
            place = builder.gep(start, [builder.mul(j, ir.Constant(_INT64, BLOCK))])
            return builder.bitcast(
                builder.load(builder.bitcast(place, _BYTES.as_pointer()), align=1), _WORDS
            )

        def interleaved(one: ir.Value, other: ir.Value, from_: int) -> ir.Value:
            places = [
                half + from_ + i + source
                for half in (0, 8)
                for i in range(4)
                for source in (0, _WORDS.count)
            ]
            kind = ir.VectorType(_INT32, _WORDS.count)
            return builder.shuffle_vector(one, other, ir.Constant(kind, places))

        def multiplied(values: ir.Value, messages: ir.Value) -> ir.Value:
            kind = ir.FunctionType(_SUMS, [_WORDS, _WORDS])
            name = "llvm.x86.avx2.pmadd.wd"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, (values, messages))

        totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(BLOCK // 8)]
        for total in totals:
            builder.store(constant(_SUMS, 0), total)
        zero, step = (ir.Constant(n_pairs_.type, n) for n in (0, 1))
        with cgutils.for_range_slice(builder, zero, n_pairs_, step, n_pairs_.type) as (k, _):
            pair = builder.bitcast(builder.gep(listed, [k]), _INT32.as_pointer())
            messages = builder.bitcast(arrays.spread(builder.load(pair)).value, _WORDS)
            numbers = builder.bitcast(pair, _INT16.as_pointer())
            one, other = (
                column(
                    builder.zext(
                        builder.load(builder.gep(numbers, [ir.Constant(_INT32, at)])), _INT64
                    )
                )
                for at in (2, 3)
            )
            for part, from_ in enumerate((0, 4)):
                both = interleaved(one, other, from_)
                even = builder.and_(both, constant(_WORDS, 255))
                odd = builder.lshr(both, constant(_WORDS, 8))
                for values, total in zip((even, odd), totals[2 * part :], strict=False):
                    added = builder.add(builder.load(total), multiplied(values, messages))
                    builder.store(added, total)
        amount = arrays.spread(left_).value
        for i, total in enumerate(totals):
            place = builder.add(to_, ir.Constant(to_.type, 8 * i))
            value = builder.add(
                arrays.load(sums, place).value, builder.shl(builder.load(total), amount)
            )
            arrays.store(Vector(builder, value), sums, place)
        return context.get_dummy_value()

    wide = types.intp
    return types.void(weights, wide, pairs, wide, types.int32, y, wide), generate


PAIRS = Form("pairs", lay_out, add_pairs, add_pairs_wide)
