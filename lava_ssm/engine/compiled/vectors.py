"""State neurons in the vectors of the CPU, written in LLVM's intermediate language.

Channels lie side by side: each has an input and a sum of its own, so that no vector is ever added
up, or filled with one number.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.extending import intrinsic

_INT32 = ir.IntType(32)


class Vector:
    """Floats side by side, with the operations that the neurons need."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: "Vector") -> "Vector":
        return Vector(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other: "Vector") -> "Vector":
        return Vector(self.builder, self.builder.fsub(self.value, other.value))

    def __mul__(self, other: "Vector") -> "Vector":
        return Vector(self.builder, self.builder.fmul(self.value, other.value))

    def plus_product(self, one: "Vector", other: "Vector") -> "Vector":
        """Add a product, fused where the CPU does that in one."""
        return Vector(
            self.builder, _call(self.builder, "llvm.fmuladd", one.value, other.value, self.value)
        )

    def __neg__(self) -> "Vector":
        return Vector(self.builder, self.builder.fneg(self.value))

    def rounded(self) -> "Vector":
        """To integers, in the CPU's rounding mode; still floats."""
        return Vector(self.builder, _call(self.builder, "llvm.rint", self.value))

    def to_int32(self) -> ir.Value:
        """Give floats that are integers as such."""
        lanes = self.value.type.count
        return self.builder.fptosi(self.value, ir.VectorType(_INT32, lanes))


def _call(
    builder: ir.IRBuilder, name: str, *args: ir.Value, result: ir.Type | None = None
) -> ir.Value:
    """Call an LLVM intrinsic of vectors; `result` is the type of what it gives, if another."""
    vector = args[0].type
    element = {"float": "f32", "double": "f64"}.get(str(vector.element), str(vector.element))
    kind = ir.FunctionType(result or vector, [vector] * len(args))
    full_name = f"{name}.v{vector.count}{element}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full_name), args)


Complex: TypeAlias = Sequence[Vector]
"""Real and imaginary parts."""
Parameters: TypeAlias = tuple[Complex, Complex, Complex]
"""Those of a, b, c."""


def neuron(
    parameters: Parameters, x: Complex, v: Vector, down: Vector, scale: Vector | None = None
) -> tuple[Complex, Vector]:
    """The neurons' equations: the new state and what is sent.

    Parameters
    ----------
    parameters, x
        Of the neurons, and their states.
    v
        Input, u 2^state_exponent.
    down
        2^(1 - state_exponent).
    scale
        What parameters are still to be multiplied by; v has been.
    """

    def scaled(x: Complex) -> Complex:
        return x if scale is None else [part * scale for part in x]

    (a_re, a_im), (b_re, b_im), (c_re, c_im) = parameters
    x_re, x_im = scaled(x)
    new_re = (a_re * x_re).rounded() - (a_im * x_im).rounded() + (b_re * v).rounded()
    new_im = (a_re * x_im).rounded() + (a_im * x_re).rounded() + (b_im * v).rounded()
    y_re, y_im = scaled((new_re, new_im))
    c_x = (c_re * y_re).rounded() - (c_im * y_im).rounded()
    return (new_re, new_im), (c_x * down).rounded()


class Arrays:
    """Loads and stores of vectors at places of flat arrays."""

    def __init__(
        self, context: BaseContext, builder: ir.IRBuilder, lanes: int, real: ir.Type
    ) -> None:
        self.context, self.builder = context, builder
        self.vector = ir.VectorType(real, lanes)
        self._align = 2 if real == ir.IntType(16) else 4

    def data(self, kind: ir.Value, array: ir.Value) -> ir.Value:
        """Where an array's elements are."""
        return self.context.make_array(kind)(self.context, self.builder, array).data

    def _at(self, data: ir.Value, place: ir.Value, vector: ir.Value) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(data, [place]), vector.as_pointer())

    def load(self, data: ir.Value, place: ir.Value) -> Vector:
        """Read the elements from a place on."""
        pointer = self._at(data, place, self.vector)
        return Vector(self.builder, self.builder.load(pointer, align=self._align))

    def store(self, vector: Vector, data: ir.Value, place: ir.Value) -> None:
        """Write them."""
        kind = vector.value.type
        self.builder.store(vector.value, self._at(data, place, kind), align=self._align)

    def spread(self, scalar: ir.Value) -> Vector:
        """The same number in all lanes."""
        b, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        one = b.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
        lanes = ir.Constant(ir.VectorType(_INT32, self.vector.count), [0] * self.vector.count)
        return Vector(b, b.shuffle_vector(one, undefined, lanes))


