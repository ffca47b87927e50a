"""Which members of a WebDataset shard are a sample's image, and which label belongs to it.

WebDataset's key ends at the first dot of a file's name, and what follows names a field: ``7.jpg``, ``7.mask.png`` and
``7.cls`` are one sample with one image, ``jpg``. People also pack names that hold dots (``photo.v1.jpg``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from bench.errors import UsageError


def assigned(
    origin: str, images: Sequence[str], labels: Mapping[str, int]
) -> tuple[list[str], dict[str, int], Counter[str]]:
    """The images that are samples, their labels, and how many other images were left out, by field (``.mask.png``).

    ``images`` and the keys of ``labels`` are members' names. A member without a field (``KEY.jpg``) is its sample's
    image; without one, a single image with a field is. Several are samples of their own where each has a label of its
    own, or where what stands between the dots holds a number and occurs once (``img.0001.jpg``). Raises
    :class:`UsageError` where that does not decide.
    """
    own = {_stem(name): label for name, label in labels.items()}
    by_key: dict[str, list[str]] = {}
    for name in images:
        by_key.setdefault(_key(name), []).append(name)
    fields = Counter(_field(name) for names in by_key.values() if len(names) > 1 for name in names)
    chosen: list[str] = []
    left: Counter[str] = Counter()
    for key, names in by_key.items():
        kept = _images_of(origin, key, names, own, fields)
        chosen += kept
        left.update(_field(name) for name in names if name not in kept)
    found, unused = _labels_of(chosen, own)
    return chosen, found, left + Counter({".cls without an image": unused})


def _images_of(origin: str, key: str, names: list[str], own: Mapping[str, int], fields: Mapping[str, int]) -> list[str]:
    plain = [name for name in names if _stem(name) == key]
    if len(plain) == 1 and not any(_stem(name) in own for name in names if name not in plain):
        return plain
    if len(names) == 1:
        return names
    each_labelled = all(_stem(name) in own for name in names) and len({_stem(n) for n in names}) == len(names)
    numbered = all(fields[_field(name)] == 1 and any(map(str.isdigit, _field(name))) for name in names)
    if each_labelled or (not plain and key not in own and numbered):
        return names
    raise UsageError(
        f"The sample '{key}' of {origin} holds several images ({', '.join(_field(name) for name in names[:3])}), and "
        "none is its image by name; name that KEY.jpg or KEY.png."
    )


def _labels_of(chosen: Sequence[str], own: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """The label of the same name without ending, or else the only one of the sample; and how many labels are unused."""
    images = Counter(_key(name) for name in chosen)
    labels = Counter(_key(f"{stem}.cls") for stem in own)
    of_key = {_key(f"{stem}.cls"): stem for stem in own if labels[_key(f"{stem}.cls")] == 1}
    stems = {name: _stem(name) for name in chosen if _stem(name) in own}
    for name in chosen:
        if name not in stems and images[_key(name)] == 1 and _key(name) in of_key:
            stems[name] = of_key[_key(name)]
    return {name: own[stem] for name, stem in stems.items()}, len(own.keys() - set(stems.values()))


def _stem(name: str) -> str:
    """The name without its last ending."""
    return str(PurePosixPath(name).with_suffix(""))


def _key(name: str) -> str:
    """The folder and the name up to the first dot, as WebDataset takes it."""
    pure = PurePosixPath(name)
    return str(pure.parent / pure.name.partition(".")[0])


def _field(name: str) -> str:
    """What follows the key, in lower case, with its dot."""
    return f".{PurePosixPath(name).name.partition('.')[2].lower()}"
