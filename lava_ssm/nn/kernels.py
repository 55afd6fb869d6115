"""What training on a GPU would otherwise wait for memory for: a few kernels in Triton.

(Tillet, Kung, Cox, "Triton: an intermediate language and compiler for tiled neural network
computations", MAPL 2019.) Each reads and writes its numbers once; their interpreter, which
TRITON_INTERPRET=1 chooses, runs them on a CPU.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 2048
_PARTS = 16
_TILE = 16
_ROWS = 64


@triton.jit
def _moments(x, y, sums, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Sums of x and of x y over this program's part of a row."""
    row, part, parts = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    first, second = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for begin in range(part * BLOCK, n, parts * BLOCK):
        places = begin + tl.arange(0, BLOCK)
        inside = places < n
        a = tl.load(x + row * n + places, inside, 0.0).to(tl.float32)
        b = tl.load(y + row * n + places, inside, 0.0).to(tl.float32)
        first += a
        second += a * b
    tl.store(sums + (row * parts + part) * 2, tl.sum(first))
    tl.store(sums + (row * parts + part) * 2 + 1, tl.sum(second))


@triton.jit
def _combined(x, y, factors, z, n, BOTH: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Z = f_0 + f_1 x + f_2 y of a row, in part."""
    row = tl.program_id(0).to(tl.int64)
    places = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = places < n
    a = tl.load(x + row * n + places, inside, 0.0).to(tl.float32)
    result = tl.load(factors + row * 3) + tl.load(factors + row * 3 + 1) * a
    if BOTH:
        b = tl.load(y + row * n + places, inside, 0.0).to(tl.float32)
        result += tl.load(factors + row * 3 + 2) * b
    tl.store(z + row * n + places, result.to(z.dtype.element_ty), inside)


@triton.jit
def _toeplitz(k, matrix, length, rows, down, right, begin, TILE: tl.constexpr, WIDTH: tl.constexpr):  # type: ignore[no-untyped-def]
    """Element (r, i) is k[begin + down r + right i], some rows of a channel's matrix."""
    channel = tl.program_id(0).to(tl.int64)
    row = tl.program_id(1) * TILE + tl.arange(0, TILE)[:, None]
    places = tl.arange(0, WIDTH)[None, :]
    inside = (places < length) & (row < rows)
    at = begin + down * row + right * places
    values = tl.load(k + channel * (rows + length - 1) + at, inside, 0.0)
    tl.store(matrix + (channel * rows + row) * length + places, values, inside)


@triton.jit
def _diagonals(  # type: ignore[no-untyped-def]
    matrix, sums, length, rows, ROWS: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr
):
    """Sums over some rows r of element (r, q - (rows - 1 - r)), for q in this program's part."""
    channel, block, part = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    size = rows + length - 1
    q = block * WIDTH + tl.arange(0, WIDTH)
    total = tl.zeros((WIDTH,), tl.float32)
    for begin in range(part * ROWS, part * ROWS + ROWS, TILE):
        row = begin + tl.arange(0, TILE)[:, None]
        i = q[None, :] - (rows - 1 - row)
        inside = (i >= 0) & (i < length) & (row < rows)
        tile = tl.load(matrix + (channel * rows + row) * length + i, inside, 0.0)
        total += tl.sum(tile.to(tl.float32), 0)
    tl.store(sums + (channel * tl.num_programs(2) + part) * size + q, total, q < size)


def moments(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of x and of x y over the rows of (rows, n), in float32."""
    rows, n = x.shape
    sums = torch.empty(rows, _PARTS, 2, device=x.device)
    _moments[rows, _PARTS](x, y, sums, n, BLOCK=_BLOCK)
    first, second = sums.sum(1).unbind(-1)
    return first, second


def combined(offset: Tensor, a: Tensor, x: Tensor, b: Tensor | None, y: Tensor) -> Tensor:
    """Give offset + a x + b y of the rows of x and y (rows, n), in their type; without b, no y."""
    rows, n = x.shape
    factors = torch.stack([offset, a, a if b is None else b], -1)
    z = torch.empty_like(x)
    _combined[rows, triton.cdiv(n, _BLOCK)](x, y, factors, z, n, BOTH=b is not None, BLOCK=_BLOCK)
    return z


def toeplitz(k: Tensor, length: int, down: int, right: int) -> Tensor:
    """Matrices (channels, rows, length) with k[.. + down r + right i] at (r, i).

    k is (channels, rows + length - 1), down and right are 1 and -1 or the other way round: the
    first or the last element of k is then at the last row's first or at the first row's last place.
    """
    channels, size = k.shape
    rows = size - length + 1
    begin = (rows - 1) * (down < 0) + (length - 1) * (right < 0)
    matrix = k.new_empty(channels, rows, length)
    width = triton.next_power_of_2(length)
    grid = channels, triton.cdiv(rows, _TILE)
    _toeplitz[grid](k, matrix, length, rows, down, right, begin, TILE=_TILE, WIDTH=width)
    return matrix


def diagonals(matrix: Tensor) -> Tensor:
    """The adjoint of `toeplitz` with down = -1: (channels, rows + length - 1), in float32."""
    channels, rows, length = matrix.shape
    size, width = rows + length - 1, 256
    parts = triton.cdiv(rows, _ROWS)
    sums = torch.empty(channels, parts, size, device=matrix.device)
    grid = channels, triton.cdiv(size, width), parts
    _diagonals[grid](matrix, sums, length, rows, ROWS=_ROWS, TILE=_TILE, WIDTH=width)
    return sums.sum(1)
