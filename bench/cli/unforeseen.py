"""What becomes of an exception that nobody foresaw: one sentence, an exit code of its own, a file to send."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

EXIT_CODE = 70
"""``EX_SOFTWARE`` of sysexits.h: a fault of the program itself, which no gate and no user is to blame for."""


def sentence(error: Exception) -> str:
    """What is said of the error; the file that it names has been written."""
    from bench.core.visible import visible

    said = traceback.format_exception_only(error)[-1].strip()
    first = said.splitlines()[0] if said else type(error).__name__
    try:
        place = f"please send {_write(error)}, which holds the command, the versions and where it happened"
    except OSError as trouble:
        place = f"no report could be written ({trouble}), so please send this:\n{_report(error)}"
    return visible(f"An unforeseen error, a fault of this program ({first[:300]}); {place}.")


def _write(error: Exception) -> Path:
    """The report: in the cache, or else among the system's temporary files."""
    from bench.core.files import cache_root
    from bench.core.visible import encoded

    name = f"bench-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = encoded(_report(error))
    for folder in (cache_root() / "errors", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text)
            return folder / name
        except OSError as trouble:
            last = trouble
    raise last


def _report(error: Exception) -> str:
    from bench.results.provenance import commit, packages

    facts = {
        "command": sys.argv,
        "commit": commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": packages(),
    }
    where = "".join(traceback.format_exception(error))
    return (
        "Send this file with a word on what you were doing. It holds no images, but the paths and names below.\n\n"
        f"{where}\n{json.dumps(facts, indent=2)}\n"
    )
