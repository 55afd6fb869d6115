"""Causal convolutions of many channels, by Fourier transforms written out in vectors.

Channels lie side by side in the vectors of the CPU, as they do in a batch of tokens: nothing is
transposed. Two sequences are the real and the imaginary part of one; a real response leaves them
apart. Spectra are only multiplied, so that they need no order, and what comes back is in order.
(Cooley, Tukey, "An Algorithm for the Machine Calculation of Complex Fourier Series", Mathematics of
Computation 19, 1965: by frequency on the way there, by time on the way back.)

    n = r m points: r blocks of m, half of them zero before and not wanted after
    block q of the spectrum is the transform of sum_j exp(-2 pi i q (j m + t) / n) x_(j m + t)

Blocks are transformed by radix 4. As soon as a few points are, they are multiplied, and go back,
while they are in the first cache.

Sequences are float32, or bfloat16, the upper halves of float32s, as int16: all is computed in
float32, and rounded to nearest, ties to even, where it is written.
"""

# mypy: disable-error-code="no-untyped-def"

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.extending import intrinsic

from lava_ssm.engine.compiled.compiling import compiled, kernel, ready, renamed
from lava_ssm.engine.compiled.threads import Threads
from lava_ssm.engine.compiled.vectors import Arrays, Vector

_LANES = 16
"""Channels side by side: the floats of a 512-bit vector, and of a line of a cache."""
_POINT = 2 * _LANES
"""Floats of a point: real parts of all lanes, then imaginary ones."""
_NEAR = 256
"""Points that stay in the first cache."""
_THERE, _AROUND, _GRADIENT, _BACK = range(4)
"""A transform; one, a product and the way back; that of two; the way back."""

_Range: TypeAlias = tuple[int, int]


class Plan(NamedTuple):
    """How sequences of a length are transformed.

    Parameters
    ----------
    blocks, size
        r and m, see above.
    entered
        How many of the blocks may have points that are not zero.
    near
        Points that go there and back at a time.
    outer
        Factors of the equation above, (m, r, entered), real and imaginary part, flat.
    twiddles
        Of each stage of radix 4, from the largest on, those of three points a butterfly, flat.
    """

    blocks: int
    size: int
    entered: int
    near: int
    outer: np.ndarray
    twiddles: np.ndarray

    @property
    def points(self) -> int:
        """Of the whole transform."""
        return self.blocks * self.size


