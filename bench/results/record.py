"""What a result says. No torch, so that reports and gates never load it.

One JSON file holds one stage of one cell (method, dataset, preset, seed). Its schema is shipped beside this file
(``record.schema.json``) and versioned: :func:`upgrade` reads every older version and refuses newer ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

from bench.core import documents
from bench.core.files import folder_name
from bench.errors import UsageError

STAGES = ("train", "recon", "cost", "prior", "sample", "gen")
STATUSES = ("ok", "failed", "not-applicable")

LONGEST_NAME = 240
"""Bytes of a label as a file name: what systems allow, less what is appended to it."""

FINITE: Mapping[str, Any] = {"allow_inf_nan": False}
STRICT: Mapping[str, Any] = {**FINITE, "extra": "forbid"}
"""What pydantic is told of classes that are read from files: no NaN, and no fields that are not theirs."""


@dataclass(frozen=True)
class Tolerance:
    """What counts as a change of a metric: the larger of ``absolute`` and ``relative`` times the baseline."""

    absolute: float
    relative: float = 0.0


SCHEMA = 2

STAND_IN = "stand-in"
"""How the identity of random weights in a pretrained network's place begins, in signatures and in recipes."""

TRAINED_WITH = "trained with"
"""The signature's field for stand-ins in the losses of the tokenizer behind a number."""

Signature = Mapping[str, str | int | float | bool | None]
"""The protocol of a number as a flat mapping: two numbers are comparable when their signatures are equal."""


