"""What the named test sets have in common: published validation images alone, known by their names, and a licence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bench.core import digest, fetch
from bench.core.downloads import LIMITS
from bench.core.fetch import File
from bench.core.files import require_space
from bench.core.progress import Progress
from bench.data import prepare
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files
from bench.data.readers.files import Members, subset
from bench.errors import UsageError

Known = Callable[[PurePosixPath], str | None]
"""What an image is called in the set, or None where it is not of it; by its name behind that of folder or archive."""


@dataclass(frozen=True)
class HeldOut:
    """A published set of validation images.

    ``title`` stands in messages; ``count`` is the published number of images; ``urls`` are where its archives are
    served, about ``gigabytes`` together. ``layout`` says what ``--from PATH`` may be, ``images`` which are meant.
    """

    title: str
    count: int
    licence: str
    urls: tuple[str, ...]
    gigabytes: float
    layout: str
    images: str


def remedy(request: DatasetRequest, about: HeldOut) -> str:
    """What to do where the images are not there, in one screen."""
    asked = f"data prepare {request.name} --resolution {request.resolution} --protocol {request.protocol}"
    return "\n".join(
        (
            f"{about.title}: not prepared at {request.resolution} px, protocol {request.protocol}. Run",
            f"  python -m bench {asked}",
            f"    to download {' and '.join(about.urls)} (about {about.gigabytes:g} GB), or",
            f"  python -m bench {asked} --from PATH",
            f"    where PATH is {about.layout}.",
            f"Licence: {about.licence}.",
        )
    )


def download(request: DatasetRequest, progress: Progress, about: HeldOut) -> Path:
    """Brings the archives into a folder of the cache, which it gives; free space is checked first.

    Their publishers name no digests: the first download records them, and what lies there later is held against that.
    Raises :class:`bench.errors.IntegrityError` for what is no archive, of which nothing is kept.
    """
    folder = request.cache / "downloads" / request.name
    folder.mkdir(parents=True, exist_ok=True)
    absent = [url for url in about.urls if not (folder / _file_name(url)).is_file()]
    if absent:
        require_space(folder, int(about.gigabytes * 1e9))
    for url in about.urls:
        file = File(_file_name(url), url, "none", "its publisher names no digest")
        fetch.obtain(file, folder, progress, LIMITS)
    return folder


def source(path: Path, about: HeldOut) -> Members:
    """The images at a path: of the archives as downloaded, where it is a folder that holds such, else all of it."""
    archives = [path / _file_name(url) for url in about.urls]
    present = [file for file in archives if path.is_dir() and file.is_file()]
    opened = [files.open_path(file) for file in present or [path]]
    return opened[0] if len(opened) == 1 else _joined(path, opened)


def chosen(members: Members, known: Known, about: HeldOut) -> Members:
    """The members that are of the set; the other images are counted as left out.

    Raises :class:`UsageError` where there is none, or one twice.
    """
    top = Path(members.origin).stem
    found: dict[str, str] = {}
    for name in members.names:
        title = known(PurePosixPath(top, name))
        first = name if title is None else found.setdefault(title.lower(), name)
        if first != name:
            raise UsageError(f"{members.origin} holds one image twice, {first} and {name}; give a folder of one copy.")
    if not found:
        raise UsageError(f"{members.origin} holds no image of {about.title} ({about.images}); give {about.layout}.")
    others = len(members.names) - len(found)
    left_out = {**members.left_out, "images of other names or folders": others} if others else members.left_out
    return subset(replace(members, left_out=left_out), found.values(), about.title)


def dataset(request: DatasetRequest, members: Members, about: HeldOut) -> Dataset:
    """The validation images, frozen; their number is held against the published one."""
    count = len(members.names)
    facts = {
        "counts": {"train": 0, "val": count},
        "published_counts": {"train": 0, "val": about.count},
        "complete": count == about.count,
        "licence": about.licence,
    }
    split = f"validation images only: {about.title}, {about.images}"
    return prepare.dataset(request, request.name, None, members, split=split, facts=facts)


def _file_name(url: str) -> str:
    return url.rpartition("/")[2]


def _joined(path: Path, parts: Sequence[Members]) -> Members:
    """Archives as one source; each member's name stands behind that of its archive."""
    places = {f"{Path(part.origin).stem}/{name}": (part, name) for part in parts for name in part.names}

    def read(name: str) -> bytes:
        part, own = places[name]
        return part.read(own)

    stamp = digest.of_value(["archives", [part.stamp for part in parts]])
    return Members(str(path), tuple(places), stamp, read, changed=max(part.changed for part in parts))
