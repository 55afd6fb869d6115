"""Dense matrices by dot products of four bytes, 64 products an instruction, by AVX-512.

A *group* is four inputs. A vector holds the weights of a group for 16 outputs, four bytes each.
vpdpbusd multiplies these by the bytes of the four messages and adds each four up: once for each
byte that messages have. With two or three a message u is u + 2^15 or u + 2^23 without a sign; what
that adds to a sum is known, and subtracted. With four it is itself modulo 2^32, and groups of which
all messages are zero are skipped: that is done where they are many, too. Sums of 64 bits are of
u + 2^31, less 2^31 times the weights' sum, by a product with ones.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from itertools import chain

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import features
from lava_ssm.engine.compiled.matrix.form import Form, Row
from lava_ssm.engine.compiled.vectors import Arrays, Vector
from lava_ssm.engine.compiled.writer import LINE, Writer
from lava_ssm.numerics import IntArray

HAS_DOTS = {"avx512bw", "avx512vnni"} <= features()
"""Whether this CPU has the instructions (Intel since Cascade Lake, AMD since Zen 4)."""
LANES, GROUP = 16, 4
BYTES = LANES * GROUP
MANY = 4
"""Vectors of outputs that share what is read of messages."""

_INT8, _INT32 = ir.IntType(8), ir.IntType(32)
_SUMS = ir.VectorType(_INT32, LANES)


def lay_out(writer: Writer, row: Row, weights: IntArray) -> None:
    """(vectors of outputs, groups, LANES, GROUP), flat."""
    d_output, d_input = weights.shape
    whole = np.zeros((-(-d_output // LANES) * LANES, -(-d_input // GROUP) * GROUP), np.int8)
    whole[:d_output, :d_input] = weights
    parts = whole.reshape(-1, LANES, whole.shape[1] // GROUP, GROUP)
    row["first"] = writer.put("weights", parts.transpose(0, 2, 1, 3))


@compiled
def add_dots(matrix, data, u, y, most):
    """See `Form`."""
    bytes_, listed = data.window, data.wide
    n_groups = (matrix.columns + GROUP - 1) // GROUP
    stride = (matrix.columns + LINE - 1) // LINE * LINE
    n_active = np.int64(0)
    for g in range(n_groups):
        j = g * GROUP
        listed[n_active] = g
        n_active += np.int64((u[j] | u[j + 1] | u[j + 2] | u[j + 3]) != 0)
    parts = 2 if most < 1 << 15 else (3 if most < 1 << 23 else 4)
    if 4 * n_active <= parts * n_groups:
        parts = 4
    offset = np.int32(0 if parts == 4 else 1 << (8 * parts - 1))
    for at in range(0, matrix.columns, LANES):
        split(u, at, offset, bytes_, at, stride)
    n_vectors = (matrix.rows + LANES - 1) // LANES
    mask = np.int32(-1 if matrix.common_shift >= 0 else 0)  # negative ones are not taken here
    table, apart = (bytes_, stride), n_groups * BYTES
    vector = np.int64(0)
    while vector < n_vectors:
        weights = data.weights, matrix.first + vector * apart, apart
        to = vector * LANES
        behind = (data.offsets, matrix.outputs + to), (data.shifts, matrix.outputs + to, mask)
        are_many = n_vectors - vector >= MANY
        if parts == 4:
            if are_many:
                _FOUR_MANY(weights, (listed, n_active), table, behind, y, to)
            else:
                _FOUR(weights, (listed, n_active), table, behind, y, to)
        elif parts == 3:
            if are_many:
                _THREE_MANY(weights, (listed, n_groups), table, behind, y, to)
            else:
                _THREE(weights, (listed, n_groups), table, behind, y, to)
        elif are_many:
            _TWO_MANY(weights, (listed, n_groups), table, behind, y, to)
        else:
            _TWO(weights, (listed, n_groups), table, behind, y, to)
        vector += MANY if are_many else 1


@compiled
def add_dots_wide(matrix, data, u, totals):
    """In 64 bits."""
    stride = (matrix.columns + LINE - 1) // LINE * LINE
    for at in range(0, matrix.columns, LANES):
        split(u, at, np.int32(-(1 << 31)), data.window, at, stride)
    n_groups = (matrix.columns + GROUP - 1) // GROUP
    apart = n_groups * BYTES
    for vector in range((matrix.rows + LANES - 1) // LANES):
        weights = data.weights, matrix.first + vector * apart, apart
        add_wide(weights, n_groups, (data.window, stride), totals, vector * LANES)


@intrinsic
def split(typingctx, u, at, offset, table, to, stride):
    """Write the bytes of `u + offset` of 16 inputs, the lowest from `to` on, others a stride on."""

    def generate(context, builder, signature, args):
        u_, at_, offset_, table_, to_, stride_ = args
        arrays = Arrays(context, builder, LANES, _INT32)
        value = arrays.load(arrays.data(u, u_), at_).value
        value = builder.add(value, arrays.spread(offset_).value)
        target, kind = arrays.data(table, table_), ir.VectorType(_INT8, LANES)
        eight = ir.Constant(value.type, [8] * LANES)
        for _ in range(4):
            pointer = builder.bitcast(builder.gep(target, [to_]), kind.as_pointer())
            builder.store(builder.trunc(value, kind), pointer, align=1)
            value, to_ = builder.lshr(value, eight), builder.add(to_, stride_)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, table, types.intp, types.intp), generate


class _Sums:
    """What generates the sums of vectors of outputs, an int32 vector for each byte of messages.

    Parameters
    ----------
    arrays
        Of int32 vectors.
    weights
        An array's type; and its value, where the vectors' weights begin, how far apart they are.
    table
        Of bytes of messages likewise, and how far those of the next place are.
    """

    def __init__(
        self,
        arrays: Arrays,
        weights: tuple[types.Type, ir.Value],
        table: tuple[types.Type, ir.Value],
    ) -> None:
        self.arrays, self.builder = arrays, arrays.builder
        weights_, self.begin, self.apart = cgutils.unpack_tuple(self.builder, weights[1])
        table_, self.stride = cgutils.unpack_tuple(self.builder, table[1])
        self.weights = arrays.data(weights[0], weights_)
        self.table = arrays.data(table[0], table_)
        kind = ir.FunctionType(_SUMS, [_SUMS] * 3)
        name = "llvm.x86.avx512.vpdpbusd.512"
        self.dot = cgutils.get_or_insert_function(self.builder.module, kind, name)

    def _load(self, data: ir.Value, place: ir.Value, kind: ir.Type) -> ir.Value:
        pointer = self.builder.bitcast(self.builder.gep(data, [place]), kind.as_pointer())
        return self.builder.load(pointer, align=1)

    def over(
        self,
        count: ir.Value,
        numbered: Callable[[ir.Value], ir.Value],
        parts: int,
        vectors: int,
        ones: bool = False,
    ) -> list[list[ir.Value]]:
        """Over so many groups, whose numbers `numbered` gives; with `ones` the weights' too."""
        builder = self.builder
        totals = [
            [cgutils.alloca_once(builder, _SUMS) for _ in range(parts + ones)]
            for _ in range(vectors)
        ]
        for total in chain(*totals):
            builder.store(ir.Constant(_SUMS, [0] * LANES), total)
        zero, one = (ir.Constant(count.type, n) for n in (0, 1))
        with cgutils.for_range_slice(builder, zero, count, one, count.type) as (n, _):
            g = numbered(n)
            place, messages = builder.mul(g, ir.Constant(g.type, GROUP)), []
            for _ in range(parts):
                messages.append(self.arrays.spread(self._load(self.table, place, _INT32)).value)
                place = builder.add(place, self.stride)
            if ones:
                messages.append(ir.Constant(_SUMS, [0x01010101] * LANES))
            at = builder.add(self.begin, builder.mul(g, ir.Constant(g.type, BYTES)))
            for of_parts in totals:
                column = self._load(self.weights, at, _SUMS)
                at = builder.add(at, self.apart)
                for message, total in zip(messages, of_parts, strict=True):
                    added = builder.call(self.dot, (builder.load(total), message, column))
                    builder.store(added, total)
        return [[builder.load(total) for total in of_parts] for of_parts in totals]


