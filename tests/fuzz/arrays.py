"""Archives, arrays, databases and what this program keeps of them."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.errors import BenchError
from tests import sources

Parts = Mapping[str, bytes]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


def write(folder: Path, parts: Parts) -> None:
    """Each part as a file of its name."""
    sources.folder(folder, parts)


def pack_zip(name: str) -> Callable[[Path, Parts], None]:
    """The parts as members of a zip file, with the right checksums of whatever they hold."""

    def pack(folder: Path, parts: Parts) -> None:
        sources.zipped(folder / name, parts)

    return pack


def gathered(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


# ------------------------------------------------------------------------------------------------- sets of images


def stored(scratch: Path) -> dict[str, bytes]:
    """A batch of images with labels."""
    buffer = io.BytesIO()
    np.savez(buffer, PIXELS, np.arange(3))
    return {"b.npz": buffer.getvalue()}


def deflated(scratch: Path) -> dict[str, bytes]:
    """The same, compressed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, PIXELS, np.arange(3))
    return {"b.npz": buffer.getvalue()}


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy(scratch: Path) -> dict[str, bytes]:
    """An array."""
    return {"b.npy": _npy(PIXELS)}


def members(scratch: Path) -> dict[str, bytes]:
    """The arrays of a batch."""
    return {"arr_0.npy": _npy(PIXELS), "arr_1.npy": _npy(np.arange(3))}


def images(scratch: Path) -> dict[str, bytes]:
    """A few images."""
    return sources.pictures(("a.png", "b/c.png", "d.png"))


def zipped(scratch: Path) -> dict[str, bytes]:
    """A zip file of them, some compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (name, data) in enumerate(images(scratch).items()):
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if number else zipfile.ZIP_STORED)
    return {"b.zip": buffer.getvalue()}


def labelled(scratch: Path) -> dict[str, bytes]:
    """With NVIDIA's list of labels."""
    index = b'{"labels": [["a.png", 1], ["b/c.png", 0], ["d.png", 2]]}'
    return {**images(scratch), "dataset.json": index}


def read_set(name: str) -> Callable[[Path], str]:
    """The images as ``score`` takes them: names, sizes, pixels."""

    def read(folder: Path) -> str:
        from bench.data import image_sets

        found = image_sets.open_set(image_sets.find(folder / name), folder / "cache")
        assert sum(map(len, found.arrays)) == len(found.names)
        return _digest(sorted(found.names), [(a.digest, a.pixels.shape) for a in found.arrays])

    return read


def _all(members: object) -> str:
    from bench.core.images import BadImage

    found = []
    for name in members.names:
        try:
            found.append((name, hashlib.sha256(members.pixels(name).pixels.tobytes()).hexdigest()))
        except BadImage:
            found.append((name, "bad"))
    labels = dict(members.labels or {})
    assert all(isinstance(value, int) and 0 <= value < 1 << 63 for value in labels.values())
    return _digest(found, sorted(labels.items()))


def read_labelled(folder: Path) -> str:
    """Images and labels."""
    from bench.data.readers import files

    return _all(files.open_path(folder / "b.zip"))


def tarred(scratch: Path) -> dict[str, bytes]:
    """A WebDataset shard."""
    parts = {}
    for number in range(3):
        parts |= {f"{number}.png": sources.encoded(number), f"{number}.cls": b"2", f"{number}.json": b"{}"}
    return {"s.tar": sources.shard(scratch / "s.tar", parts).read_bytes()}


def read_tar(folder: Path) -> str:
    """Its images and labels."""
    from bench.data.readers import tar

    return _all(tar.opened([folder / "s.tar"]))


def database(scratch: Path) -> dict[str, bytes]:
    """An LMDB of a few pages."""
    path = sources.lmdb_of(scratch / "x_lmdb", range(24))
    return {"x_lmdb/data.mdb": (path / "data.mdb").read_bytes()}


def read_database(folder: Path) -> str:
    """Its images, by a process of their own."""
    from bench.data.readers import lmdb

    with lmdb.opened(folder / "x_lmdb") as members:
        return _all(members)


