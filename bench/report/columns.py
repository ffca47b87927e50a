"""Which numbers stand in which table, in which order, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.metrics import METRICS
from bench.report.numbers import Show, count, duration, fixed, mebibytes, powers, signed, significant


@dataclass(frozen=True)
class ColumnSpec:
    """The measurements whose names match ``pattern``; ``{}`` in ``title`` takes what ``*`` matched.

    ``stages`` are separated by spaces; the first in which a row has the measurement counts. ``fact`` names the
    result's fact that stands for the measurement where there is none. Not ``ranked``: nothing is best. ``absent``
    says why a row may lack the number for good. ``zero_is_none``: a zero says that there is no such thing, as with the
    parameters of a method without a network, and is neither better nor worse than a number.
    """

    stages: str
    pattern: str
    title: str
    show: Show
    unit: str = ""
    fact: str = ""
    ranked: bool = True
    absent: str = ""
    zero_is_none: bool = False

    def matches(self, names: Iterable[str]) -> list[str]:
        """The names that this column stands for, sorted."""
        return sorted(name for name in names if fnmatchcase(name, self.pattern))

    def heading(self, name: str) -> str:
        """The title of the column for one name."""
        before, star, after = self.pattern.partition("*")
        variable = name.removeprefix(before).removesuffix(after) if star else name
        return self.title.format(variable)


@dataclass(frozen=True)
class TableSpec:
    """A kind of table: its columns, in order, then every other metric of the stage ``others``."""

    name: str
    title: str
    columns: tuple[ColumnSpec, ...]
    others: str = ""


def digits(metric: str) -> Show:
    """How the metric's row says its numbers are printed; four significant digits for one without a row."""
    row = METRICS.get(metric)
    if row is None:
        return significant(4)
    return significant(row.significant) if row.decimals is None else fixed(row.decimals)


def metric_column(stage: str, metric: str, prefix: str = "") -> ColumnSpec:
    """A column as the metric's row describes it."""
    row = METRICS.get(metric)
    title, unit = (metric, "") if row is None else (row.title, row.unit)
    return ColumnSpec(stage, metric, f"{prefix}{title}", digits(metric), unit)


PSNR = metric_column("recon", "psnr")
OVER_DOWNSAMPLE = ColumnSpec(
    "recon",
    "psnr-over-downsample",
    "over downsample",
    signed(2),
    "dB",
    absent="no downsample row of the same grid to compare with",
)
SSIM = metric_column("recon", "ssim")
MS_SSIM = metric_column("recon", "ms-ssim")
LPIPS = ColumnSpec("recon", "lpips-*", "LPIPS ({})", digits("lpips-vgg"))
BITS = ColumnSpec("recon cost", "bits-per-pixel", "bits per pixel", significant(3))
TOTAL_BITS = ColumnSpec(
    "recon cost", "total-bits-per-pixel", "all bits over all pixels", significant(3), absent="its images have one size"
)
NO_CODEBOOK = "its codes are not indices of a codebook"
BITS_PER_IMAGE = ColumnSpec("recon cost", "bits-per-image", "bits per image", fixed(0))


def _distances(stage: str, prefix: str) -> tuple[ColumnSpec, ...]:
    return (
        metric_column(stage, "fid", prefix),
        ColumnSpec(stage, "rfid", "rFID", digits("fid")),
        metric_column(stage, "sfid", prefix),
        metric_column(stage, "clip-fid", prefix),
        ColumnSpec(stage, "fid-*", f"{prefix}FID ({{}})", digits("fid")),
        ColumnSpec(stage, "fd-*", f"{prefix}FD ({{}})", digits("fd-r64")),
        ColumnSpec(stage, "kid*", f"{prefix}KID{{}}", digits("kid")),
        metric_column(stage, "is"),
        ColumnSpec(stage, "inception-score", "IS", digits("is")),
    )


def _prdc(stage: str) -> tuple[ColumnSpec, ...]:
    return tuple(
        ColumnSpec(stage, f"{name}*", f"{name}{{}}", digits("precision"))
        for name in ("precision", "recall", "f1", "density", "coverage")
    )


def _baselines(prefix: str, title: str) -> tuple[ColumnSpec, ...]:
    """Of a conditional task: the distances, precision and recall of the images that the samples were made from."""
    numbers = (
        ("fid", "FID", "fid"),
        ("sfid", "sFID", "sfid"),
        ("fd-*", "FD ({})", "fd-r64"),
        ("precision*", "precision{}", "precision"),
        ("recall*", "recall{}", "recall"),
    )
    return tuple(ColumnSpec("gen", prefix + name, f"{title} {words}", digits(row)) for name, words, row in numbers)


def _rate(stage: str, name: str, title: str) -> ColumnSpec:
    return ColumnSpec(stage, f"{name}-bits-per-pixel", title, significant(3), absent="the method has no such rate")


def _of_network(name: str, title: str, show: Show) -> ColumnSpec:
    return ColumnSpec("cost", name, title, show, zero_is_none=True)


UNLIKE = "it was not measured under the conditions of the row that is 1"
COST = (
    _of_network("decoder-parameters", "decoder parameters", count),
    _of_network("decoder-grid-parameters", "grid parameters", count),
    _of_network("decoder-gmac", "decoder GMAC", significant(4)),
    _of_network("decoder-gmac-fvcore", "decoder GMAC (fvcore)", significant(4)),
)
BUDGET = (
    ColumnSpec("train", "images-seen", "images seen", fixed(0), fact="images_seen"),
    ColumnSpec("train", "training-seconds", "training time", duration, fact="seconds", ranked=False),
)

