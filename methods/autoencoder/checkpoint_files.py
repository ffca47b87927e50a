"""Foreign checkpoints: a bare file, a published archive, or a training run's folder, as weights and configuration.

Reads what taming-transformers, latent-diffusion, rq-vae-transformer and trainers built on them write, in the layouts of
:mod:`methods.autoencoder.checkpoint_layouts`. Weights are mapped from their file, so
that a tokenizer beside a second stage of many GB costs its own memory alone. What an archive holds is unpacked, one
member at a time, to a nameless temporary file: no path inside an archive matters.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from bench.core import documents
from bench.core.files import to_the_end
from bench.core.visible import in_short
from bench.errors import BenchError, IntegrityError, UsageError
from bench.pretrained import unpickle
from methods.autoencoder.checkpoint_layouts import Layout, State, tokenizer_layout, unwrapped

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = (".ckpt", ".pt", ".pth", ".bin", ".safetensors", ".ckpt.tar", ".pt.tar", ".pth.tar")
"""``.pth.tar`` is what many trainers call a file of weights; no archive is meant."""
CONFIGURATIONS = (".yaml", ".yml")
PREFERRED = ("model.ckpt", "model.pt")
"""Which of several weight files is meant: the only one of a publication."""
LAST = re.compile(r"last(?:-v(\d+))?\.ckpt")
"""The end of a training run; PyTorch Lightning counts the runs that were continued in the same folder."""


PIECE = 1 << 24
"""Bytes of an archive's member that are in memory at a time."""


@dataclass(frozen=True)
class Foreign:
    """``state``: a tokenizer's weights under the official key names. ``resolution``: from the configuration, if any.

    ``averaged`` are the moving averages that a file has beside them; ``raw`` False: it has nothing else, and ``state``
    are the averages. ``facts`` say for the result which file was read and what of it. ``prior`` names the parts of a
    second stage in the file. The tensors are mapped from the file where its format allows that; nobody may write to
    them.
    """

    origin: str
    state: Mapping[str, Tensor]
    resolution: int | None
    averaged: Mapping[str, Tensor] | None = None
    raw: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
    prior: tuple[str, ...] = ()


def chosen(foreign: Foreign, ema: bool) -> Foreign:
    """The weights of the last step, as the papers of these tokenizers evaluate them, or with ``ema`` their averages.

    (taming-transformers and latent-diffusion train them without averages; the rFID of RQ-VAE's release is measured
    with those of the last step.) Raises :class:`UsageError` where the file does not have them.
    """
    if ema and foreign.averaged is None:
        raise UsageError(f"{foreign.origin} has no moving averages of the weights; write ema=false for what it has.")
    if not ema and not foreign.raw:
        raise UsageError(f"{foreign.origin} has moving averages of the weights alone; add the option ema=true.")
    return foreign if not ema else replace(foreign, state=foreign.averaged or {})


Member = tuple[str, Callable[[], AbstractContextManager[Path]]]
"""A weight or configuration file: its name, and what makes it a file on disk for the time of reading."""


Arrange = Callable[["State | None", "State | None", str], Layout]
"""From the state dicts of the last step and of the averages, and the file's name for messages, to a tokenizer's."""


def read(path: Path) -> Foreign:
    """Reads a checkpoint of VQGAN, LDM or RQ-VAE; see :func:`read_as`."""
    return read_as(path, tokenizer_layout)


def read_as(path: Path, arrange: Arrange) -> Foreign:
    """Reads a checkpoint of the family whose keys ``arrange`` knows.

    Raises :class:`UsageError` where it is none, or several, and :class:`IntegrityError` when it is damaged.
    """
    members = list(_members(path))
    resolution = _resolution(path, members)
    name, (layout, raw, averaged) = _tokenizer(path, members, arrange)
    facts = {
        "file": name,
        "moving_averages": averaged,
        "dropped": dict(layout.dropped),
        **({"identity": list(layout.identity)} if layout.identity else {}),
    }
    origin = str(path) if path.name == name else f"{path}: {name}"
    return Foreign(origin, layout.state, resolution, layout.averaged, raw, facts, layout.prior)


def _members(path: Path) -> Iterator[Member]:
    """The weight and configuration files of a folder, an archive, or the file alone."""
    wanted = (*WEIGHTS, *CONFIGURATIONS)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.name.endswith(wanted) and file.is_file():
                yield str(file.relative_to(path)), partial(_itself, file)
    elif path.name.endswith(WEIGHTS):
        yield path.name, partial(_itself, path)
    elif path.suffix == ".zip":
        yield from _zip_members(path)
    elif path.name.endswith((".tar.gz", ".tgz", ".tar")):
        yield from _tar_members(path)
    else:
        raise UsageError(f"{path} is no checkpoint; name a file {', '.join(WEIGHTS)}, an archive or a run's folder.")


@contextmanager
def _itself(path: Path) -> Iterator[Path]:
    yield path


