"""The published checkpoints of all methods: what there is, whether it is here, what a run would fetch. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contract import MethodEntry
from bench.core import fetch
from bench.core.fetch import File
from bench.run.checkpoints import checkpoint_pin, source

ALL = "all-published"
"""Stands for every row with a published checkpoint of the preset's image size."""


@dataclass(frozen=True)
class Published:
    """One checkpoint of a method's ``source.toml``; ``megabytes`` as its publisher says, None where not known."""

    label: str
    file: File
    licence: str
    variant: str
    resolution: int
    megabytes: int | None

    @property
    def path(self) -> Path | None:
        """The file where it is on this machine, unverified."""
        return next((f / self.file.name for f in fetch.folders() if (f / self.file.name).is_file()), None)

    @property
    def size(self) -> str:
        """How large the download is."""
        return "size not known" if self.megabytes is None else f"{self.megabytes:,} MB"


def published(table: Mapping[str, MethodEntry]) -> list[Published]:
    """The checkpoints of all methods, in the order of the table and of each ``source.toml``."""
    return [
        Published(
            f"{method}@{name}",
            checkpoint_pin(found),
            found["licence"],
            found["variant"],
            found["resolution"],
            found.get("megabytes"),
        )
        for method, entry in table.items()
        for name, found in source(entry).get("checkpoints", {}).items()
    ]


def expanded(texts: Sequence[str], table: Mapping[str, MethodEntry], side: int) -> list[str]:
    """``--methods`` with :data:`ALL` replaced by the checkpoints for images of that side."""
    rows = ",".join(one.label for one in published(table) if one.resolution == side) if _asked(texts) else ""
    return [",".join(rows if piece.strip() == ALL else piece for piece in text.split(",")) for text in texts]


def left_out(texts: Sequence[str], table: Mapping[str, MethodEntry], side: int) -> str | None:
    """What :data:`ALL` leaves out at that side, in one sentence; None where nothing is or it was not asked for."""
    others = [f"{one.label} ({one.resolution} px)" for one in published(table) if one.resolution != side]
    if not _asked(texts) or not others:
        return None
    return f"{ALL} leaves out the checkpoints of other sizes than {side} px: {', '.join(others)}"


def _asked(texts: Sequence[str]) -> bool:
    return any(piece.strip() == ALL for text in texts for piece in text.split(","))


def to_fetch(labels: Iterable[str], table: Mapping[str, MethodEntry]) -> str | None:
    """How much the named checkpoints that are not here would be, and the command; None where all are here."""
    wanted = set(labels)
    absent = {one.file.name: one for one in published(table) if one.label in wanted and one.path is None}
    if not absent:
        return None
    known = [one.megabytes for one in absent.values() if one.megabytes is not None]
    unknown = len(absent) - len(known)
    said = f"{sum(known) / 1000:.1f} GB" + (f" and {unknown} of a size that is not known" if unknown else "")
    names = ",".join(one.label for one in absent.values())
    return f"{len(absent)} checkpoints to fetch, {said}: python -m bench fetch {names}"