TABLES: tuple[TableSpec, ...] = (
    TableSpec(
        "comparison",
        "Comparison",
        (PSNR, OVER_DOWNSAMPLE, SSIM, LPIPS, *_distances("recon", "r"), *_prdc("recon")[:2], BITS, *COST, *BUDGET),
    ),
    TableSpec(
        "reconstruction",
        "Reconstruction",
        (
            PSNR,
            OVER_DOWNSAMPLE,
            SSIM,
            MS_SSIM,
            LPIPS,
            *_distances("recon", "r"),
            *_prdc("recon"),
            BITS,
            TOTAL_BITS,
            BITS_PER_IMAGE,
            ColumnSpec("recon cost", "codebook-use", "codebook use", fixed(3), absent=NO_CODEBOOK),
            ColumnSpec("recon cost", "codebook-entropy", "codebook entropy", fixed(2), "bit", absent=NO_CODEBOOK),
        ),
        others="recon",
    ),
    TableSpec(
        "rate",
        "Further rates, bits per pixel",
        (
            _rate("recon", "payload", "file without its header"),
            _rate("recon", "jpeg-file", "JPEG file of the same quality"),
            _rate("recon", "entropy", "entropy under training statistics"),
            _rate("prior", "nll", "likelihood of the prior"),
        ),
    ),
    TableSpec(
        "cost",
        "Decoder cost",
        (
            *COST,
            _of_network("codebook-parameters", "codebook parameters", count),
            _of_network("encoder-parameters", "encoder parameters", count),
            _of_network("encoder-gmac", "encoder GMAC", significant(4)),
            _of_network("encoder-gmac-fvcore", "encoder GMAC (fvcore)", significant(4)),
            ColumnSpec("cost recon", "encode-images-per-second", "encode", significant(3), "images/s"),
            ColumnSpec("cost recon", "decode-images-per-second", "decode", significant(3), "images/s"),
            ColumnSpec("cost", "decoder-gmac-over-*", "decoder GMAC, {} = 1", significant(3), absent=UNLIKE),
            ColumnSpec("cost recon", "decode-time-over-*", "decode time, {} = 1", significant(3), absent=UNLIKE),
            ColumnSpec("cost recon", "peak-memory-bytes", "peak memory", mebibytes),
        ),
    ),
    TableSpec(
        "generation",
        "Generation",
        (
            *_distances("gen", ""),
            *_prdc("gen"),
            ColumnSpec("gen", "suspected-copies", "suspected copies of training images", fixed(0)),
            *_baselines("given-", "given images:"),
            *_baselines("original-", "validation images:"),
        ),
        others="gen",
    ),
    TableSpec(
        "training",
        "Training",
        (
            *BUDGET,
            ColumnSpec("train", "steps", "steps", fixed(0), fact="steps"),
            ColumnSpec("train", "training-flops", "training FLOPs", powers, fact="flops", ranked=False),
            ColumnSpec("prior", "images-seen", "prior: images seen", fixed(0), fact="images_seen"),
            ColumnSpec("prior", "training-seconds", "prior: time", duration, fact="seconds", ranked=False),
            ColumnSpec("prior", "training-flops", "prior: FLOPs", powers, fact="flops", ranked=False),
        ),
    ),
)

SPECS: dict[str, TableSpec] = {spec.name: spec for spec in TABLES}

EVERYTHING = TableSpec(
    "everything", "Comparison", tuple(dict.fromkeys(column for spec in TABLES for column in spec.columns))
)
"""All columns in one table, of which ``--columns`` chooses."""

COMPARED: tuple[tuple[str, ...], ...] = (
    ("psnr",),
    ("bits-per-pixel",),
    ("lpips-vgg", "lpips-alex", "lpips-squeeze", "lpips-*"),
    ("fid", "rfid", "fd-dinov2", "fd-dinov2-s", "fd-r64", "fd-*"),
    ("ssim",),
    ("decoder-parameters",),
    ("decoder-gmac",),
    ("psnr-over-downsample",),
    ("training-seconds",),
    ("ms-ssim",),
    ("precision*",),
    ("recall*",),
    ("images-seen",),
)
"""What a comparison table shows before all else, the most wanted first; of each group the first that there is."""

QUOTED: dict[str, TableSpec] = {
    "recon": TableSpec(
        "reconstruction",
        "Reconstruction",
        (
            *SPECS["reconstruction"].columns[:4],
            LPIPS,
            ColumnSpec("recon", "lpips", "LPIPS (network not said)", fixed(4)),
            ColumnSpec("recon", "psim", "PSIM", fixed(2)),
            *_distances("recon", "r"),
            BITS,
        ),
    ),
    "gen": SPECS["generation"],
    "cost": TableSpec(
        "cost",
        "Decoder cost",
        (
            ColumnSpec("cost", "total-parameters", "all parameters", count),
            *SPECS["cost"].columns,
        ),
    ),
    "generator": TableSpec(
        "generators",
        "Generator cost",
        (
            ColumnSpec("cost", "generator-parameters", "parameters", count),
            ColumnSpec("cost", "generator-gmac", "GMAC", significant(4)),
        ),
    ),
}
"""The kinds of tables of published numbers."""