PIECE = 16
"""Numbers that are copied, or added up, at a time."""


@intrinsic
def copy_piece(typingctx, source, at, y, to):  # type: ignore[no-untyped-def]
    """`y[to : to + PIECE] = source[at : at + PIECE]` of arrays of one type."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        source_, at_, y_, to_ = args
        arrays = Arrays(context, builder, PIECE, context.get_value_type(y.dtype))
        piece = arrays.load(arrays.data(source, source_), at_)
        arrays.store(piece, arrays.data(y, y_), to_)
        return context.get_dummy_value()

    return types.void(source, types.intp, y, types.intp), generate


@intrinsic
def fill_piece(typingctx, value, y, to):  # type: ignore[no-untyped-def]
    """`y[to : to + PIECE] = value`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        value_, y_, to_ = args
        arrays = Arrays(context, builder, PIECE, context.get_value_type(y.dtype))
        arrays.store(arrays.spread(value_), arrays.data(y, y_), to_)
        return context.get_dummy_value()

    return types.void(y.dtype, y, types.intp), generate


@intrinsic
def sum_piece(typingctx, source, at):  # type: ignore[no-untyped-def]
    """The sum of `source[at : at + PIECE]`, int32."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        arrays = Arrays(context, builder, PIECE, _INT32)
        piece = arrays.load(arrays.data(source, args[0]), args[1]).value
        return _call(builder, "llvm.vector.reduce.add", piece, result=_INT32)

    return types.int32(source, types.intp), generate


def lanes_of(real: np.dtype) -> int:
    """How many channels are stepped side by side: the floats of a 512-bit vector."""
    return 64 // real.itemsize


class _Loop:
    """Loops over states of many channels, a vector of them side by side at a time."""

    def __init__(self, context: BaseContext, builder: ir.IRBuilder, real: types.Float) -> None:
        self.builder = builder
        self.lanes = 512 // real.bitwidth
        self.arrays = Arrays(context, builder, self.lanes, context.get_value_type(real))
        self.words = ir.VectorType(ir.IntType(real.bitwidth), self.lanes)

    @contextmanager
    def over(self, size: ir.Value) -> Iterator[ir.Value]:
        """Go over 0, lanes, 2 lanes, ... below `size`."""
        zero, step = ir.Constant(size.type, 0), ir.Constant(size.type, self.lanes)
        with cgutils.for_range_slice(self.builder, zero, size, step, size.type) as (n, _):
            yield n

    def times(self, n: int, number: ir.Value) -> ir.Value:
        return self.builder.mul(number, ir.Constant(number.type, n))

    def loads(
        self, n: int, data: ir.Value, at: ir.Value, apart: ir.Value | None = None
    ) -> list[Vector]:
        """Load n vectors that lie so far apart."""
        apart = ir.Constant(at.type, self.lanes) if apart is None else apart
        loaded = []
        for _ in range(n):
            loaded.append(self.arrays.load(data, at))
            at = self.builder.add(at, apart)
        return loaded

    def parts(self, data: ir.Value, at: ir.Value, apart: ir.Value | None = None) -> Parameters:
        """Load a, b, c, see `step_states`."""
        b = self.builder
        if not isinstance(data.type.pointee, ir.IntType):
            loaded = self.loads(6, data, at, apart)
            return loaded[0:2], loaded[2:4], loaded[4:6]
        pairs = Arrays(self.arrays.context, b, self.lanes, _INT32)
        half, upper = (ir.Constant(pairs.vector, [word] * self.lanes) for word in (16, -(1 << 16)))

        def both(i: int) -> Complex:
            place = b.add(at, ir.Constant(at.type, 2 * i * self.lanes))
            pair = pairs.load(data, place).value
            parts = b.shl(pair, half), b.and_(pair, upper)
            return [Vector(b, b.sitofp(part, self.arrays.vector)) for part in parts]

        return both(0), both(1), both(2)

    def variable(self, start: ir.Value) -> ir.Value:
        """A place on the stack."""
        place = cgutils.alloca_once(self.builder, start.type)
        self.builder.store(start, place)
        return place

    def states(
        self, kinds: Sequence[types.Array], args: Sequence[ir.Value], n_parameters: int
    ) -> Iterator[tuple[tuple[ir.Value, ir.Value], Complex, Callable[[Complex], None]]]:
        """Go over a group's states: where its parameters are, the state, and what puts it anew."""
        b = self.builder
        p, x = (self.arrays.data(kind, value) for kind, value in zip(kinds, args, strict=False))
        first, begin = cgutils.unpack_tuple(b, args[2])
        with self.over(self.times(self.lanes, args[3])) as n:
            here = b.add(begin, self.times(2, n))

            def put(new: Complex) -> None:
                for i, part in enumerate(new):
                    place = b.add(here, ir.Constant(here.type, i * self.lanes))
                    self.arrays.store(part, x, place)

            yield (p, b.add(first, self.times(n_parameters, n))), self.loads(2, x, here), put


