"""DCTransformer's conditional tasks: a part of an image's list is given, the prior draws the rest of it.

Lists are in a fixed order, so what is given is their beginning: "upsample" gives the first frequency of each plane
(the means of the blocks), "colorize" all of luma, which must then come first.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bench.contract import Codes, Condition, Sparse
from bench.errors import UsageError
from methods.dct.layout import PLANES, Layout
from methods.dct.presets import Settings

ORDER = {"upsample": "interleaved", "colorize": "luma-first"}
NOTHING = torch.empty(0, 3, dtype=torch.int64, device="cpu")


def tasks(settings: Settings) -> dict[str, str | None]:
    """The tasks, each with the option that it needs where this order of channels does not allow it."""
    return {task: None if order == settings.order else f"order={order}" for task, order in ORDER.items()}


def first_free(task: str, layout: Layout) -> int:
    """The first channel that a task leaves to the prior; :class:`UsageError` where the order forbids the task."""
    if task not in ORDER:
        raise UsageError(f"DCTransformer has no task '{task}'; there are: {', '.join(sorted(ORDER))}.")
    if layout.settings.order != ORDER[task]:
        raise UsageError(f"The task '{task}' needs the order of dct:order={ORDER[task]}.")
    return PLANES if task == "upsample" else layout.frequencies


def given(settings: Settings, task: str, codes: Codes) -> Sparse:
    """The part of each list that a task gives, sorted as the prior knows lists."""
    if not isinstance(codes, Sparse):
        raise UsageError(f"The tasks of DCTransformer are about DCT codes, not {type(codes).__name__}.")
    layout = Layout(settings, codes.size)
    first = first_free(task, layout)
    return replace(codes, triples=tuple(_beginning(t, first, layout.shape[1]) for t in codes.triples))


def _beginning(triples: Tensor, first: int, positions: int) -> Tensor:
    kept = triples[triples[:, 0] < first]
    return kept[torch.argsort(kept[:, 0] * positions + kept[:, 1])]


def beginnings(condition: Condition | None, layout: Layout, count: int) -> tuple[list[Tensor], int]:
    """The triples that each of ``count`` samples begins with, and the first channel that is drawn.

    Raises :class:`UsageError` for labels and for codes of another number of images.
    """
    if condition is None:
        return [NOTHING] * count, 0
    if condition.labels is not None or condition.task is None or condition.codes is None:
        raise UsageError("DCTransformer is conditioned on DCT codes and a task, not on labels.")
    known = given(layout.settings, condition.task, condition.codes)
    if len(known.triples) != count:
        raise UsageError(f"{count} samples cannot be conditioned on {len(known.triples)} images.")
    return [t.cpu() for t in known.triples], first_free(condition.task, layout)
