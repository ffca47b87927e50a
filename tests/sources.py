"""Small data sources in the true formats of the big ones, for the tests of the dataset readers."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data.dataset import DatasetRequest


def request(cache: Path, name: str = "folder", path: Path | str | None = None, **changes: object) -> DatasetRequest:
    settings = {"resolution": 16, "protocol": "ldm", **changes}
    return DatasetRequest(name=name, path=None if path is None else str(path), cache=cache, **settings)


def picture(seed: int, height: int = 20, width: int = 24) -> Image.Image:
    """A smooth random picture: photographs are smooth, and so lossy encodings stay near it."""
    rough = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)


def encoded(seed: int, kind: str = "PNG", height: int = 20, width: int = 24, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture(seed, height, width).save(buffer, kind, **options)
    return buffer.getvalue()


def folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def pictures(names: Iterable[str], first: int = 0) -> dict[str, bytes]:
    return {name: encoded(first + i) for i, name in enumerate(names)}


def split_folder(path: Path, train: int = 6, val: int = 3) -> Path:
    names = [f"train/{i}.png" for i in range(train)] + [f"val/{i}.png" for i in range(val)]
    return folder(path, pictures(names))


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def shard(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def lsun(path: Path, category: str = "church_outdoor", train: int = 12, val: int = 4, side: int = 20) -> Path:
    """LSUN as published: one LMDB per split, keys of 40 hexadecimal digits, values WebP of quality 90."""
    path.mkdir(parents=True, exist_ok=True)
    for part, count, first in (("train", train, 0), ("val", val, train)):
        lmdb_of(path / f"{category}_{part}_lmdb", range(first, first + count), side)
    return path


def lsun_key(seed: int) -> str:
    return hashlib.sha1(str(seed).encode()).hexdigest()


def lmdb_of(path: Path, seeds: Iterable[int], side: int = 20) -> Path:
    import lmdb

    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as change:
        for seed in seeds:
            change.put(lsun_key(seed).encode(), encoded(seed, "WEBP", side, side + side // 4, quality=90))
    return path


def lsun_zips(path: Path, category: str = "church_outdoor", **counts: int) -> Path:
    """The LMDB folders as they are downloaded: each in a zip file."""
    lsun(path / "unpacked", category, **counts)
    for part in ("train", "val"):
        name = f"{category}_{part}_lmdb"
        files = {f"{name}/{file.name}": file.read_bytes() for file in (path / "unpacked" / name).iterdir()}
        zipped(path / f"{name}.zip", files)
    return path


def cifar(path: Path, per_file: int = 4) -> Path:
    """CIFAR-10's binary version: records of a label byte and three planes of 32 x 32."""
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        records = rng.integers(0, 256, (per_file, 3073), np.uint8)
        records[:, 0] = np.arange(per_file) % 10
        (path / name).write_bytes(records.tobytes())
    return path


def nvidia_zip(path: Path, count: int = 12) -> Path:
    names = [f"{i // 1000:05d}/img{i:08d}.png" for i in range(count)]
    files = {name: encoded(i, height=16, width=16) for i, name in enumerate(names)}
    index = json.dumps({"labels": [[name, i % 3] for i, name in enumerate(names)]})
    return zipped(path, {**files, "dataset.json": index.encode()})


def hugging_face(path: Path, train: int = 6, val: int = 3) -> Path:
    """A local dataset as ``datasets`` saves it, with encoded images and classes."""
    import datasets

    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["ant", "bee"]))

    def split(first: int, count: int) -> datasets.Dataset:
        rows = {
            "image": [{"bytes": encoded(first + i), "path": None} for i in range(count)],
            "label": [i % 2 for i in range(count)],
        }
        return datasets.Dataset.from_dict(rows, features=features)

    datasets.DatasetDict(train=split(0, train), test=split(train, val)).save_to_disk(str(path))
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
