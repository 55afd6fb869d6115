"""Machines that a program is compiled for, and by which compiler."""

import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lava_ssm import extras
from lava_ssm.deploy.emitter import Program

_HERE = Path(__file__).parent
_EXPORTS = ("inputs", "outputs", "token", "output", "memory", "memory_bytes", "reset", "step")


class CompilerError(RuntimeError):
    """A compiler refused the program; the message is what it said."""


@dataclass(frozen=True)
class Target:
    """A machine.

    Parameters
    ----------
    product
        End of the name of the file that is made.
    triple
        What `ziglang` calls it; None: the machine that this runs on.
    flags
        For the compiler of C.
    tool
        A compiler that is used if it is at hand; None: `ziglang` alone.
    linked
        Flags that link a file with the functions of the host; none: an object file is made.
    compressed
        See `c`.
    flash, ram
        Bytes that a usual part has, for constants and code, and for the state; None: plenty.
    """

    product: str
    triple: str | None
    flags: tuple[str, ...]
    tool: str | None = None
    linked: tuple[str, ...] = ()
    compressed: float | None = None
    flash: int | None = None
    ram: int | None = None

    @property
    def has_main(self) -> bool:
        """Whether programs with a main can be made for it."""
        return self.product != ".wasm"


_DENSE = 0.02
"""Where a compiler makes vectors, dense weights are faster than compressed ones down to a few in a
hundred: 3.0 against 16.3 us a token at 12 % of the weights (measured with GCC 12 on Zen 5)."""
_WASM = tuple(f"-Wl,--export=host_{name}" for name in _EXPORTS)
_CORTEX = ("-mthumb", "-mfloat-abi=hard", "-O2")

TARGETS: dict[str, Target] = {
    "native": Target(
        ".dll" if sys.platform == "win32" else ".so",
        None,
        ("-O3", "-march=native"),
        "cc",
        ("-shared", "-fPIC", "-fvisibility=hidden"),
        _DENSE,
    ),
    "wasm": Target(
        ".wasm",
        "wasm32-freestanding",
        ("-O3", "-msimd128", "-mbulk-memory"),
        linked=("-nostdlib", "-Wl,--no-entry", *_WASM),
        compressed=_DENSE,
    ),
    "aarch64": Target(
        ".o", "aarch64-linux-musl", ("-O3",), "aarch64-linux-gnu-gcc", compressed=_DENSE
    ),
    "cortex-m4": Target(
        ".o",
        "thumb-freestanding-eabihf",
        ("-mcpu=cortex-m4", *_CORTEX),
        "arm-none-eabi-gcc",
        flash=1 << 20,
        ram=192 << 10,
    ),
    "cortex-m7": Target(
        ".o",
        "thumb-freestanding-eabihf",
        ("-mcpu=cortex-m7", *_CORTEX),
        "arm-none-eabi-gcc",
        flash=2 << 20,
        ram=1 << 20,
    ),
}
"""Beside `c`, which is not compiled. Flash and RAM are those of an STM32F407 and an STM32H743."""


@dataclass(frozen=True)
class Sizes:
    """What a compiled program takes of a machine.

    Parameters
    ----------
    flash
        Bytes of code and constants.
    ram
        Bytes of the state, a token and an output.
    """

    flash: int
    ram: int


def compiled(program: Program, target: Target) -> bytes:
    """Compile a program: a library or module with the functions of the host, or an object file.

    Raises
    ------
    MissingPackageError
        There is no compiler; the message is the command that installs one.
    CompilerError
        The compiler refused the program.
    """
    sources = [f"{program.name}.c", *(["host.c"] if target.linked else [])]
    flags = target.linked or ("-c",)
    return _made(program, target, [*sources, *flags], target.product)


def harness(program: Program, name: str, target: Target) -> bytes:
    """Compile a program with its harness, for Cortex-M for QEMU's boards with semihosting.

    Raises
    ------
    MissingPackageError, CompilerError
        As `compiled`; of Cortex-M it takes the C library of `arm-none-eabi-gcc`.
    """
    sources = [f"{program.name}.c", "main.c"]
    if not name.startswith("cortex"):
        return _made(program, target, [*sources, *(["-static"] if target.triple else [])], "")
    if shutil.which("arm-none-eabi-gcc") is None:
        raise extras.MissingPackageError(
            "arm-none-eabi-gcc is needed for a harness and is not here: "
            "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
        )
    start = [str(_HERE / "mps2.c"), "-T", str(_HERE / "mps2.ld"), "--specs=rdimon.specs"]
    return _made(program, target, [*sources, *start, "-nostartfiles"], "")


def sizes(program: Program, target: Target, code: bytes) -> Sizes:
    """Measure what an object file takes of a machine of 32 bits.

    Raises
    ------
    MissingPackageError, CompilerError
        As `compiled`.
    """
    host = _made(program, target, ["host.c", "-c"], ".o")
    return Sizes(_section_bytes(code)[0], _section_bytes(host)[1])


def check_fits(name: str, needed: Sizes, flash: int | None, ram: int | None) -> None:
    """Refuse a program that a machine has no room for.

    Raises
    ------
    ValueError
        With what it takes, and what there is.
    """
    for what, size, limit in (("flash", needed.flash, flash), ("ram", needed.ram, ram)):
        if limit is not None and size > limit:
            raise ValueError(
                f"{what}: the network takes {size:,} bytes, {name} has {limit:,}; give the {what} "
                "of your part if it has more, or a smaller network"
            )


def command(target: Target) -> list[str]:
    """Give the command that compiles C99 for a target: a compiler that is here, and its flags.

    Raises
    ------
    MissingPackageError
        There is no compiler; the message is the command that installs one.
    """
    tool = target.tool
    if tool is not None and shutil.which(tool) is not None:
        return [tool, "-std=c99", *target.flags]
    extras.check("ziglang")
    triple = [] if target.triple is None else ["-target", target.triple]
    flags = [  # ziglang's names have no -
        f.replace("-mcpu=cortex-m", "-mcpu=cortex_m")
        for f in target.flags
        if f not in ("-mthumb", "-mfloat-abi=hard")
    ]
    return [sys.executable, "-m", "ziglang", "cc", *triple, "-std=c99", *flags]


def _made(program: Program, target: Target, arguments: Sequence[str], suffix: str) -> bytes:
    compiler = command(target)
    with tempfile.TemporaryDirectory(prefix="lava-ssm-") as folder:
        for name, text in (
            (f"{program.name}.h", program.header),
            (f"{program.name}.c", program.source),
            ("main.c", program.harness),
            ("host.c", program.host),
        ):
            Path(folder, name).write_text(text)
        made = f"made{suffix}"
        call = [*compiler, *arguments, "-o", made]
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise CompilerError(f"{' '.join(call)}: {done.stderr.strip()[-2000:]}")
        return Path(folder, made).read_bytes()


def _section_bytes(content: bytes) -> tuple[int, int]:
    """Bytes that an ELF file of 32 bits keeps, and those that it clears, in memory."""
    start = struct.unpack_from("<I", content, 32)[0]
    size, n = struct.unpack_from("<HH", content, 46)
    kept = cleared = 0
    for i in range(n):
        _, kind, flags, _, _, length = struct.unpack_from("<6I", content, start + i * size)
        if flags & 2:  # allocated
            kept += length if kind != 8 else 0
            cleared += length if kind == 8 else 0
    return kept, cleared