@dataclass(frozen=True)
class Measurement:
    """One number of a result, or the reason why it is absent.

    ``value`` None means absent and ``reason`` then says why and what brings it. ``n`` counts the images (or
    parameters, operations...) it was computed from. ``higher_is_better`` None marks a plain fact that is not ranked.
    ``deviation`` is the standard deviation that belongs to the estimate (KID, IS), where it has one.
    """

    __pydantic_config__ = STRICT

    name: str
    value: float | None
    unit: str = ""
    higher_is_better: bool | None = None
    n: int = 0
    deviation: float | None = None
    signature: Signature = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Result:
    """One stage of one cell.

    - ``stage``: "train", "recon", "cost", "prior", "sample" or "gen".
    - ``status``: "ok", "failed" (then ``error`` says why) or "not-applicable" (then ``error`` says why).
    - ``method``: the canonical method label, also its row label; ``title`` is for people.
    - ``key``: digest of everything that decides the result; equal keys mean that no work is needed.
    - ``limited``: the flags that reduced this result (``limit``, ``eval-limit``, ``set KEY=VALUE``), empty for none.
    - ``facts``: what is reported but not ranked (code shape, budget, training curve).
    - ``settings``: the method's resolved settings; ``arguments``: those given and those resolved.
    - ``provenance``: commit, packages, hardware, determinism, digests of data and weights.
    - ``per_image``: file name, beside this one, of the Parquet table of per-image values, or None.
    """

    __pydantic_config__ = STRICT

    stage: str
    status: str
    method: str
    title: str
    dataset: str
    preset: str
    seed: int
    key: str
    task: str | None = None
    limited: tuple[str, ...] = ()
    metrics: tuple[Measurement, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    per_image: str | None = None
    error: str | None = None
    schema: int = SCHEMA


@dataclass(frozen=True)
class ReadFacts:
    """The facts that reports and gates read, where a result has them; it may hold any others."""

    __pydantic_config__ = FINITE

    grid: tuple[int, int] | None = None
    code_shape: tuple[int, ...] | None = None
    code_counts: tuple[float, ...] | None = None
    code_entries: int | None = None
    code_kind: str | None = None
    curve: tuple[Mapping[str, float], ...] | None = None
    previews: tuple[Mapping[str, float], ...] | None = None
    variant: str | None = None
    images_seen: float | None = None
    seconds: float | None = None
    steps: float | None = None
    flops: float | None = None


@dataclass(frozen=True)
class ReadData:
    """What a report says of a result's images."""

    resolution: int | None = None
    protocol: str | None = None
    source_sizes: str | None = None


@dataclass(frozen=True)
class ReadProvenance:
    """What reports and gates read of a result's provenance, where it has it."""

    data: ReadData | None = None
    hardware: Mapping[str, Any] | None = None


def signature_id(signature: Signature) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the signature in canonical JSON."""
    text = json.dumps(dict(signature), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def signature_difference(one: Signature, other: Signature) -> list[str]:
    """The names of the fields in which two signatures differ, sorted; empty when they are equal."""
    return sorted(k for k in {*one, *other} if one.get(k) != other.get(k))


def stand_ins(measurements: Iterable[Measurement]) -> tuple[str, ...]:
    """The identities of the stand-ins that numbers touched, sorted; empty for real measurements."""
    texts = (str(value) for m in measurements for value in m.signature.values() if isinstance(value, str))
    return tuple(sorted({part for text in texts for part in text.split(", ") if part.startswith(f"{STAND_IN} ")}))


def to_json(result: Result) -> str:
    """Canonical text of a result: sorted keys, two spaces, final newline, no NaN."""
    return json.dumps(asdict(result), indent=2, sort_keys=True, allow_nan=False) + "\n"


def door(where: str) -> documents.Door:
    """How a result is refused that is named ``where`` in messages."""
    return documents.Door(where, "delete it and run the same command again")


def from_json(text: str, where: str) -> Result:
    """Reads a result of this or an older schema; ``where`` names the file in error messages.

    Raises :class:`UsageError` that names the file and the field unless every field has its type, every number is
    finite, and what reports read of the facts is what they expect.
    """
    whole = door(where)
    raw = documents.from_json(text, whole)
    if not isinstance(raw, dict):
        raise whole.refuse("does not hold a result")
    raw = upgrade(raw, where)
    documents.check(Result, raw, whole)
    trouble = _trouble(raw)
    if trouble is not None:
        raise whole.refuse(trouble)
    documents.check(ReadFacts, raw.get("facts", {}), door(f"{where}, facts,"))
    documents.check(ReadProvenance, raw.get("provenance", {}), door(f"{where}, provenance,"))
    measurements = tuple(Measurement(**m) for m in raw.pop("metrics", ()))
    return Result(metrics=measurements, limited=tuple(raw.pop("limited", ())), **raw)


def _trouble(raw: Mapping[str, Any]) -> str | None:
    """What types do not say: names that files have, and what must stand beside an absent number or a failure."""
    for name, known in (("stage", STAGES), ("status", STATUSES)):
        if raw[name] not in known:
            return f"has the {name} '{raw[name][:40]}', which is none of {', '.join(known)}"
    for name in ("method", "dataset", "preset", "task"):
        text = raw.get(name)
        if text == "" or (text is not None and len(folder_name(text)) > LONGEST_NAME):
            return (
                f"has a {name} of {len(text)} characters, but it names files and may be {LONGEST_NAME} bytes long there"
            )
    per_image = raw.get("per_image")
    if per_image is not None and PurePath(per_image).name != per_image:
        return "names per-image values that do not lie beside it"
    if (raw.get("error") is None) != (raw["status"] == "ok"):
        return f"has the status {raw['status']} {'without' if raw.get('error') is None else 'with'} an error"
    for measurement in raw.get("metrics", ()):
        if measurement.get("n", 0) < 0 or not measurement["name"]:
            return f"has a number '{measurement['name']}' of {measurement.get('n', 0)} images"
        if measurement["value"] is None and not measurement.get("reason"):
            return f"has neither a value of {measurement['name']} nor a reason why there is none"
    return None


def upgrade(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Brings an older result to the present schema, one step per version; refuses newer ones."""
    version = raw.get("schema")
    if not isinstance(version, int) or isinstance(version, bool):
        raise UsageError(f"{where} has no schema version; it was not written by this program.")
    if version > SCHEMA:
        raise UsageError(
            f"{where} was written by a newer version (schema {version}, this program knows {SCHEMA}); "
            "update the program or choose another --out."
        )
    while raw["schema"] < SCHEMA:
        if raw["schema"] not in UPGRADES:
            raise UsageError(f"{where} has the schema {version}, which there never was; delete it and run again.")
        raw = UPGRADES[raw["schema"]](raw)
    return raw


def _from_one(raw: dict[str, Any]) -> dict[str, Any]:
    """Density and coverage were taken at k = 3, which is not their definition: such numbers are called that now."""
    metrics = raw.get("metrics")
    if isinstance(metrics, list):
        metrics = [_named_after_k(one) if isinstance(one, dict) else one for one in metrics]
    return {**raw, "schema": 2, **({} if metrics is None else {"metrics": metrics})}


def _named_after_k(measurement: dict[str, Any]) -> dict[str, Any]:
    """``coverage-r64`` at another k than 5: ``coverage-k3-r64``. What has no value has no k either, and stays."""
    name, signature = measurement.get("name"), measurement.get("signature")
    k = signature.get("neighbours") if isinstance(signature, dict) else None
    if k in (None, 5) or not isinstance(name, str) or name.partition("-")[0] not in ("density", "coverage"):
        return measurement
    word, dash, rest = name.partition("-")
    return {**measurement, "name": f"{word}-k{k}{dash}{rest}"}


UPGRADES: Mapping[int, Any] = {1: _from_one}
"""From a schema version to the function that returns the same result in the next version."""
