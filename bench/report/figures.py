"""Which figures a report has. Each knows its inputs, so that a report can be checked without drawing anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from bench.core.digest import of_bytes, of_value
from bench.core.files import plain_name
from bench.report import plots
from bench.report.columns import ColumnSpec
from bench.report.examples import EXAMPLES, Member, first_seeds, telling
from bench.report.load import Loaded
from bench.report.numbers import fixed
from bench.report.plots import Point
from bench.report.rows import limited_alike, name_of, rows_of
from bench.report.stand_ins import files_apart, is_apart
from bench.report.styles import Styles, styles
from bench.results.record import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["svg", "png"]

VERSION = 4
"""Raise it when a figure would look different for the same inputs."""
MOST_ROWS = 6
"""Methods in one figure of images: more make it taller than a screen, or the images too small."""


@dataclass(frozen=True)
class Plan:
    """A figure that can be drawn: ``draw`` makes it from ``inputs`` and nothing else.

    ``kinds`` are the files it is written to, the one that a page shows first. Pictures are pixels: an SVG of them would
    be a larger PNG.
    """

    name: str
    caption: str
    inputs: Mapping[str, Any]
    draw: Callable[[], Figure]
    kinds: tuple[Kind, ...] = ("svg", "png")

    @property
    def digest(self) -> str:
        """Digest of the inputs and of the drawing's version."""
        return of_value({"figure": self.name, "version": VERSION, "inputs": dict(self.inputs)})


def plans(results: Sequence[Loaded]) -> list[Plan]:
    """All figures that these results have the data for, group by group, in a fixed order.

    Pictures of rows with stand-ins say so; their numbers are in no figure.
    """
    groups: dict[tuple[str, str], list[Loaded]] = {}
    results = files_apart(results)
    for loaded in results:
        groups.setdefault((loaded.result.dataset, loaded.result.preset), []).append(loaded)
    made = [*_images(results)]
    look = styles([loaded.result.method for loaded in results])
    for (dataset, preset), members in groups.items():
        where = f"{dataset}, {preset}"
        own = [loaded.result for loaded in members if not is_apart(loaded.result.method)]
        made += [
            plan for kind in (_scatters, _curves, _code_use) for plan in kind(where, _key(dataset, preset), own, look)
        ]
    return made


def _key(dataset: str, preset: str) -> str:
    return plain_name(f"{dataset}-{preset}")


# Images --------------------------------------------------------------------------------------------------------


PLACES = "above maps of where their codes lie after each quarter of the list"


def _images(results: Sequence[Loaded]) -> list[Plan]:
    kinds = (
        ("sample", plots.SAMPLES, "samples", "Samples"),
        ("gen", plots.NEIGHBOURS, "neighbours", "Samples above their nearest training images"),
        ("recon", plots.PLACEMENT, "placement", PLACES),
        ("sample", plots.PLACEMENT, "sample-placement", f"Samples: {PLACES.lower()}"),
    )
    made = _strips(results)
    for stage, suffix, name, caption in kinds:
        for (dataset, preset), members in first_seeds(results, stage, suffix).items():
            files = {loaded.result.method: path.read_bytes() for loaded, path in members[:MOST_ROWS]}
            inputs = {label: of_bytes(png) for label, png in files.items()}
            key, said = f"{_key(dataset, preset)}-{name}", f"{caption}: {dataset}, {preset}"
            made.append(Plan(key, said, inputs, partial(plots.grids, files), ("png",)))
    return made


def _strips(results: Sequence[Loaded]) -> list[Plan]:
    """Reconstructions, and in a figure of their own their differences, of the images that tell methods apart."""
    made = []
    for (dataset, preset), everyone in first_seeds(results, "recon", EXAMPLES).items():
        members = _chosen(everyone)
        files = {loaded.result.method: path.read_bytes() for loaded, path in members}
        chosen = telling(members, plots.SHOWN)
        inputs = {"images": chosen, "files": {label: of_bytes(png) for label, png in files.items()}}
        left_out = f"; {len(members)} of {len(everyone)} methods" if len(members) < len(everyone) else ""
        for name, caption, draw in (
            ("reconstructions", "Originals and reconstructions, the images that differ most", plots.strips),
            ("differences", f"Originals and differences ({plots.AMPLIFIED}x)", plots.differences),
        ):
            key, said = f"{_key(dataset, preset)}-{name}", f"{caption}: {dataset}, {preset}{left_out}"
            made.append(Plan(key, said, inputs, partial(draw, files, chosen), ("png",)))
    return made


def _chosen(members: Sequence[Member]) -> list[Member]:
    """At most :data:`MOST_ROWS` methods: one of every family before a second one, of a sweep first its middle."""
    families: dict[str, list[Member]] = {}
    for member in members:
        families.setdefault(name_of(member[0].result.method), []).append(member)
    order: list[Member] = []
    for turn in range(MOST_ROWS):
        for family in families.values():
            if turn < len(family):
                order.append(_spread(family)[turn])
    kept = {id(member) for member in order[:MOST_ROWS]}
    return [member for member in members if id(member) in kept]


