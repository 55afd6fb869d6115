"""State neurons in the vectors of the CPU, written in LLVM's intermediate language.

LLVM would vectorise the same loop by itself, but look at each channel whether its arrays overlap,
which takes longer than the arithmetic of 32 states.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

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
    a: Complex, b: Complex, c: Complex, x: Complex, v: Vector, down: Vector
) -> tuple[Complex, Vector]:
    """The neurons' equations: the new state and what is sent.

    Parameters
    ----------
    a, b, c, x
        Parameters and state.
    v
        Input, u 2^state_exponent.
    down
        2^(1 - state_exponent).
    """
    (a_re, a_im), (b_re, b_im), (c_re, c_im), (x_re, x_im) = a, b, c, x
    new_re = (a_re * x_re).rounded() - (a_im * x_im).rounded() + (b_re * v).rounded()
    new_im = (a_re * x_im).rounded() + (a_im * x_re).rounded() + (b_im * v).rounded()
    c_x = (c_re * new_re).rounded() - (c_im * new_im).rounded()
    return (new_re, new_im), (c_x * down).rounded()


def filtered(a: Complex, b: Complex, x: Complex, u: Vector) -> Complex:
    """A x + b u."""
    re = a[0] * x[0] - a[1] * x[1] + b[0] * u
    return re, a[0] * x[1] + a[1] * x[0] + b[1] * u


class Arrays:
    """Loads and stores of vectors at places of flat arrays."""

    def __init__(
        self, context: BaseContext, builder: ir.IRBuilder, lanes: int, real: ir.Type
    ) -> None:
        self.context, self.builder = context, builder
        self.vector = ir.VectorType(real, lanes)

    def data(self, kind: ir.Value, array: ir.Value) -> ir.Value:
        """Where an array's elements are."""
        return self.context.make_array(kind)(self.context, self.builder, array).data

    def _at(self, data: ir.Value, place: ir.Value, vector: ir.Value) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(data, [place]), vector.as_pointer())

    def load(self, data: ir.Value, place: ir.Value) -> Vector:
        """Read the elements from a place on."""
        pointer = self._at(data, place, self.vector)
        return Vector(self.builder, self.builder.load(pointer, align=4))

    def store(self, vector: Vector, data: ir.Value, place: ir.Value) -> None:
        """Write them."""
        kind = vector.value.type
        self.builder.store(vector.value, self._at(data, place, kind), align=4)

    def spread(self, scalar: ir.Value) -> Vector:
        """The same number in all lanes."""
        b, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        one = b.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
        lanes = ir.Constant(ir.VectorType(_INT32, self.vector.count), [0] * self.vector.count)
        return Vector(b, b.shuffle_vector(one, undefined, lanes))


class _Loop:
    """A loop over states, a vector at a time, that keeps the greatest magnitude it sees."""

    def __init__(self, context: BaseContext, builder: ir.IRBuilder, real: types.Float) -> None:
        self.builder = builder
        self.lanes = 512 // real.bitwidth
        self.arrays = Arrays(context, builder, self.lanes, context.get_value_type(real))
        self._words = ir.VectorType(ir.IntType(real.bitwidth), self.lanes)
        self._mask = ir.Constant(self._words, [2 ** (real.bitwidth - 1) - 1] * self.lanes)
        self._peak = cgutils.alloca_once(builder, self._words)
        builder.store(ir.Constant(self._words, [0] * self.lanes), self._peak)

    @contextmanager
    def over(self, size: ir.Value) -> Iterator[ir.Value]:
        """Go over 0, lanes, 2 lanes, ... below `size`."""
        zero, step = ir.Constant(size.type, 0), ir.Constant(size.type, self.lanes)
        with cgutils.for_range_slice(self.builder, zero, size, step, size.type) as (n, _):
            yield n

    def parts(
        self, data: ir.Value, at: ir.Value, size: ir.Value
    ) -> tuple[Complex, Complex, Complex]:
        """Load a, b, c, whose parts lie `size` apart."""
        loaded = []
        for _part in range(6):
            loaded.append(self.arrays.load(data, at))
            at = self.builder.add(at, size)
        return loaded[0:2], loaded[2:4], loaded[4:6]

    def states(
        self, kinds: Sequence[types.Array], args: Sequence[ir.Value]
    ) -> Iterator[tuple[Parameters, Complex, Callable[[Complex], None]]]:
        """Go over a channel's states, see `step_states`: parameters, state, and what puts anew."""
        b, arrays = self.builder, self.arrays
        p, *state = (arrays.data(kind, value) for kind, value in zip(kinds, args, strict=False))
        first, begin = cgutils.unpack_tuple(b, args[3])
        with self.over(args[4]) as n:
            here = b.add(begin, n)

            def put(new: Complex) -> None:
                for part, data in zip(new, state, strict=True):
                    arrays.store(part, data, here)

            x = [arrays.load(data, here) for data in state]
            yield self.parts(p, b.add(first, n), args[4]), x, put

    def see(self, new: Complex) -> None:
        """Take note of new states."""
        b = self.builder
        for part in new:
            magnitude = b.and_(b.bitcast(part.value, self._words), self._mask)
            b.store(_call(b, "llvm.smax", b.load(self._peak), magnitude), self._peak)

    def peak(self) -> ir.Value:
        """Give the bits of the greatest magnitude seen."""
        b, word = self.builder, self._words.element
        return _call(b, "llvm.vector.reduce.smax", b.load(self._peak), result=word)


