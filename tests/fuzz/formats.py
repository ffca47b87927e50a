"""The formats that this program reads: a small whole file of each, and its reader with what the content comes to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzz import arrays, damage, documents, pictures, self_test

Parts = Mapping[str, bytes]


@dataclass(frozen=True)
class Format:
    """``parts(scratch)`` makes whole files, ``pack(folder, parts)`` writes them, ``read(folder)`` gives their content.

    The content comes to a text, equal for equal content. A ``sealed`` format holds checksums of all of it: damage that
    changes it is refused. Without, other content may be read, and ``read`` asserts that it is sound. ``quiet``: the
    reader is told a title, not a path, and names that. ``hostile``: the whole file is refused already.
    """

    name: str
    parts: Callable[[Path], dict[str, bytes]]
    read: Callable[[Path], str]
    sealed: bool = False
    pack: Callable[[Path, Parts], None] = arrays.write
    damage: Callable[[Parts, random.Random], dict[str, bytes]] = damage.parts
    cases: int = 300
    quiet: bool = False
    hostile: bool = False


def _weights(name: str, *more: str) -> Callable[[Path], Any]:
    """A function of the module that imports torch, imported when it is called; ``more`` is what gives it."""

    def call(folder: Path) -> Any:
        function = getattr(import_module("tests.fuzz.checkpoints"), name)
        return (function(*more) if more else function)(folder)

    return call


def _images() -> list[Format]:
    return [
        Format(f"image {kind}", pictures.seed(kind), pictures.read, quiet=True, cases=200) for kind in pictures.SEEDS
    ]


def _documents() -> list[Format]:
    rows = (
        ("result", documents.result, documents.read_result),
        ("published numbers", documents.quoted, documents.read_quoted),
        ("gates", documents.gates, documents.read_gates),
        ("configuration", documents.configuration, documents.read_configuration),
    )
    return [Format(name, parts, read, damage=damage.json_parts) for name, parts, read in rows]


FORMATS: Mapping[str, Format] = {
    form.name: form
    for form in (
        *_documents(),
        Format("npz stored", arrays.stored, arrays.read_set("b.npz"), sealed=True),
        Format("npz deflated", arrays.deflated, arrays.read_set("b.npz"), sealed=True),
        Format("npz of odd arrays", arrays.members, arrays.read_set("b.npz"), pack=arrays.pack_zip("b.npz")),
        Format("npy", arrays.npy, arrays.read_set("b.npy")),
        Format("zip", arrays.zipped, arrays.read_set("b.zip"), sealed=True),
        Format("zip of odd images", arrays.images, arrays.read_set("b.zip"), pack=arrays.pack_zip("b.zip")),
        Format("zip with labels", arrays.labelled, arrays.read_labelled, pack=arrays.pack_zip("b.zip")),
        Format("tar", arrays.tarred, arrays.read_tar),
        Format("LMDB", arrays.database, arrays.read_database, cases=200),
        Format("LSUN zip", arrays.lsun_zip, arrays.read_lsun_zip, sealed=True, cases=100),
        Format("CIFAR-10 archive", arrays.cifar, arrays.read_cifar, sealed=True, cases=200),
        Format("frozen set", arrays.frozen_set, arrays.read_frozen, sealed=True),
        Format("statistics", arrays.statistics, arrays.read_statistics, sealed=True),
        Format("foreign statistics", arrays.foreign, arrays.read_foreign, sealed=True),
        Format("features", arrays.features, arrays.read_features, sealed=True, quiet=True),
        *_images(),
        Format("safetensors", _weights("safetensors"), _weights("read", "a.safetensors")),
        Format("own weights", _weights("own"), _weights("read_own"), sealed=True),
        Format("checkpoint zip", _weights("zipped"), _weights("read", "a.ckpt")),
        Format("checkpoint archive", _weights("archive"), _weights("read", "a.tar.gz"), sealed=True),
        Format("checkpoint legacy", _weights("legacy"), _weights("read", "a.ckpt")),
        Format("malicious pickle", _weights("malicious"), _weights("read", "a.ckpt"), hostile=True),
        Format("TorchScript", _weights("script"), _weights("read", "a.ckpt"), hostile=True),
        Format("training state", _weights("training"), _weights("read_training"), sealed=True),
    )
}
ALL: Mapping[str, Format] = {**FORMATS, "self-test": Format("self-test", self_test.parts, self_test.read, sealed=True)}
"""With one that fails in every way, which tries the counting itself."""
