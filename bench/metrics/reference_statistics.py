"""Reference statistics: means, covariances and, if wanted, features of a set of images, kept under a name. No torch.

One ``.npz`` holds everything of one reference; the arrays of feature ``extractor.output`` are ``.../mean``,
``.../covariance`` and ``.../features``, and ``manifest`` is JSON with counts, conventions and digests.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.core import digest, documents
from bench.core.files import expanded, write_file
from bench.core.source import Sources
from bench.core.visible import in_short
from bench.data.readers.safety import UNPACKING_ERRORS
from bench.errors import IntegrityError, Missing, NotComparable, UsageError
from bench.metrics import held_arrays, signatures
from bench.metrics.entries import FeatureEntry
from bench.metrics.feature_cache import Features, Moments, Statistics
from bench.pretrained import weights
from bench.results.record import FINITE

SCHEMA = "bench.statistics/1"
FOREIGN = {"pool3": ("mu", "sigma"), "spatial": ("mu_s", "sigma_s")}
"""Array names of pytorch-fid, clean-fid, TTUR and ADM files."""
PARTS = ("mean", "covariance")
AS_STATED = "as stated at import"
"""What stands for an extractor's convention where another tool computed the statistics."""


@dataclass(frozen=True)
class Kept:
    """A statistics file: where, and what its manifest says."""

    path: Path
    manifest: Mapping[str, Any]


def folder(cache: Path) -> Path:
    """Where statistics are kept."""
    return cache / "stats"


def save(path: Path, features: Mapping[str, Features], facts: Mapping[str, Any], with_features: bool) -> Kept:
    """Writes statistics of ``features``; ``facts`` has at least ``images`` (a digest) and ``conventions``."""
    held: dict[str, np.ndarray] = {}
    for name, one in features.items():
        held[f"{name}/mean"] = one.moments.mean
        held[f"{name}/covariance"] = one.moments.covariance
        if with_features:
            held[f"{name}/features"] = np.asarray(one.vectors)
    manifest = {
        **facts,
        "schema": SCHEMA,
        "count": next(iter(features.values())).count,
        "features": sorted(features),
        "sha256": {name: array_digest(array) for name, array in held.items()},
    }
    text = json.dumps(manifest, sort_keys=True)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, manifest=np.array(text), **held)

    write_file(path, write)
    return Kept(path, manifest)


def array_digest(array: np.ndarray) -> str:
    """SHA-256 over dtype, shape and bytes."""
    return digest.of_bytes(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())


@dataclass(frozen=True)
class _Manifest:
    """What a manifest must say; it may say more."""

    __pydantic_config__ = FINITE

    schema: str
    count: int
    features: tuple[str, ...]
    images: str
    sha256: Mapping[str, str]
    conventions: Mapping[str, str | Mapping[str, Any]]
    origin: str | None = None
    crop: str | None = None


def read(path: Path) -> Kept:
    """The manifest of a statistics file.

    Raises :class:`IntegrityError` for an archive that is cut off or whose manifest is wrong, :class:`UsageError` for
    another file.
    """
    door = documents.Door(f"The manifest of {path}", "build or import it again", IntegrityError)
    try:
        text = str(held_arrays.read(path, lambda name: name == "manifest")["manifest"])
    except (zipfile.BadZipFile, EOFError) as error:
        raise IntegrityError(f"{path} is damaged ({in_short(error)}); build or import it again.") from error
    except UNPACKING_ERRORS as error:
        raise UsageError(
            f"{path} holds no statistics of this program ({in_short(error)}); bring others in with: "
            "python -m bench stats import"
        ) from error
    manifest = documents.from_json(text, door)
    documents.check(_Manifest, manifest, door)
    if manifest["schema"] != SCHEMA:
        raise UsageError(f"{path} has the schema {manifest['schema'][:40]}, not {SCHEMA}; build or import it again.")
    lacking = [f for f in manifest["features"] for part in PARTS if f"{f}/{part}" not in manifest["sha256"]]
    if manifest["count"] < 0 or lacking or not manifest["features"]:
        raise door.refuse(f"records no digests of {lacking[0]}" if lacking else "says of no images and features")
    return Kept(path, manifest)