def _adding(parts: int, vectors: int) -> Callable[..., None]:
    """Make a function for some vectors of outputs and messages of so many bytes."""

    @intrinsic
    def add(typingctx, weights, groups, table, behind, y, to):
        """`y[to:] = (2 sums + offsets) >> (shifts & mask)`.

        Parameters
        ----------
        weights, table
            See `_Sums`.
        groups
            An array of numbers, read where messages have four bytes, and of how many groups.
        behind
            An int32 array of offsets and from where on, one of shifts likewise, and the mask.
        y, to
            int32, and from where on.
        """

        def generate(context, builder, signature, args):
            if not HAS_DOTS:
                return context.get_dummy_value()
            arrays = Arrays(context, builder, LANES, _INT32)
            listed_, count = cgutils.unpack_tuple(builder, args[1])
            listed = arrays.data(groups[0], listed_)

            def numbered(n: ir.Value) -> ir.Value:
                return builder.load(builder.gep(listed, [n])) if parts == 4 else n

            of_offsets, of_shifts = (
                cgutils.unpack_tuple(builder, v) for v in cgutils.unpack_tuple(builder, args[3])
            )
            mask = arrays.spread(of_shifts[2]).value
            sums = _Sums(arrays, (weights[0], args[0]), (table[0], args[2]))
            for i, of_parts in enumerate(sums.over(count, numbered, parts, vectors)):
                further = ir.Constant(args[5].type, i * LANES)
                offset, shift = (
                    arrays.load(arrays.data(kind[0], array), builder.add(first, further)).value
                    for kind, (array, first, *_) in zip(
                        behind, (of_offsets, of_shifts), strict=True
                    )
                )
                value = ir.Constant(_SUMS, [0] * LANES)
                for part, total in enumerate(of_parts):
                    value = builder.add(value, builder.shl(total, _same(8 * part + 1)))
                if parts < 4:
                    value = builder.add(value, builder.shl(offset, _same(8 * (parts - 2))))
                value = builder.ashr(value, builder.and_(shift, mask))
                place = builder.add(args[5], further)
                arrays.store(Vector(builder, value), arrays.data(y, args[4]), place)
            return context.get_dummy_value()

        return types.void(weights, groups, table, behind, y, types.intp), generate

    adding: Callable[..., None] = add
    return adding


