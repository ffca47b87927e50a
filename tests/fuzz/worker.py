"""Reads damaged files of one format, case after case, in a process that may end: a line for each case on stdout.

    python -m tests.fuzz.worker FORMAT FIRST LAST FOLDER

FOLDER takes temporary files too.

A traceback is not caught: it ends this process, and whoever started it goes on with the next case. What a file does
beyond being read (a program started, a connection, a file written elsewhere) is seen by an audit hook.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.formats import Format

LARGEST = 3 << 30
"""Bytes of memory beyond what the process had at its start; a file that asks for more ends it."""
ACTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "os.remove",
    "os.chmod",
    "os.link",
)
VICTIM = "victim"
"""A file beside the damaged ones whose path malicious seeds name."""

acted: list[str] = []


def watch(home: Path) -> None:
    """Notes every act outside ``home``, from now on."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes) and _writes(arguments[1], arguments[2]):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if path != str(home) and not path.startswith((f"{home}{os.sep}", "/dev/null", "/dev/shm/")):
                acted.append(f"open {path}")
        elif event in ACTS and not _own(event, arguments):
            acted.append(f"{event} {str(arguments)[:200]}")

    sys.addaudithook(hook)


def _writes(mode: str | None, flags: int | None) -> bool:
    return any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


def _own(event: str, arguments: tuple[Any, ...]) -> bool:
    """The process that reads an LMDB, a library that looks for another at its import, files that are tidied away."""
    if event == "os.remove":
        return Path(os.fsdecode(arguments[0])).name != VICTIM
    return sys.executable in str(arguments) or arguments[0] == "/sbin/ldconfig"


def case(form: Format, whole: dict[str, bytes], good: str, number: int, home: Path) -> dict[str, Any]:
    """Reads one damaged copy; says what became of it."""
    from bench.core.visible import visible
    from bench.errors import BenchError

    chance = random.Random(f"{form.name} {number}")
    folder = home / str(number)
    folder.mkdir()
    (folder / VICTIM).write_bytes(b"....")
    form.pack(folder, form.damage(whole, chance))
    acted.clear()
    try:
        value = form.read(folder)
        outcome, said = ("same" if value == good else "silent change" if form.sealed else "other"), value
    except BenchError as error:
        outcome, said = "refused", visible(str(error))  # as the command line prints it
        if not said.strip() or "\x1b" in said or len(said) > 2000 or (str(folder) not in said and not form.quiet):
            outcome = "bad sentence"
    if acted or (folder / VICTIM).read_bytes() != b"....":
        outcome, said = "executed", f"{acted} {said}"
    shutil.rmtree(folder)
    return {"case": number, "outcome": outcome, "said": said[:300]}


def main() -> None:
    # Imported here, so that the process that reads an LMDB, which imports this module again, need not.
    from bench.errors import BenchError
    from tests.fuzz.formats import ALL

    name, first, last, home = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]).resolve()
    warnings.simplefilter("ignore")
    form = ALL[name]
    whole = form.parts(home)
    (home / "good").mkdir(exist_ok=True)
    form.pack(home / "good", whole)
    try:
        good = form.read(home / "good")
    except BenchError as error:
        good = f"refused even whole: {error}"
        if not form.hostile:
            raise
    shutil.rmtree(home / "good")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + LARGEST, used + LARGEST))
    watch(home)
    for number in range(first, last):
        print(json.dumps({"begin": number}), flush=True)
        print(json.dumps(case(form, whole, good, number, home)), flush=True)


if __name__ == "__main__":
    main()
