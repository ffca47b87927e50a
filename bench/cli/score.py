"""``score``: measures any two image sets, without a method."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import Missing, NotComparable, UsageError

if TYPE_CHECKING:
    from bench.core.progress import Progress
    from bench.data.image_sets import ImageFiles, OnBad
    from bench.data.set_decoding import Crop
    from bench.metrics.entries import MetricEntry, MetricProtocol
    from bench.metrics.feature_cache import Statistics
    from bench.metrics.measure import Measured
    from bench.metrics.reference_statistics import Kept
    from bench.metrics.signatures import Precision
    from bench.results.record import Measurement

SETS = "folder, zip, .npz, .npy, frozen array"


def score(
    real: Annotated[str, typer.Option(help=f"reference: {SETS}, statistics (name or .npz), or dataset")],
    fake: Annotated[Path, typer.Option(help=f"candidate: {SETS}")],
    metrics: Annotated[list[str] | None, typer.Option(help="names or groups, comma-separated; default: all")] = None,
    protocol: Annotated[str | None, typer.Option(help="metric protocol (list protocols)")] = None,
    crop: Annotated[str | None, typer.Option(help="crop and resize both sets first, for example ldm:256")] = None,
    split: Annotated[str, typer.Option(help="train or val, where --real is a dataset")] = "val",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="images per step")] = 32,
    bf16: Annotated[bool, typer.Option("--bf16", help="run feature extractors in bfloat16; in the signature")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="fail where weights are missing")] = False,
    stand_in: Annotated[bool, typer.Option("--stand-in", help="random weights for absent networks; marked")] = False,
    on_bad: Annotated[str, typer.Option("--on-bad", help="skip or fail when an image cannot be used")] = "fail",
    verify: Annotated[bool, typer.Option("--verify", help="read every file again, changed or not")] = False,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    per_image: Annotated[Path | None, typer.Option(help="write per-image values to this CSV file")] = None,
) -> int:
    """Measure one image set against another; unchanged sets are not measured again."""
    from bench.core.files import cache_root
    from bench.core.registry import lookup
    from bench.data import image_sets
    from bench.metrics import METRICS, expand
    from bench.metrics.features import FEATURES
    from bench.metrics.measure import measure
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.pretrained.networks import FOLDER, Pretrained

    chosen = lookup(PROTOCOLS, protocol or DEFAULT_PROTOCOL, "metric protocol")
    entries = expand(metrics) if metrics else list(METRICS.values())
    progress = bars()
    cropped = image_sets.parse_crop(crop)
    cache = cache_root()
    bad = policy(on_bad)
    candidate = image_sets.open_set(fake.expanduser(), cache, cropped, progress, bad, verify)
    reference = _reference(real, split, cropped, progress, bad, verify)
    if not isinstance(reference, image_sets.ImageFiles):
        _same_protocol(reference, entries, chosen, explicit=bool(metrics))
        if bf16:
            raise NotComparable("Kept statistics are of float32 features; leave --bf16 out, or give the images.")
        if stand_in:
            raise NotComparable("Kept statistics are of real networks; leave --stand-in out, or give the images.")
    entries = _comparable(reference, candidate, entries, explicit=bool(metrics))
    remarks = list(image_sets.remarks(reference if isinstance(reference, image_sets.ImageFiles) else None, candidate))
    for remark in remarks:
        typer.echo(f"note: {remark}", err=True)
    precision: Precision = "bfloat16" if bf16 else "float32"
    images = reference.arrays if isinstance(reference, image_sets.ImageFiles) else reference
    found = Pretrained(cache / FOLDER if stand_in else None)
    measured = measure(
        images, candidate.arrays, entries, FEATURES, chosen, device, cache, batch, progress, precision, found
    )
    typer.echo(_as_json(measured, chosen, remarks) if json else _as_text(measured, chosen))
    if per_image is not None:
        _write_values(per_image, candidate, measured)
    return _verdict(measured, explicit=bool(metrics), strict=strict)


def _comparable(
    reference: ImageFiles | Statistics, candidate: ImageFiles, entries: list[MetricEntry], explicit: bool
) -> list[MetricEntry]:
    """The metrics without those of pairs where sizes do not belong to the same images; asked for, they are refused."""
    from bench.data import image_sets

    reason = image_sets.mismatch(reference, candidate) if isinstance(reference, image_sets.ImageFiles) else None
    if reason is None:
        return entries
    if explicit and any(entry.kind == "pair" for entry in entries):
        raise UsageError(f"{reason[0].upper()}{reason[1:]}.")
    typer.echo(f"note: no image is compared with image: {reason}", err=True)
    return [entry for entry in entries if entry.kind != "pair"]


def policy(text: str) -> OnBad:
    """What ``--on-bad`` says; raises :class:`UsageError` for another word."""
    if text == "skip":
        return "skip"
    if text == "fail":
        return "fail"
    raise UsageError(f"--on-bad is skip or fail, not '{text}'.")


def bars() -> Progress:
    """Progress on stderr."""
    from rich.console import Console

    from bench.core import progress

    return progress.bars(Console(stderr=True))


def _reference(
    text: str, split: str, crop: Crop | None, progress: Progress, on_bad: OnBad, verify: bool
) -> ImageFiles | Statistics:
    """A path, statistics by name, or a dataset by name."""
    from bench.core.files import cache_root, regular
    from bench.data import image_sets
    from bench.data.readers import npz
    from bench.metrics import reference_statistics

    path = Path(text).expanduser()
    if path.suffix == ".npz" and path.exists() and not path.is_dir():
        regular(path)
        if reference_statistics.holds_statistics(path):
            if not npz.holds_images(path):
                return _statistics(reference_statistics.read(path), crop)
            typer.echo(
                "note: the reference holds images and mu and sigma, as ADM's files do: the images are measured; "
                "for its own mu and sigma, take them over first: python -m bench stats import",
                err=True,
            )
    if path.exists():
        return image_sets.open_set(path, cache_root(), crop, progress, on_bad, verify)
    if text in reference_statistics.names(cache_root()):
        return _statistics(reference_statistics.find(text, cache_root()), crop)
    if is_dataset(text):
        return dataset_images(text, split, crop)
    raise Missing(f"--real {text} is neither a path, nor kept statistics (stats list), nor a dataset (list datasets).")


def _statistics(kept: Kept, crop: Crop | None) -> Statistics:
    """Statistics that this program's extractors still give; says where their images were cropped otherwise."""
    from bench.metrics import reference_statistics
    from bench.metrics.features import FEATURES

    reference_statistics.check_current(kept, FEATURES)
    made, now = kept.manifest.get("crop"), None if crop is None else f"{crop.protocol}:{crop.resolution}"
    if made != now:
        typer.echo(
            f"note: the statistics are of images cropped by {made or 'nothing'}, the candidate by {now or 'nothing'}",
            err=True,
        )
    return reference_statistics.statistics(kept)


