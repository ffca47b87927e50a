"""``kodak``: the 24 photographs of the Kodak Lossless True Color Image Suite at their own size, 768 x 512 or 512 x 768.

Every file is pinned: what is measured under this name is the suite as everyone has it, whole and unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bench.core import fetch
from bench.core.fetch import File
from bench.core.progress import Progress
from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.datasets import held_out, photos
from bench.data.datasets.held_out import HeldOut
from bench.data.readers import files
from bench.data.readers.files import Members
from bench.errors import IntegrityError, UsageError

PAGE = "https://r0k.us/graphics/kodak/"
URL = f"{PAGE}kodak/"


def pins() -> dict[str, str]:
    """The SHA-256 of every file by its name; the embedded photographs were made from the same files."""
    return {f"{photo.name}.png": photo.original_sha256 for photo in photos.photographs()}


def about() -> HeldOut:
    """The set as it is published."""
    return HeldOut(
        title="The Kodak photographs",
        count=24,
        licence="released by the Eastman Kodak Company for unrestricted use",
        urls=(f"{URL}kodim01.png, ..., kodim24.png",),
        gigabytes=0.016,
        layout="a folder or zip file with kodim01.png to kodim24.png",
        images="kodim01.png to kodim24.png",
    )


def open_kodak(request: DatasetRequest) -> Dataset:
    """Kodak as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, lambda asked, path: build(asked, path, pins()), held_out.remedy(request, about()))


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the 24 files into a folder of the cache, each checked against its digest."""
    folder = request.cache / "downloads" / "kodak"
    for name, sha256 in pins().items():
        fetch.obtain(File(name, URL + name, f"sha256:{sha256}", "the files themselves"), folder, progress)
    return folder


def build(request: DatasetRequest, path: Path, pinned: Mapping[str, str]) -> Dataset:
    """Prepares the photographs; ``pinned`` is the SHA-256 of each by its name.

    Raises :class:`UsageError` where one is not there, :class:`IntegrityError` where one is another file.
    """
    members = held_out.chosen(
        files.open_path(path), lambda name: name.name if name.name.lower() in pinned else None, about()
    )
    _check(request, path, members, pinned)
    return held_out.dataset(request, members, about())


def _check(request: DatasetRequest, path: Path, members: Members, pinned: Mapping[str, str]) -> None:
    other = f"or measure what is there as it is, with --dataset testset:{path}"
    named = [PurePosixPath(name).name.lower() for name in members.names]
    absent = sorted(pinned.keys() - set(named))
    if absent:
        raise UsageError(
            f"{path} lacks {len(absent)} of the {len(pinned)} photographs ({absent[0]}); add them, {other}."
        )
    rows = prepare.source_digests(request, members)
    wrong = [name for name, row in zip(named, rows, strict=True) if bytes(row).hex() != pinned[name]]
    if wrong:
        raise IntegrityError(
            f"{len(wrong)} of the photographs in {path} are not those of {PAGE} (the first: {wrong[0]}, by its "
            f"SHA-256); get them there, {other}."
        )
