"""Windows for AVX-512 on any CPU: its two instructions in terms of LLVM's own."""

from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from llvmlite import ir
from numba.core import cgutils

from lava_ssm.engine.compiled import wide_windows
from lava_ssm.engine.compiled.wide_windows import WIDE, fill, sums
from lava_ssm.engine.compiled.windows import LINE, adding, in_windows

BEFORE = 3
"""Numbers of another matrix that stand before those of this one, in each array."""
_INT8, _INT32 = ir.IntType(8), ir.IntType(32)
_BYTES = ir.VectorType(_INT8, 64)


def vpermb(builder: Any, x: Any, places: Any) -> Any:
    """x[places mod 64] of 64 bytes."""
    taken = ir.Constant(_BYTES, ir.Undefined)
    for i in range(64):
        lane = ir.Constant(_INT32, i)
        place = builder.zext(builder.extract_element(places, lane), _INT32)
        place = builder.and_(place, ir.Constant(_INT32, 63))
        taken = builder.insert_element(taken, builder.extract_element(x, place), lane)
    return taken


def vpdpbusd(builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    """Total + the sum of each four products of bytes, modulo 2^32, of 16 lanes."""
    u, v = (builder.bitcast(x, _BYTES) for x in (unsigned, signed))
    for i in range(64):
        lane, at = (ir.Constant(_INT32, n) for n in (i // 4, i))
        product = builder.mul(
            builder.zext(builder.extract_element(u, at), _INT32),
            builder.sext(builder.extract_element(v, at), _INT32),
        )
        added = builder.add(builder.extract_element(total, lane), product)
        total = builder.insert_element(total, added, lane)
    return total


INSTRUCTIONS = {
    "llvm.x86.avx512.permvar.qi.512": vpermb,
    "llvm.x86.avx512.vpdpbusd.512": vpdpbusd,
}


def emulated(module: Any, kind: Any, name: str) -> Any:
    """A function of the module that does what an instruction does."""
    function = cgutils.get_or_insert_function(module, kind, name.replace("llvm.x86", "emulated"))
    if function.is_declaration:
        function.linkage = "internal"
        builder = ir.IRBuilder(function.append_basic_block())
        builder.ret(INSTRUCTIONS[name](builder, *function.args))
    return function


@pytest.fixture(scope="module")
def add_windows() -> Any:
    """`add_wide_windows` with the instructions emulated, arguments in tuples."""
    with pytest.MonkeyPatch.context() as patch:
        names = ("alloca_once", "for_range_slice")
        kept = SimpleNamespace(**{name: getattr(cgutils, name) for name in names})
        kept.get_or_insert_function = emulated
        patch.setattr(wide_windows, "cgutils", kept)
        add = adding(WIDE, fill, sums, available=True)

        @numba.njit
        def outer(
            steps: Any, tables: Any, pointers: Any, offsets: Any, down: Any, most: Any, mask: Any,
            u: Any, table: Any, y: Any, d_input: Any, d_output: Any,
        ) -> None:  # fmt: skip
            add(
                steps, tables, pointers, offsets, down, BEFORE, BEFORE, d_input, d_output, most,
                mask, u, table, y,
            )  # fmt: skip

        outer(*arguments(np.zeros((1, 1), int), np.zeros(1, int)))
        return outer


def arguments(weights: np.ndarray, x: np.ndarray) -> tuple[Any, ...]:
    steps, tables, pointers = in_windows(weights, WIDE)
    d_output, d_input = weights.shape
    width = -(-max(weights.shape) // LINE) * LINE
    u, y = np.zeros(width, np.int32), np.zeros(width, np.int32)
    u[:d_input] = x
    offsets, down = np.full((2, BEFORE + width), -77, np.int32)
    offsets[BEFORE : BEFORE + d_output] = -(weights.sum(1) << 16)
    down[BEFORE:] = np.arange(width) % 32
    pointers = np.concatenate([np.full(BEFORE, 1 << 40), pointers, [1 << 40]])
    table = np.zeros(4 * width, np.uint8)
    most = np.int64(max(x.max(), -1 - x.min(), 0))
    return (
        steps.ravel(), tables, pointers, offsets, down, most, np.int32(-1), u, table, y, d_input,
        d_output,
    )  # fmt: skip


@pytest.mark.parametrize("density", [0.02, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (5, 31), (16, 64), (17, 65), (40, 257), (70, 96)])
@pytest.mark.parametrize("most", [100, 32767, 32768, 2**23 - 1, 2**31 - 1])
def test_sums_are_those_of_the_matrix(
    add_windows: Any, density: float, shape: tuple[int, int], most: int
) -> None:
    rng = np.random.default_rng([*shape, int(100 * density), most])
    weights = rng.choice([-128, 127, *rng.integers(-128, 128, 6)], shape)
    weights *= rng.random(shape) < density
    x = rng.choice([-most - 1, most, 0, *rng.integers(-most, most + 1, 6)], shape[1])
    given = arguments(weights, x)
    wanted = (2 * weights.astype(np.int64) @ x).astype(np.int32)  # modulo 2^32
    y, down = given[9][: shape[0]], given[4][BEFORE : BEFORE + shape[0]]
    add_windows(*given)
    np.testing.assert_array_equal(y, wanted >> down)
    add_windows(*given[:6], np.int32(0), *given[7:])
    np.testing.assert_array_equal(y, wanted)
