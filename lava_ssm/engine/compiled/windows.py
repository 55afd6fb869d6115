"""Sparse matrices in windows: many products an instruction, for CPUs that permute bytes.

A *slice* is some outputs, the 32-bit lanes of vectors. A *window* is neighbouring inputs, whose
bytes a vector holds. A *step* adds to each output of a slice a few products of inputs in one
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

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled, kernel, ready
from lava_ssm.engine.compiled.vectors import Arrays, Vector
from lava_ssm.numerics import IntArray

PART = 32
"""Inputs whose bytes are written at a time."""
LINE = 64
"""Bytes of a line of the cache; arrays of inputs and outputs are padded to so many elements."""


class Shape(NamedTuple):
    """What the forms of windows differ in.

    Parameters
    ----------
    lanes, together
        Outputs of a slice, products of an output in a step. Bytes of a step: the product of these
        of places, and as many of weights.
    window, grid
        Inputs of a window, and what the first is a multiple of.
    stride
        Bytes of the table of inputs from one input to the next.
    most
        What two weights one behind the other, from an even place on, may add up to at most, or at
        least, negative.
    """

    lanes: int
    together: int
    window: int
    grid: int
    stride: int
    most: int


_SIGNATURE = (
    types.Array(types.int8, 2, "C"), types.Array(types.int64, 1, "C"),
    types.Array(types.uint8, 3, "C"), types.Array(types.int32, 1, "C"),
    types.Array(types.int64, 1, "C"), *5 * [types.int64],
)  # fmt: skip


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
        int32, (n_steps,): where each step's window begins in the table of inputs.
    pointers
        int64, (n_slices + 1,): where the steps of each slice begin, and the end.
    """
    ahead = np.zeros(shape.lanes, np.int64)
    pointers = np.zeros(-(-len(weights) // shape.lanes) + 1, np.int64)
    numbers = shape.together, shape.window, shape.grid, shape.stride, shape.most
    ready(lay_out, _SIGNATURE)
    for _ in ("to count the steps", "to write them"):
        steps = np.zeros((pointers[-1], 2, shape.together * shape.lanes), np.uint8)
        tables = np.zeros(pointers[-1], np.int32)
        rest = np.array(weights, np.int8, order="C")
        lay_out(rest, ahead, steps, tables, pointers, *numbers)
    return steps, tables, pointers


@kernel
def lay_out(weights, ahead, steps, tables, pointers, together, window, grid, stride, most):
    """Fill `pointers`, and `steps` and `tables` unless they are empty.

    Parameters
    ----------
    weights
        int8, (d_output, d_input); zero afterwards.
    ahead
        int64, (lanes,): to write on, each output's next input whose weight is not zero.
    together, ..., most
        See `Shape`.
    """
    d_output, d_input = weights.shape
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
            begin -= begin % grid
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
                tables[n] = begin * stride
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
    space = np.empty(x.nbytes + LINE, np.uint8)
    begin = -space.ctypes.data % LINE
    copy = space[begin : begin + x.nbytes].view(x.dtype)
    copy[...] = x
    return copy


class Slice(NamedTuple):
    """What a form of windows generates the sums of a slice from: LLVM's values.

    Parameters
    ----------
    builder
        Of the instructions.
    steps, tables, table
        Where these arrays begin, see `add_windows`.
    size
        Elements of `table`.
    begin, end
        Of the slice's steps.
    """

    builder: Any
    steps: Any
    tables: Any
    table: Any
    size: Any
    begin: Any
    end: Any


def _adding_slices(sums: Callable[[Slice], list[Any]], available: bool) -> Any:
    """Make `add_slice` of a form, see `adding`."""

    @intrinsic
    def add_slice(
        typingctx: Any, steps: Any, tables: Any, begin: Any, end: Any, table: Any, left: Any,
        before: Any, of_before: Any, down: Any, of_down: Any, mask: Any, y: Any, to: Any,
    ) -> Any:  # fmt: skip
        """`y = (before + (sums << left)) >> (down & mask)` of a slice.

        Each array from the place that follows it on.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if not available:
                return context.get_dummy_value()
            (
                steps_, tables_, begin_, end_, table_, left_, before_, of_before_, down_, of_down_,
                mask_, y_, to_,
            ) = args  # fmt: skip

            def data(kind: Any, value: Any) -> Any:
                return context.make_array(kind)(context, builder, value).data

            size = context.make_array(table)(context, builder, table_).nitems
            slice_ = Slice(
                builder, data(steps, steps_), data(tables, tables_), data(table, table_), size,
                begin_, end_,
            )  # fmt: skip
            place = 0
            for value in sums(slice_):
                arrays = Arrays(context, builder, value.type.count, value.type.element)
                further = ir.Constant(to_.type, place)
                before_at, down_at, y_at = (
                    (data(kind, array), builder.add(first, further))
                    for kind, array, first in (
                        (before, before_, of_before_), (down, down_, of_down_), (y, y_, to_),
                    )
                )  # fmt: skip
                value = builder.shl(value, arrays.spread(left_).value)
                value = builder.add(arrays.load(*before_at).value, value)
                amounts = builder.and_(arrays.load(*down_at).value, arrays.spread(mask_).value)
                arrays.store(Vector(builder, builder.ashr(value, amounts)), *y_at)
                place += value.type.count
            return context.get_dummy_value()

        integer, wide = types.int32, types.intp
        result = types.void(
            steps, tables, wide, wide, table, integer, before, wide, down, wide, integer, y, wide,
        )  # fmt: skip
        return result, generate

    return add_slice


def adding(shape: Shape, fill: Any, sums: Callable[[Slice], list[Any]], available: bool) -> Any:
    """Make `add_windows` of a form.

    Parameters
    ----------
    fill
        `fill(u, at, offset, down, table, to)` writes the two lowest bytes of `(u + offset) >> down`
        of 32 inputs to the table.
    sums
        Generates the sums of a slice's steps: vectors of 32 bits, output after output.
    available
        Whether this CPU has the instructions; otherwise there are none, and no matrix is laid out
        so.
    """
    add_slice = _adding_slices(sums, available)
    lanes, stride = shape.lanes, shape.stride

    def add_windows(
        steps, tables, pointers, offsets, down, of_pointers, of_outputs, d_input, d_output, most,
        mask, u, table, y,
    ):  # fmt: skip
        """`y = (2 weights @ u) >> (down & mask)`, the sums modulo 2^32.

        Parameters
        ----------
        steps, tables
            See `in_windows`, of all matrices.
        pointers
            From `of_pointers` on those of the matrix.
        offsets, down
            int32: from `of_outputs` on of each output -2^16 times the sum of its weights, and the
            shift to the right; as many as whole slices have.
        most
            -most - 1 <= u[j] <= most for all j.
        mask
            int32: -1, where all shifts are 0 to 31, or 0 for none.
        u, y
            int32, (multiples of 64 with room for d_input and d_output,); y is written.
        table
            uint8, four an element of u: to write on.
        """
        n_slices = np.uint64((d_output + lanes - 1) // lanes)
        first = np.uint64(of_pointers)
        narrow = most < 1 << 15
        offset = np.int32(1 << 15) if narrow else np.int32(-(1 << 31))
        if not narrow:  # 2^31, doubled, is nothing
            for i in range(d_output):
                y[i] = 0
        for half in range(1 if narrow else 2):
            for at in range(0, d_input, PART):
                fill(u, at, offset, np.int32(16 * half), table, at * stride)
            begin = pointers[first]
            for k in range(n_slices):
                end = pointers[first + k + np.uint64(1)]
                to = np.int64(k) * lanes
                if narrow:
                    add_slice(
                        steps, tables, begin, end, table, np.int32(1), offsets, of_outputs + to,
                        down, of_outputs + to, mask, y, to,
                    )  # fmt: skip
                else:
                    add_slice(
                        steps, tables, begin, end, table, np.int32(16 * half + 1), y, to,
                        down, of_outputs + to, mask * np.int32(half), y, to,
                    )  # fmt: skip
                begin = end

    # machine code finds functions by name: that of a kernel from disk, which another process has
    # compiled, would find the other form
    add_windows.__qualname__ += f"_of_{shape.window}"
    return compiled(add_windows)


@compiled
def sums_of_windows(steps, tables, pointers, shape, d_output, u, totals):
    """`totals += 2 weights @ u` in 64 bits, which takes longer; `pointers` those of the matrix."""
    size = shape.together * shape.lanes
    for i in range(d_output):
        k, lane = i // shape.lanes, i % shape.lanes
        for step in range(pointers[k], pointers[k + 1]):
            begin = 2 * size * step + shape.together * lane
            for at in range(begin, begin + shape.together):
                weight = np.int64(np.int8(steps[at + size]))
                if weight != 0:
                    j = tables[step] // shape.stride + steps[at]
                    totals[i] += 2 * weight * np.int64(u[j])