def _same(number: int, kind: ir.Type = _SUMS) -> ir.Value:
    return ir.Constant(kind, [number] * LANES)


@intrinsic
def add_wide(typingctx, weights, n_groups, table, totals, to):
    """Add a vector of outputs' sums, doubled, to totals of 64 bits."""

    def generate(context, builder, signature, args):
        if not HAS_DOTS:
            return context.get_dummy_value()
        arrays = Arrays(context, builder, LANES, _INT32)
        wide = Arrays(context, builder, LANES, ir.IntType(64))
        sums = _Sums(arrays, (weights[0], args[0]), (table[0], args[2]))
        ((*of_parts, ones),) = sums.over(args[1], lambda n: n, 4, 1, ones=True)
        data = wide.data(totals, args[3])
        value = wide.load(data, args[4]).value
        for part, total in enumerate(of_parts):
            left = _same(8 * part + 1, wide.vector)
            value = builder.add(value, builder.shl(builder.sext(total, wide.vector), left))
        below = builder.shl(builder.sext(ones, wide.vector), _same(32, wide.vector))
        wide.store(Vector(builder, builder.sub(value, below)), data, args[4])
        return context.get_dummy_value()

    return types.void(weights, types.intp, table, totals, types.intp), generate


_TWO, _THREE, _FOUR = (_adding(parts, 1) for parts in (2, 3, 4))
_TWO_MANY, _THREE_MANY, _FOUR_MANY = (_adding(parts, MANY) for parts in (2, 3, 4))

DOTS = Form("dots", lay_out, add_dots, add_dots_wide, shifts=True)