@intrinsic
def step_states(typingctx, parameters, re, im, at, size, drive):  # type: ignore[no-untyped-def]
    """Step a channel's states over one token.

    Parameters
    ----------
    parameters, re, im
        Reals: `size` each of re and im of a, b, c, and states, which are updated.
    at
        Where the channel's parameters and states begin.
    size
        A multiple of `filters.LANES`.
    drive
        v and down, see `neuron`.

    Returns
    -------
    tuple
        The sum over the states of what is sent, int32, and the bits of the greatest magnitude of a
        new state, see `cpu.from_magnitude`.
    """
    real = parameters.dtype
    bits = types.Integer.from_bitwidth(real.bitwidth, True)
    result = types.Tuple((types.int32, bits))

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        loop = _Loop(context, builder, real)
        v, down = (loop.arrays.spread(x) for x in cgutils.unpack_tuple(builder, args[5]))
        sums = ir.VectorType(_INT32, loop.lanes)
        total = cgutils.alloca_once(builder, sums)
        builder.store(ir.Constant(sums, [0] * loop.lanes), total)
        for parts, state, put in loop.states((parameters, re, im), args):
            new, sent = neuron(*parts, state, v, down)
            put(new)
            loop.see(new)
            builder.store(builder.add(builder.load(total), sent.to_int32()), total)
        summed = _call(builder, "llvm.vector.reduce.add", builder.load(total), result=_INT32)
        return context.make_tuple(builder, result, [summed, loop.peak()])

    return result(parameters, re, im, at, types.intp, drive), generate


@intrinsic
def filter_states(typingctx, parameters, re, im, at, size, u):  # type: ignore[no-untyped-def]
    """The same of a float network: gives 2 Re(c x') summed over the states."""
    real = parameters.dtype

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        loop = _Loop(context, builder, real)
        u_all = loop.arrays.spread(args[5])
        total = cgutils.alloca_once(builder, loop.arrays.vector)
        zero = ir.Constant(loop.arrays.vector, [0.0] * loop.lanes)
        builder.store(zero, total)
        for (a, b, c), x, put in loop.states((parameters, re, im), args):
            new = filtered(a, b, x, u_all)
            put(new)
            sent = c[0] * new[0] - c[1] * new[1]
            builder.store((Vector(builder, builder.load(total)) + sent).value, total)
        start = ir.Constant(context.get_value_type(real), 0.0)
        name = f"llvm.vector.reduce.fadd.v{loop.lanes}f{real.bitwidth}"
        kind = ir.FunctionType(start.type, [start.type, loop.arrays.vector])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        summed = builder.call(function, [start, builder.load(total)], fastmath=("reassoc",))
        return builder.fadd(summed, summed)

    return real(parameters, re, im, at, types.intp, real), generate


@intrinsic
def step_each(typingctx, parameters, size, v, down, re, im, out):  # type: ignore[no-untyped-def]
    """Step states that each have an input and an output of their own.

    Parameters
    ----------
    parameters
        `size` each of re and im of a, b, c; `size` is a multiple of `program.LANES`.
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
            parts = loop.parts(p, n, size_)
            state = load(re_, n), load(im_, n)
            new, sent = neuron(*parts, state, load(v_, n), load(down_, n))
            store(new[0], re_, n)
            store(new[1], im_, n)
            store(Vector(builder, sent.to_int32()), out_, n)
        return context.get_dummy_value()

    wide = types.intp
    return types.void(parameters, wide, v, down, re, im, out), generate
