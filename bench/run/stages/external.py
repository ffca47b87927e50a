"""Ready-made images in place of a tokenizer's: ``samples:NAME=PATH`` and ``recons:NAME=PATH``.

The rows of the table of methods, and what the stages take from them. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.contract import Method, MethodEntry
from bench.data import manifest
from bench.data.external import LEFT_OUT, PAIRED_BY, Ready, ReadyFiles, parse
from bench.data.sized import Images, as_frozen
from bench.run.cells import Cell
from bench.run.job import Job


def samples(preset: str, variant: str | None) -> Ready:
    """The settings of ``samples:NAME=PATH``, equal at every preset."""
    return parse("samples", variant)


def recons(preset: str, variant: str | None) -> Ready:
    """The settings of ``recons:NAME=PATH``, equal at every preset."""
    return parse("recons", variant)


NO_TOKENIZER: Method[Ready] = Method()
"""Such a row has nothing to build: the stages know it by its settings."""

SAMPLES = MethodEntry(
    name="samples",
    title="Ready-made samples",
    summary="samples:NAME=DIR|ZIP|NPZ measures images made elsewhere against the training split",
    code="bench.run.stages.external:NO_TOKENIZER",
    settings=samples,
    takes_rest=True,
)

RECONS = MethodEntry(
    name="recons",
    title="Ready-made reconstructions",
    summary="recons:NAME=DIR|ZIP measures reconstructions made elsewhere, paired by file name",
    code="bench.run.stages.external:NO_TOKENIZER",
    settings=recons,
    takes_rest=True,
)


def has(cell: Cell, kind: str) -> bool:
    """Whether the cell's method is ready-made images of this kind ("samples" or "recons")."""
    return isinstance(cell.settings, Ready) and cell.settings.kind == kind


def images(cell: Cell) -> ReadyFiles:
    """The row's images, not yet read."""
    return ReadyFiles(cell.settings)


def identity(cell: Cell) -> Any:
    """A digest of the files, without decoding them; for reconstructions, also how they are paired."""
    ready = images(cell)
    return ready.digest if ready.kind == "samples" else {"files": ready.digest, "pairs": "one to one"}


def load(job: Job) -> Images:
    """The images, decoded; files without an original are left out, and that is said."""
    ready = images(job.cell)
    found = ready.read(job.session.cache, job.session.val if ready.kind == "recons" else None)
    about = as_frozen(found).manifest
    for text in (manifest.ignored(about), manifest.converted(about.get("notes", {}))):
        if text:
            job.session.say(f"{job.cell.label}: {text}")
    left_out = about.get(LEFT_OUT, 0)
    if left_out:
        job.session.say(f"{job.cell.label}: {left_out} file{'s' * (left_out > 1)} without an original left out")
    return found


def facts(images: Images) -> Mapping[str, Any]:
    """How reconstructions were paired with their originals, and how many files had none."""
    about = as_frozen(images).manifest
    return {name: about[name] for name in (PAIRED_BY, LEFT_OUT) if name in about}