@intrinsic
def step_states(typingctx, parameters, states, at, size, drive, sent, reached):  # type: ignore[no-untyped-def]
    """Step the states of a group of channels over one token: as many as `lanes_of` says.

    Parameters
    ----------
    parameters
        State by state re and im of a, b, c, of all channels each: reals. Or int16, mantissas: re
        and im of a channel's a, then of the next channel's; then those of b, c.
    states
        Reals: state by state re of all channels, then im; updated. (In one array: what lies in
        several, as far apart as pages, a CPU may take for one another.)
    at
        Where the group's parameters and states begin.
    size
        States of a channel.
    drive
        Messages, int32, and reals, each with where the group's begin: of these all channels' up,
        down, scale, see `filters.lay_out`.
    sent
        int32, and from where on: the sums over the states of what is sent; written.
    reached
        Two arrays of reals: the greatest magnitudes so far, and with this token's; written. Of the
        parts of states of each channel, then of its messages.
    """
    real, kinds = states.dtype, (parameters, states)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        loop = _Loop(context, builder, real)
        arrays, words = loop.arrays, loop.words
        (u_, at_u, scales_, at_scales), (sent_, at_sent) = (
            cgutils.unpack_tuple(builder, args[i]) for i in (4, 5)
        )
        whole = Arrays(context, builder, loop.lanes, _INT32)
        messages = whole.load(arrays.data(drive[0], u_), at_u).value
        u = Vector(builder, builder.sitofp(messages, arrays.vector))
        up, down, scale = loop.loads(3, arrays.data(drive[2], scales_), at_scales)
        before, after = (
            arrays.data(kind, x)
            for kind, x in zip(reached, cgutils.unpack_tuple(builder, args[6]), strict=True)
        )
        mask = ir.Constant(words, [2 ** (words.element.width - 1) - 1] * loop.lanes)

        def greater(before: ir.Value, x: Vector) -> ir.Value:
            magnitude = builder.and_(builder.bitcast(x.value, words), mask)
            return _call(builder, "llvm.smax", before, magnitude)

        peak, peak_u = (
            builder.bitcast(x.value, words)
            for x in loop.loads(2, before, ir.Constant(at_u.type, 0))
        )
        peak, total = loop.variable(peak), loop.variable(ir.Constant(whole.vector, None))
        is_packed = isinstance(parameters.dtype, types.Integer)
        v, given = (u * up * scale, scale) if is_packed else (u * up, None)
        for place, state, put in loop.states(kinds, args, 6):
            new, out = neuron(loop.parts(*place), state, v, down, given)
            put(new)
            for part in new:
                builder.store(greater(builder.load(peak), part), peak)
            builder.store(builder.add(builder.load(total), out.to_int32()), total)
        for i, value in enumerate((builder.load(peak), greater(peak_u, u))):
            place = ir.Constant(at_u.type, i * loop.lanes)
            arrays.store(Vector(builder, builder.bitcast(value, arrays.vector)), after, place)
        whole.store(Vector(builder, builder.load(total)), arrays.data(sent[0], sent_), at_sent)
        return context.get_dummy_value()

    return types.void(*kinds, at, types.intp, drive, sent, reached), generate


