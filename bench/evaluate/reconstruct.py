"""Images through a tokenizer and back, into frozen uint8 arrays: what every reconstruction metric is computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.contract import ANY_SIZE, Codes, Takes, Tokenizer
from bench.core import codes as codes_of
from bench.core import images
from bench.core.files import locked
from bench.data import sized
from bench.data.freezing import existing_images
from bench.data.frozen import Frozen
from bench.data.mixed import Mixed
from bench.data.placing import Placer
from bench.data.sized import Images
from bench.evaluate import fitting
from bench.evaluate.adapter import check_decoded, check_revision, encoded
from bench.evaluate.rate import rounded

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from bench.core.progress import Progress


def reconstruct(
    tokenizer: Tokenizer,
    reference: Images,
    folder: Path,
    device: torch.device,
    batch: int,
    see: Callable[[Codes], None],
    progress: Progress,
    facts: Callable[[], Mapping[str, Any]],
    noise_seed: int | None = None,
    bit_depth: int | None = None,
    takes: Takes = ANY_SIZE,
) -> Frozen | Mixed:
    """The reconstructions of ``reference``, uint8 and of the same sizes, in its order, frozen in ``folder``.

    Batches are those of :func:`bench.data.sized.plan` for at most ``batch`` images; ``see`` is shown every batch of
    codes, on the CPU, in that order; ``facts()`` is asked at the end, for the manifest. Images are padded to what
    ``takes`` says (:mod:`bench.evaluate.fitting`), and what is decoded is cropped to their size.
    ``noise_seed`` turns the paper's decoding noise on; that of image i is seeded with ``noise_seed + i``. Continuous
    codes are rounded to ``bit_depth`` bits before they are shown and decoded (:func:`bench.evaluate.rate.rounded`).
    Raises :class:`bench.errors.AdapterError` for codes and images that break the contract, :class:`UsageError` for a
    bit depth of codes that have no bounds.
    """
    import torch

    check_revision(tokenizer)
    with locked(folder), torch.inference_mode(), progress("reconstruct", len(reference)) as advance:
        there = existing_images(folder)  # another process may have made them while this one waited for the lock
        if there is not None:
            return there
        placer = Placer(folder, sized.sizes(reference))
        for places, true in sized.batches(reference, batch):
            pixels = fitting.padded(takes, torch.from_numpy(true).to(device))
            codes = rounded(encoded(tokenizer, pixels), bit_depth)
            see(codes_of.to(codes, "cpu"))
            seeds = None if noise_seed is None else [noise_seed + i for i in places.tolist()]
            decoded = tokenizer.decode(codes, seeds)
            check_decoded(decoded, pixels, places.tolist(), tokenizer)
            placer.put(places, images.to_uint8(fitting.cropped(decoded, true.shape[2:])).cpu().numpy())
            advance(len(pixels))
        return placer.finish(facts())
