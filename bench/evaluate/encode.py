"""The codes of a training set, computed once and kept by content: what priors are trained on."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contract import Batch, Codes, Continuous, Encoder, Indices, Seeds, Sparse
from bench.core import codes as codec
from bench.core import digest
from bench.core.files import explained, locked, write_bytes
from bench.core.images import ImageArray
from bench.data.blocks import Blocks
from bench.errors import UsageError
from bench.evaluate.adapter import encoded

if TYPE_CHECKING:
    import torch

    from bench.core.progress import Progress

ROWS = 1024
"""Images in a block of codes."""

MANIFEST = "codes.json"


@dataclass(frozen=True)
class CodeSource:
    """Codes on disk and their labels: a :class:`bench.train.loop.Source` of batches for a prior.

    ``mirrored`` holds the codes of the images mirrored left to right, where they were asked for.
    """

    plain: Blocks
    mirrored: Blocks | None
    meaning: dict[str, Any]
    count: int
    labels: np.ndarray | None

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: np.ndarray, flips: np.ndarray, seeds: Seeds) -> Batch:
        """The codes of these images, those of their mirror images where ``flips`` says so."""
        import torch

        if self.mirrored is None and flips.any():
            raise UsageError("These codes were computed without mirrored images; compute them with flip=True.")
        labels = None if self.labels is None else torch.from_numpy(self.labels[indices].astype(np.int64))
        return Batch(seeds, codes=unpacked(self._rows(indices, flips), self.meaning), labels=labels)

    def head(self, count: int) -> Codes:
        """The codes of the first images (all if there are fewer), for statistics."""
        first = np.arange(min(count, self.count))
        return unpacked(self._rows(first, np.zeros(len(first), bool)), self.meaning)

    def _rows(self, indices: np.ndarray, flips: np.ndarray) -> list[np.ndarray]:
        """The packed codes of each image; every block is opened once."""
        opened: dict[Path, np.ndarray] = {}
        rows = []
        for index, flip in zip(indices.tolist(), flips.tolist(), strict=True):
            blocks = self.mirrored if flip and self.mirrored is not None else self.plain
            block, row = divmod(index, blocks.rows)
            path = blocks.path(block)
            if path not in opened:
                opened[path] = blocks.read(block)
            packed_block = opened[path]
            if self.meaning["kind"] == "sparse":
                first, last = np.searchsorted(packed_block[:, 0], [row, row + 1])  # lists are stored in image order
                rows.append(packed_block[first:last, 1:])
            else:
                rows.append(packed_block[row])
        return rows


def encode(
    tokenizer: Encoder,
    images: ImageArray,
    cache: Path,
    device: torch.device,
    batch: int,
    progress: Progress,
    flip: bool = False,
    made_by: str = "",
    renews: Callable[[Path], bool] = lambda place: False,
) -> CodeSource:
    """The codes of all ``images``, and with ``flip`` of their mirror images, from the cache as far as they are there.

    Keyed by the tokenizer's revision, the digest ``made_by`` of the code that encodes, and the images' digest; what is
    there is made again where ``renews(folder)`` says so. A killed run goes on where it was; of two processes the
    second waits for the first. Raises :class:`bench.errors.AdapterError` for codes that break the contract,
    :class:`UsageError` for bitstreams.
    """
    folder = cache / "codes" / digest.of_value(["codes", made_by, tokenizer.revision, images.digest])[:32]
    plain, mirrored = Blocks(folder / "plain", ROWS), Blocks(folder / "mirrored", ROWS)
    if renews(folder):
        with locked(folder):
            shutil.rmtree(folder, ignore_errors=True)
    with locked(folder), progress("encode", len(images) * (1 + flip)) as advance:
        for blocks in (plain, mirrored) if flip else (plain,):
            for index in range(math.ceil(len(images) / ROWS)):
                span = range(index * ROWS, min((index + 1) * ROWS, len(images)))
                if blocks.missing([index]):
                    _encode_block(tokenizer, images, blocks, span, device, batch, blocks is mirrored)
                advance(len(span))
        meaning = json.loads((folder / MANIFEST).read_text())
    labels = None if images.labels is None else np.asarray(images.labels)
    return CodeSource(plain, mirrored if flip else None, meaning, len(images), labels)


def _encode_block(
    tokenizer: Encoder,
    images: ImageArray,
    blocks: Blocks,
    span: range,
    device: torch.device,
    batch: int,
    mirror: bool,
) -> None:
    import torch

    parts = []
    with torch.inference_mode():
        for first in range(span.start, span.stop, batch):
            pixels = images.pixels[first : min(first + batch, span.stop)]
            pixels = np.array(pixels[..., ::-1] if mirror else pixels)  # a copy: frozen arrays cannot be written to
            parts.append(codec.to(encoded(tokenizer, torch.from_numpy(pixels).to(device)), "cpu"))
    codes = codec.concat(parts)
    manifest = blocks.folder.parent / MANIFEST
    with explained(manifest):
        manifest.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(manifest, json.dumps(meaning(codes)).encode())
    blocks.write(span.start // blocks.rows, packed(codes))


def meaning(codes: Codes) -> dict[str, Any]:
    """What the packed numbers mean, as JSON can say it; bitstreams are refused."""
    kind = codec.KINDS[type(codes)]
    if isinstance(codes, Continuous):
        return {"kind": kind, "low": codes.low, "high": codes.high}
    if isinstance(codes, Indices):
        return {"kind": kind, "levels": codes.levels, "pooled": codes.pooled}
    if isinstance(codes, Sparse):
        return {"kind": kind, "shape": codes.shape, "size": codes.size}
    raise UsageError("No prior can be trained on bitstreams; choose a tokenizer that gives codes.")


def packed(codes: Codes) -> np.ndarray:
    """Codes as one array: indices in the smallest integer type, lists as int32 (image, channel, position, value)."""
    arrays = codec.to_arrays(codes)
    if isinstance(codes, Indices):
        return arrays["tensor"].astype(np.min_scalar_type(max(codes.levels) - 1))
    if isinstance(codes, Sparse):
        image = np.repeat(np.arange(len(arrays["lengths"])), arrays["lengths"])
        return np.concatenate([image[:, None], arrays["triples"]], 1).astype(np.int32)
    return arrays["tensor"]


def unpacked(rows: Sequence[np.ndarray], meaning: dict[str, Any]) -> Codes:
    """The codes of some images from their packed numbers."""
    import torch

    if meaning["kind"] == "sparse":
        triples = tuple(torch.from_numpy(row.astype(np.int64)) for row in rows)
        return Sparse(triples, tuple(meaning["shape"]), tuple(meaning["size"]))
    stacked = np.stack(rows)
    if meaning["kind"] == "indices":
        symbols = torch.from_numpy(stacked.astype(np.int64))
        return Indices(symbols, tuple(meaning["levels"]), meaning["pooled"])
    return Continuous(torch.from_numpy(stacked), meaning["low"], meaning["high"])
