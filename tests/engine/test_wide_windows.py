"""Windows for AVX-512 on any CPU: its two instructions in terms of LLVM's own."""

from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from llvmlite import ir
from numba.core import cgutils

from lava_ssm.engine.compiled.arguments import Arguments, taking
from lava_ssm.engine.compiled.matrix import MATRIX, windows
from lava_ssm.engine.compiled.matrix.wide_windows import adding_up, shape
from lava_ssm.engine.compiled.writer import LINE

BEFORE = 3
"""Numbers of another matrix that stand before those of this one, in each array."""
_INT8, _INT32 = ir.IntType(8), ir.IntType(32)
_BYTES = ir.VectorType(_INT8, 64)


def vpermi2b(builder: Any, one: Any, places: Any, other: Any) -> Any:
    """[*one, *other][places mod 128], of 64 bytes each."""
    both = [ir.Constant(ir.VectorType(_INT32, 128), [*range(128)])]
    x = builder.shuffle_vector(one, other, *both)
    taken = ir.Constant(_BYTES, ir.Undefined)
    for i in range(64):
        lane = ir.Constant(_INT32, i)
        place = builder.zext(builder.extract_element(places, lane), _INT32)
        place = builder.and_(place, ir.Constant(_INT32, 127))
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
    "llvm.x86.avx512.vpermi2var.qi.512": vpermi2b,
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


KINDS = {
    "matrices": (MATRIX, 1),
    "steps": (np.uint8, 1),
    "tables": (np.int32, 1),
    "pointers": (np.int64, 1),
    "offsets": (np.int32, 1),
    "shifts": (np.int32, 1),
    "window": (np.uint8, 1),
}
_data = taking(KINDS)


@pytest.fixture(scope="module", params=[2, 4])
def add_windows(request: Any) -> Any:
    """How many vectors of outputs share a window; `add`, with the instructions emulated."""
    with pytest.MonkeyPatch.context() as patch:
        replaced = SimpleNamespace(**{**vars(cgutils), "get_or_insert_function": emulated})
        patch.setattr(windows, "cgutils", replaced)
        vectors = request.param
        form = windows.windows("emulated_windows", shape(vectors), adding_up(vectors), True)
        add = form.add

        @numba.njit
        def outer(table: Any, u: Any, y: Any, most: Any) -> None:
            data = _data(table)
            add(data.matrices[0], data, u, y, most)

        arguments, x = laid_out(vectors, np.zeros((1, 1), int), np.zeros(1, int))
        outer(arguments.table, x, x.copy(), np.int64(0))
        return vectors, outer


def laid_out(
    vectors: int, weights: np.ndarray, x: np.ndarray, common_shift: int = 0
) -> tuple[Arguments, Any]:
    """The arrays of a matrix, among those of others, and its input."""
    steps, tables, pointers = windows.in_windows(weights, shape(vectors))
    d_output, d_input = weights.shape
    width = -(-max(weights.shape) // LINE) * LINE
    u = np.zeros(width, np.int32)
    u[:d_input] = x
    offsets, shifts = np.full((2, BEFORE + width), -77, np.int32)
    offsets[BEFORE : BEFORE + d_output] = -(weights.sum(1) << 16)
    shifts[BEFORE:] = np.arange(width) % 32
    matrix = np.zeros(1, MATRIX)
    matrix["first"] = LINE  # behind another matrix's steps
    matrix["rows"], matrix["columns"] = weights.shape
    matrix["pointers"] = matrix["outputs"] = BEFORE
    matrix["common_shift"] = common_shift
    arrays = {
        "matrices": matrix,
        "steps": np.concatenate([np.full(LINE, 77, np.uint8), steps.ravel()]),
        "tables": tables,
        "pointers": np.concatenate([np.full(BEFORE, 1 << 40), pointers, [1 << 40]]),
        "offsets": offsets.copy(),
        "shifts": shifts.copy(),
        "window": np.zeros(4 * width, np.uint8),
    }
    return Arguments(KINDS, arrays), u


@pytest.mark.parametrize("density", [0.02, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (5, 31), (16, 64), (17, 65), (40, 257), (70, 96)])
@pytest.mark.parametrize("most", [100, 32767, 32768, 2**23 - 1, 2**31 - 1])
def test_sums_are_those_of_the_matrix(
    add_windows: Any, density: float, size: tuple[int, int], most: int
) -> None:
    vectors, add = add_windows
    rng = np.random.default_rng([*size, int(100 * density), most])
    weights = rng.choice([-128, 127, *rng.integers(-128, 128, 6)], size)
    weights *= rng.random(size) < density
    x = rng.choice([-most - 1, most, 0, *rng.integers(-most, most + 1, 6)], size[1])
    wanted = (2 * weights.astype(np.int64) @ x).astype(np.int32)  # modulo 2^32
    greatest = np.int64(max(x.max(), -1 - x.min(), 0))
    for common_shift, shifted in ((0, wanted >> np.arange(size[0]) % 32), (-1, wanted)):
        arguments, u = laid_out(vectors, weights, x, common_shift)
        y = np.zeros_like(u)
        add(arguments.table, u, y, greatest)
        np.testing.assert_array_equal(y[: size[0]], shifted)
