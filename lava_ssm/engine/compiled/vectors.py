"""State neurons in the vectors of the CPU, written in LLVM's intermediate language.

LLVM would vectorise the same loop by itself, but look at each channel whether its arrays overlap,
which takes longer than the arithmetic of 32 states.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_INT32 = ir.IntType(32)


class Vector:
    """Floats side by side, with the operations that the neurons need."""

    def __init__(self, builder: Any, value: Any) -> None:
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

    def to_int32(self) -> Any:
        """Give floats that are integers as such."""
        lanes = self.value.type.count
        return self.builder.fptosi(self.value, ir.VectorType(_INT32, lanes))


def _call(builder: Any, name: str, *args: Any, result: Any = None) -> Any:
    """Call an LLVM intrinsic of vectors; `result` is the type of what it gives, if another."""
    vector = args[0].type
    element = {"float": "f32", "double": "f64"}.get(str(vector.element), str(vector.element))
    kind = ir.FunctionType(result or vector, [vector] * len(args))
    full_name = f"{name}.v{vector.count}{element}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full_name), args)


Complex: TypeAlias = Sequence[Vector]
"""Real and imaginary parts."""


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


class _Arrays:
    """Loads and stores of vectors at places of flat arrays."""

    def __init__(self, context: Any, builder: Any, lanes: int, real: Any) -> None:
        self.context, self.builder = context, builder
        self.vector = ir.VectorType(real, lanes)
        self.align = 4 if isinstance(real, ir.FloatType) else 8

    def data(self, kind: Any, array: Any) -> Any:
        return self.context.make_array(kind)(self.context, self.builder, array).data

    def _at(self, data: Any, place: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [place]), self.vector.as_pointer())

    def load(self, data: Any, place: Any) -> Vector:
        return Vector(self.builder, self.builder.load(self._at(data, place), align=self.align))

    def store(self, vector: Vector, data: Any, place: Any) -> None:
        self.builder.store(vector.value, self._at(data, place), align=self.align)

    def spread(self, scalar: Any) -> Vector:
        """The same number in all lanes."""
        b, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        one = b.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
        lanes = ir.Constant(ir.VectorType(_INT32, self.vector.count), [0] * self.vector.count)
        return Vector(b, b.shuffle_vector(one, undefined, lanes))


@intrinsic  # type: ignore[untyped-decorator]
def step_states(
    typingctx: Any, parameters: Any, first: Any, size: Any, v: Any, down: Any, re: Any, im: Any,
    x: Any,
) -> Any:  # fmt: skip
    """Step a channel's states over one token.

    Parameters
    ----------
    parameters
        From `first` on: `size` each of re and im of a, b, c. `size` is a multiple of
        `program.LANES`.
    v, down
        See `neuron`.
    re, im
        States from `x` on; updated.

    Returns
    -------
    tuple
        The sum over the states of what is sent, int32, and the bits of the greatest magnitude of a
        new state, see `cpu.magnitude`.
    """
    real = parameters.dtype
    bits = types.Integer.from_bitwidth(real.bitwidth, True)
    result = types.Tuple((types.int32, bits))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parameters_, first_, size_, v_, down_, re_, im_, x_ = args
        arrays = _Arrays(context, builder, 512 // real.bitwidth, context.get_value_type(real))
        lanes = arrays.vector.count
        words = ir.VectorType(ir.IntType(real.bitwidth), lanes)
        sums = ir.VectorType(_INT32, lanes)
        mask = ir.Constant(words, [2 ** (real.bitwidth - 1) - 1] * lanes)
        p, s_re, s_im = (
            arrays.data(kind, value)
            for kind, value in ((parameters, parameters_), (re, re_), (im, im_))
        )
        v_all, down_all = arrays.spread(v_), arrays.spread(down_)
        peak = cgutils.alloca_once(builder, words)
        total = cgutils.alloca_once(builder, sums)
        builder.store(ir.Constant(words, [0] * lanes), peak)
        builder.store(ir.Constant(sums, [0] * lanes), total)
        zero, step = ir.Constant(size_.type, 0), ir.Constant(size_.type, lanes)
        with cgutils.for_range_slice(builder, zero, size_, step, size_.type) as (n, _):
            parts, at = [], builder.add(first_, n)
            for _part in range(6):
                parts.append(arrays.load(p, at))
                at = builder.add(at, size_)
            here = builder.add(x_, n)
            state = arrays.load(s_re, here), arrays.load(s_im, here)
            a, b, c = parts[0:2], parts[2:4], parts[4:6]
            (new_re, new_im), out = neuron(a, b, c, state, v_all, down_all)
            arrays.store(new_re, s_re, here)
            arrays.store(new_im, s_im, here)
            for new in (new_re, new_im):
                magnitude = builder.and_(builder.bitcast(new.value, words), mask)
                builder.store(_call(builder, "llvm.smax", builder.load(peak), magnitude), peak)
            builder.store(builder.add(builder.load(total), out.to_int32()), total)
        add, most = "llvm.vector.reduce.add", "llvm.vector.reduce.smax"
        both = [
            _call(builder, add, builder.load(total), result=_INT32),
            _call(builder, most, builder.load(peak), result=words.element),
        ]
        return context.make_tuple(builder, result, both)

    wide = types.intp
    return result(parameters, wide, wide, real, real, re, im, wide), generate
