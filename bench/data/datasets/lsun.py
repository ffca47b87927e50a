"""LSUN scenes (Yu et al. 2015): church, bedroom and tower, with the splits that papers used, by name.

Read from the published LMDB databases, from the zip files as downloaded, or from a folder (or zip) of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from bench.core.files import require_space
from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files, lmdb, splits
from bench.data.readers.files import Members
from bench.errors import IntegrityError, Missing, UsageError

if TYPE_CHECKING:
    from bench.core.progress import Progress

URL = "http://dl.yf.io/lsun/scenes/"
LISTS_URL = "https://ommer-lab.com/files/lsun.zip"


@dataclass(frozen=True)
class Listed:
    """A published list of file names: its name, its length and its SHA-256."""

    file: str
    count: int
    sha256: str


@dataclass(frozen=True)
class Split:
    """One way to divide an LSUN category: ``rule`` says how, in the words that the result carries.

    ``counts`` are the published numbers of training and validation images; ``gigabytes`` is the size of the download,
    which unpacks to as much again.
    """

    category: str
    kind: Literal["official", "rqvae", "ldm"]
    rule: str
    counts: tuple[int, int]
    gigabytes: float
    lists: tuple[Listed, Listed] | None = None


_OFFICIAL = "LSUN's own train and val databases"
_RQVAE = "training database for both: RQ-VAE's code builds its validation set from it (Lee et al. 2022)"
_LDM = "LDM's lists, both drawn from the training database (Rombach et al. 2022)"

SPLITS = {
    "church": Split("church_outdoor", "official", _OFFICIAL, (126_227, 300), 2.3),
    "church-rqvae": Split("church_outdoor", "rqvae", _RQVAE, (126_227, 126_227), 2.3),
    "church-ldm": Split(
        "church_outdoor",
        "ldm",
        _LDM,
        (121_227, 5_000),
        2.3,
        (
            Listed(
                "church_outdoor_train.txt", 121_227, "09803053af3890e60fd95cdabc13386153ab936843ba8fc9a3882c786b5e501b"
            ),
            Listed("church_outdoor_val.txt", 5_000, "b7ca4c3ee2e4f7f5cf5e7d7ffd4cff6068bb494b6b56f403acad3740fe3c8968"),
        ),
    ),
    "bedroom": Split("bedroom", "official", _OFFICIAL, (3_033_042, 300), 43),
    "bedroom-ldm": Split(
        "bedroom",
        "ldm",
        _LDM,
        (3_028_042, 5_000),
        43,
        (
            Listed("bedrooms_train.txt", 3_028_042, "bc526bffc92cb68521eb05f70e8fe49ffb2067f6c7dcb49ccb0fd60f8080d9d9"),
            Listed("bedrooms_val.txt", 5_000, "a18fa23e66d305c064a4bef8386875a5a3a98ead0e248939b41e7a65be132529"),
        ),
    ),
    "tower": Split("tower", "official", _OFFICIAL, (708_264, 300), 11),
}
"""Counts as published by LSUN; counts and digests of the lists as users of LDM's archive recorded them.

BRICS reports on "the validation split" without its size: ``church``, LSUN's own, is the only one published.
"""


def open_lsun(request: DatasetRequest) -> Dataset:
    """The split named ``request.name``, from ``request.path`` or as prepared before; else says how to get it."""
    split = SPLITS[request.name]
    return prepared.named(request, lambda asked, path: build(asked, path, split), remedy(request, split))


def remedy(request: DatasetRequest, split: Split) -> str:
    """What to do where the data are not there, in one screen."""
    asked = f"data prepare {request.name} --resolution {request.resolution} --protocol {request.protocol}"
    lines = [f"LSUN {request.name} is not prepared at {request.resolution} px, protocol {request.protocol}. Run"]
    if split.lists is None:
        lines += [
            f"  python -m bench {asked}",
            f"    to download {' and '.join(archives(split))} ({split.gigabytes:g} GB) from {URL}, or",
        ]
    lines += [
        f"  python -m bench {asked} --from PATH",
        "    with PATH holding the LMDB folders, the zip files, or folders of images named train and val.",
    ]
    if split.lists is not None:
        names = " and ".join(listed.file for listed in split.lists)
        lines.append(f"    PATH also holds {names} out of {LISTS_URL}; the images are at {URL}{archives(split)[0]}.")
    return "\n".join(lines)


def archives(split: Split) -> tuple[str, ...]:
    """The files to download for a split."""
    parts = ("train", "val") if split.kind == "official" else ("train",)
    return tuple(f"{split.category}_{part}_lmdb.zip" for part in parts)


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the zip files into the cache, resuming what an earlier call left; free space is checked first.

    LSUN publishes no digests: the first download records them. A split by LDM's lists is not downloaded, since the
    lists must be got by hand.
    """
    from bench.core import fetch
    from bench.core.downloads import Limits
    from bench.core.fetch import File

    split = SPLITS[request.name]
    if split.lists is not None:
        raise Missing(remedy(request, split))
    folder = request.cache / "downloads" / "lsun"
    folder.mkdir(parents=True, exist_ok=True)
    absent = [name for name in archives(split) if not (folder / name).is_file()]
    if f"{split.category}_train_lmdb.zip" in absent:
        require_space(folder, int(2 * split.gigabytes * 1e9))
    for name in absent:
        file = File(name, URL + name, "none", "LSUN publishes no digest")
        _check_served(fetch.obtain(file, folder, progress, Limits(plain=True)))  # it is served without encryption only
    return folder


