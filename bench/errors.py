"""The errors of the harness. Each carries the process exit code that the command line documents."""

from __future__ import annotations


class BenchError(Exception):
    """Something the user can mend: one sentence that names the file or value and the remedy. Exit code 3."""

    exit_code = 3


class AdapterError(BenchError):
    """The code of a method raised or returned what its contract does not allow. Exit code 3, and only its own rows."""


class UsageError(BenchError):
    """A wrong flag, name, value, file or a missing prerequisite; found before any work. Exit code 2."""

    exit_code = 2


class GateFailed(BenchError):
    """A regression gate found something worse. Exit code 1."""

    exit_code = 1


class NotComparable(BenchError):
    """Two numbers were to be compared although their signatures differ. Exit code 4."""

    exit_code = 4


class IntegrityError(BenchError):
    """A file's digest, size or structure is not what was pinned or recorded. Exit code 5."""

    exit_code = 5


class Missing(UsageError):
    """Weights or data that are not on this machine; the message ends with the command that brings them."""
