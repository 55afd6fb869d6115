"""What counts as an integer, a real number, a yes or no, here and in every room above."""

import math
import numbers
from collections.abc import Iterable
from enum import Enum
from types import UnionType
from typing import TypeGuard, TypeVar

import numpy as np

E = TypeVar("E", bound=Enum)

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def shown(value: object) -> str:
    """`repr` for the text of an error: short, of whatever a user gave."""
    try:
        text = repr(value)
    except Exception:  # an integer of thousands of digits, or an object whose repr fails
        return f"a {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."


def is_integer(value: object) -> TypeGuard[int | np.integer]:
    """Whether it is an integer of Python or NumPy: no bool, time span, or float that is whole."""
    kinds = int | np.integer
    return isinstance(value, kinds) and not isinstance(value, bool | np.timedelta64)


def integer(value: object, name: str, low: int = _LOWEST, high: int = _HIGHEST) -> int:
    """Give `value` as an int.

    Parameters
    ----------
    value
        An integer of Python or NumPy.
    name
        Of the parameter, for the text of an error.
    low, high
        Smallest and largest that is allowed; without them 64 signed bits are.

    Raises
    ------
    ValueError
        No integer, `True` and `2.0` among them, or out of range.
    """
    if is_integer(value) and low <= value <= high:
        return int(value)
    if high != _HIGHEST:
        wanted = f"an integer in [{low}, {high}]"
    elif low != _LOWEST:
        wanted = f"an integer of at least {low}"
    else:
        wanted = "an integer"
    limit = " below 2**63" if is_integer(value) and value > high == _HIGHEST else ""
    raise ValueError(f"{name} must be {wanted}{limit}, got {shown(value)}")


def real_number(value: object, name: str, interval: str = "(-inf, inf)") -> float:
    """Give `value` as a float: a finite real number within an interval such as "(0, 1]".

    Raises
    ------
    ValueError
        No real number, `True` and text among them, one that is not finite, or out of range.
    """
    low, high = map(float, interval[1:-1].split(","))
    kinds = numbers.Real | np.floating | np.integer
    if isinstance(value, kinds) and not isinstance(value, bool | np.timedelta64):
        try:
            number = float(value)
        except OverflowError:  # an integer beyond any float
            number = math.inf
        above = low <= number if interval[0] == "[" else low < number
        below = number <= high if interval[-1] == "]" else number < high
        if math.isfinite(number) and above and below:
            return number
    wanted = "be a finite number" if low == -high == -math.inf else f"lie in {interval}"
    raise ValueError(f"{name} must {wanted}, got {shown(value)}")


def flag(value: object, name: str) -> bool:
    """Give `value` as a bool.

    Raises
    ------
    TypeError
        It is neither True nor False.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {shown(value)}")


def instance(value: object, kinds: type | UnionType, name: str, wanted: str) -> None:
    """Refuse a value of another class than is wanted.

    Raises
    ------
    TypeError
        It is one.
    """
    if not isinstance(value, kinds):
        plain = type(value).__module__ == "builtins"
        got = shown(value) if plain else type(value).__name__
        raise TypeError(f"{name} must be {wanted}, got {got}")


def one_of(value: object, choices: Iterable[str], name: str) -> None:
    """Refuse what is none of some texts.

    Raises
    ------
    ValueError
        It is none.
    """
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {shown(value)}")


def member(kind: type[E], value: object, name: str) -> E:
    """Give a member of an enumeration, or that of this value.

    Raises
    ------
    ValueError
        It has none such.
    """
    try:
        return kind(value)
    except ValueError:
        values = ", ".join(repr(one.value) for one in kind)
        raise ValueError(
            f"{name} must be a {kind.__name__} or one of {values}, got {shown(value)}"
        ) from None