def _check_served(file: Path) -> None:
    """Deletes a download that is no LSUN database, so that the next call does not take it for one."""
    try:
        served = lmdb.is_packed(file)
    except UsageError:
        served = False
    if not served:
        file.unlink()
        file.with_name(f"{file.name}.sha256").unlink(missing_ok=True)
        raise IntegrityError(f"{URL}{file.name} did not serve a whole LSUN database; it was deleted. Run again.")


def build(request: DatasetRequest, path: Path, split: Split) -> Dataset:
    """Prepares the split from a path of any of the known forms."""
    with ExitStack() as stack:
        train, val, rule = _splits(request, path, split, stack)
        found = (len(train.names), len(val.names))
        facts = {
            "counts": {"train": found[0], "val": found[1]},
            "published_counts": {"train": split.counts[0], "val": split.counts[1]},
            "complete": found == split.counts,
        }
        return prepare.dataset(request, request.name, train, val, split=rule, facts=facts)


def _splits(request: DatasetRequest, path: Path, split: Split, stack: ExitStack) -> tuple[Members, Members, str]:
    """Training and validation members, and the rule that divided them."""
    train_path, val_path = database_paths(path, split.category)
    if train_path is None:
        return (*_from_images(request, path, split), split.rule)
    train = stack.enter_context(_database(train_path, request.cache))
    if split.kind == "rqvae":
        return train, train, split.rule
    if split.lists is not None:
        return (*_listed(train, path, split.lists), split.rule)
    if val_path is None:
        return (*prepare.by_content(request, train), f"{prepare.CONTENT_SPLIT} (there is no val database)")
    return train, stack.enter_context(_database(val_path, request.cache)), split.rule


def database_paths(path: Path, category: str) -> tuple[Path | None, Path | None]:
    """The training and validation LMDBs (folders or zips) that a path names or holds."""
    if lmdb.is_database(path) or lmdb.is_packed(path):
        if "_val_lmdb" in path.name:
            raise UsageError(f"{path} is the validation database; give the folder that holds it and the training one.")
        val = path.with_name(path.name.replace("_train_lmdb", "_val_lmdb"))
        return path, val if val != path and val.exists() else None
    found = []
    for part in ("train", "val"):
        names = (f"{category}_{part}_lmdb", f"{category}_{part}_lmdb.zip")
        found.append(next((path / name for name in names if (path / name).exists()), None))
    return found[0], found[1]


@contextmanager
def _database(path: Path, cache: Path) -> Iterator[Members]:
    with lmdb.opened(lmdb.unpacked(path, cache) if path.is_file() else path) as records:
        if not records.names:
            raise UsageError(f"The LMDB {path} is empty; download or unpack it again.")
        yield records


def _from_images(request: DatasetRequest, path: Path, split: Split) -> tuple[Members, Members]:
    source = files.open_path(path)
    if split.lists is not None:
        return _listed(source, path, split.lists)
    pair = splits.train_and_val(source)
    if pair is None:
        raise UsageError(
            f"{path} holds neither {split.category}_train_lmdb nor folders of images named train and val; "
            f"for a split by content use --dataset folder:{path}."
        )
    return (pair[0], pair[0]) if split.kind == "rqvae" else pair


def _listed(source: Members, path: Path, lists: tuple[Listed, Listed]) -> tuple[Members, Members]:
    """The members that two lists of file names (``KEY.webp``) name."""
    by_key = {PurePosixPath(name).stem: name for name in source.names}
    train, val = (_keys(path, listed) for listed in lists)
    for keys, listed in ((train, lists[0]), (val, lists[1])):
        absent = [key for key in keys if key not in by_key]
        if absent:
            raise UsageError(f"{len(absent)} of {len(keys)} images of {listed.file} are not in {path} ('{absent[0]}').")
    return (
        files.subset(source, (by_key[key] for key in train), lists[0].sha256),
        files.subset(source, (by_key[key] for key in val), lists[1].sha256),
    )


def _keys(path: Path, listed: Listed) -> list[str]:
    folders = [path, path / "lsun", path.parent]
    file = next((folder / listed.file for folder in folders if (folder / listed.file).is_file()), None)
    if file is None:
        raise Missing(f"There is no {listed.file} in {path}; it is in {LISTS_URL}. Put it there.")
    return [PurePosixPath(line).stem for line in prepare.pinned_lines(file, listed.sha256)]
