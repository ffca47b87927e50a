"""``data``: prepare, verify, list, show and export datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.examples import epilog
from bench.core.visible import visible
from bench.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from bench.data.dataset import Dataset, DatasetEntry, DatasetRequest
    from bench.data.frozen import Frozen

app = typer.Typer(help="Prepare, verify, list, show and export datasets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="a dataset as in `run --dataset`: photos, church, folder:PATH, ...")]
Resolution = Annotated[int, typer.Option("--resolution", "-r", min=1, help="side of the square images, in pixels")]
ProtocolName = Annotated[
    str | None, typer.Option("--protocol", help="ldm, stylegan, rqvae, adm, native or native:N; default: the dataset's")
]
OnBad = Annotated[str, typer.Option("--on-bad", help="skip or fail when an image is unreadable or too small")]
SplitName = Annotated[str, typer.Option("--split", help="train or val")]


@app.command("prepare", epilog=epilog("data prepare"))
def prepare(
    name: Name,
    source: Annotated[Path | None, typer.Option("--from", help="the data as they were downloaded")] = None,
    resolution: Resolution = 256,
    protocol: ProtocolName = None,
    on_bad: OnBad = "skip",
    offline: Annotated[bool, typer.Option("--offline", help="open no connection")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="threads that decode")] = 2,
    verify: Annotated[bool, typer.Option("--verify", help="read every source file again, changed or not")] = False,
) -> None:
    """Decode, crop and resize a dataset once, into the cache; an interrupted preparation goes on where it was."""
    from bench.core.files import cache_root
    from bench.data import prepared

    dataset = _open(name, resolution, protocol, source, on_bad, offline, workers, may_download=True, verify=verify)
    prepared.remember(cache_root(), dataset)
    for line in _described(dataset):
        typer.echo(visible(line))


@app.command("verify", epilog=epilog("data verify"))
def verify(
    name: Annotated[str | None, typer.Argument(help="what `data list` names; none: every frozen set")] = None,
) -> None:
    """Compare every prepared image with its digest; exits 5 where one is damaged."""
    from bench.data import mixed

    damaged: list[str] = []
    for title, folder in _to_verify(name):
        try:
            frozen = mixed.open_images(folder)
            typer.echo(f"ok       {title}: {len(frozen)} images, {frozen.digest[:12]}")
        except IntegrityError as error:
            damaged.append(str(error))
            typer.echo(visible(f"damaged  {title}: {error}"))
    if damaged:
        raise IntegrityError(f"{len(damaged)} frozen sets are damaged; running or preparing again makes them anew.")


@app.command("list", epilog=epilog("data list"))
def list_() -> None:
    """List what is prepared: by name, and every frozen set."""
    from bench.core.files import cache_root
    from bench.data import prepared

    for entry in prepared.entries(cache_root()):
        counts = entry["facts"]
        line = (
            f"{entry['name']}  {entry['resolution']} px  {entry['protocol']}  "
            f"train {counts['train']['count'] if counts['train'] else 0}  val {counts['val']['count']}  "
            f"from {entry['source'] or entry['facts']['origin']}"
        )
        typer.echo(visible(line))
    for folder in _set_folders():
        typer.echo(visible(_set_line(folder)))


@app.command("show", epilog=epilog("data show"))
def show(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="the PNG file to write")] = Path("sheet.png"),
    split: SplitName = "val",
    count: Annotated[int, typer.Option("--count", min=1, help="how many images")] = 64,
    columns: Annotated[int, typer.Option("--columns", min=1, help="images in a row")] = 8,
    resolution: Resolution = 256,
    protocol: ProtocolName = None,
) -> None:
    """Write a contact sheet of the first images of a split."""
    from bench.core.files import write_bytes
    from bench.data import export

    frozen = _split(_open(name, resolution, protocol), split)
    write_bytes(out, export.sheet(frozen, min(count, len(frozen)), columns))
    typer.echo(f"{out}: {min(count, len(frozen))} of {len(frozen)} images of {name}, {split}")


@app.command("export", epilog=epilog("data export"))
def export_(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="the file to write")],
    layout: Annotated[str, typer.Option("--format", help="nvidia: dataset_tool zip; adm: .npz batch")] = "nvidia",
    split: SplitName = "train",
    resolution: Resolution = 256,
    protocol: ProtocolName = None,
) -> None:
    """Write a prepared split in the layout of another tool."""
    from bench.core.registry import lookup
    from bench.data import export

    write = lookup(export.FORMATS, layout, "format")
    frozen = _split(_open(name, resolution, protocol), split)
    write(frozen, out)
    typer.echo(f"{out}: {len(frozen)} images of {name}, {split}")


# --------------------------------------------------------------------------------------------------------------


def _open(
    name: str,
    resolution: int,
    protocol: str | None,
    source: Path | None = None,
    on_bad: str = "skip",
    offline: bool = False,
    workers: int = 2,
    may_download: bool = False,
    verify: bool = False,
) -> Dataset:
    """The dataset, prepared now where it is not yet; downloaded first where that was asked for and is allowed."""
    from bench.core.progress import on_stderr
    from bench.data.dataset import bad_images
    from bench.data.datasets import asked, opened

    entry, request = asked(
        name, resolution, protocol, source, offline, bad_images(on_bad), workers, on_stderr(), verify
    )
    return opened(entry, _brought(entry, request) if may_download else request)


def _brought(entry: DatasetEntry, request: DatasetRequest) -> DatasetRequest:
    """The request with the path of the downloaded source, where there is no other and it may be downloaded."""
    from dataclasses import replace

    from bench.core.registry import load
    from bench.data import prepared

    here = request.path is not None or prepared.recall(request) is not None or prepared.last_source(request) is not None
    if here or entry.download is None or request.offline:
        return request
    path: Path = load(entry.download)(request, request.progress)
    return replace(request, path=str(path))


def _split(dataset: Dataset, split: str) -> Frozen:
    from bench.data.mixed import Mixed
    from bench.data.sized import as_frozen

    chosen = {"train": dataset.train, "val": dataset.val}.get(split)
    if chosen is None:
        raise UsageError(f"There is no split '{split}' in {dataset.name}; it is train or val.")
    found = as_frozen(chosen)
    if isinstance(found, Mixed):
        raise UsageError(
            f"The images of {dataset.name} have several sizes under '{dataset.protocol}'; choose a --protocol of one."
        )
    return found


def _to_verify(name: str | None) -> list[tuple[str, Path]]:
    """The folders to verify, with a title each."""
    from bench.core.files import cache_root
    from bench.data import prepared

    if name is None:
        return [(folder.name[:12], folder) for folder in _set_folders()]
    found = [
        (f"{name} {entry['resolution']} px {entry['protocol']} {split}", cache_root() / "sets" / entry[split])
        for entry in prepared.entries(cache_root())
        for split in ("train", "val", "cropped_val")
        if entry["name"] == name and entry.get(split)
    ]
    if not found:
        raise UsageError(f"'{name}' is not prepared; `data list` shows what is, `data prepare` prepares it.")
    return found


def _set_folders() -> list[Path]:
    from bench.core.files import cache_root

    root = cache_root() / "sets"
    return sorted(p for p in root.iterdir() if p.is_dir() and "." not in p.name) if root.is_dir() else []


def _set_line(folder: Path) -> str:
    from bench.data import mixed

    try:
        manifest = mixed.any_manifest(folder)
    except IntegrityError as error:
        return f"{folder.name[:12]}  damaged: {error}"
    made = manifest["made_from"]
    side = f"{made['resolution']} px" if made["resolution"] else "own sizes"
    return (
        f"{folder.name[:12]}  {manifest['count']} images  {side}  {made['protocol']}  "
        f"from {manifest['origin']}  bad {manifest['bad']['count']}"
    )


def _described(dataset: Dataset) -> Iterator[str]:
    """What was prepared, and everything odd about it."""
    from bench.data import manifest

    facts = dataset.facts
    yield f"{dataset.name}: {dataset.resolution} px, protocol {dataset.protocol}, split: {facts['split']}"
    for part in ("train", "val"):
        about = facts[part]
        if about is None:
            continue
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(about["encodings"].items()))
        sizes = f", {about['sizes']} pixels" if "sizes" in about else ""
        yield f"  {part}: {about['count']} images ({kinds}), digest {about['digest'][:12]}{sizes}"
        for note, count in sorted(about["notes"].items()):
            yield f"    {note}: {count}"
        if about["bad"]:
            yield f"    left out: {about['bad']} bad images, for example: {about['bad_examples'][0]}"
    ignored = manifest.ignored(facts)
    if ignored:
        yield f"  {ignored}"
    if facts["duplicates"]["count"]:
        names = ", ".join(facts["duplicates"]["examples"][:3])
        yield f"  {facts['duplicates']['count']} validation images are also in training, for example {names}"
    yield from (f"  {text}" for text in (manifest.incomplete(facts), _licence(facts)) if text)


def _licence(facts: Mapping[str, Any]) -> str | None:
    return f"licence: {facts['licence']}" if "licence" in facts else None
