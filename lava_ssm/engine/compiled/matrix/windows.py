"""Sparse matrices in windows: many products an instruction, for CPUs that permute bytes.

A *slice* is some outputs, the 32-bit lanes of vectors. A *window* is neighbouring inputs, whose
bytes vectors hold. A *step* adds to each output of a slice a few products of inputs in one
window: bytes of places in the window, by which an instruction takes the inputs' bytes out of the
vector, and of weights. Weights of zero fill up the steps of outputs that have fewer than others of
their slice, or that two neighbours would saturate.

A message u of 16 bits is u + 2^15 without a sign, hence two bytes without one, which are multiplied
one after the other; what 2^15 adds to a sum is known, and subtracted. Wider messages are
u + 2^31, whose halves are taken one after the other. All modulo 2^32, and exact where
the sum fits 32 bits.

Of two forms (`wide_windows`, `narrow_windows`) a CPU takes the widest that it has.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled, kernel, ready, renamed
from lava_ssm.engine.compiled.matrix.form import Form, Row
from lava_ssm.engine.compiled.vectors import Arrays, Vector
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.numerics import IntArray

_INT32 = ir.IntType(32)
PART = 32
"""Inputs whose bytes are written at a time."""


class Shape(NamedTuple):
    """What the forms of windows differ in.

    Parameters
    ----------
    lanes, together
        Outputs of a slice, products of an output in a step. Bytes of a step: the product of these
        of places, and as many of weights.
    window, grid
        Inputs of a window, and what the first is a multiple of.
    most
        What two weights one behind the other, from an even place on, may add up to at most, or at
        least, negative.
    """

    lanes: int
    together: int
    window: int
    grid: int
    most: int


_SIGNATURE = (
    types.Array(types.int8, 2, "C"),
    types.Array(types.int64, 1, "C"),
    types.Array(types.uint8, 3, "C"),
    types.Array(types.int32, 1, "C"),
    types.Array(types.int64, 1, "C"),
    numba.typeof(Shape(*range(5))),
)


def in_windows(
    weights: IntArray, shape: Shape
) -> tuple[NDArray[np.uint8], NDArray[np.int32], IntArray]:
    """Lay a matrix out.

    Parameters
    ----------
    weights
        Mantissas of 8 bits, (d_output, d_input).

    Returns
    -------
    steps
        uint8, (n_steps, 2, lanes together): places, and weights, output by output.
    tables
        int32, (n_steps,): the input with which each step's window begins.
    pointers
        int64, (n_slices + 1,): where the steps of each slice begin, and the end.
    """
    ahead = np.zeros(shape.lanes, np.int64)
    pointers = np.zeros(-(-len(weights) // shape.lanes) + 1, np.int64)
    ready(_fill_steps, _SIGNATURE)
    for _ in ("to count the steps", "to write them"):
        steps = np.zeros((pointers[-1], 2, shape.together * shape.lanes), np.uint8)
        tables = np.zeros(pointers[-1], np.int32)
        rest = np.array(weights, np.int8, order="C")
        _fill_steps(rest, ahead, steps, tables, pointers, shape)
    return steps, tables, pointers


@kernel
def _fill_steps(weights, ahead, steps, tables, pointers, shape):
    """Fill `pointers`, and `steps` and `tables` unless they are empty.

    Parameters
    ----------
    weights
        int8, (d_output, d_input); zero afterwards.
    ahead
        int64, (lanes,): to write on, each output's next input whose weight is not zero.
    """
    together, window, most = shape.together, shape.window, shape.most
    d_output, d_input = weights.shape
    # the first to hold the last input: a later one would be read from beyond the table
    last_window = max(0, (d_input - window + shape.grid - 1) // shape.grid * shape.grid)
    n_lanes = ahead.size
    n = 0
    for k in range(pointers.size - 1):
        lanes = min(n_lanes, d_output - k * n_lanes)
        for i in range(lanes):
            ahead[i] = _next(weights[k * n_lanes + i], 0)
        while True:
            begin = d_input
            for i in range(lanes):
                begin = min(begin, ahead[i])
            if begin == d_input:
                break
            begin = min(begin - begin % shape.grid, last_window)
            end = min(begin + window, d_input)
            for i in range(lanes):
                row = weights[k * n_lanes + i]
                at, last, before = together * i, together * (i + 1), np.int64(0)
                for j in range(ahead[i], end):
                    weight = np.int64(row[j])
                    # of a pair, the first on an even place: another weight may fit beside it
                    if weight == 0 or (at % 2 == 1 and abs(before + weight) > most):
                        continue
                    if steps.size > 0:
                        steps[n, 0, at] = j - begin
                        steps[n, 1, at] = np.uint8(weight)
                    row[j] = 0
                    before = weight
                    at += 1
                    if at == last:
                        break
                ahead[i] = _next(row, ahead[i])
            if steps.size > 0:
                tables[n] = begin
            n += 1
        pointers[k + 1] = n


@compiled
def _next(row, at):
    """The first weight that is not zero, from `at` on."""
    while at < row.size and row[at] == 0:
        at += 1
    return at


class Slice(NamedTuple):
    """What a form of windows generates the sums of a slice from: LLVM's values.

    Parameters
    ----------
    builder
        Of the instructions.
    steps, tables, table
        Where these arrays begin, see `add_slice`.
    size
        Elements of `table`.
    first, begin, end
        See `span` there.
    """

    builder: ir.IRBuilder
    steps: ir.Value
    tables: ir.Value
    table: ir.Value
    size: ir.Value
    first: ir.Value
    begin: ir.Value
    end: ir.Value

    @property
    def middle(self) -> ir.Value:
        """Where the high bytes of the table of inputs begin."""
        return self.builder.lshr(self.size, ir.Constant(self.size.type, 1))

    @contextmanager
    def steps_at(self, size: int, unrolled: int) -> Iterator[tuple[ir.Value, ir.Value]]:
        """Go over steps of so many bytes: where each begins, and where its window.

        The loop is unrolled so many times: a rest of steps is a branch that no processor guesses.
        """
        one = ir.Constant(self.begin.type, 1)
        steps = cgutils.for_range_slice(self.builder, self.begin, self.end, one, one.type)
        with steps as (n, _):
            window = self.builder.load(self.builder.gep(self.tables, [n]))
            at = self.builder.mul(n, ir.Constant(n.type, size))
            yield self.builder.add(self.first, at), self.builder.sext(window, n.type)
            last = self.builder.block
        module = self.builder.module
        loop = module.add_metadata(
            [module.add_metadata(["llvm.loop.unroll.count", ir.Constant(_INT32, unrolled)])]
        )
        loop.operands = loop, *loop.operands  # the first names the loop itself
        last.terminator.set_metadata("llvm.loop", loop)

    def load(self, pointer: ir.Value, kind: ir.Type) -> ir.Value:
        """Load a vector from bytes anywhere."""
        return self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()), align=1)

    def prefetch(self, pointer: ir.Value) -> None:
        """Ask for a line of the cache that will be read."""
        how = [ir.Constant(_INT32, n) for n in (0, 3, 1)]  # to read, to the first cache, as data
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, *[_INT32] * 3])
        name = "llvm.prefetch"
        function = self.builder.module.declare_intrinsic(name, [pointer.type], kind)
        self.builder.call(function, [pointer, *how])

    def call(self, name: str, result: ir.Type, *values: ir.Value) -> ir.Value:
        """Call an instruction of the CPU."""
        kind = ir.FunctionType(result, [v.type for v in values])
        module = self.builder.module
        function = cgutils.get_or_insert_function(module, kind, f"llvm.x86.{name}")
        return self.builder.call(function, values)


Sums: TypeAlias = Callable[[Slice], list[ir.Value]]


def _adding_slices(sums: Sums, available: bool) -> Callable[..., None]:
    """Make `add_slice` of a form, see `windows`."""

    @intrinsic
    def add_slice(typingctx, arrays, span, left, before, down, y, to):
        """`y[to:] = (before + (sums << left)) >> (down & mask)` of a slice.

        Parameters
        ----------
        arrays
            steps, tables, and the table of inputs.
        span
            Where the matrix's steps would begin if it had all of the table, and numbers of the
            slice's first step, and of the next slice's.
        left
            int32.
        before
            An int32 array, and from where on.
        down
            The same, and the mask.
        y, to
            int32, and from where on.
        """

        def generate(context, builder, signature, args):
            if not available:
                return context.get_dummy_value()

            def opened(i: int) -> list[ir.Value]:
                return list(cgutils.unpack_tuple(builder, args[i]))

            def data(kind: types.Array, value: ir.Value) -> ir.Value:
                return context.make_array(kind)(context, builder, value).data

            values, left_, to_ = opened(0), args[2], args[6]
            size = context.make_array(arrays[2])(context, builder, values[2]).nitems
            starts = [data(kind, value) for kind, value in zip(arrays, values, strict=True)]
            (before_, of_before), (down_, of_down, mask) = opened(3), opened(4)
            place = 0
            for value in sums(Slice(builder, *starts, size, *opened(1))):
                vectors = Arrays(context, builder, value.type.count, value.type.element)
                further = ir.Constant(to_.type, place)
                before_at, down_at, y_at = (
                    (data(kind, array), builder.add(first, further))
                    for kind, array, first in (
                        (before[0], before_, of_before),
                        (down[0], down_, of_down),
                        (y, args[5], to_),
                    )
                )
                value = builder.shl(value, vectors.spread(left_).value)
                value = builder.add(vectors.load(*before_at).value, value)
                amounts = builder.and_(vectors.load(*down_at).value, vectors.spread(mask).value)
                vectors.store(Vector(builder, builder.ashr(value, amounts)), *y_at)
                place += value.type.count
            return context.get_dummy_value()

        return types.void(arrays, span, types.int32, before, down, y, types.intp), generate

    slices: Callable[..., None] = add_slice
    return slices


@intrinsic
def fill(typingctx, u, at, offset, down, table):
    """Write the two lowest bytes of `(u + offset) >> down` of 32 inputs to the table.

    Low bytes from `at` on, high ones as far from the table's middle.
    """

    def generate(context, builder, signature, args):
        u_, at_, offset_, down_, table_ = args
        arrays = Arrays(context, builder, PART, _INT32)
        source, target = arrays.data(u, u_), arrays.data(table, table_)
        value = builder.add(arrays.load(source, at_).value, arrays.spread(offset_).value)
        value = builder.lshr(value, arrays.spread(down_).value)
        size = context.make_array(table)(context, builder, table_).nitems
        high = builder.lshr(size, ir.Constant(size.type, 1))
        bytes_ = ir.VectorType(ir.IntType(8), PART)
        for place, amount in ((at_, 0), (builder.add(at_, high), 8)):
            part = builder.lshr(value, ir.Constant(value.type, [amount] * PART))
            pointer = builder.bitcast(builder.gep(target, [place]), bytes_.as_pointer())
            builder.store(builder.trunc(part, bytes_), pointer, align=1)
        return context.get_dummy_value()

    return types.void(u, types.intp, types.int32, types.int32, table), generate


def windows(name: str, shape: Shape, sums: Sums, available: bool) -> Form:
    """Make a form of windows.

    Parameters
    ----------
    sums
        Generates the sums of a slice's steps: vectors of 32 bits, output after output.
    available
        Whether this CPU has the instructions; otherwise there are none, and no matrix is laid out
        so.
    """
    add_slice = _adding_slices(sums, available)
    lanes, together = shape.lanes, shape.together
    size = together * lanes

    def lay_out(writer: Writer, row: Row, weights: IntArray) -> None:
        steps, tables, pointers = in_windows(weights, shape)
        number = writer.put("tables", tables)
        row["first"] = writer.put("steps", steps) - number * 2 * size
        row["pointers"] = writer.put("pointers", pointers + number)

    def add(matrix, data, u, y, most):
        arrays, pointers = (data.steps, data.tables, data.window), data.pointers
        of_steps = matrix.first
        shifts, offsets, of_outputs = data.shifts, data.offsets, matrix.outputs
        mask = np.int32(-1 if matrix.common_shift >= 0 else 0)  # negative ones are not taken here
        n_slices = np.uint64((matrix.rows + lanes - 1) // lanes)
        first = np.uint64(matrix.pointers)
        narrow = most < 1 << 15
        offset = np.int32(1 << 15) if narrow else np.int32(-(1 << 31))
        if not narrow:  # 2^31, doubled, is nothing
            for i in range(matrix.rows):
                y[i] = 0
        for half in range(1 if narrow else 2):
            for at in range(0, matrix.columns, PART):
                fill(u, at, offset, np.int32(16 * half), arrays[2])
            begin = pointers[first]
            for k in range(n_slices):
                end = pointers[first + k + np.uint64(1)]
                to = np.int64(k) * lanes
                here = of_outputs + to
                if narrow:
                    add_slice(
                        arrays, (of_steps, begin, end), np.int32(1), (offsets, here),
                        (shifts, here, mask), y, to,
                    )  # fmt: skip
                else:
                    add_slice(
                        arrays, (of_steps, begin, end), np.int32(16 * half + 1), (y, to),
                        (shifts, here, np.int32(mask * half)), y, to,
                    )  # fmt: skip
                begin = end

    def add_wide(matrix, data, u, totals):
        """In 64 bits, weight by weight."""
        steps, tables, pointers, first = data.steps, data.tables, data.pointers, matrix.pointers
        for i in range(matrix.rows):
            at = first + i // lanes
            for step in range(pointers[at], pointers[at + 1]):
                begin = matrix.first + 2 * size * step + together * (i % lanes)
                for k in range(begin, begin + together):
                    weight = np.int64(np.int8(steps[k + size]))
                    if weight != 0:
                        totals[i] += 2 * weight * np.int64(u[tables[step] + steps[k]])

    add, add_wide = compiled(renamed(add, name)), compiled(renamed(add_wide, name))
    return Form(name, lay_out, add, add_wide, shifts=True)
