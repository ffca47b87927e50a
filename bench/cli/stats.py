"""``stats``: reference statistics, kept under a name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.contract import IntegrityError, Missing, UsageError

app = typer.Typer(help="Build, list, verify and import reference statistics.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="what they are called from now on, for example church-train-256")]
Protocol = Annotated[str | None, typer.Option(help="metric protocol (list protocols)")]


@app.command("build")
def build(
    name: Name,
    images: Annotated[Path, typer.Option(help="folder, zip, .npz, .npy or frozen array")],
    features: Annotated[str, typer.Option(help="roles of the protocol, or extractor.output")] = "fid,sfid",
    protocol: Protocol = None,
    crop: Annotated[str | None, typer.Option(help="crop and resize first, for example ldm:256")] = None,
    keep_features: Annotated[bool, typer.Option("--keep-features", help="for KID, precision and recall")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="images per step")] = 32,
) -> None:
    """Compute the statistics of a set of images."""
    from bench import networks, sets, stats
    from bench.cli.score import bars
    from bench.digest import of_value
    from bench.features import FEATURES
    from bench.store import cache_root
    from bench.tasks.measure import extract

    wanted = _features(features, protocol)
    files = sets.open_set(images.expanduser(), cache_root(), sets.parse_crop(crop), bars())
    found = extract(files.arrays, wanted, FEATURES, device, cache_root(), batch, bars())
    extractors = {feature.partition(".")[0] for feature in wanted}
    facts = {
        "images": of_value([array.digest for array in files.arrays]),
        "origin": images.name,
        "crop": crop,
        "encodings": dict(files.encodings),
        "conventions": {e: {**FEATURES[e].convention, "version": FEATURES[e].version} for e in sorted(extractors)},
        "weights": {n: networks.identity(n) for e in sorted(extractors) for n in FEATURES[e].needs},
    }
    kept = stats.save(_path(name), found, facts, keep_features)
    typer.echo(f"{kept.path}: {kept.manifest['count']} images, {', '.join(kept.manifest['features'])}")


@app.command("list")
def list_() -> None:
    """List what is kept."""
    from bench import stats
    from bench.store import cache_root

    for kept in stats.entries(cache_root()):
        vectors = "with features" if any(k.endswith("/features") for k in kept.manifest["sha256"]) else "moments only"
        typer.echo(
            f"{kept.path.stem}  {kept.manifest['count']} images of {kept.manifest['origin']}  "
            f"{', '.join(kept.manifest['features'])}  {vectors}"
        )


@app.command("verify")
def verify(name: Annotated[str | None, typer.Argument(help="name or file; none: all")] = None) -> None:
    """Compare every array with its digest; exits 5 where one is damaged."""
    from bench import stats
    from bench.store import cache_root

    kept = [stats.find(name, cache_root())] if name else list(stats.entries(cache_root()))
    damaged = []
    for one in kept:
        try:
            stats.statistics(one)
            typer.echo(f"ok       {one.path.stem}")
        except IntegrityError as error:
            damaged.append(one.path.stem)
            typer.echo(f"damaged  {error}")
    if damaged:
        raise IntegrityError(f"Damaged statistics: {', '.join(damaged)}; build or import them again.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="an .npz with mu and sigma (pytorch-fid, clean-fid, TTUR, ADM)")],
    name: Annotated[str, typer.Option(help="what they are called from now on")],
    extractor: Annotated[str, typer.Option(help="inception-tf1, inception-clean or inception-pytorch")],
    count: Annotated[int, typer.Option(min=0, help="images they were computed from; 0: unknown")] = 0,
) -> None:
    """Take over another tool's statistics; which resize they were made with, only you can say."""
    from dataclasses import replace

    from bench import stats
    from bench.digest import of_file
    from bench.features import FEATURES
    from bench.registry import lookup

    entry = lookup(FEATURES, extractor, "feature extractor")
    if not file.is_file():
        raise Missing(f"There is no file {file}; check the path.")
    found = {
        feature: replace(one, given=replace(one.moments, count=count))
        for feature, one in stats.foreign(file, extractor).items()
        if feature.partition(".")[2] in entry.outputs
    }
    facts = {
        "images": of_file(file),
        "origin": file.name,
        "conventions": {extractor: "as stated at import"},
        "weights": {},
    }
    kept = stats.save(_path(name), found, facts, with_features=False)
    typer.echo(f"{kept.path}: {', '.join(kept.manifest['features'])}, made elsewhere")


def _features(text: str, protocol: str | None) -> list[str]:
    """Names of features; every extractor, output and weight is checked."""
    from bench import networks
    from bench.features import FEATURES
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.registry import lookup

    roles = lookup(PROTOCOLS, protocol or DEFAULT_PROTOCOL, "metric protocol").features
    wanted = list(dict.fromkeys(roles.get(name.strip(), name.strip()) for name in text.split(",")))
    for feature in wanted:
        extractor, _, output = feature.partition(".")
        entry = lookup(FEATURES, extractor, "feature extractor or role")
        if output not in entry.outputs:
            raise UsageError(f"'{feature}': {extractor} gives {', '.join(f'{extractor}.{o}' for o in entry.outputs)}.")
        for need in entry.needs:
            networks.find(need)
    return wanted


def _path(name: str) -> Path:
    from bench import stats
    from bench.grammar import folder_name
    from bench.store import cache_root

    return stats.folder(cache_root()) / f"{folder_name(name)}.npz"