def _spread(family: Sequence[Member]) -> list[Member]:
    """The middle of a family, its ends, and the rest."""
    first = dict.fromkeys((len(family) // 2, 0, len(family) - 1))
    return [family[i] for i in (*first, *(i for i in range(len(family)) if i not in first))]


# Numbers -------------------------------------------------------------------------------------------------------

SCATTERS = (
    ("rate-distortion", "Rate and distortion", "recon cost", "bits-per-pixel", "bits per pixel", 2),
    ("quality-gmac", "Quality and decoder cost", "cost", "decoder-gmac", "decoder GMAC per image", 2),
    (
        "quality-time",
        "Quality and decode time",
        "cost recon",
        "decode-images-per-second",
        "decode time per image (ms)",
        2,
    ),
)


def points(results: Sequence[Result], stages: str, name: str) -> list[Point]:
    """PSNR over another measurement, both averaged over seeds; other signatures are left out.

    Rows that were limited by different flags are no comparison: of them only the unlimited ones are shown.
    """
    found = rows_of(results)
    rows = found if limited_alike(found) else [row for row in found if not row.limited]
    made, signature = [], None
    for row in rows:
        quality = row.sources(ColumnSpec("recon", "psnr", "", fixed(2)), "psnr")
        cost = row.sources(ColumnSpec(stages, name, "", fixed(2)), name)
        ys = [s.measurement for s in quality if s.measurement.value is not None]
        xs = [s.measurement.value for s in cost if s.measurement.value is not None]
        if not ys or not xs:
            continue
        signature = ys[0].signature if signature is None else signature
        values = [m.value for m in ys if m.value is not None and m.signature == signature]
        x = sum(xs) / len(xs)
        if values and x > 0:
            x = 1000 / x if name.endswith("per-second") else x
            made.append(Point(row.method, x, sum(values) / len(values)))
    return made


def _scatters(where: str, key: str, results: Sequence[Result], look: Styles) -> list[Plan]:

    made = []
    for name, caption, stages, metric, axis, least in SCATTERS:
        found = points(results, stages, metric)
        if len(found) >= least:
            inputs = {"axis": axis, "points": [[p.label, p.x, p.y] for p in found], "look": _drawn(look, found)}
            draw = partial(plots.scatter, found, axis, "PSNR (dB)", look)
            shown = [result for result in results if result.method in {p.label for p in found}]
            said = "".join((f"{caption}: {where}", _limits(shown), _bits(shown) if metric == "bits-per-pixel" else ""))
            made.append(Plan(f"{key}-{name}", said, inputs, draw))
    return made


def _drawn(look: Styles, found: Sequence[Point]) -> list[list[str]]:
    """How points are drawn, as an input of a figure."""
    return [[look[p.label].colour, look[p.label].marker] for p in found]


def _limits(results: Sequence[Result]) -> str:
    """The flags that reduced what is shown."""
    flags = sorted({flag for result in results for flag in result.limited})
    return "; limited by " + " and ".join(f"--{flag.replace('_', '-')}" for flag in flags) if flags else ""


def _bits(results: Sequence[Result]) -> str:
    """What counts as a bit, and for which methods: codecs write whole files, others fixed-length codes."""
    kinds: dict[str, set[str]] = {}
    for result in results:
        for measurement in result.metrics:
            kind = measurement.signature.get("bits") if measurement.name == "bits-per-pixel" else None
            if kind and measurement.value is not None:
                kinds.setdefault(str(kind), set()).add(name_of(result.method))
    said = "; ".join(f"{kind} ({', '.join(sorted(names))})" for kind, names in sorted(kinds.items()))
    return f"; bits are those of the {said}" if said else ""


def _curves(where: str, key: str, results: Sequence[Result], look: Styles) -> list[Plan]:
    """Held-out PSNR during training where it was taken, and the total loss of each method's first phase."""
    losses: dict[str, list[tuple[float, float]]] = {}
    quality: dict[str, list[tuple[float, float]]] = {}
    for result in sorted(results, key=lambda r: r.seed):
        if result.stage != "train" or result.status != "ok" or result.method in losses:
            continue
        curve = result.facts.get("curve") or []
        totals = [name for point in curve for name in point if name.endswith("/total")]
        name = next((n for n in totals if n.startswith(("generator", "autoencoder"))), totals[0] if totals else "")
        losses[result.method] = [(point["images"], point[name]) for point in curve if name in point]
        previews = result.facts.get("previews") or []
        quality[result.method] = [(point["images"], point["psnr"]) for point in previews if "psnr" in point]
    losses = {k: v for k, v in losses.items() if len(v) > 1}
    quality = {k: v for k, v in quality.items() if len(v) > 1}
    if not losses and not quality:
        return []
    colours = {label: [look[label].colour, look[label].dashes] for label in (*losses, *quality)}
    inputs = {"losses": losses, "quality": quality, "look": colours}
    return [Plan(f"{key}-training", f"Training: {where}", inputs, partial(plots.curves, losses, quality, look))]


def _code_use(where: str, key: str, results: Sequence[Result], look: Styles) -> list[Plan]:
    """How evenly the codebook entries are used, from the reconstruction's facts ``code_counts`` and ``code_entries``.

    The counts are of equal shares of the entries, most used first: of single entries where there are few of them.
    """
    found: dict[str, list[float]] = {}
    entries: dict[str, int] = {}
    for result in sorted(results, key=lambda r: r.seed):
        counts = result.facts.get("code_counts") if result.stage == "recon" else None
        if counts and sum(counts) > 0 and result.method not in found:
            found[result.method] = sorted((c / sum(counts) for c in counts), reverse=True)
            entries[result.method] = result.facts.get("code_entries", len(counts))
    if not found:
        return []
    colours = {label: [look[label].colour, look[label].dashes] for label in found}
    inputs = {"shares": found, "entries": entries, "look": colours}
    draw = partial(plots.code_use, found, entries, look)
    return [Plan(f"{key}-code-use", f"Use of the codebook: {where}", inputs, draw)]
