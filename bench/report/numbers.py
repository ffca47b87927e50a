"""How numbers are printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log10

Show = Callable[[float], str]


@dataclass(frozen=True)
class Fixed:
    """So many decimals, commas between thousands, and no minus sign before a zero."""

    decimals: int

    def __call__(self, value: float) -> str:
        """The number as text."""
        text = f"{value:,.{self.decimals}f}"
        return text.lstrip("-") if float(text.replace(",", "")) == 0 else text


@dataclass(frozen=True)
class Significant:
    """At least so many significant digits, never in exponent form."""

    digits: int

    def __call__(self, value: float) -> str:
        """The number as text."""
        if value == 0:
            return "0"
        return f"{value:,.{max(0, self.digits - 1 - floor(log10(abs(value))))}f}"


@dataclass(frozen=True)
class Signed:
    """A difference with its sign and so many decimals."""

    decimals: int

    def __call__(self, value: float) -> str:
        """The number as text."""
        return f"{value:+.{self.decimals}f}".replace("-", "−")


def fixed(decimals: int) -> Show:
    """Prints with so many decimals and commas between thousands."""
    return Fixed(decimals)


def significant(digits: int) -> Show:
    """Prints with at least so many significant digits, never in exponent form."""
    return Significant(digits)


def signed(decimals: int) -> Show:
    """Prints a difference with its sign."""
    return Signed(decimals)


def with_decimals(show: Show, decimals: int | None) -> Show:
    """The same way of printing with another number of decimals; whole numbers, times and sizes stay as they are."""
    if decimals is None or (isinstance(show, Fixed) and show.decimals == 0):
        return show
    if isinstance(show, Fixed | Significant):
        return Fixed(decimals)
    return Signed(decimals) if isinstance(show, Signed) else show


def exactly(value: float) -> str:
    """Prints all digits."""
    return f"{value:.12g}"


def count(value: float) -> str:
    """Prints a number of parameters or images: ``950``, ``42.5k``, ``13.589M``."""
    for limit, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / size:.{1 if unit == 'k' else 3}f}{unit}"
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Prints seconds as ``12.3 s``, ``3:05 min`` or ``2:07 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def mebibytes(value: float) -> str:
    """Prints bytes in MiB."""
    return f"{value / 2**20:,.0f} MiB"


def powers(value: float) -> str:
    """Prints with three digits and a power of ten: ``1.23e15``."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