@intrinsic
def filter_states(typingctx, parameters, states, at, size, given, sent):  # type: ignore[no-untyped-def]
    """The same of a float network: x' = a x + u, and the sums of Re(c x'), see `filters.reals_of`.

    Parameters
    ----------
    parameters
        State by state re and im of a, c, of all channels each.
    given, sent
        Reals, and from where on: inputs, and the sums.
    """
    kinds = (parameters, states)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        loop = _Loop(context, builder, states.dtype)
        arrays = loop.arrays
        (u_, at_u), (sent_, at_sent) = (cgutils.unpack_tuple(builder, args[i]) for i in (4, 5))
        u = arrays.load(arrays.data(given[0], u_), at_u)
        zero = ir.Constant(arrays.vector, [0.0] * loop.lanes)
        totals = [loop.variable(zero) for _ in range(2)]
        for place, (re, im), put in loop.states(kinds, args, 4):
            a_re, a_im, *c = loop.loads(4, *place)
            new = (
                u.plus_product(a_re, re).plus_product(-a_im, im),
                (a_re * im).plus_product(a_im, re),
            )
            put(new)
            for total, factor, part in zip(totals, c, new, strict=True):
                sum_ = Vector(builder, builder.load(total)).plus_product(factor, part)
                builder.store(sum_.value, total)
        one, other = (Vector(builder, builder.load(total)) for total in totals)
        arrays.store(one - other, arrays.data(sent[0], sent_), at_sent)
        return context.get_dummy_value()

    return types.void(*kinds, at, types.intp, given, sent), generate


@intrinsic
def widen(typingctx, parameters, at, size, scales, out):  # type: ignore[no-untyped-def]
    """Write a group's parameters as reals, see `step_states`; `scales` as its `drive` has them."""
    real = out.dtype

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        loop = _Loop(context, builder, real)
        arrays = loop.arrays
        source, target = arrays.data(parameters, args[0]), arrays.data(out, args[4])
        scales_, at_scales = cgutils.unpack_tuple(builder, args[3])
        *_, scale = loop.loads(3, arrays.data(scales[0], scales_), at_scales)
        with loop.over(loop.times(loop.lanes, args[2])) as n:
            place = loop.times(6, n)
            for pair in loop.parts(source, builder.add(args[1], place)):
                for part in pair:
                    arrays.store(part * scale, target, place)
                    place = builder.add(place, ir.Constant(place.type, loop.lanes))
        return context.get_dummy_value()

    return types.void(parameters, types.intp, types.intp, scales, out), generate


@intrinsic
def step_each(typingctx, parameters, size, v, down, re, im, out):  # type: ignore[no-untyped-def]
    """Step states that each have an input and an output of their own.

    Parameters
    ----------
    parameters
        `size` each of re and im of a, b, c; `size` is a multiple of `lanes_of`.
    v, down
        Reals, (size,), see `neuron`.
    re, im
        Reals, (size,): states; updated.
    out
        int32, (size,): what each sends; written.
    """
    real = parameters.dtype

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        loop = _Loop(context, builder, real)
        size_ = args[1]
        p, v_, down_, re_, im_, out_ = (
            loop.arrays.data(kind, value)
            for kind, value in zip(
                (parameters, v, down, re, im, out), (args[0], *args[2:]), strict=True
            )
        )
        load, store = loop.arrays.load, loop.arrays.store
        with loop.over(size_) as n:
            state = load(re_, n), load(im_, n)
            new, sent = neuron(loop.parts(p, n, size_), state, load(v_, n), load(down_, n))
            store(new[0], re_, n)
            store(new[1], im_, n)
            store(Vector(builder, sent.to_int32()), out_, n)
        return context.get_dummy_value()

    wide = types.intp
    return types.void(parameters, wide, v, down, re, im, out), generate