def _zip_members(path: Path) -> Iterator[Member]:
    with _readable(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    yield from ((name, partial(_from_zip, path, name)) for name in names if name.endswith((*WEIGHTS, *CONFIGURATIONS)))


@contextmanager
def _from_zip(path: Path, name: str) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        with _readable(path), zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            _unpack(stream, file, path)
        yield Path(file.name)


def _tar_members(path: Path) -> Iterator[Member]:
    with _readable(path), tarfile.open(path) as archive:
        names = [member.name for member in archive if member.isfile()]
        to_the_end(archive.fileobj)
    yield from ((name, partial(_from_tar, path, name)) for name in names if name.endswith((*WEIGHTS, *CONFIGURATIONS)))


@contextmanager
def _from_tar(path: Path, name: str) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        with _readable(path), tarfile.open(path) as archive:
            stream = archive.extractfile(name)
            assert stream is not None, "only files are listed"
            _unpack(stream, file, path)
        yield Path(file.name)


def _unpack(stream: IO[bytes], file: IO[bytes], archive: Path) -> None:
    """Copies a member in pieces; raises :class:`BenchError` where the temporary folder is full."""
    while piece := stream.read(PIECE):
        try:
            file.write(piece)
            file.flush()
        except OSError as error:
            raise BenchError(
                f"{archive} cannot be unpacked in {tempfile.gettempdir()} ({error.strerror}); free space there or set "
                "TMPDIR to another folder."
            ) from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise IntegrityError(f"{path} is a damaged archive ({in_short(error)}); fetch it again.") from error


Found = tuple[Layout, bool, bool]
"""A tokenizer, whether the file has weights of the last step, and whether it has averages."""


def _tokenizer(path: Path, members: list[Member], arrange: Arrange) -> tuple[str, Found]:
    """Name and content of the one tokenizer among the weight files: of the preferred name, or the only one."""
    weights = [m for m in members if m[0].endswith(WEIGHTS)]
    preferred = _last(path, weights) or [m for m in weights if PurePosixPath(m[0]).name in PREFERRED]
    if len(weights) == 1 or len(preferred) == 1:
        name, content = (preferred or weights)[0]
        return name, _layout(content, f"{path}: {name}", arrange)
    tried = preferred or weights
    attempts = ((name, _attempt(content, f"{path}: {name}", arrange)) for name, content in tried)
    found = [(name, layout) for name, layout in attempts if layout is not None]
    if len(found) == 1:
        return found[0]
    names = ", ".join(name for name, _ in (found or weights)[:5]) or "none"
    raise UsageError(f"{path} must hold one tokenizer's checkpoint; there is: {names}. Name the file itself.")


def _last(path: Path, weights: list[Member]) -> list[Member]:
    """The end of a training run: of ``last.ckpt``, ``last-v1.ckpt`` ... in one folder the one of the highest number.

    Raises :class:`UsageError` where it is older than another, so that number and time name different files.
    """
    ends: dict[PurePosixPath, list[tuple[int, Member]]] = {}
    for member in weights:
        place = PurePosixPath(member[0])
        if match := LAST.fullmatch(place.name):
            ends.setdefault(place.parent, []).append((int(match[1] or 0), member))
    latest = [max(found, key=lambda pair: pair[0])[1] for found in ends.values()]
    for found, (name, _) in zip(ends.values(), latest, strict=True):
        others = [other for _, (other, _) in found if other != name]
        if path.is_dir() and any((path / o).stat().st_mtime_ns > (path / name).stat().st_mtime_ns for o in others):
            raise UsageError(f"{path}: {name} is older than {', '.join(others)}; name the file that is meant.")
    return latest


def _attempt(content: Callable[[], AbstractContextManager[Path]], origin: str, arrange: Arrange) -> Found | None:
    """The tokenizer in a weight file, None where it holds something else (a second stage, a discriminator)."""
    try:
        return _layout(content, origin, arrange)
    except UsageError:
        return None


def _layout(content: Callable[[], AbstractContextManager[Path]], origin: str, arrange: Arrange) -> Found:
    """The tokenizer's part of a weight file, in float32."""
    raw, averaged = _states(content, origin)
    layout = arrange(raw, averaged, origin)
    averages = None if layout.averaged is None else _float(layout.averaged)
    found = replace(layout, state=_float(layout.state), averaged=averages)
    return found, raw is not None, averages is not None


def _float(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def _states(
    file: Callable[[], AbstractContextManager[Path]], origin: str
) -> tuple[Mapping[str, Tensor] | None, Mapping[str, Tensor] | None]:
    """The state dicts of a checkpoint, of the last step and of the averages, wherever its framework put them."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with file() as path:
        try:
            content = load_file(path) if origin.endswith(".safetensors") else unpickle.load(path, origin)
        except (SafetensorError, OSError) as error:
            raise IntegrityError(
                f"{origin} is damaged or cannot be read ({in_short(error)}); fetch it again."
            ) from error
    raw, averaged = unwrapped(content, origin)
    if raw is None and averaged is None:
        raise IntegrityError(f"{origin} holds no state dict; name a checkpoint of a tokenizer.")
    return raw, averaged


def _resolution(path: Path, members: list[Member]) -> int | None:
    """``ddconfig.resolution`` of the configurations, which must agree."""
    found = set()
    for name, content in members:
        if name.endswith(CONFIGURATIONS):
            door = documents.Door(f"The configuration {name} of {path}", "mend or remove it")
            with content() as file:
                text = documents.read(file, door, documents.LARGEST_BY_HAND)
            found |= set(_ddconfig_resolutions(documents.from_yaml(text, door)))
    if len(found) > 1:
        raise UsageError(f"The configurations of {path} disagree about the resolution: {sorted(found)}; keep one.")
    return found.pop() if found else None


def _ddconfig_resolutions(node: Any) -> Iterator[int]:
    if isinstance(node, Mapping):
        ddconfig = node.get("ddconfig")
        if isinstance(ddconfig, Mapping) and isinstance(ddconfig.get("resolution"), int):
            yield ddconfig["resolution"]
        for value in node.values():
            yield from _ddconfig_resolutions(value)
