"""``clic2020``: the validation photographs of the Challenge on Learned Image Compression 2020, 41 and 61 of them.

``clic2020-professional`` and ``clic2020-mobile`` are its two parts. The sizes differ, up to about 2,000 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bench.core.progress import Progress
from bench.data import prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.datasets import held_out
from bench.data.datasets.held_out import HeldOut

URL = "https://data.vision.ee.ethz.ch/cvl/clic/"
COUNTS: Mapping[str, int] = {"professional": 41, "mobile": 61}
GIGABYTES: Mapping[str, float] = {"professional": 0.2, "mobile": 0.3}
OTHERS = ("train", "test")
"""What the folders and archives of the challenge's other images have in their names."""


def parts(name: str) -> tuple[str, ...]:
    """The parts that a dataset's name stands for: one, or both."""
    part = name.partition("-")[2]
    return (part,) if part else tuple(COUNTS)


def about(name: str) -> HeldOut:
    """The set as it is published."""
    wanted = parts(name)
    archives = [f"{part}_valid_2020.zip" for part in wanted]
    return HeldOut(
        title=f"CLIC 2020's validation photographs ({' and '.join(wanted)})",
        count=sum(COUNTS[part] for part in wanted),
        licence="photographs under the Unsplash licence",
        urls=tuple(URL + file for file in archives),
        gigabytes=round(sum(GIGABYTES[part] for part in wanted), 2),
        layout=f"a folder that holds {' and '.join(archives)}, or what is in them in folders named after them",
        images=f"in folders or archives called {' or '.join(wanted)}",
    )


def open_clic2020(request: DatasetRequest) -> Dataset:
    """CLIC 2020 as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, held_out.remedy(request, about(request.name)))


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the archives into the cache; see :func:`bench.data.datasets.held_out.download`."""
    return held_out.download(request, progress, about(request.name))


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares the photographs of the parts that the dataset's name stands for."""
    said, wanted = about(request.name), parts(request.name)

    def known(name: PurePosixPath) -> str | None:
        part = next((part for part in wanted if is_validation(name, part)), None)
        return None if part is None else f"{part}/{name.name}"

    return held_out.dataset(request, held_out.chosen(held_out.source(path, said), known, said), said)


def is_validation(name: PurePosixPath, part: str) -> bool:
    """Whether an image lies in a folder or archive called after a part, and in none for training or testing."""
    folders = [folder.lower() for folder in name.parts[:-1]]
    others = any(other in folder for folder in folders for other in OTHERS)
    return not others and any(part in folder for folder in folders)