@functools.lru_cache(maxsize=32)
def plan(time: int) -> Plan:
    """Make the plan for sequences of so many tokens."""

    def size(blocks: int) -> int:  # so many points that nothing wraps round
        return max(4, 1 << ((2 * time - 2) // blocks).bit_length())

    blocks = min((4, 5, 6, 7), key=lambda r: r * size(r))
    stage, entered = size(blocks), (blocks + 1) // 2
    t, q, j = np.ogrid[:stage, :blocks, :entered]
    outer = np.exp(-2j * np.pi / (blocks * stage) * (q * (j * stage + t)))
    twiddles, near = [np.empty(0, complex)], stage
    while stage > 4:
        turns = np.arange(stage // 4)[:, None] * np.arange(1, 4)
        twiddles.append(np.exp(-2j * np.pi / stage * turns).ravel())
        stage //= 4
        near = stage if near > _NEAR else near
    return Plan(
        blocks, size(blocks), entered, near, _floats(outer), _floats(np.concatenate(twiddles))
    )


def _floats(numbers: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(numbers).view(np.float64).astype(np.float32).ravel()


class _Complex:
    """A complex number in each lane."""

    def __init__(self, builder: ir.IRBuilder, re: ir.Value, im: ir.Value) -> None:
        self.builder, self.re, self.im = builder, re, im

    def _made(self, re: ir.Value, im: ir.Value) -> "_Complex":
        return _Complex(self.builder, re, im)

    def _plus(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.fadd(x, y, flags=["contract"])

    def _minus(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.fsub(x, y, flags=["contract"])

    def _times(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.builder.fmul(x, y, flags=["contract"])

    def __add__(self, y: "_Complex") -> "_Complex":
        return self._made(self._plus(self.re, y.re), self._plus(self.im, y.im))

    def __sub__(self, y: "_Complex") -> "_Complex":
        return self._made(self._minus(self.re, y.re), self._minus(self.im, y.im))

    def __mul__(self, y: "_Complex") -> "_Complex":
        re = self._minus(self._times(self.re, y.re), self._times(self.im, y.im))
        return self._made(re, self._plus(self._times(self.re, y.im), self._times(self.im, y.re)))

    def times_conjugate(self, y: "_Complex") -> "_Complex":
        re = self._plus(self._times(self.re, y.re), self._times(self.im, y.im))
        return self._made(re, self._minus(self._times(self.im, y.re), self._times(self.re, y.im)))

    def plus_i(self, y: "_Complex") -> "_Complex":
        """Give x + i y."""
        return self._made(self._minus(self.re, y.im), self._plus(self.im, y.re))

    def minus_i(self, y: "_Complex") -> "_Complex":
        return self._made(self._plus(self.re, y.im), self._minus(self.im, y.re))


def _transformed(x: list[_Complex]) -> list[_Complex]:
    """The transform of one, two or four."""
    if len(x) == 2:
        return [x[0] + x[1], x[0] - x[1]]
    a, b, c, d = x[0] + x[2], x[0] - x[2], x[1] + x[3], x[1] - x[3]
    return [a + c, b.minus_i(d), a - c, b.plus_i(d)]


def _transformed_back(x: list[_Complex]) -> list[_Complex]:
    """So many times what `_transformed` gave x for."""
    if len(x) == 2:
        return _transformed(x)
    a, b, c, d = x[0] + x[2], x[0] - x[2], x[1] + x[3], x[1] - x[3]
    return [a + c, b.plus_i(d), a - c, b.minus_i(d)]


def _like(value: ir.Value, element: ir.Type) -> ir.Type:
    """A type of this element, with as many lanes as a value has, if it has any."""
    kind = value.type
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _same(kind: ir.Type, number: int) -> ir.Constant:
    """A number, in all lanes."""
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


def _widened(builder: ir.IRBuilder, upper: ir.Value) -> ir.Value:
    """Floats of their upper halves."""
    whole = _like(upper, ir.IntType(32))
    bits = builder.shl(builder.zext(upper, whole), _same(whole, 16))
    return builder.bitcast(bits, _like(upper, ir.FloatType()))


def _narrowed(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Upper halves of the nearest floats whose lower halves are zero; of NaN one of NaN."""
    whole, half = (_like(x, ir.IntType(n)) for n in (32, 16))
    bits = builder.bitcast(x, whole)
    sixteen = _same(whole, 16)
    is_odd = builder.and_(builder.lshr(bits, sixteen), _same(whole, 1))
    up = builder.add(is_odd, _same(whole, 0x7FFF))
    rounded = builder.trunc(builder.lshr(builder.add(bits, up), sixteen), half)
    is_nan = builder.fcmp_unordered("uno", x, x)
    return builder.select(is_nan, _same(half, 0x7FC0), rounded)


class _Points:
    """An array of points, or of sequences."""

    def __init__(
        self, context: BaseContext, builder: ir.IRBuilder, kind: ir.Value, array: ir.Value
    ) -> None:
        self._is_short = kind.dtype == types.int16
        real = ir.IntType(16) if self._is_short else ir.FloatType()
        self.builder, self._arrays = builder, Arrays(context, builder, _LANES, real)
        self._data = self._arrays.data(kind, array)

    def places(self, first: ir.Value, apart: ir.Value, n: int) -> list[ir.Value]:
        """Numbers of n points that lie so far apart."""
        places = [first]
        for _ in range(n - 1):
            places.append(self.builder.add(places[-1], apart))
        return places

    def _parts(self, point: ir.Value) -> list[ir.Value]:
        return self.places(self.builder.mul(point, point.type(_POINT)), point.type(_LANES), 2)

    def take(self, place: ir.Value) -> ir.Value:
        """One number a lane, from a place of the array on."""
        lanes = self._arrays.load(self._data, place).value
        return _widened(self.builder, lanes) if self._is_short else lanes

    def put(self, place: ir.Value, lanes: ir.Value) -> None:
        lanes = _narrowed(self.builder, lanes) if self._is_short else lanes
        self._arrays.store(Vector(self.builder, lanes), self._data, place)

    def load(self, point: ir.Value) -> _Complex:
        return _Complex(self.builder, *map(self.take, self._parts(point)))

    def store(self, point: ir.Value, x: _Complex) -> None:
        for part, place in zip((x.re, x.im), self._parts(point), strict=True):
            self.put(place, part)

    def factors(self, place: ir.Value, n: int) -> list[_Complex]:
        """So many complex numbers from a place of the array on, each in all lanes."""
        places = self.places(place, place.type(1), 2 * n)
        data, b = self._data, self.builder
        parts = [self._arrays.spread(b.load(b.gep(data, [p]))).value for p in places]
        return [_Complex(b, *parts[2 * i : 2 * i + 2]) for i in range(n)]


def _in_vectors(write: Callable[..., None]) -> Callable[..., Any]:
    """Make a function for kernels of arrays of points and places in them."""

    def function(typingctx, arrays, places):
        def generate(context, builder, signature, args):
            values, at = (cgutils.unpack_tuple(builder, arg) for arg in args)
            points = (
                _Points(context, builder, kind, array)
                for kind, array in zip(arrays, values, strict=True)
            )
            write(builder, *points, *at)
            return context.get_dummy_value()

        return types.void(arrays, places), generate

    made: Callable[..., Any] = intrinsic(renamed(function, write.__qualname__))
    return made


@_in_vectors
def _fall(builder, x, twiddles, first, apart, factor):
    """Transform four points that lie so far apart, and turn them, in place."""
    places = x.places(first, apart, 4)
    whole, *rest = _transformed([x.load(place) for place in places])
    turned = [y * w for y, w in zip(rest, twiddles.factors(factor, 3), strict=True)]
    for place, y in zip(places, [whole, *turned], strict=True):
        x.store(place, y)


@_in_vectors
def _rise(builder, x, twiddles, first, apart, factor):
    """The way back."""
    places = x.places(first, apart, 4)
    whole, *rest = (x.load(place) for place in places)
    turned = [y.times_conjugate(w) for y, w in zip(rest, twiddles.factors(factor, 3), strict=True)]
    for place, y in zip(places, _transformed_back([whole, *turned]), strict=True):
        x.store(place, y)


def _turning(way: int, n: int) -> Callable[..., Any]:
    """Make a function that does the last stage, of n points side by side, and what follows."""

    def turn(builder, x, d, k, sums, first):
        places = x.places(first, first.type(1), n)
        points = [x.load(place) for place in places]
        if way != _BACK:
            points = _transformed(points)
        if way in (_AROUND, _GRADIENT):
            response = [k.load(place) for place in places]
        if way == _AROUND:
            points = [y * h for y, h in zip(points, response, strict=True)]
        if way == _GRADIENT:
            seen = _transformed([d.load(place) for place in places])
            for place, u, dy in zip(places, points, seen, strict=True):
                sums.store(place, sums.load(place) + dy.times_conjugate(u))
            points = [dy.times_conjugate(h) for dy, h in zip(seen, response, strict=True)]
        if way != _THERE:
            points = _transformed_back(points)
        for place, y in zip(places, points, strict=True):
            (d if way == _GRADIENT else x).store(place, y)

    return _in_vectors(renamed(turn, f"{way}_{n}"))


def _spreading(n: int) -> Callable[..., Any]:
    """Make a function that gives one point of each block of those of n blocks that enter."""

    def spread(builder, source, x, outer, first, size, blocks):
        points = [source.load(place) for place in x.places(first, size, n)]
        begin = builder.mul(first, blocks)
        with cgutils.for_range(builder, blocks) as loop:
            factor = builder.mul(builder.add(begin, loop.index), first.type(2 * n))
            first_, *rest = (y * w for y, w in zip(points, outer.factors(factor, n), strict=True))
            place = builder.add(first, builder.mul(loop.index, size))
            x.store(place, functools.reduce(operator.add, rest, first_))

    return _in_vectors(renamed(spread, str(n)))


def _gathering(n: int) -> Callable[..., Any]:
    """Make the way back."""

    def gather(builder, x, target, outer, first, size, blocks):
        zero = ir.Constant(ir.VectorType(ir.FloatType(), _LANES), [0.0] * _LANES)

        def variable() -> ir.Value:
            place = cgutils.alloca_once(builder, zero.type)
            builder.store(zero, place)
            return place

        totals = [(variable(), variable()) for _ in range(n)]
        begin = builder.mul(first, blocks)
        with cgutils.for_range(builder, blocks) as loop:
            factor = builder.mul(builder.add(begin, loop.index), first.type(2 * n))
            y = x.load(builder.add(first, builder.mul(loop.index, size)))
            for total, w in zip(totals, outer.factors(factor, n), strict=True):
                added = _Complex(builder, *map(builder.load, total)) + y.times_conjugate(w)
                builder.store(added.re, total[0])
                builder.store(added.im, total[1])
        for place, total in zip(x.places(first, size, n), totals, strict=True):
            target.store(place, _Complex(builder, *map(builder.load, total)))

    return _in_vectors(renamed(gather, str(n)))


_there_2, _around_2, _gradient_2, _back_2 = (_turning(way, 2) for way in range(4))
_there_4, _around_4, _gradient_4, _back_4 = (_turning(way, 4) for way in range(4))
_spread_2, _spread_3, _spread_4 = map(_spreading, (2, 3, 4))
_gather_2, _gather_3, _gather_4 = map(_gathering, (2, 3, 4))


@compiled
def _enter(how, source, x):
    """The outer stage."""
    for t in range(how.size):
        at = (t, how.size, how.blocks)
        if how.entered == 2:
            _spread_2((source, x, how.outer), at)
        elif how.entered == 3:
            _spread_3((source, x, how.outer), at)
        else:
            _spread_4((source, x, how.outer), at)


@compiled
def _leave(how, x, target):
    for t in range(how.size):
        at = (t, how.size, how.blocks)
        if how.entered == 2:
            _gather_2((x, target, how.outer), at)
        elif how.entered == 3:
            _gather_3((x, target, how.outer), at)
        else:
            _gather_4((x, target, how.outer), at)


@compiled
def _falling(how, x, block, near):
    """Stages on the way to some points of a block: each once, before the first of its points."""
    stage, factors = how.size, 0
    while stage > 4:
        quarter, begin, end = stage >> 2, near, near + how.near
        if stage > how.near:
            end = begin + (stage if begin % stage == 0 else 0)
        for first in range(block + begin, block + end, stage):
            for i in range(quarter):
                _fall((x, how.twiddles), (first + i, quarter, factors + 6 * i))
        stage, factors = quarter, factors + 6 * quarter


@compiled
def _rising(how, x, block, near, last):
    """Stages on the way back: each once, after the last of its points."""
    quarter, factors = last, len(how.twiddles)
    while quarter < how.size:
        stage, end = quarter << 2, near + how.near
        factors -= 6 * quarter
        begin = near
        if stage > how.near:
            begin = end - (stage if end % stage == 0 else 0)
        for first in range(block + begin, block + end, stage):
            for i in range(quarter):
                _rise((x, how.twiddles), (first + i, quarter, factors + 6 * i))
        quarter = stage


@compiled
def _through(how, way, x, d, k, sums):
    """All that lies between the outer stage and the way back through it."""
    last = how.size
    while last > 4:
        last >>= 2
    for block in range(0, how.blocks * how.size, how.size):
        for near in range(0, how.size, how.near):
            if way != _BACK:
                _falling(how, x, block, near)
            if way == _GRADIENT:
                _falling(how, d, block, near)
            for place in range(block + near, block + near + how.near, last):
                if last == 4:
                    if way == _THERE:
                        _there_4((x, d, k, sums), (place,))
                    elif way == _AROUND:
                        _around_4((x, d, k, sums), (place,))
                    elif way == _GRADIENT:
                        _gradient_4((x, d, k, sums), (place,))
                    else:
                        _back_4((x, d, k, sums), (place,))
                elif way == _THERE:
                    _there_2((x, d, k, sums), (place,))
                elif way == _AROUND:
                    _around_2((x, d, k, sums), (place,))
                elif way == _GRADIENT:
                    _gradient_2((x, d, k, sums), (place,))
                else:
                    _back_2((x, d, k, sums), (place,))
            if way == _GRADIENT:
                _rising(how, d, block, near, last)
            elif way != _THERE:
                _rising(how, x, block, near, last)


@intrinsic
def _float(typingctx, x):
    """One number of a sequence."""

    def generate(context, builder, signature, args):
        return _widened(builder, args[0]) if x == types.int16 else args[0]

    return types.float32(x), generate


@intrinsic
def _as_in(typingctx, sequences, x):
    """A number as sequences hold it."""
    is_short = sequences.dtype == types.int16

    def generate(context, builder, signature, args):
        return _narrowed(builder, args[1]) if is_short else args[1]

    return sequences.dtype(sequences, types.float32), generate


@_in_vectors
def _copy(builder, source, target, begin, to):
    """Copy one number a lane, from a place on."""
    target.put(to, source.take(begin))


@_in_vectors
def _copy_where(builder, source, mask, target, begin, seen, to):
    """Copy those for which the mask is not 0 or less; the others become 0."""
    zero = ir.Constant(ir.VectorType(ir.FloatType(), _LANES), [0.0] * _LANES)
    above = builder.fcmp_unordered(">", mask.take(seen), zero)
    target.put(to, builder.select(above, source.take(begin), zero))


@compiled
def _read(tokens, mask, pair, groups, points):
    """Two sequences (batch, time, channels) as points of each group of channels, behind them 0.

    Those too are 0 where `mask`, if there is one, is 0 or less.
    """
    batch, time, channels = tokens.shape
    for group in range(groups[0], groups[1]):
        points[group, time * _POINT :] = 0
        if pair + 1 == batch:
            points[group] = 0
    for part in range(min(2, batch - pair)):
        for t in range(time):
            begin = ((pair + part) * time + t) * channels
            for group in range(groups[0], groups[1]):
                to, first = t * _POINT + part * _LANES, group * _LANES
                if first + _LANES > channels:
                    for lane in range(channels - first):
                        value = _float(tokens[pair + part, t, first + lane])
                        if mask.size and _float(mask[pair + part, t, first + lane]) <= 0:
                            value = np.float32(0)
                        points[group, to + lane] = value
                elif mask.size:
                    at = begin + first
                    _copy_where((tokens, mask, points[group]), (at, at, to))
                else:
                    _copy((tokens, points[group]), (begin + first, to))


@compiled
def _write(points, mask, rectified, pair, groups, tokens):
    """The reverse; what is written may be rectified too."""
    batch, time, channels = tokens.shape
    for part in range(min(2, batch - pair)):
        for t in range(time):
            begin = ((pair + part) * time + t) * channels
            for group in range(groups[0], groups[1]):
                place, first = t * _POINT + part * _LANES, group * _LANES
                if first + _LANES > channels:
                    for lane in range(channels - first):
                        value = points[group, place + lane]
                        sign = value
                        if mask.size:
                            sign = _float(mask[pair + part, t, first + lane])
                        if (mask.size or rectified) and sign <= 0:
                            value = np.float32(0)
                        tokens[pair + part, t, first + lane] = _as_in(tokens, value)
                elif mask.size:
                    at = begin + first
                    _copy_where((points[group], mask, tokens), (place, at, at))
                elif rectified:
                    to = begin + first
                    _copy_where((points[group], points[group], tokens), (place, place, to))
                else:
                    _copy((points[group], tokens), (place, begin + first))


@kernel
def _spectra(how, groups, response, nothing, spectra, ends):
    _read(response, nothing, 0, groups, ends)
    for group in range(groups[0], groups[1]):
        x = spectra[group]
        _enter(how, ends[group], x)
        _through(how, _THERE, x, x, x, x)


@kernel
def _convolve(how, share, source, spectra, y, rectified, scratch):
    (pairs, groups), (u, mask, nothing), (ends, x) = share, source, scratch
    for pair in range(2 * pairs[0], 2 * pairs[1], 2):
        _read(u, mask, pair, groups, ends)
        for group in range(groups[0], groups[1]):
            _enter(how, ends[group], x)
            _through(how, _AROUND, x, x, spectra[group], x)
            _leave(how, x, ends[group])
        _write(ends, nothing, rectified, pair, groups, y)


@kernel
def _differentiate(how, share, source, spectra, gradient, du, scratch):
    (pairs, groups), (sums, ends, x) = share, scratch
    (u, mask), (dy, seen) = source, gradient
    for pair in range(2 * pairs[0], 2 * pairs[1], 2):
        _read(u, mask, pair, groups, ends[0])
        _read(dy, seen, pair, groups, ends[1])
        for group in range(groups[0], groups[1]):
            _enter(how, ends[0, group], x[0])
            _enter(how, ends[1, group], x[1])
            _through(how, _GRADIENT, x[0], x[1], spectra[group], sums[group])
            _leave(how, x[1], ends[1, group])
        _write(ends[1], mask, False, pair, groups, du)


@kernel
def _responses(how, groups, spectra, nothing, response, ends):
    for group in range(groups[0], groups[1]):
        x = spectra[group]
        _through(how, _BACK, x, x, x, x)
        _leave(how, x, ends[group])
    _write(ends, nothing, False, 0, groups, response)


def spectra_of(response: np.ndarray, n_threads: int) -> np.ndarray:
    """Transform the responses of channels, (time, channels): what the others take."""
    how, n_groups = plan(len(response)), -(-response.shape[1] // _LANES)
    spectra, ends = _points(how.points, n_groups), _points(how.entered * how.size, n_groups)
    scaled = (response / np.float32(how.points))[np.newaxis]

    def work(i: int, pairs: _Range, groups: _Range) -> None:
        _call(_spectra, scaled.dtype, how, groups, scaled, _nothing(scaled.dtype), spectra, ends)

    _share(1, n_groups, n_threads, work)
    return spectra


def convolve(
    u: np.ndarray, spectra: np.ndarray, n_threads: int, before: bool = False, after: bool = False
) -> np.ndarray:
    """Convolve sequences with the responses that have these spectra.

    Parameters
    ----------
    u
        float32, or bfloat16 as int16, (batch, time, channels), in one piece.
    before, after
        Whether what is convolved, and what comes of it, is rectified.

    Returns
    -------
    numpy.ndarray
        Of u's shape and type.
    """
    how, n_groups, y = plan(u.shape[1]), len(spectra), np.empty_like(u)
    n = _copies(len(u), n_groups, n_threads)
    ends, x = _points(how.entered * how.size, n, n_groups), _points(how.points, n_threads)
    nothing = _nothing(u.dtype)
    mask = u if before else nothing

    def work(i: int, pairs: _Range, groups: _Range) -> None:
        share, scratch = (pairs, groups), (ends[i % n], x[i])
        _call(_convolve, u.dtype, how, share, (u, mask, nothing), spectra, y, after, scratch)

    _share(len(u), n_groups, n_threads, work)
    return y


def differentiate(
    u: np.ndarray,
    spectra: np.ndarray,
    dy: np.ndarray,
    n_threads: int,
    before: bool = False,
    y: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `convolve`: of u, and of the responses (time, channels), by that of y.

    Parameters
    ----------
    y
        What it gave, if that was rectified.
    """
    (batch, time, channels), n_groups = u.shape, len(spectra)
    how, du, response = plan(time), np.empty_like(u), np.empty((1, time, channels), np.float32)
    n = _copies(batch, n_groups, n_threads)
    ends, x = _points(how.entered * how.size, n, 2, n_groups), _points(how.points, n_threads, 2)
    sums, nothing = _points(how.points, n, n_groups), _nothing(u.dtype)
    mask, seen = u if before else nothing, nothing if y is None else y

    def work(i: int, pairs: _Range, groups: _Range) -> None:
        share, scratch = (pairs, groups), (sums[i % n], ends[i % n], x[i])
        _call(_differentiate, u.dtype, how, share, (u, mask), spectra, (dy, seen), du, scratch)

    _share(batch, n_groups, n_threads, work)
    total = sums.sum(0)

    def back(i: int, pairs: _Range, groups: _Range) -> None:
        _call(
            _responses,
            response.dtype,
            how,
            groups,
            total,
            _nothing(response.dtype),
            response,
            ends[0, 0],
        )

    _share(1, n_groups, n_threads, back)
    return du, response[0] / np.float32(how.points)


def _nothing(dtype: np.dtype) -> np.ndarray:
    return np.empty((0, 0, 0), dtype)


def _points(n: int, *shape: int) -> np.ndarray:
    return np.zeros((*shape, n * _POINT), np.float32)


def _copies(batch: int, n_groups: int, n_threads: int) -> int:
    """How many threads have pairs of sequences to themselves, if they do not share groups."""
    n_pairs = -(-batch // 2)
    return min(n_threads, n_pairs) if n_pairs >= min(n_threads, n_groups) else 1


def _share(
    batch: int, n_groups: int, n_threads: int, work: Callable[[int, _Range, _Range], None]
) -> None:
    """Call `work` with the number of each thread, and its pairs of sequences and groups."""
    n_pairs, n = -(-batch // 2), _copies(batch, n_groups, n_threads)

    def share(i: int, rows: slice) -> None:
        own = rows.start, rows.stop
        if n > 1:
            work(i, own, (0, n_groups))
        else:
            work(i, (0, n_pairs), own)

    _threads(n_pairs if n > 1 else n_groups, n_threads).run(share)


@functools.lru_cache(maxsize=4)
def _threads(n_rows: int, n_threads: int) -> Threads:
    return Threads(n_rows, n_threads)


_known: set[tuple[Any, np.dtype]] = set()
"""Kernels, and numbers of sequences, for which they are compiled."""


def _call(function: Any, kind: np.dtype, *arguments: Any) -> None:
    """Call a kernel of sequences of such numbers."""
    if (function, kind) not in _known:  # to ask for all types takes a while
        ready(function, tuple(map(numba.typeof, arguments)))
        _known.add((function, kind))
    function(*arguments)
