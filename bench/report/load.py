"""Results read back from folders, each with the place it was found in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.results.record import STAGES, Result
from bench.results.store import read


@dataclass(frozen=True)
class Loaded:
    """A result and the file it was read from; what belongs to it (per-image values, examples) lies beside it."""

    path: Path
    result: Result

    def beside(self, name: str) -> Path:
        """The path of a file in the result's own folder."""
        return self.path.parent / name


def load(places: Sequence[Path]) -> list[Loaded]:
    """Every result in files and, recursively, in folders; sorted by path, each file once.

    Only files named ``<stage>.json`` are results. Raises :class:`UsageError` where a place does not exist, holds no
    result, or holds one that cannot be read.
    """
    found: dict[Path, Loaded] = {}
    for place in places:
        files = sorted(_files(place))
        if not files:
            raise UsageError(
                f"There are no results in {place}; run 'python -m bench run' first or name another folder."
            )
        for file in files:
            found.setdefault(file.resolve(), Loaded(file, read(file)))
    return list(found.values())


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from (file for stage in STAGES for file in place.rglob(f"{stage}.json"))
    else:
        raise UsageError(f"There is no file or folder {place}; name one that holds results.")
