"""How two threads that share the neurons of a sequence wait for each other.

The first one *begins* a block of tokens: it says of how many, and counts blocks. The second one
*claims* it, by compare and exchange, and computes its part. If it does not come, because it sleeps
or its core is busy, the first one claims the block and computes both parts. So each part of each
block is computed once, whoever is there.

Each counts up with every population whose part it has computed, and waits where it is about to read
what the other one writes. When a block has ended for the first thread, it has for both.

The second thread looks for blocks for a short time and then sleeps: it returns to Python. A thread
whose core is busy with another process may be away for milliseconds. Whoever waits that long naps,
so that its own core is free for the other; and the first thread computes both parts of so many
blocks without asking, twice as many after each time.
"""

# mypy: disable-error-code="no-untyped-def"

import ctypes
import os
import platform

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.writer import aligned

_LINE = 16
"""Integers between words that different threads write: two lines, as CPUs fetch pairs of them."""
_SECOND, _CLAIMED, _STATE, _BLOCK, _RESTING, _NAP = (_LINE * i for i in range(1, 7))
"""Places: how far the second thread is (the first: 0), and of how many blocks it computed its part;
which block was claimed last; whether the second is awake, a hint; which block has begun, its
tokens, and how far both were; blocks that the first computes alone, and of how many these were; how
to nap, for how long; how often to look whether the second comes."""
_SHARED, _TOKENS, _BASE, PATIENCE = _SECOND + 1, _BLOCK + 1, _BLOCK + 2, _NAP + 2
N_TURNS = _LINE * 7
ASLEEP, AWAKE = range(2)
_SPINS = 1 << 12
"""Looks before a nap, or before the second thread sleeps: 0.15 ms."""
_LEAST, _MOST = 1 << 10, 1 << 14
"""Blocks without the second thread after it was away."""


def turns() -> NDArray[np.int64]:
    """Give the words of two threads of which the second one sleeps."""
    words = aligned(np.zeros(N_TURNS, np.int64))  # nothing else in a line that is looked at
    name, time = ("Sleep", 1) if os.name == "nt" else ("usleep", 50)
    library = ctypes.CDLL("kernel32" if os.name == "nt" else None)
    words[_NAP] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    words[_NAP + 1], words[PATIENCE] = time, _SPINS
    return words


def begin_anew(words: NDArray[np.int64]) -> None:
    """Know of no second thread and of no block: that one of them is no more."""
    words[_STATE], words[_CLAIMED] = ASLEEP, words[_BLOCK]
    words[0] = words[_SECOND] = 0


def is_awake(words: NDArray[np.int64]) -> bool:
    """Whether the second thread is there."""
    return bool(words[_STATE] == AWAKE)


def n_shared(words: NDArray[np.int64]) -> int:
    """Blocks of which the second thread has computed its part."""
    return int(words[_SHARED])


@intrinsic
def _get(typingctx, words, place):
    """Read a word that another thread writes."""

    def generate(context, builder, signature, args):
        data = context.make_array(words)(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(words, types.intp), generate


@intrinsic
def _put(typingctx, words, place, value):
    """Write it, after all that this thread has written before."""

    def generate(context, builder, signature, args):
        data = context.make_array(words)(context, builder, args[0]).data
        builder.store_atomic(args[2], builder.gep(data, [args[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), generate


@intrinsic
def _exchanged(typingctx, words, place, before, after):
    """Change a word, if it is as it was said to be before; whether it was."""

    def generate(context, builder, signature, args):
        data = context.make_array(words)(context, builder, args[0]).data
        address = builder.gep(data, [args[1]])
        both = builder.cmpxchg(address, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(both, 1)

    return types.boolean(words, types.intp, types.int64, types.int64), generate


@intrinsic
def _pause(typingctx):
    """Tell the CPU that this thread waits."""
    is_x86 = platform.machine().lower() in {"x86_64", "amd64"}
    name, given = ("llvm.x86.sse2.pause", []) if is_x86 else ("llvm.aarch64.hint", [1])

    def generate(context, builder, signature, args):
        values = [ir.Constant(ir.IntType(32), n) for n in given]
        kind = ir.FunctionType(ir.VoidType(), [v.type for v in values])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _nap(typingctx, words):
    """Give the core away for a moment."""

    def generate(context, builder, signature, args):
        data = context.make_array(words)(context, builder, args[0]).data
        address, time = (
            builder.load(builder.gep(data, [ir.Constant(ir.IntType(64), _NAP + i)]))
            for i in range(2)
        )
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        function = builder.inttoptr(address, kind.as_pointer())
        builder.call(function, [builder.trunc(time, ir.IntType(32))])
        return context.get_dummy_value()

    return types.void(words), generate


@compiled
def claimed(words):
    """Claim the block that has begun, if nobody has yet."""
    block = _get(words, _BLOCK)
    return _get(words, _CLAIMED) < block and _exchanged(words, _CLAIMED, block - 1, block)


@compiled
def tell(words, thread, count):
    """Say that a thread is so far."""
    _put(words, _SECOND * thread, count)


@compiled
def is_asleep(words):
    """Whether the second thread sleeps that should not."""
    return words[_RESTING] == 0 and _get(words, _STATE) != AWAKE


@compiled
def begun(words, n):
    """Begin a block of n tokens, if the second thread seems to be there for it."""
    if words[_RESTING] > 0:
        words[_RESTING] -= 1
        return False
    if _get(words, _STATE) != AWAKE:
        return False
    words[_RESTING + 1] = max(words[_RESTING + 1] - 1, 0)
    words[_TOKENS], words[_BASE] = n, words[0]
    _put(words, _BLOCK, words[_BLOCK] + 1)
    return True


@compiled
def awaited(words, thread, count):
    """Wait until the other thread is so far; False if the first one has claimed the block."""
    other, n = _SECOND * (1 - thread), 0
    while _get(words, other) < count:
        _pause()
        n += 1
        if thread == 0:
            is_late = n > words[PATIENCE]
            if is_late and words[_RESTING] == 0:
                words[_RESTING] = min(max(2 * words[_RESTING + 1], _LEAST), _MOST)
                words[_RESTING + 1] = words[_RESTING]
            if (is_late or _get(words, _STATE) == ASLEEP) and claimed(words):
                return False
        if n > _SPINS:
            _nap(words)
    return True


@compiled
def end(words, count):
    """End a block that the first thread has claimed, for both."""
    words[0] = words[_SECOND] = count


@compiled
def wake(words):
    """Say that the second thread is there for what begins from now on."""
    _put(words, _STATE, AWAKE)


@compiled
def is_claimed(words, was_asleep):
    """Claim the next block for the second thread; False if none comes, for longer after sleep."""
    n, most = 0, 16 * _SPINS if was_asleep else _SPINS
    while not claimed(words):
        _pause()
        n += 1
        if n > most:
            _put(words, _STATE, ASLEEP)
            return False
    words[_SHARED] += 1
    return True


@compiled
def tokens_begun(words):
    """How many tokens the block has."""
    return words[_TOKENS]


@compiled
def begun_at(words, thread):
    """How far a thread is when it begins a block, or was when the other one began it."""
    return words[0] if thread == 0 else words[_BASE]
