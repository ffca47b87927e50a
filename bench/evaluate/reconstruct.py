"""Images through a tokenizer and back, into frozen uint8 arrays: what every reconstruction metric is computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.contract import Codes, Tokenizer
from bench.core import codes as codes_of
from bench.core import images
from bench.core.files import locked
from bench.core.images import ImageArray
from bench.data.freezing import Block, Writer, existing
from bench.data.frozen import Frozen
from bench.evaluate.adapter import check_decoded, check_revision, encoded
from bench.evaluate.rate import rounded

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from bench.core.progress import Progress


def reconstruct(
    tokenizer: Tokenizer,
    reference: ImageArray,
    folder: Path,
    device: torch.device,
    batch: int,
    see: Callable[[Codes], None],
    progress: Progress,
    facts: Callable[[], Mapping[str, Any]],
    noise_seed: int | None = None,
    bit_depth: int | None = None,
) -> Frozen:
    """The reconstructions of ``reference``, uint8 ``[N, 3, H, W]``, frozen in ``folder``.

    ``see`` is shown every batch of codes, on the CPU; ``facts()`` is asked at the end, for the manifest.
    ``noise_seed`` turns the paper's decoding noise on; that of image i is seeded with ``noise_seed + i``. Continuous
    codes are rounded to ``bit_depth`` bits before they are shown and decoded (:func:`bench.evaluate.rate.rounded`).
    Raises :class:`bench.errors.AdapterError` for codes and images that break the contract, :class:`UsageError` for a
    bit depth of codes that have no bounds.
    """
    import torch

    check_revision(tokenizer)
    height, width = reference.pixels.shape[2:]
    with locked(folder), torch.inference_mode(), progress("reconstruct", len(reference)) as advance:
        there = existing(folder)  # another process may have made them while this one waited for the lock
        if there is not None:
            return there
        writer = Writer(folder, height, width)
        for first in range(0, len(reference), batch):
            pixels = torch.from_numpy(reference.pixels[first : first + batch].copy()).to(device)
            codes = rounded(encoded(tokenizer, pixels), bit_depth)
            see(codes_of.to(codes, "cpu"))
            seeds = None if noise_seed is None else [noise_seed + i for i in range(first, first + len(pixels))]
            decoded = tokenizer.decode(codes, seeds)
            check_decoded(decoded, pixels, first, tokenizer)
            writer.append(Block(images.to_uint8(decoded).cpu().numpy()))
            advance(len(pixels))
        return writer.finish(facts())