def statistics(kept: Kept) -> Statistics:
    """The statistics of a file, verified; :class:`IntegrityError` where an array is not the recorded one."""
    count = int(kept.manifest["count"])
    name = f"the statistics {kept.path.name}"
    recorded: Mapping[str, str] = kept.manifest["sha256"]
    try:
        held = held_arrays.read(kept.path, recorded.__contains__)
    except UNPACKING_ERRORS as error:
        raise IntegrityError(f"{kept.path} is damaged ({in_short(error)}); build or import it again.") from error
    for array, digest_ in recorded.items():
        if array not in held or array_digest(held[array]) != digest_:
            raise IntegrityError(f"{kept.path} is damaged: {array} is not what was recorded; build or import it again.")
    found = {}
    for feature in kept.manifest["features"]:
        moments = replace(_checked(kept.path, *(held[f"{feature}/{part}"] for part in PARTS)), count=count)
        found[feature] = Features(name, held.get(f"{feature}/features"), moments)
    identity = digest.of_value([kept.manifest["images"], sorted(recorded.items())])
    return Statistics(identity, count, found)


def conventions(extractors: Iterable[str], entries: Mapping[str, FeatureEntry]) -> dict[str, Any]:
    """What decides the features of these extractors beside the images, by extractor: convention, code, weights."""
    sources = Sources()
    return {
        name: {
            **entries[name].convention,
            "version": entries[name].version,
            "code": signatures.code_of_features(entries[name], sources),
            "backend": signatures.backends(entries[name]),
            "weights": [weights.identity(need) for need in entries[name].needs],
        }
        for name in sorted(set(extractors))
    }


def check_current(kept: Kept, entries: Mapping[str, FeatureEntry]) -> None:
    """Raises :class:`NotComparable` where an extractor has other code than then, or other weights on this machine.

    What another tool computed is believed as it was stated; weights that are not here are not compared.
    """
    for name, recorded in kept.manifest["conventions"].items():
        here = name in entries and all(weights.available(need) for need in entries[name].needs)
        if recorded != AS_STATED and here and recorded != conventions([name], entries)[name]:
            raise NotComparable(
                f"The statistics '{kept.path.stem}' were made with other code or other weights of {name} than "
                "this program has now; build them again."
            )


def foreign(path: Path, extractor: str) -> dict[str, Features]:
    """``mu`` and ``sigma`` (and ADM's ``mu_s``, ``sigma_s``) of another tool's file as features of ``extractor``.

    Raises :class:`UsageError` for a file without them, for sizes that do not belong together, and for NaN.
    """
    try:
        arrays = held_arrays.read(path, sum(FOREIGN.values(), ()).__contains__)
    except UNPACKING_ERRORS as error:
        raise UsageError(f"{path} is not a readable .npz file ({in_short(error)}).") from error
    found = {}
    for output, (mean, covariance) in FOREIGN.items():
        if (mean in arrays) != (covariance in arrays):
            raise UsageError(f"{path} holds one of {mean} and {covariance} without the other; make it again.")
        if mean in arrays and covariance in arrays:
            moments = _checked(path, arrays[mean], arrays[covariance])
            found[f"{extractor}.{output}"] = Features(f"the statistics {path.name}", None, moments)
    if not found:
        raise UsageError(f"{path} holds no arrays named mu and sigma; it is no statistics file of a known tool.")
    return found


def _checked(path: Path, mean: np.ndarray, covariance: np.ndarray) -> Moments:
    if mean.dtype.kind != "f" or covariance.dtype.kind != "f":
        raise UsageError(f"{path}: mean and covariance are {mean.dtype} and {covariance.dtype}, not floats.")
    size = len(mean) if mean.ndim == 1 else 0
    if not size or covariance.shape != (size, size):
        raise UsageError(f"{path}: mean {mean.shape} and covariance {covariance.shape} do not belong together.")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UsageError(f"{path} holds numbers that are not finite; make it again.")
    return Moments(mean.astype(np.float64), covariance.astype(np.float64), 0)


def names(cache: Path) -> list[str]:
    """The names of all statistics that are kept."""
    return sorted(path.stem for path in folder(cache).glob("*.npz"))


def find(text: str, cache: Path) -> Kept:
    """Statistics by name or path; raises :class:`Missing` with the names there are."""
    path = expanded(text)
    if path.is_file():
        return read(path)
    kept = folder(cache) / f"{text}.npz"
    if not kept.is_file():
        known = ", ".join(names(cache)) or "none"
        raise Missing(f"There are no statistics '{text}' (kept: {known}); make them with: python -m bench stats build")
    return read(kept)


def holds_statistics(path: Path) -> bool:
    """Whether an ``.npz`` holds statistics rather than images."""
    try:
        with zipfile.ZipFile(path) as archive:
            members: Sequence[str] = archive.namelist()
    except UNPACKING_ERRORS:
        return False
    return "manifest.npy" in members or ("mu.npy" in members and "sigma.npy" in members)
