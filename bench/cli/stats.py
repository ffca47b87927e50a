"""``stats``: reference statistics, kept under a name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.examples import epilog
from bench.core.visible import visible
from bench.errors import IntegrityError, Missing, UsageError

app = typer.Typer(help="Build, list, verify and import reference statistics.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="what they are called from now on, for example church-train-256")]
Protocol = Annotated[str | None, typer.Option(help="metric protocol (list protocols)")]


@app.command("build", epilog=epilog("stats build"))
def build(
    name: Name,
    images: Annotated[str, typer.Option(help="folder, zip, .npz, .npy, frozen array, or dataset")],
    features: Annotated[str, typer.Option(help="roles of the protocol, or extractor.output")] = "fid,sfid",
    protocol: Protocol = None,
    crop: Annotated[str | None, typer.Option(help="crop and resize first, for example ldm:256")] = None,
    split: Annotated[str, typer.Option(help="train or val, where --images is a dataset")] = "train",
    keep_features: Annotated[bool, typer.Option("--keep-features", help="for KID, precision and recall")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="images per step")] = 32,
    on_bad: Annotated[str, typer.Option("--on-bad", help="skip or fail when an image cannot be used")] = "fail",
    verify: Annotated[bool, typer.Option("--verify", help="read every file again, changed or not")] = False,
) -> None:
    """Compute the statistics of a set of images."""
    from bench.cli.score import dataset_images, is_dataset
    from bench.core.digest import of_value
    from bench.core.files import cache_root, expanded
    from bench.core.progress import on_stderr
    from bench.data import image_sets
    from bench.data.dataset import bad_images
    from bench.metrics import reference_statistics
    from bench.metrics.features import FEATURES
    from bench.metrics.measure import extract

    path, progress = _path(name), on_stderr()
    wanted = _features(features, protocol)
    cropped, place = image_sets.parse_crop(crop), expanded(images)
    if is_dataset(images) and not place.exists():
        files = dataset_images(images, split, cropped)
    else:
        files = image_sets.open_set(image_sets.find(place), cache_root(), cropped, progress, bad_images(on_bad), verify)
    remarks = list(image_sets.remarks(None, files, "set"))
    for remark in remarks:
        typer.echo(visible(f"note: {remark}"), err=True)
    found = extract(files.images, wanted, FEATURES, device, cache_root(), batch, progress)
    facts: dict[str, Any] = {
        "images": of_value([files.images.digest]),
        "origin": place.name if place.exists() else files.origin,
        "crop": crop,
        "encodings": dict(files.encodings),
        **({"notes": remarks} if remarks else {}),
        "conventions": reference_statistics.conventions((feature.partition(".")[0] for feature in wanted), FEATURES),
    }
    _refuse_other_images(path, facts["images"])
    kept = reference_statistics.save(path, found, facts, keep_features)
    typer.echo(f"{kept.path}: {kept.manifest['count']} images, {', '.join(kept.manifest['features'])}")


@app.command("list", epilog=epilog("stats list"))
def list_() -> None:
    """List what is kept."""
    from bench.core.files import cache_root
    from bench.metrics import reference_statistics

    for name in reference_statistics.names(cache_root()):
        try:
            kept = reference_statistics.find(name, cache_root())
        except (IntegrityError, UsageError) as error:
            typer.echo(visible(f"{name}  damaged: {error}"))
            continue
        vectors = "with features" if any(k.endswith("/features") for k in kept.manifest["sha256"]) else "moments only"
        line = (
            f"{kept.path.stem}  {kept.manifest['count']} images of {kept.manifest.get('origin') or 'unknown origin'}  "
            f"{', '.join(kept.manifest['features'])}  {vectors}"
        )
        typer.echo(visible(line))


@app.command("verify", epilog=epilog("stats verify"))
def verify(name: Annotated[str | None, typer.Argument(help="name or file; none: all")] = None) -> None:
    """Compare every array with its digest; exits 5 where one is damaged."""
    from bench.core.files import cache_root
    from bench.metrics import reference_statistics

    damaged = []
    for one in [name] if name else reference_statistics.names(cache_root()):
        try:
            reference_statistics.statistics(reference_statistics.find(one, cache_root()))
            typer.echo(visible(f"ok       {one}"))
        except IntegrityError as error:
            damaged.append(one)
            typer.echo(visible(f"damaged  {error}"))
    if damaged:
        raise IntegrityError(f"Damaged statistics: {', '.join(damaged)}; build or import them again.")


@app.command("import", epilog=epilog("stats import"))
def import_(
    file: Annotated[Path, typer.Argument(help="an .npz with mu and sigma (pytorch-fid, clean-fid, TTUR, ADM)")],
    name: Annotated[str, typer.Option(help="what they are called from now on")],
    extractor: Annotated[str, typer.Option(help="inception-tf1, inception-clean or inception-pytorch")],
    count: Annotated[int, typer.Option(min=0, help="images they were computed from; 0: unknown")] = 0,
) -> None:
    """Take over another tool's statistics; which resize they were made with, only you can say."""
    from dataclasses import replace

    from bench.core.digest import of_file
    from bench.core.registry import lookup
    from bench.metrics import reference_statistics
    from bench.metrics.features import FEATURES

    path = _path(name)
    entry = lookup(FEATURES, extractor, "feature extractor")
    if not file.is_file():
        raise Missing(f"There is no file {file}; check the path.")
    found = {
        feature: replace(one, given=replace(one.moments, count=count))
        for feature, one in reference_statistics.foreign(file, extractor).items()
        if feature.partition(".")[2] in entry.outputs
    }
    facts: dict[str, Any] = {
        "images": of_file(file),
        "origin": file.name,
        "crop": None,
        "conventions": {extractor: reference_statistics.AS_STATED},
    }
    _refuse_other_images(path, facts["images"])
    kept = reference_statistics.save(path, found, facts, with_features=False)
    typer.echo(f"{kept.path}: {', '.join(kept.manifest['features'])}, made elsewhere")


def _features(text: str, protocol: str | None) -> list[str]:
    """Names of features; every extractor, output and weight is checked."""
    from bench.core.registry import lookup
    from bench.metrics.features import FEATURES
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.pretrained import weights

    roles = lookup(PROTOCOLS, protocol or DEFAULT_PROTOCOL, "metric protocol").features
    wanted = list(dict.fromkeys(roles.get(name.strip(), name.strip()) for name in text.split(",")))
    for feature in wanted:
        extractor, _, output = feature.partition(".")
        entry = lookup(FEATURES, extractor, "feature extractor or role")
        if output not in entry.outputs:
            raise UsageError(f"'{feature}': {extractor} gives {', '.join(f'{extractor}.{o}' for o in entry.outputs)}.")
        for need in entry.needs:
            weights.find(need)
    return wanted


def _path(name: str) -> Path:
    """Where statistics of that name are kept; raises :class:`UsageError` for a name that no file can have."""
    from bench.core.files import cache_root, folder_name
    from bench.metrics import reference_statistics

    if not name or folder_name(name) != name or name.strip(". ") != name:
        raise UsageError(f"'{name}' cannot be a name; take letters, digits, '-', '_' and '.', as in church-train-256.")
    return reference_statistics.folder(cache_root()) / f"{name}.npz"


def _refuse_other_images(path: Path, images: str) -> None:
    """Raises :class:`UsageError` where the name already stands for the statistics of other images."""
    from bench.metrics import reference_statistics

    if path.is_file() and reference_statistics.read(path).manifest["images"] != images:
        raise UsageError(
            f"'{path.stem}' already names statistics of other images; take another name, or delete {path}."
        )
