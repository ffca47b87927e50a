"""Published sets of test images: named, counted, held against digests where they are known, downloaded where allowed.

Such a set has no images to train on. A file of :mod:`bench.data.datasets` describes one; this says how all are found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bench.core import fetch
from bench.core.downloads import Limits
from bench.core.fetch import File
from bench.core.files import require_space
from bench.core.progress import Progress
from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files
from bench.data.readers.files import Members
from bench.errors import IntegrityError, Missing, UsageError


@dataclass(frozen=True)
class NamedSet:
    """A published set of test images.

    ``pattern`` is the regular expression of an image's file name and ``count`` how many there are; ``folders`` are the
    folders that hold them, looked for at the path before the path itself is taken. ``downloads`` are the published
    files, ``size`` how large they are together, about, in bytes (None: not known). ``pins`` are the SHA-256 of the
    images by file name. ``licence`` says on what terms the images are used, ``site`` where they come from.
    """

    name: str
    title: str
    site: str
    licence: str
    split: str
    pattern: str
    count: int
    folders: tuple[str, ...]
    downloads: tuple[File, ...]
    size: int | None
    pins: Mapping[str, str] = field(default_factory=dict)


def opened(request: DatasetRequest, known: NamedSet) -> Dataset:
    """The set as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, lambda asked, path: build(asked, path, known), remedy(request, known))


def remedy(request: DatasetRequest, known: NamedSet) -> str:
    """What to do where the images are not there, and on what terms they are used."""
    asked = f"data prepare {known.name} --resolution {request.resolution} --protocol {request.protocol}"
    size = f" (about {known.size / 1e6:,.0f} MB)" if known.size is not None else ""
    place = f" (or a folder that holds {' or '.join(known.folders)})" if known.folders else ""
    return "\n".join(
        (
            f"{known.title} is not prepared at {request.resolution} px with the protocol {request.protocol}. Run",
            f"  python -m bench {asked}",
            f"    to download it{size} from {known.site}, or the same with",
            "  --from PATH",
            f"    where PATH is the archive as downloaded or the folder of its images{place}.",
            f"Terms: {known.licence}.",
        )
    )


def download(request: DatasetRequest, progress: Progress, known: NamedSet) -> Path:
    """Brings the files into the cache, and gives their folder; free space is checked first.

    A file without a published digest has that of its first download recorded beside it.
    """
    folder = request.cache / "downloads" / known.name
    folder.mkdir(parents=True, exist_ok=True)
    if known.size is not None and not any((folder / file.name).is_file() for file in known.downloads):
        require_space(folder, known.size)
    for file in known.downloads:
        plain = (file.url or "").startswith("http:")
        fetch.obtain(file, folder, progress, Limits(plain=plain))
    return folder


def build(request: DatasetRequest, path: Path, known: NamedSet) -> Dataset:
    """Prepares the images of the set that lie at a path.

    Raises :class:`UsageError` where there are none, or more than the set has, and :class:`IntegrityError` for an image
    with another digest than the pinned one.
    """
    members = _images(path, known)
    _check_pins(request, members, known)
    facts: dict[str, Any] = {
        "licence": known.licence,
        "counts": {"val": len(members.names)},
        "published_counts": {"val": known.count},
        "complete": len(members.names) == known.count,
    }
    return prepare.dataset(request, known.name, None, members, split=known.split, facts=facts)


def _images(path: Path, known: NamedSet) -> Members:
    """The images of the set: those of a folder or an archive whose file names are the set's."""
    source = _source(path, known)
    chosen = [name for name in source.names if re.fullmatch(known.pattern, PurePosixPath(name).name)]
    remedy = f"give the folder or archive of that set, or take these images as --dataset testset:{path}"
    if not chosen:
        raise UsageError(f"{path} holds no image that is named as in {known.title}; {remedy}.")
    if len(chosen) > known.count:
        raise UsageError(f"{path} holds {len(chosen)} images and {known.title} has {known.count}; {remedy}.")
    others = Counter(source.left_out)
    others["images of other names"] += len(source.names) - len(chosen)
    return replace(files.subset(source, chosen, known.name), left_out=+others)


def _source(path: Path, known: NamedSet) -> Members:
    """The images at a path: of the set's own folders in it, of its archives in it, or of the path itself."""
    folders = [path / name for name in known.folders if (path / name).is_dir()]
    if folders:
        return files.joined(path, [files.open_path(folder) for folder in folders])
    archives = [path / file.name for file in known.downloads if not files.is_image(file.name)]
    present = [archive for archive in archives if archive.is_file()]
    if not present:
        return files.open_path(path)
    if len(present) < len(archives):
        absent = next(archive.name for archive in archives if archive not in present)
        raise Missing(f"{path} lacks {absent}; put it there, from {known.site}.")
    return files.joined(path, [files.open_path(archive) for archive in present])


def _check_pins(request: DatasetRequest, members: Members, known: NamedSet) -> None:
    wrong = list(_wrong(request, members, known)) if known.pins else []
    if wrong:
        raise IntegrityError(
            f"{members.title(wrong[0])} is not the published file ({len(wrong)} of {len(members.names)} are not); "
            f"take it from {known.site}, or name the copies --dataset testset:{members.origin}."
        )


def _wrong(request: DatasetRequest, members: Members, known: NamedSet) -> Iterator[str]:
    """The names of the images whose digests are not the pinned ones."""
    for name, row in zip(members.names, prepare.source_digests(request, members), strict=True):
        if bytes(row).hex() != known.pins[PurePosixPath(name).name]:
            yield name