def lsun_zip(scratch: Path) -> dict[str, bytes]:
    """LSUN as it is downloaded."""
    sources.lsun_zips(scratch / "lsun", train=3, val=2)
    return {p.name: p.read_bytes() for p in (scratch / "lsun").glob("*.zip")}


def read_lsun_zip(folder: Path) -> str:
    """The dataset that is prepared from it."""
    from bench.data.datasets import lsun

    made = lsun.open_lsun(sources.request(folder / "cache", "church", folder))
    return _digest(made.train and made.train.digest, made.val.digest)


def cifar(scratch: Path) -> dict[str, bytes]:
    """CIFAR-10 as it is downloaded."""
    import tarfile

    folder = sources.cifar(scratch / "cifar-10-batches-bin", per_file=2)
    with tarfile.open(scratch / "c.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    return {"c.tar.gz": (scratch / "c.tar.gz").read_bytes()}


def read_cifar(folder: Path) -> str:
    """The dataset that is prepared from it."""
    from bench.data.datasets import cifar10

    request = sources.request(folder / "cache", "cifar10", folder / "c.tar.gz", resolution=32)
    made = cifar10.open_cifar10(request)
    return _digest(made.train and made.train.digest, made.val.digest)


# ------------------------------------------------------------------------------------------------- what is kept


def frozen_set(scratch: Path) -> dict[str, bytes]:
    """A frozen set with its manifest and its lists."""
    from bench.data.datasets.local import open_folder

    made = open_folder(sources.request(scratch / "cache", path=sources.split_folder(scratch / "data")))
    return {f"f/{name}": data for name, data in gathered(made.val.folder).items()}


def read_frozen(folder: Path) -> str:
    """All of its images, and what its manifest says of them."""
    from bench.data import frozen, manifest

    found = frozen.open_frozen(folder / "f")
    return _digest(found.digest, found.pixels.tobytes(), manifest.names(found), sorted(found.manifest))


def statistics(scratch: Path) -> dict[str, bytes]:
    """Reference statistics with features."""
    from bench.metrics import reference_statistics
    from bench.metrics.feature_cache import Features

    values = {"r64.fc2": Features("a set", np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32))}
    facts = {"images": "digest", "conventions": {"r64": reference_statistics.AS_STATED}}
    reference_statistics.save(scratch / "s.npz", values, facts, with_features=True)
    return {"s.npz": (scratch / "s.npz").read_bytes()}


def read_statistics(folder: Path) -> str:
    """Moments and features."""
    from bench.metrics import reference_statistics

    found = reference_statistics.statistics(reference_statistics.read(folder / "s.npz"))
    return _digest(found.digest, found.count, *(_moments(f) for f in found.features.values()))


def _moments(features: object) -> tuple[object, ...]:
    moments = features.moments
    assert np.isfinite(moments.mean).all()
    assert np.isfinite(moments.covariance).all()
    values = None if features.values is None else features.values.tobytes()
    return moments.mean.tobytes(), moments.covariance.tobytes(), values


def foreign(scratch: Path) -> dict[str, bytes]:
    """Another tool's."""
    buffer = io.BytesIO()
    np.savez(buffer, mu=np.arange(4.0), sigma=np.eye(4), mu_s=np.ones(3), sigma_s=np.eye(3))
    return {"s.npz": buffer.getvalue()}


def read_foreign(folder: Path) -> str:
    """Their moments."""
    from bench.metrics import reference_statistics

    found = reference_statistics.foreign(folder / "s.npz", "inception-tf1")
    return _digest(sorted((name, _moments(one)) for name, one in found.items()))


def features(scratch: Path) -> dict[str, bytes]:
    """Vectors of the cache."""
    from bench.metrics.feature_cache import VectorWriter

    writer = VectorWriter(scratch / "v", 5)
    writer.append(np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32))
    writer.finish()
    return {f"v/{name}": data for name, data in gathered(scratch / "v").items()}


def read_features(folder: Path) -> str:
    """The vectors; what is damaged counts as absent and is made again."""
    from bench.metrics.feature_cache import open_vectors

    found = open_vectors(folder / "v")
    if found is None:
        raise BenchError("absent")
    return _digest(found.tobytes(), found.shape)