def is_dataset(text: str) -> bool:
    """Whether a text names a dataset of the table."""
    from bench.data.datasets import DATASETS

    return text.partition(":")[0] in {name for e in DATASETS.values() for name in (e.name, *e.aliases)}


def dataset_images(text: str, split: str, crop: Crop | None) -> ImageFiles:
    """A split of a dataset, by name; raises :class:`UsageError` without a crop and :class:`Missing` without images."""
    from bench.core.files import cache_root
    from bench.core.registry import load
    from bench.data import image_sets, manifest
    from bench.data.dataset import DatasetRequest, dataset_of
    from bench.data.datasets import DATASETS
    from bench.data.frozen import as_frozen

    if crop is None:
        raise UsageError(f"{text} is a dataset; say at which crop and size, for example --crop ldm:256.")
    if split not in ("train", "val"):
        raise UsageError(f"--split {split} is neither train nor val.")
    entry, path = dataset_of(text, DATASETS)
    dataset = load(entry.open)(DatasetRequest(entry.name, path, crop.resolution, crop.protocol, cache_root()))
    frozen = dataset.train if split == "train" else dataset.val
    if frozen is None:
        raise Missing(f"The dataset {text} has no {split} split.")
    facts = dataset.facts
    absent = manifest.left_out(facts.get(split) or {}, split, crop.resolution)
    for remark in (absent, manifest.ignored(facts), manifest.oddities(facts)):
        if remark:
            typer.echo(f"note: {text}: {remark}", err=True)
    names = tuple(manifest.names(frozen))
    return image_sets.whole(f"{text} ({split})", as_frozen(frozen), names, {})


