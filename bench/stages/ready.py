"""Ready-made images in place of a tokenizer's: ``samples:NAME=PATH`` and ``recons:NAME=PATH``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench import registry
from bench.arrays import as_frozen
from bench.plan import Cell
from bench.ready import LEFT_OUT
from bench.session import Session

if TYPE_CHECKING:
    from bench.contract import ImageArray, ReadyImages


def has(cell: Cell, kind: str) -> bool:
    """Whether the cell's method is ready-made images of this kind ("samples" or "recons")."""
    return cell.entry.images is not None and images(cell).kind == kind


def images(cell: Cell) -> ReadyImages:
    """The method's images, not yet read."""
    found: ReadyImages = registry.load(str(cell.entry.images))(cell.settings)
    return found


def identity(cell: Cell) -> Any:
    """A digest of the files, without decoding them."""
    return images(cell).digest


def load(cell: Cell, session: Session) -> ImageArray:
    """The images, decoded; files without an original are left out, and that is said."""
    ready = images(cell)
    found = ready.read(session.cache, session.val if ready.kind == "recons" else None)
    left_out = as_frozen(found).manifest.get(LEFT_OUT, 0)
    if left_out:
        session.say(f"{cell.label}: {left_out} file{'s' * (left_out > 1)} without an original left out")
    return found
