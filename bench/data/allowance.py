"""How many pixels are decoded at once, so that memory follows the size of the images and not their number."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LARGEST_AT_ONCE = 1 << 25
"""Pixels (34 million, a few hundred MB while they are decoded) of all threads together, or one larger image."""


class Allowance:
    """Lets threads through as long as what they hold together is within ``total``; a larger one goes alone."""

    def __init__(self, total: int) -> None:
        self._total, self._held = total, 0
        self._changed = threading.Condition()

    @contextmanager
    def of(self, amount: int) -> Iterator[None]:
        """Holds ``amount`` (at most the total) for the block."""
        amount = min(amount, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._held + amount <= self._total)
            self._held += amount
        try:
            yield
        finally:
            with self._changed:
                self._held -= amount
                self._changed.notify_all()