def _same_protocol(
    statistics: Statistics, entries: Sequence[MetricEntry], protocol: MetricProtocol, explicit: bool
) -> None:
    """Raises :class:`NotComparable` when asked metrics need features of another protocol than the statistics'."""
    wanted = {e.name: protocol.features.get(e.features, e.features) for e in entries if e.features is not None}
    other = [name for name, feature in wanted.items() if feature not in statistics.features and name != "is"]
    if explicit and other:
        raise NotComparable(
            f"The statistics hold {', '.join(statistics.features)}; {', '.join(other)} under the protocol "
            f"'{protocol.name}' needs {', '.join(sorted({str(wanted[n]) for n in other}))}: choose the --protocol they "
            "belong to, or give the images."
        )


# --------------------------------------------------------------------------------------------------------------
# What is said


def _as_text(measured: Measured, protocol: MetricProtocol) -> str:
    found = [m for m in measured.measurements if m.value is not None]
    names = [_label(m, protocol) for m in found]
    width = max((len(name) for name in names), default=0)
    lines = [f"{name:<{width}}  {_arrow(m)} {_number(m)}" for name, m in zip(names, found, strict=True)]
    lines += [f"protocol: {protocol.name} ({protocol.title})"]
    absent: dict[str, list[str]] = {}
    for m in measured.measurements:
        if m.reason is not None:
            absent.setdefault(m.reason, []).append(m.name)
    lines += [f"absent: {', '.join(names)}: {reason}" for reason, names in absent.items()]
    return "\n".join(lines)


def _label(measurement: Measurement, protocol: MetricProtocol) -> str:
    """The name with count and protocol, and with the word where random weights made the number."""
    from bench.metrics.protocols import counted
    from bench.results.record import STAND_IN, stand_ins

    return counted(measurement, protocol) + (f" ({STAND_IN})" if stand_ins([measurement]) else "")


def _arrow(measurement: Measurement) -> str:
    return "↑" if measurement.higher_is_better else "↓"


def _number(measurement: Measurement) -> str:
    text = f"{measurement.value:.6g}"
    if measurement.deviation is not None:
        text += f" ± {measurement.deviation:.3g}"
    return f"{text} {measurement.unit}".rstrip()


def _as_json(measured: Measured, protocol: MetricProtocol, remarks: Sequence[str]) -> str:
    rows: list[dict[str, Any]] = [
        {**asdict(m), "label": _label(m, protocol) if m.value is not None else m.name} for m in measured.measurements
    ]
    return json_module.dumps(
        {"protocol": asdict(protocol), "notes": list(remarks), "metrics": rows}, indent=2, allow_nan=False
    )


def _write_values(path: Path, candidate: ImageFiles, measured: Measured) -> None:
    import csv

    from bench.core.files import write_file
    from bench.results.record import STAND_IN, stand_ins

    random = {m.name for m in measured.measurements if stand_ins([m])}
    heads = [f"{name} ({STAND_IN})" if name in random else name for name in measured.per_image]

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["image", *heads])
            table.writerows(zip(candidate.names, *(v.tolist() for v in measured.per_image.values()), strict=True))

    write_file(path, write)


def _verdict(measured: Measured, explicit: bool, strict: bool) -> int:
    """0; 2 when an asked metric cannot be had of these images, or under ``--strict`` when anything is absent."""
    reasons = {m.name: m.reason for m in measured.measurements if m.reason is not None}
    blocking = reasons if strict else {name: reasons[name] for name in measured.unfit} if explicit else {}
    for text in dict.fromkeys(blocking.values()):
        typer.echo(f"bench: {text}", err=True)
    return UsageError.exit_code if blocking else 0
