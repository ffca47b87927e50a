"""Work that is given up when it takes too long."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable


class _GivenUp(Exception):
    """Raised by the alarm."""


def within(seconds: float, run: Callable[[], object]) -> bool:
    """Runs it and says whether it ended in time; where the system has no alarm, it may take as long as it likes."""
    if sys.platform == "win32":
        run()
        return True

    def ring(signum: int, frame: object) -> None:
        raise _GivenUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        run()
        return True
    except _GivenUp:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
