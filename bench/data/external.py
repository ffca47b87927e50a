"""Images made elsewhere, on the same path as our own: folders, zip files (NVIDIA's too) and ADM-type npz batches.

``samples`` are measured against the training split. ``recons`` are paired by file name with the validation images.
Nothing is resized: images of another size than the run's are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bench.core import digest
from bench.core.files import cache_root, expanded, settled, write_bytes
from bench.core.source import Sources
from bench.data import freezing, manifest, pairing
from bench.data.mixed import Mixed
from bench.data.pairing import Pairing
from bench.data.readers import files as members
from bench.data.readers import npz
from bench.data.sized import Images
from bench.errors import Missing, UsageError

LEFT_OUT = "left_out"
"""In the manifest: how many files are not among the images, as no original of the run has their name."""

PAIRED_BY = "paired_by"
"""In the manifest: the rule of :mod:`bench.data.pairing` that found each original's reconstruction, or None."""


@dataclass(frozen=True)
class Ready:
    """What ``samples:NAME=PATH`` or ``recons:NAME=PATH`` says."""

    kind: Literal["samples", "recons"]
    name: str
    path: str


def one_by_one(start: int, count: int) -> Iterator[tuple[int, int]]:
    """Every image by itself."""
    return ((i, i + 1) for i in range(start, count))


def parse(kind: Literal["samples", "recons"], text: str | None) -> Ready:
    """``NAME=PATH``, the path existing. Raises :class:`UsageError` or :class:`Missing`."""
    name, equals, path = (text or "").partition("=")
    if not name or not equals or not path:
        raise UsageError(f"'{kind}:{text or ''}' is not of the form {kind}:NAME=PATH.")
    if not expanded(path).exists():
        raise Missing(f"'{kind}:{name}': there is no {path}; check the path.")
    return Ready(kind, name, path)


class ReadyFiles:
    """The image files of a folder or archive, not yet decoded."""

    def __init__(self, settings: Ready) -> None:
        self.kind, self.name = settings.kind, settings.name
        self.path = expanded(settings.path)

    @cached_property
    def files(self) -> members.Members:
        """The members, in the order of their names."""
        return npz.opened(self.path, labelled=False) if self.path.suffix == ".npz" else members.open_path(self.path)

    @cached_property
    def digest(self) -> str:
        """Of names and contents; remembered as long as inodes, sizes and times of the files do not change."""
        read_by = Sources().digest([], alone=[self.files.read.__module__])
        note = cache_root() / "ready" / f"{digest.of_value([self.files.stamp, read_by])}.txt"
        if note.is_file():
            return note.read_text()
        known = settled(self.files.changed)
        self.files.check()
        files = [[name, digest.of_bytes(self.files.read(name))] for name in self.files.names]
        found = digest.of_value([self.files.form, files])
        if known:
            write_bytes(note, found.encode())
        return found

    def read(self, cache: Path, reference: Images | None) -> Images:
        """The images, frozen; reconstructions in the order of ``reference``, whose sizes they must have.

        Raises :class:`UsageError` for images of different sizes, for undecodable ones, and for reconstructions that
        are missing or ambiguous.
        """
        pairs = self._paired(reference) if self.kind == "recons" else None
        names = self.files.names if pairs is None else [self.files.names[i] for i in pairs.order]
        size = self.files.pixels(names[0]).pixels.shape[:2]
        if reference is not None and not isinstance(reference, Mixed) and size != reference.pixels.shape[2:]:
            raise UsageError(
                f"'{self.kind}:{self.name}' holds images of {size[1]}x{size[0]} pixels, the originals have "
                f"{reference.pixels.shape[3]}x{reference.pixels.shape[2]}; nothing is resized silently."
            )
        rule = None if pairs is None else pairs.rule
        original = reference.digest if reference else None
        code = Sources().digest(["bench.data.external"])
        recipe = digest.of_value(["ready", code, self.kind, self.digest, original, rule])
        left_out = len(self.files.names) - len(names)
        sizes = reference.sizes.tolist() if isinstance(reference, Mixed) else [size] * len(names)

        def produce(start: int, stop: int) -> freezing.Block:
            return self._block(names[start:stop], sizes[start:stop])

        def facts(sources: Path) -> Mapping[str, Any]:
            return {**self._facts(sources), LEFT_OUT: left_out, PAIRED_BY: rule}

        folder = cache / "images" / recipe[:32]
        if isinstance(reference, Mixed):
            return freezing.freeze_mixed(folder, len(names), produce, one_by_one, facts, recipe)
        return freezing.freeze(folder, len(names), size, produce, facts, recipe)

    def _block(self, names: Sequence[str], sizes: Sequence[Sequence[int]]) -> freezing.Block:
        """The images of these names, which must have these sizes."""
        pixels, sources = [], []
        for name, size in zip(names, sizes, strict=True):
            decoded = self.files.pixels(name)
            image = decoded.pixels
            if list(image.shape[:2]) != list(size):
                raise UsageError(
                    f"{name} of {self.path} is {image.shape[1]}x{image.shape[0]} pixels where others are "
                    f"{size[1]}x{size[0]}; nothing is resized silently."
                )
            pixels.append(image.transpose(2, 0, 1))
            sources.append({"name": name, "encoding": decoded.encoding, "notes": list(decoded.notes)})
        return freezing.Block(pixels, sources=sources)

    def _facts(self, sources: Path) -> Mapping[str, Any]:
        """How the files were encoded (JPEG samples move a Fréchet distance), what was converted, what was left out."""
        encodings = Counter(line["encoding"] for line in manifest.lines(sources))
        notes = Counter(note for line in manifest.lines(sources) for note in line.get("notes", ()))
        others = {"not_among_the_images": dict(self.files.left_out)} if self.files.left_out else {}
        return {
            "what": self.kind,
            "origin": str(self.path),
            "encodings": dict(encodings),
            **({"notes": dict(notes)} if notes else {}),
            **others,
        }

    def _paired(self, reference: Images | None) -> Pairing:
        """The file of every image of the reference, one to one, by relative path or else by bare name."""
        if self.path.suffix == ".npz":
            raise UsageError(
                f"'{self.kind}:{self.name}': an npz batch has no file names to pair; give a folder or zip."
            )
        try:
            return pairing.by_name(manifest.names(reference), self.files.names, manifest.all_names(reference))
        except UsageError as error:
            raise UsageError(f"'{self.kind}:{self.name}' at {self.path}: {error}") from error
