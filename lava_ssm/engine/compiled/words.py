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
