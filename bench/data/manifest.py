"""What is said of a frozen set: counts of encodings, oddities, bad files and duplicates, from its ``sources.jsonl``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from bench.data import frozen as arrays
from bench.data import sized
from bench.data.mixed import Mixed
from bench.data.readers.files import counted
from bench.errors import UsageError

ORDER = "by the SHA-256 of the source image: any prefix is a fair sample"
EXAMPLES = 20
"""How many names a manifest lists for each kind of oddity; all are in ``sources.jsonl``."""


def manifest(origin: str, classes: tuple[str, ...], sources: Path) -> dict[str, Any]:
    """What the manifest says beside sizes and digests, counted over the lines of ``sources.jsonl``."""
    encodings: Counter[str] = Counter()
    notes: dict[str, dict[str, Any]] = {}
    bad: dict[str, Any] = {"count": 0, "examples": []}
    for line in lines(sources):
        if "bad" in line:
            _count(bad, line["bad"])
            bad["small"] = bad.get("small", 0) + line.get("small", 0)
            continue
        encodings[line["encoding"]] += 1
        for note in line["notes"]:
            _count(notes.setdefault(note, {"count": 0, "examples": []}), line["name"])
    return {
        "origin": origin,
        "order": ORDER,
        "classes": list(classes),
        "encodings": dict(encodings),
        "notes": notes,
        "bad": bad,
        "versions": {"pillow": PIL.__version__, "numpy": np.__version__},
    }


def _count(tally: dict[str, Any], example: str) -> None:
    tally["count"] += 1
    if len(tally["examples"]) < EXAMPLES:
        tally["examples"].append(example)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a ``sources.jsonl``, one per candidate, in order; a bad one has "bad" and gave no image."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def names(images: sized.Images | None) -> list[str]:
    """The source names of frozen images, in their order.

    Raises :class:`bench.errors.UsageError` for images that were not frozen from named sources.
    """
    found = all_names(images)
    return found if images is None else found[: len(images)]


def all_names(images: sized.Images | None) -> list[str]:
    """:func:`names` of the whole frozen set that images are the first of."""
    if not isinstance(images, arrays.Frozen | Mixed) or images.folder is None:
        raise UsageError("These originals have no file names to pair with; use a dataset of named files.")
    return [line["name"] for line in lines(images.folder / arrays.SOURCES) if "bad" not in line]


def summary(frozen: arrays.Frozen | Mixed) -> dict[str, Any]:
    """What a result says of one split: counts, digests, sizes if several, encodings, oddities, bad files."""
    manifest = frozen.manifest
    return {
        "count": len(frozen),
        "digest": frozen.digest,
        **({"sizes": sized.said(frozen.sizes)} if isinstance(frozen, Mixed) else {}),
        "sources": manifest["made_from"]["sources"],
        "encodings": manifest["encodings"],
        "notes": {note: tally["count"] for note, tally in manifest["notes"].items()},
        "bad": manifest["bad"]["count"],
        **({"small": manifest["bad"]["small"]} if manifest["bad"].get("small") else {}),
        "bad_examples": manifest["bad"]["examples"][:3],
    }


def source_sizes(images: sized.Images) -> str | None:
    """Height and width of the source images before they were cropped, or of the smallest and the largest of them.

    None where they are not known.
    """
    if not isinstance(images, arrays.Frozen | Mixed) or images.folder is None:
        return None
    found = [line["size"] for line in lines(images.folder / arrays.SOURCES) if line.get("size")]
    return sized.said(np.array(found, np.int64)) if found else None


def left_out(about: Mapping[str, Any], split: str, side: int) -> str | None:
    """How many images of a split (its :func:`summary`) gave none, and why, in one sentence; None where all did."""
    bad, small = about.get("bad", 0), about.get("small", 0)
    if not bad:
        return None
    reasons = [f"{small} smaller than {side} px"] * bool(small) + [f"{bad - small} unreadable"] * (bad > small)
    first = about["bad_examples"][0].partition(";")[0].rstrip(".")
    return f"{bad} of {bad + about['count']} {split} images left out: {', '.join(reasons)} (for example: {first})"


def ignored(facts: Mapping[str, Any]) -> str | None:
    """How many files of a source are not among its images, by ending or folder; None where all are."""
    counts = facts.get("not_among_the_images")
    if not counts:
        return None
    return f"{sum(counts.values())} files of {facts['origin']} are not among the images: {counted(counts)}"


def incomplete(facts: Mapping[str, Any]) -> str | None:
    """That a published dataset is not here as a whole, with its counts; None where it is, or where none is known."""
    if facts.get("complete") is not False:
        return None
    return f"not the whole published dataset: {facts.get('counts')} of {facts.get('published_counts', 'more')}"


def oddities(facts: Mapping[str, Any]) -> str | None:
    """What the images had that was not applied or was converted (orientation, alpha, ...), of both splits together."""
    total: Counter[str] = Counter()
    for split in ("train", "val"):
        total.update((facts.get(split) or {}).get("notes", {}))
    return converted(total)


def converted(notes: Mapping[str, int]) -> str | None:
    """What was converted in decoding, or was not applied, with its count; None where nothing was."""
    return f"converted to 8-bit RGB, or not applied: {counted(notes)}" if notes else None


def duplicates(train: arrays.Frozen | None, val: arrays.Frozen | Mixed) -> dict[str, Any]:
    """How many validation images also occur, pixel for pixel, in the training split, with some of their names."""
    positions = set(arrays.duplicates(train, val)) if train is not None else set()
    if not positions or val.folder is None:
        return {"count": len(positions), "examples": []}
    examples = [name for i, name in enumerate(names(val)) if i in positions]
    return {"count": len(positions), "examples": examples[:EXAMPLES]}
