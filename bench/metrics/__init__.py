"""The table of metrics: plain data, loaded when named."""

from __future__ import annotations

from collections.abc import Iterable

from bench.core.registry import lookup
from bench.metrics.entries import MetricEntry
from bench.results.record import Tolerance

_SSIM: dict[str, str | int | float] = {
    "window": "gaussian 11 sigma 1.5",
    "covariance": "population",
    "channels": "mean",
    "range": 255,
}


def _lpips(backbone: str, needs: str) -> MetricEntry:
    return MetricEntry(
        name=f"lpips-{backbone}",
        title=f"LPIPS ({backbone})",
        kind="pair",
        higher_is_better=False,
        unit="",
        function=f"bench.metrics.lpips:lpips_{backbone}",
        tolerance=Tolerance(0.002),
        needs=(needs,),
        smallest_side=32,
        convention={"lpips": "0.1", "backbone": backbone, "range": "[-1, 1] from uint8"},
    )


def _prdc(number: str, role: str, suffix: str) -> MetricEntry:
    return MetricEntry(
        name=f"{number}{suffix}",
        title=number.capitalize() + suffix.replace("-", " ").upper(),
        kind="set",
        higher_is_better=True,
        unit="",
        function="bench.metrics.prdc:prdc",
        tolerance=Tolerance(0.01),
        features=role,
        number=number,
        settings=("neighbours",),
        convention={"balls": "closed"},
    )


def _frechet(name: str, title: str, role: str) -> MetricEntry:
    return MetricEntry(
        name=name,
        title=title,
        kind="set",
        higher_is_better=False,
        unit="",
        function="bench.metrics.frechet:frechet",
        tolerance=Tolerance(0.05, 0.01),
        features=role,
        convention={"covariance": "divided by N - 1", "statistics": "float64"},
    )


METRICS: dict[str, MetricEntry] = {
    entry.name: entry
    for entry in (
        MetricEntry(
            name="psnr",
            title="PSNR",
            kind="pair",
            higher_is_better=True,
            unit="dB",
            function="bench.metrics.psnr:psnr",
            tolerance=Tolerance(0.05),
            convention={"range": 255, "cap": 100, "average": "per image"},
        ),
        MetricEntry(
            name="ssim",
            title="SSIM",
            kind="pair",
            higher_is_better=True,
            unit="",
            function="bench.metrics.ssim:ssim",
            tolerance=Tolerance(0.002),
            smallest_side=11,
            convention=_SSIM,
        ),
        MetricEntry(
            name="ms-ssim",
            title="MS-SSIM",
            kind="pair",
            higher_is_better=True,
            unit="",
            function="bench.metrics.ssim:ms_ssim",
            tolerance=Tolerance(0.002),
            smallest_side=161,
            version=2,
            convention={**_SSIM, "channels": "mean of products", "scales": 5},
        ),
        _lpips("alex", "alexnet"),
        _lpips("vgg", "vgg16"),
        _lpips("squeeze", "squeezenet1_1"),
        _frechet("fid", "FID", "fid"),
        _frechet("sfid", "sFID", "sfid"),
        _frechet("clip-fid", "CLIP-FID", "clip.image"),
        _frechet("fd-dinov2", "FD-DINOv2 (L/14)", "dinov2-l.cls"),
        _frechet("fd-dinov2-s", "FD-DINOv2 (S/14)", "dinov2-s.cls"),
        MetricEntry(
            name="fid-infinity",
            title="FID-infinity",
            kind="set",
            higher_is_better=False,
            unit="",
            function="bench.metrics.frechet:frechet_infinity",
            tolerance=Tolerance(0.1, 0.02),
            features="fid",
            convention={"covariance": "divided by N - 1", "points": 15, "sizes": "N/10 to N"},
        ),
        MetricEntry(
            name="kid",
            title="KID",
            kind="set",
            higher_is_better=False,
            unit="",
            function="bench.metrics.kid:kid",
            tolerance=Tolerance(0.0002, 0.02),
            features="kid",
            settings=("subsets", "subset_size"),
            convention={"kernel": "(x.y/D + 1)^3, unbiased", "seed": 2020},
        ),
        MetricEntry(
            name="is",
            title="IS",
            kind="set",
            higher_is_better=True,
            unit="",
            function="bench.metrics.inception_score:inception_score",
            tolerance=Tolerance(0.05, 0.01),
            features="is",
            reads="candidate",
            settings=("splits", "shuffled"),
            convention={"logits": "without bias", "seed": 2020},
        ),
        *(_prdc(number, "prdc", "") for number in ("precision", "recall", "density", "coverage")),
        _frechet("fd-r64", "FD-R64", "r64.fc2"),
        *(_prdc(number, "r64.fc2", "-r64") for number in ("precision", "recall", "density", "coverage")),
    )
}

GROUPS: dict[str, tuple[str, ...]] = {
    "r64": ("fd-r64", "precision-r64", "recall-r64", "density-r64", "coverage-r64"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "lpips": ("lpips-alex", "lpips-vgg", "lpips-squeeze"),
}
"""Short names for several metrics at once."""


def expand(texts: Iterable[str]) -> list[MetricEntry]:
    """The metrics of comma-separated names and groups, each once; an unknown name is a UsageError."""
    known = {**METRICS, **GROUPS}
    names: dict[str, None] = {}
    for text in texts:
        for name in filter(None, (piece.strip() for piece in text.split(","))):
            lookup(known, name, "metric")
            names |= dict.fromkeys(GROUPS.get(name, (name,)))
    return [METRICS[name] for name in names]
