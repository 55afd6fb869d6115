"""Shifts and words of single integers: `lava_ssm.numerics` restated for compiled loops."""

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import ROUNDING_MODE
from lava_ssm.numerics import Overflow, Rounding

WRAP, SATURATE, RAISE = range(3)
OVERFLOW = {Overflow.WRAP: WRAP, Overflow.SATURATE: SATURATE, Overflow.RAISE: RAISE}

INPUT, STATE, SYNAPSE, MESSAGE, SUM = range(5)
OVERFLOWED = ("input", "state", "synapse", "message", "sum")
"""What overflowed: columns of counts, by name."""

_TOWARD_ZERO = ROUNDING_MODE[Rounding.TOWARD_ZERO]
_NEAREST = ROUNDING_MODE[Rounding.NEAREST]


DONE, ASLEEP = 1, 2
OVERFLOWS_AT = 2
"""Bits of what a kernel gives back, see `advancing`; from which one on are `ANY` and `SUMS`."""


@compiled
def any_counted(counts):  # type: ignore[no-untyped-def]
    """Whether integers have left their words so far; counts (stages, `OVERFLOWED`)."""
    bits = 0
    for i in range(counts.shape[0]):
        for j in range(counts.shape[1]):
            bits |= counts[i, j]
    return bits != 0


@compiled
def shifted(v, n, mode):  # type: ignore[no-untyped-def]
    """`v * 2**-n`, rounded; int64, -32 <= n <= 63."""
    if n <= 0:
        return v << -n
    floor = v >> n
    rest = v - (floor << n)
    if mode == _TOWARD_ZERO:
        return floor + (v < 0 and rest != 0)
    if mode == _NEAREST:
        half = 1 << (n - 1)
        return floor + (rest > half or (rest == half and (floor & 1) == 1))
    return floor


@compiled
def word(v, bits, overflow, counts, what):  # type: ignore[no-untyped-def]
    """Bring int64 `v` to a word; count under `what` if it does not fit.

    RAISE leaves a word that saturates: whoever looks at the counts raises.
    """
    half = 1 << (bits - 1)
    if -half <= v < half:
        return v
    counts[what] += 1
    if overflow == WRAP:
        return ((v + half) & (2 * half - 1)) - half
    return half - 1 if v > 0 else -half
