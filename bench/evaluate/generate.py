"""Samples of a prior as frozen uint8 images: sharded, resumable, and each one a function of its seed.

Seed s is always drawn as row s mod B of the batch of the seeds from s - s mod B on, where B is the batch size: the
very same computation, whichever other seeds were asked for, in which order, by how many processes, after however many
interruptions. So equal seeds, batch size, device and weights give equal bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.contract import Condition, Prior, Tokenizer
from bench.core import images
from bench.core.files import locked
from bench.data.blocks import Blocks
from bench.data.freezing import Block, Writer
from bench.data.frozen import Frozen, open_frozen
from bench.errors import BenchError, UsageError
from bench.evaluate import adapter

if TYPE_CHECKING:
    import torch

    from bench.core.progress import Progress

LARGEST_SEED = 1 << 62


@dataclass(frozen=True)
class Order:
    """What to draw: seeds, in batches of ``batch``, the labels ``label(seed)`` where there are classes.

    ``condition(seeds)`` is what the samples of a block are conditioned on in a task other than drawing freely.
    ``noise`` decodes with the noise of the method's paper, which the samples' seeds decide too.

    Raises :class:`UsageError` for seeds given twice, none or negative ones.
    """

    seeds: tuple[int, ...]
    batch: int
    label: Callable[[int], int] | None = None
    condition: Callable[[Sequence[int]], Condition] | None = None
    noise: bool = False

    def __post_init__(self) -> None:
        if not self.seeds:
            raise UsageError("No sample is asked for; name at least one seed.")
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise UsageError(f"The sample seed {twice} is given twice; a sample is its seed, name each once.")
        if min(self.seeds) < 0 or max(self.seeds) >= LARGEST_SEED:
            raise UsageError(f"Sample seeds are between 0 and 2^62 - 1, not {min(self.seeds)}..{max(self.seeds)}.")
        if self.batch < 1:
            raise UsageError(f"The batch of {self.batch} samples must be at least 1.")

    def blocks(self) -> dict[int, list[int]]:
        """The seeds wanted of each block, both in ascending order."""
        wanted: dict[int, list[int]] = {}
        for seed in sorted(self.seeds):
            wanted.setdefault(seed // self.batch, []).append(seed)
        return wanted


MOST_SAMPLES = 10_000_000
LONGEST_SEED = 15
"""Decimal digits of a sample's seed."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of ``0-49999`` or ``1,5,10-20``; raises :class:`UsageError` for anything else."""
    seeds: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"'{text}' are not sample seeds; write for example 0-999 or 1,5,10-20.")
        if max(len(first), len(last)) > LONGEST_SEED:
            raise UsageError(f"The sample seeds {piece.strip()[:40]} are too large; a seed has {LONGEST_SEED} digits.")
        if dash and int(last) < int(first):
            raise UsageError(f"The sample seeds {piece.strip()} run backwards; write {last}-{first}.")
        span = range(int(first), int(last if dash else first) + 1)
        if len(seeds) + len(span) > MOST_SAMPLES:
            raise UsageError(f"'{text[:40]}' are more than {MOST_SAMPLES:,} sample seeds; take fewer at a time.")
        seeds += span
    return tuple(seeds)


def generate(
    prior: Prior,
    tokenizer: Tokenizer,
    order: Order,
    folder: Path,
    device: torch.device,
    progress: Progress,
    shard: tuple[int, int] = (0, 1),
) -> Frozen | None:
    """The samples, uint8 ``[N, 3, H, W]`` in ascending order of their seeds, frozen in ``folder``.

    ``folder`` is named after everything that decides the samples. What is there is not drawn again. ``shard`` (k, n)
    draws every n-th block from the k-th on; the one that finds all blocks there freezes them, the others return None.
    Raises :class:`UsageError` for a prior of another tokenizer and :class:`BenchError` for samples that are not finite.
    """
    if prior.tokenizer_revision != tokenizer.revision:
        raise UsageError(
            f"This prior was trained for the tokenizer {prior.tokenizer_revision[:12]}, not for "
            f"{tokenizer.revision[:12]}; train it again for this one."
        )
    if folder.exists():
        return open_frozen(folder)
    wanted = order.blocks()
    drawn = Blocks(folder.with_name(folder.name + ".blocks"), order.batch)
    mine = [index for i, index in enumerate(wanted) if i % shard[1] == shard[0]]
    own = folder.with_name(f"{folder.name}.shard-{shard[0]}-of-{shard[1]}")
    with locked(own), progress("sample", len(mine) * order.batch) as advance:
        if folder.exists():  # another process drew this very shard, the last, while this one waited
            return open_frozen(folder)
        for index in mine:
            if drawn.missing([index]):
                drawn.write(index, draw(prior, tokenizer, order, index, device))
            advance(order.batch)
    return None if drawn.missing(list(wanted)) else freeze(drawn, wanted, order, folder)


def draw(prior: Prior, tokenizer: Tokenizer, order: Order, index: int, device: torch.device) -> np.ndarray:
    """All samples of one block, uint8 ``[B, 3, H, W]``."""
    import torch

    seeds = range(index * order.batch, (index + 1) * order.batch)
    with torch.inference_mode():
        codes = adapter.sampled(prior, seeds, condition_of(order, seeds, device))
        decoded = tokenizer.decode(codes, seeds if order.noise else None)
    adapter.check_floats(decoded, tokenizer)
    if not bool(torch.isfinite(decoded).all()):
        raise BenchError(f"The samples of the seeds {seeds.start} to {seeds.stop - 1} hold NaN; train the prior again.")
    return images.to_uint8(decoded).cpu().numpy()


def condition_of(order: Order, seeds: Sequence[int], device: torch.device) -> Condition | None:
    """What the samples of these seeds are conditioned on, or None for nothing."""
    import torch

    if order.condition is not None:
        return order.condition(seeds)
    if order.label is None:
        return None
    return Condition(labels=torch.tensor([order.label(seed) for seed in seeds], device=device))


def freeze(drawn: Blocks, wanted: dict[int, list[int]], order: Order, folder: Path) -> Frozen:
    """Puts the wanted rows of the blocks together and removes the blocks."""
    with locked(folder):
        if folder.exists():
            return open_frozen(folder)
        height, width = drawn.read(next(iter(wanted))).shape[2:]
        writer = Writer(folder, height, width, labelled=order.label is not None)
        for index, seeds in wanted.items():
            pixels = drawn.read(index)[[seed % order.batch for seed in seeds]]
            labels = None if order.label is None else np.array([order.label(seed) for seed in seeds])
            writer.append(Block(pixels, labels, [{"seed": seed} for seed in seeds]))
        frozen = writer.finish({"what": "samples", "batch": order.batch})
        shutil.rmtree(drawn.folder)
        return frozen
