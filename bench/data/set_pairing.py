"""Which images of two sets, as ``score`` takes them, belong together; images that cannot be used have no partner.

No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from bench.data import pairing
from bench.data.dataset import BadImages
from bench.data.image_sets import ImageFiles, Source
from bench.data.pairing import Pairing


def _by_name(reference: ImageFiles, candidate: Sequence[str]) -> Pairing:
    return pairing.by_name(reference.names, candidate, [*reference.names, *reference.bad])


def _by_order(reference: ImageFiles, candidate: Sequence[str]) -> Pairing:
    """Unusable images of the reference count in the order, and their partners are left out."""
    found = pairing.by_order([*reference.names, *reference.bad], candidate)
    return Pairing(found.rule, found.order[: len(reference.names)])


PAIRS: Mapping[str, Callable[[ImageFiles, Sequence[str]], Pairing]] = {"name": _by_name, "order": _by_order}


def paired(reference: ImageFiles, source: Source, pair: str, on_bad: BadImages) -> Pairing | None:
    """The file of the source that belongs to each image of the reference; None where counts cannot become equal.

    Where images may be left out (``on_bad`` is "skip"), the source may hold more files than the reference has images:
    :func:`mismatch` then looks at what is left of it. Raises :class:`bench.errors.UsageError` where names do not pair.
    """
    lacking = len(reference.names) - len(source.members.names)
    if lacking > 0 or (lacking and on_bad == "fail"):
        return None
    return PAIRS[pair](reference, source.members.names)


def places(pairs: Pairing, source: Source) -> tuple[int, ...]:
    """All positions of the source: first those of the pairs, in the order of the reference, then the others."""
    within = set(pairs.order)
    return (*pairs.order, *(i for i in range(len(source.members.names)) if i not in within))


def mismatch(reference: ImageFiles, candidate: ImageFiles, pairs: Pairing | None, source: Source) -> str | None:
    """Why images cannot be compared pair by pair: some were left out, or their sizes belong to other images."""
    partners = None if pairs is None else {source.members.names[i] for i in pairs.order}
    if (reference.bad or candidate.bad) and partners != set(candidate.names):
        return "images that cannot be used were left out, and what is left does not belong together one to one"
    if len(reference.names) != len(candidate.names) or reference.sizes == candidate.sizes:
        return None
    pairs_of_sizes = zip(reference.sizes, candidate.sizes, strict=True)
    place = next(i for i, (one, other) in enumerate(pairs_of_sizes) if one != other)
    one, other = (PurePosixPath(files.names[place]).with_suffix("") for files in (reference, candidate))
    return (
        f"{one} of the reference has {reference.sizes[place]} pixels and {other} of the candidate "
        f"{candidate.sizes[place]}; pairs need equal sizes"
    )
