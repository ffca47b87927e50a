"""Class labels: checked, dropped in training, and used for guidance in sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.contract import Condition, Seeds
from bench.core import seeding
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.contract import Batch
    from methods.priors.settings import GPT, Diffusion, RQTransformer


@dataclass(frozen=True)
class Classes:
    """A prior's ``count`` classes, the probability ``drop`` that training hides one, and the guidance of sampling."""

    count: int
    drop: float
    guidance: float


def classes(settings: Diffusion | GPT | RQTransformer) -> Classes | None:
    """The classes of a prior with these settings, None for none."""
    return Classes(settings.classes, settings.drop, settings.guidance) if settings.classes else None


def check_labels(labels: Tensor | None, classes: Classes | None, count: int) -> Tensor | None:
    """The labels to use, int64 ``[count]``; None without classes or where the condition has none.

    Raises :class:`UsageError` for labels outside the classes, of another number, or given to a prior without classes.
    """
    if labels is None:
        return None
    if classes is None:
        raise UsageError("This prior was trained without classes; take the labels away or train one with classes=N.")
    if len(labels) != count:
        raise UsageError(f"There are {len(labels)} labels for {count} images; give one for each.")
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes.count):
        low, high = int(labels.min()), int(labels.max())
        raise UsageError(f"The labels span {low}..{high}; this prior's classes are 0..{classes.count - 1}.")
    return labels


def training_labels(batch: Batch, classes: Classes | None) -> Tensor | None:
    """The labels of a training batch, some of them replaced by the "no class" label ``classes.count``."""
    if classes is None:
        return None
    labels = check_labels(batch.labels, classes, len(batch.seeds))
    if labels is None:
        raise UsageError("A prior with classes needs a dataset with labels; choose one or leave classes away.")
    dropped = seeding.uniform(batch.seeds, (), "drop-label", labels.device) < classes.drop
    return torch.where(dropped, classes.count, labels)


def sampling_labels(
    condition: Condition | None, classes: Classes | None, seeds: Seeds, device: torch.device
) -> Tensor | None:
    """Labels for samples; "no class" where a prior with classes is given none; None for a prior without classes."""
    if condition is not None and condition.codes is not None:
        raise UsageError("This prior can be conditioned on class labels only, not on the codes of an image.")
    labels = check_labels(None if condition is None else condition.labels, classes, len(seeds))
    if labels is None and classes is not None:
        labels = torch.full((len(seeds),), classes.count, dtype=torch.long)
    return None if labels is None else labels.to(device)


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance of ``strength``; 1 is none. ``absent`` is the label "no class"."""

    strength: float
    absent: int

    @property
    def copies(self) -> int:
        """How many rows of a network's batch one sample takes."""
        return 1 if self.strength == 1.0 else 2

    def rows(self, labels: Tensor | None) -> Tensor | None:
        """The labels of the network's batch: ``[N]``, or ``[2 N]`` of which the second half has no class."""
        if labels is None or self.copies == 1:
            return labels
        return torch.cat([labels, torch.full_like(labels, self.absent)])

    def merged(self, predictions: Tensor) -> Tensor:
        """Predictions c with and u without the class become u + strength (c - u) (Ho and Salimans 2021, equation 6)."""
        if self.copies == 1:
            return predictions
        conditional, unconditional = predictions.chunk(2)
        return unconditional + self.strength * (conditional - unconditional)


def guidance(classes: Classes | None) -> Guidance:
    """The guidance of a prior with these classes; none for a prior without."""
    return Guidance(1.0, 0) if classes is None else Guidance(classes.guidance, classes.count)
