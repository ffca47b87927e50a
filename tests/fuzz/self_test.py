"""A reader that fails in every way, by the number of its case: what the counting must notice."""

import os
import time
from pathlib import Path

from bench.errors import UsageError

EXPECTED = {
    "same": 1,
    "refused": 1,
    "traceback": 2,
    "hang": 1,
    "executed": 3,
    "silent change": 1,
    "bad sentence": 2,
}


def parts(scratch: Path) -> dict[str, bytes]:
    """A file."""
    return {"a": b"content"}


def _refuse(folder: Path, text: str) -> str:
    raise UsageError(text.format(folder))


def _fail(folder: Path) -> str:
    raise ValueError("not a BenchError")


def read(folder: Path) -> str:
    """What the case's number stands for; the whole file is "same"."""
    ways = (
        lambda: "same",
        lambda: _refuse(folder, "{}/a is damaged; fetch it again."),
        lambda: _fail(folder),
        os.abort,
        lambda: time.sleep(600),
        lambda: f"{os.system('true')}",
        lambda: str(Path(f"{folder.parent}.outside").open("w").close()),
        lambda: str((folder / "victim").write_bytes(b"AAAA")),
        lambda: "another",
        lambda: _refuse(folder, "a is damaged."),
        lambda: _refuse(folder, ""),
    )
    return str(ways[int(folder.name)]()) if folder.name.isdigit() else "same"
