"""Integer expressions of C with the bounds that they keep, so that each has the width it needs."""

from dataclasses import dataclass, field

from lava_ssm.numerics import Overflow, Rounding, word_range

WHAT = ("input", "state", "message", "synapse", "sum")
"""What can overflow, in the order in which a stage counts it; see `engine.Overflows`."""

_MOST_SHIFT = 63


@dataclass(frozen=True)
class Value:
    """An expression without side effects, and the least and the greatest value that it can have."""

    text: str
    low: int
    high: int

    @property
    def size(self) -> int:
        """The greatest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def kind(self) -> str:
        """The type that holds it: `int32_t` or `int64_t`."""
        return kind_of(self.low, self.high)

    def __add__(self, other: "Value") -> "Value":
        return self._with(other, "+", (self.low + other.low, self.high + other.high))

    def __sub__(self, other: "Value") -> "Value":
        return self._with(other, "-", (self.low - other.high, self.high - other.low))

    def __mul__(self, other: "Value") -> "Value":
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return self._with(other, "*", (min(corners), max(corners)))

    def _with(self, other: "Value", operator: str, bounds: tuple[int, int]) -> "Value":
        kind = kind_of(*bounds)
        cast = "" if kind in ("int32_t", self.kind, other.kind) else f"({kind})"
        return Value(f"({cast}{self.text} {operator} {other.text})", *bounds)

    def rectified(self) -> "Value":
        """The greater of it and zero."""
        if self.low >= 0:
            return self
        text = f"({self.text} > 0 ? {self.text} : 0)"
        return narrowed(Value(text, 0, max(self.high, 0)), width(self.kind))

    def limited(self, low: int, high: int) -> "Value":
        """The nearest that lies in [low, high]."""
        if low <= self.low and self.high <= high:
            return self
        least, most = literal(low), literal(high)
        text = f"({self.text} < {least} ? {least} : {self.text} > {most} ? {most} : {self.text})"
        return narrowed(Value(text, max(low, self.low), min(high, self.high)), width(self.kind))

    def shifted(self, amount: int, rounding: Rounding) -> "Value":
        """`numerics.shift` by a number that is known."""
        if amount == 0:
            return self
        if amount < 0:
            return self * Value(literal(1 << -amount), 1 << -amount, 1 << -amount)
        amount = min(amount, _MOST_SHIFT)  # sizes are below 2^62: nothing is left by then
        bits = 64 if self.kind == "int64_t" or amount > 31 else 32
        text = self.text if self.kind == f"int{bits}_t" else f"(int{bits}_t){self.text}"
        low, high = (shifted(v, amount, rounding) for v in (self.low, self.high))
        return narrowed(Value(f"ssm_{rounding.value}{bits}({text}, {amount})", low, high), bits)


def narrowed(value: Value, bits: int) -> Value:
    """An expression of so many bits as one of the type that its bounds ask for."""
    if f"int{bits}_t" == value.kind:
        return value
    return Value(f"({value.kind}){value.text}", value.low, value.high)


@dataclass
class Body:
    """Statements of the body of a loop, as they are written.

    Parameters
    ----------
    overflow
        The rule of overflow.
    counts
        Whether overflows are counted, into an array `counts`.
    """

    overflow: Overflow
    counts: bool
    lines: list[str] = field(default_factory=list)

    def let(self, name: str, value: Value) -> Value:
        """Give a value a name."""
        self.lines.append(f"const {value.kind} {name} = {bare(value.text)};")
        return Value(name, value.low, value.high)

    def word(self, value: Value, bits: int, what: str, overflow: Overflow | None = None) -> Value:
        """Bring a named value to a word, counting it under `what` if it does not fit."""
        low, high = word_range(bits)
        if low <= value.low and value.high <= high:
            return value
        if self.counts:
            self.lines.append(counted(value.text, value.kind, bits, what))
        return Value(word(value.text, value.kind, bits, overflow or self.overflow), low, high)


def counted(name: str, kind: str, bits: int, what: str) -> str:
    """A statement that counts a value of a type if it does not fit a word."""
    if kind == "int32_t" and bits == 32:
        return ""
    low, high = (literal(v, kind) for v in word_range(bits))
    return f"counts[ssm_{what}] += (uint32_t)(({name} < {low}) | ({name} > {high}));"


def word(name: str, kind: str, bits: int, overflow: Overflow) -> str:
    """An expression of type int32_t: a value of a type brought to a word of at most 32 bits."""
    if kind == "int32_t" and bits == 32:
        return name
    rule = "clipped" if overflow is Overflow.SATURATE else "wrapped"
    return f"ssm_{rule}{'64' if kind == 'int64_t' else '32'}({name}, {bits})"


def kind_of(low: int, high: int) -> str:
    """The type of two that holds what lies between, `int32_t` if it can.

    -2^31 is left out: its negative has no place.
    """
    return "int32_t" if low >= -(1 << 31) and high < 1 << 31 else "int64_t"


def literal(value: int, kind: str = "int32_t") -> str:
    """An integer constant that fits a type."""
    bits = width(kind)
    if value == -(1 << (bits - 1)):
        return f"INT{bits}_MIN"
    return str(value) if abs(value) < 1 << 31 else f"INT64_C({value})"


def bare(text: str) -> str:
    """An expression without parentheses around all of it."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if at and at == len(text) - 1 else text
    return text


def cast(text: str, kind: str, wanted: str) -> str:
    """An expression of one type as one of another."""
    return text if kind == wanted else f"({wanted}){text}"


def width(kind: str) -> int:
    """Bits of a type such as `uint8_t`."""
    return int(kind.removeprefix("u").removeprefix("int").removesuffix("_t"))


def storage(low: int, high: int) -> str:
    """The narrowest signed type of an array."""
    for bits in (8, 16, 32):
        least, most = word_range(bits)
        if least <= low and high <= most:
            return f"int{bits}_t"
    raise ValueError(f"values must fit 32 bits, got {low} to {high}")


def shifted(value: int, amount: int, rounding: Rounding) -> int:
    """`numerics.shift` to the right, of one of Python's integers."""
    floor = value >> amount
    if rounding is Rounding.TOWARD_ZERO:
        return -(-value >> amount) if value < 0 else floor
    if rounding is Rounding.NEAREST:
        rest, half = value - (floor << amount), 1 << amount >> 1
        return floor + (rest > half or (rest == half and amount > 0 and floor % 2 == 1))
    return floor
