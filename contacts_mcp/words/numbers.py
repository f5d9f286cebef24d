"""Numbers of programs as people write them.

1. A whole number has no decimals: 94110.0 is "94110", and -0.0 is "0".
2. Nobody writes exponents: 1e21 is "1000000000000000000000", and 1e-7 is "0.0000001".
3. The noise of binary fractions goes: 0.1 + 0.2 is "0.3".
4. A number that has lost digits on its way is refused. A whole float beyond 2^53 with more digits than floats keep has.
"""

from __future__ import annotations

import math
from decimal import Decimal

_KEPT_DIGITS = 15  # of a number in decimal that every float keeps
_NOISELESS_DIGITS = 12  # a fraction that is so short when it is rounded was meant so
_WHOLE = 2**53  # below it a float has every digit of a whole number
_LARGEST = 1e22
_SMALLEST = 1e-9


def number_text(value: float) -> str:
    """An int or float as a person writes it. Raises ValueError for NaN, infinity, and a number that nobody writes."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        msg = "not a number; NaN and infinity cannot be stored"
        raise ValueError(msg)
    if value and not _SMALLEST <= abs(value) < _LARGEST:
        msg = f"{value!r} is too large or too small to be written out; send it as text"
        raise ValueError(msg)
    if value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    shortest = _without_noise(Decimal(repr(value)))
    if value.is_integer() and _digits(shortest) > _KEPT_DIGITS:
        msg = f"{value!r} has lost its last digits; send it as text"
        raise ValueError(msg)
    text = f"{shortest:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _without_noise(exact: Decimal) -> Decimal:
    rounded = Decimal(f"{exact:.{_KEPT_DIGITS}g}").normalize()
    return rounded if _digits(exact) > _KEPT_DIGITS and _digits(rounded) <= _NOISELESS_DIGITS else exact


def _digits(number: Decimal) -> int:
    return len(number.normalize().as_tuple().digits)
