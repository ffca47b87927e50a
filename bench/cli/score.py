"""``score``: measures any two image sets, without a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import scored
from bench.core.visible import visible
from bench.data.pairing import Pairing
from bench.errors import Missing, NotComparable, UsageError

if TYPE_CHECKING:
    from bench.core.progress import Progress
    from bench.data.dataset import BadImages
    from bench.data.image_sets import ImageFiles, Source
    from bench.data.set_decoding import Crop
    from bench.metrics.entries import MetricEntry, MetricProtocol
    from bench.metrics.feature_cache import Statistics
    from bench.metrics.measure import Measured
    from bench.metrics.reference_statistics import Kept
    from bench.metrics.signatures import Precision

SETS = "folder, zip, .npz, .npy, frozen array"


def score(
    real: Annotated[str, typer.Option(help=f"reference: {SETS}, statistics (name or .npz), or dataset")],
    fake: Annotated[Path, typer.Option(help=f"candidate: {SETS}")],
    metrics: Annotated[list[str] | None, typer.Option(help="names or groups, comma-separated; default: all")] = None,
    protocol: Annotated[str | None, typer.Option(help="metric protocol (list protocols)")] = None,
    all_protocols: Annotated[
        bool, typer.Option("--all-protocols", help="pairs by every camp's ruler, one table")
    ] = False,
    exact: Annotated[bool, typer.Option("--exact", help="the 8-bit values are exact, as a codec's are")] = False,
    crop: Annotated[str | None, typer.Option(help="crop and resize both sets first, for example ldm:256")] = None,
    split: Annotated[str, typer.Option(help="train or val, where --real is a dataset")] = "val",
    pair: Annotated[str, typer.Option(help="pair images by name, or in the natural order of names: order")] = "name",
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
    from bench.core.files import cache_root, expanded
    from bench.core.progress import on_stderr
    from bench.core.registry import lookup
    from bench.data import image_sets, set_pairing
    from bench.data.dataset import bad_images
    from bench.metrics import expand
    from bench.metrics import measured as usual
    from bench.metrics.features import FEATURES
    from bench.metrics.measure import measure
    from bench.metrics.protocols import DEFAULT_PROTOCOL, EVERY_CAMP, PROTOCOLS
    from bench.pretrained.networks import FOLDER, Pretrained

    if all_protocols and (metrics or protocol):
        raise UsageError("--all-protocols chooses metrics and protocol; leave it, or --metrics and --protocol away.")
    chosen = lookup(PROTOCOLS, EVERY_CAMP if all_protocols else protocol or DEFAULT_PROTOCOL, "metric protocol")
    entries = expand(metrics or chosen.pairs) if metrics or all_protocols else list(usual(chosen).values())
    progress = on_stderr()
    cropped = image_sets.parse_crop(crop)
    cache = cache_root()
    bad = bad_images(on_bad)
    lookup(set_pairing.PAIRS, pair, "way of pairing")
    source = image_sets.find(expanded(fake))
    reference = _reference(real, split, cropped, progress, bad, verify)
    compared = [entry for entry in entries if entry.kind == "pair"]
    pairs = _paired(reference, source, pair, bad, explicit=bool(metrics)) if compared else None
    order = set_pairing.places(pairs, source) if isinstance(pairs, Pairing) else ()
    candidate = image_sets.open_set(source, cache, cropped, progress, bad, verify, order)
    if not isinstance(reference, image_sets.ImageFiles):
        _same_protocol(reference, entries, chosen, explicit=bool(metrics))
        if bf16:
            raise NotComparable("Kept statistics are of float32 features; leave --bf16 out, or give the images.")
        if stand_in:
            raise NotComparable("Kept statistics are of real networks; leave --stand-in out, or give the images.")
    obstacle = pairs if isinstance(pairs, str) else None
    if compared and not isinstance(pairs, str):
        obstacle = _mismatch(reference, candidate, pairs, source, explicit=bool(metrics))
    remarks = list(image_sets.remarks(reference if isinstance(reference, image_sets.ImageFiles) else None, candidate))
    for remark in remarks:
        typer.echo(visible(f"note: {remark}"), err=True)
    precision: Precision = "bfloat16" if bf16 else "float32"
    images = reference.images if isinstance(reference, image_sets.ImageFiles) else reference
    found = Pretrained(cache / FOLDER if stand_in else None)
    fit = [entry for entry in entries if obstacle is None or entry.kind != "pair"]
    measured = measure(
        images, candidate.images, fit, FEATURES, chosen, device, cache, batch, progress, precision, found, exact=exact
    )
    measured = _with_absent(measured, entries, obstacle)
    rule = pairs.rule if isinstance(pairs, Pairing) and measured.per_image else None
    rate = scored.file_rate(candidate)
    if all_protocols and not json:
        typer.echo(scored.as_rulers(measured, candidate.origin), nl=False)
    else:
        text = scored.as_json if json else scored.as_text
        typer.echo(text(measured, chosen, rule, remarks, rate))
    if per_image is not None:
        scored.write_values(per_image, candidate, measured)
    return _verdict(measured, wanted=strict or bool(metrics), said=json or all_protocols)


def _paired(
    reference: ImageFiles | Statistics, source: Source, pair: str, on_bad: BadImages, explicit: bool
) -> Pairing | str | None:
    """How the images belong together, or why they do not; None where there are no images, or not as many."""
    from bench.data.image_sets import ImageFiles
    from bench.data.set_pairing import paired

    if not isinstance(reference, ImageFiles):
        return None
    try:
        return paired(reference, source, pair, on_bad)
    except UsageError as error:
        hint = ", or add --pair order to pair them in the natural order of their names" if pair == "name" else ""
        reason = f"{str(error).rstrip('.')}{hint}"
    return _refused(reason, explicit)


def _mismatch(
    reference: ImageFiles | Statistics, candidate: ImageFiles, pairs: Pairing | None, source: Source, explicit: bool
) -> str | None:
    """Why no image can be compared with its own: some were left out, or sizes belong to other images."""
    from bench.data.image_sets import ImageFiles
    from bench.data.set_pairing import mismatch

    reason = mismatch(reference, candidate, pairs, source) if isinstance(reference, ImageFiles) else None
    return _refused(reason, explicit) if reason is not None else None


def _refused(reason: str, explicit: bool) -> str:
    """The reason why there are no pairs, said; an error where metrics of pairs were asked for by name."""
    if explicit:
        raise UsageError(f"{reason[0].upper()}{reason[1:]}.")
    typer.echo(visible(f"note: no image is compared with image: {reason}"), err=True)
    return reason


def _with_absent(measured: Measured, entries: list[MetricEntry], obstacle: str | None) -> Measured:
    """The measurements in the order of the metrics, those of pairs without value where there are no pairs."""
    from bench.results.record import Measurement

    there = {m.name: m for m in measured.measurements}
    found = tuple(
        there.get(e.name) or Measurement(e.name, None, e.unit, e.higher_is_better, reason=obstacle) for e in entries
    )
    return replace(measured, measurements=found)


def _reference(
    text: str, split: str, crop: Crop | None, progress: Progress, on_bad: BadImages, verify: bool
) -> ImageFiles | Statistics:
    """A path, statistics by name, or a dataset by name."""
    from bench.core.files import cache_root, expanded, regular
    from bench.data import image_sets
    from bench.data.readers import npz
    from bench.metrics import reference_statistics

    path = expanded(text)
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
        return image_sets.open_set(image_sets.find(path), cache_root(), crop, progress, on_bad, verify)
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
    from bench.data import image_sets, manifest
    from bench.data.datasets import asked, opened
    from bench.data.sized import as_frozen

    if crop is None:
        raise UsageError(f"{text} is a dataset; say at which crop and size, for example --crop ldm:256.")
    if split not in ("train", "val"):
        raise UsageError(f"--split {split} is neither train nor val.")
    dataset = opened(*asked(text, crop.resolution, crop.protocol))
    frozen = dataset.train if split == "train" else dataset.val
    if frozen is None:
        raise Missing(f"The dataset {text} has no {split} split.")
    facts = dataset.facts
    absent = manifest.left_out(facts.get(split) or {}, split, crop.resolution)
    remarks = [f"{text}: {said}" for said in (absent, manifest.ignored(facts), manifest.oddities(facts)) if said]
    names = tuple(manifest.names(frozen))
    return image_sets.ImageFiles(f"{text} ({split})", as_frozen(frozen), names, {}, said=tuple(remarks))


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


def _verdict(measured: Measured, wanted: bool, said: bool) -> int:
    """0; 2 where all values are ``wanted``, by name or under ``--strict``, and one is absent.

    Why one is absent is said here unless it was ``said`` before: on stderr where it is an error, else with the values.
    """
    absent = scored.absences(measured)
    for text in absent if wanted or not said else ():
        typer.echo(visible(f"bench: {text}" if wanted else f"absent: {text}"), err=wanted)
    return UsageError.exit_code if wanted and absent else 0
