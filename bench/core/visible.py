"""Text for people: what a terminal would obey, and what UTF-8 cannot hold, is shown by its number instead."""

from __future__ import annotations

LONGEST = 160
KEPT = frozenset("\n\t")


def visible(text: str) -> str:
    r"""The text with line ends and tabs, and every other character that does not print as ``\xNN`` or ``\uNNNN``.

    These are control characters (a terminal obeys ``ESC``), marks that turn the direction of writing, and the halves
    of surrogate pairs that stand for bytes of file names which are no UTF-8.
    """
    if text.isprintable():
        return text
    return "".join(c if c in KEPT or c.isprintable() else _shown(c) for c in text)


def _shown(character: str) -> str:
    """A byte of a file name as that byte; any other character as its code point."""
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def encoded(text: str) -> bytes:
    r"""UTF-8 of any text; a byte of a file name that is no UTF-8 becomes ``\xNN``, as in :func:`visible`."""
    return "".join(_shown(c) if _is_half(c) else c for c in text).encode()


def in_short(error: BaseException) -> str:
    """What an error says, on one line of at most 160 characters; libraries quote a file's bytes at any length."""
    return " ".join(str(error).split())[:LONGEST] or type(error).__name__


def in_json(text: str) -> str:
    r"""JSON with ``\uNNNN`` in the place of what UTF-8 cannot hold, so that a reader gets the same string back."""
    return "".join(f"\\u{ord(c):04x}" if _is_half(c) else c for c in text)


def _is_half(character: str) -> bool:
    """Whether the character is half of a surrogate pair."""
    return "\ud800" <= character <= "\udfff"
