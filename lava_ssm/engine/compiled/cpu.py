"""What Numba does not offer of a CPU: features, caches, rounding mode, bit patterns of floats.

Changing the rounding mode is what makes exact arithmetic cheap here, see `neurons`.
"""

# mypy: disable-error-code="no-untyped-def"

import platform
from pathlib import Path

import numba
from llvmlite import ir
from numba.core import types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from lava_ssm.numerics import Rounding

ROUNDING_MODE = {Rounding.TOWARD_ZERO: 0, Rounding.NEAREST: 1, Rounding.FLOOR: 3}
"""C's FLT_ROUNDS."""
HAS_ROUNDING_MODE = platform.machine().lower() in {"x86_64", "amd64", "aarch64", "arm64"}
"""Whether LLVM can set the rounding mode of this CPU."""


def features() -> set[str]:
    """Give LLVM's names of what the CPU that Numba compiles for can do beyond its architecture."""
    given = numba.config.CPU_FEATURES
    names = get_host_cpu_features() if given is None else given
    return {name[1:] for name in names.split(",") if name.startswith("+")}


def second_cache() -> int:
    """Bytes of a core's second cache; half a megabyte, if the system does not say."""
    try:
        size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text("ascii")
        return int(size.strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 1 << 19


@intrinsic
def rounding_mode(typingctx):
    """Give the CPU's rounding mode, of this thread."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(builder.module.declare_intrinsic("llvm.get.rounding", (), kind), [])

    return types.int32(), generate


@intrinsic
def set_rounding_mode(typingctx, mode):
    """Set the CPU's rounding mode, of this thread; no memory access moves across this."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
        barrier = ir.FunctionType(ir.VoidType(), [])
        builder.asm(barrier, "", "~{memory}", [], side_effect=True)
        builder.call(builder.module.declare_intrinsic("llvm.set.rounding", (), kind), args)
        builder.asm(barrier, "", "~{memory}", [], side_effect=True)
        return context.get_dummy_value()

    return types.void(types.int32), generate


@intrinsic
def rounded(typingctx, x):
    """Round a float to an integer, as the CPU's rounding mode says; still a float."""

    def generate(context, builder, signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [args[0].type]), args)

    return x(x), generate


@intrinsic
def to_int32(typingctx, x):
    """Give a float that is an integer as one, 32 bits."""

    def generate(context, builder, signature, args):
        return builder.fptosi(args[0], ir.IntType(32))

    return types.int32(x), generate


@intrinsic
def shifted_right(typingctx, x, n):
    """`x >> n` of int32, 0 <= n < 32.

    Numba takes 64 bits, which AVX2 does not shift with a sign.
    """

    def generate(context, builder, signature, args):
        return builder.ashr(*args)

    return types.int32(types.int32, types.int32), generate


@intrinsic
def one_by_one(typingctx, x):
    """Give an integer as it is, and keep LLVM from making vectors of the loop around.

    To gather from a table takes a CPU several times as long as to read one by one.
    """

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(args[0].type, [args[0].type])
        return builder.asm(kind, "", "=r,0", args, side_effect=False)

    return x(x), generate
