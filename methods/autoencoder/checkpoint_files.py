"""Foreign checkpoints: a bare file, a published archive, or a training run's folder, as weights and configuration.

Reads what taming-transformers, latent-diffusion and rq-vae-transformer write. Weights are mapped from their file, so
that a tokenizer beside a second stage of many GB costs its own memory alone. What an archive holds is unpacked, one
member at a time, to a nameless temporary file: no path inside an archive matters.
"""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from bench.errors import BenchError, IntegrityError, UsageError
from bench.pretrained import unpickle

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = (".ckpt", ".pt", ".pth", ".safetensors")
CONFIGURATIONS = (".yaml", ".yml")
PREFERRED = ("last.ckpt", "model.ckpt", "model.pt")
"""Which of several weight files is meant: the end of a training run, or the only one of a publication."""


PIECE = 1 << 24
"""Bytes of an archive's member that are in memory at a time."""
IGNORED = ("loss.", "model_ema.")
"""Training's own networks (discriminator, LPIPS) and latent-diffusion's averages are not part of a tokenizer."""
INNER = "first_stage_model."
"""The prefix of a tokenizer inside the checkpoint of a second stage."""


@dataclass(frozen=True)
class Foreign:
    """``state``: a tokenizer's weights under the official key names. ``resolution``: from the configuration, if any.

    The tensors are mapped from the file where its format allows that; nobody may write to them.
    """

    origin: str
    state: Mapping[str, Tensor]
    resolution: int | None


Member = tuple[str, Callable[[], AbstractContextManager[Path]]]
"""A weight or configuration file: its name, and what makes it a file on disk for the time of reading."""


def read(path: Path) -> Foreign:
    """Reads a checkpoint.

    Raises :class:`UsageError` where it is none, or several, and :class:`IntegrityError` when it is damaged.
    """
    members = list(_members(path))
    resolution = _resolution(members)
    name, state = _tokenizer(path, members)
    return Foreign(str(path) if path.name == name else f"{path}: {name}", state, resolution)


def _members(path: Path) -> Iterator[Member]:
    """The weight and configuration files of a folder, an archive, or the file alone."""
    wanted = (*WEIGHTS, *CONFIGURATIONS)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in wanted and file.is_file():
                yield str(file.relative_to(path)), partial(_itself, file)
    elif path.suffix in WEIGHTS:
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
        raise IntegrityError(f"{path} is a damaged archive ({error}); fetch it again.") from error


def _tokenizer(path: Path, members: list[Member]) -> tuple[str, dict[str, Tensor]]:
    """Name and weights of the one tokenizer among the weight files: of the preferred name, or the only one."""
    weights = [m for m in members if m[0].endswith(WEIGHTS)]
    preferred = [m for name in PREFERRED for m in weights if PurePosixPath(m[0]).name == name][:1]
    if len(weights) == 1 or preferred:
        name, content = (preferred or weights)[0]
        return name, tokenizer_state(_state(content, f"{path}: {name}"), f"{path}: {name}")
    found = [(name, state) for name, content in weights if (state := _attempt(content, f"{path}: {name}")) is not None]
    if len(found) == 1:
        return found[0]
    names = ", ".join(name for name, _ in (found or weights)[:5]) or "none"
    raise UsageError(f"{path} must hold one tokenizer's checkpoint; there is: {names}. Name the file itself.")


def _attempt(content: Callable[[], AbstractContextManager[Path]], origin: str) -> dict[str, Tensor] | None:
    """The tokenizer in a weight file, None where it holds something else (a second stage, a discriminator)."""
    try:
        return tokenizer_state(_state(content, origin), origin)
    except UsageError:
        return None


def _state(file: Callable[[], AbstractContextManager[Path]], origin: str) -> Mapping[str, Tensor]:
    """The state dict of a checkpoint, wherever its framework put it."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with file() as path:
        if origin.endswith(".safetensors"):
            try:
                return load_file(path)
            except SafetensorError as error:
                raise IntegrityError(f"{origin} is damaged ({error}); fetch it again.") from error
        content = unpickle.load(path, origin)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise IntegrityError(f"{origin} holds no state dict; name a checkpoint of a tokenizer.")
    return content


def tokenizer_state(state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """The tokenizer's part of a state dict, in float32; that of a second stage's checkpoint without its prefix.

    Raises :class:`UsageError` for a checkpoint of another family.
    """
    inner = {key.removeprefix(INNER): value for key, value in state.items() if key.startswith(INNER)}
    kept = {key: value for key, value in (inner or state).items() if not key.startswith(IGNORED)}
    if any(key.startswith(("quantize.embed.", "quantize.proj.")) for key in kept):
        raise UsageError(f"{origin} is a Gumbel-softmax VQGAN, which is not supported.")
    if "decoder.mid_block.resnets.0.conv1.weight" in kept or "decoder.conv_norm_out.weight" in kept:
        raise UsageError(f"{origin} is in the format of diffusers; write diffusers:PATH with its folder.")
    if "encoder.conv_in.weight" not in kept or not any(key.startswith("decoder.") for key in kept):
        known = ", ".join(list(kept)[:3])
        raise UsageError(f"{origin} is not a VQGAN, LDM or RQ-VAE tokenizer; its weights begin with {known}.")
    return {key: value.float() if value.is_floating_point() else value for key, value in kept.items()}


def _resolution(members: list[Member]) -> int | None:
    """``ddconfig.resolution`` of the configurations, which must agree."""
    import yaml

    found = set()
    for name, content in members:
        if name.endswith(CONFIGURATIONS):
            try:
                with content() as file:
                    found |= set(_ddconfig_resolutions(yaml.safe_load(file.read_bytes())))
            except yaml.YAMLError as error:
                reason = " ".join(str(error).split())[:160]
                raise UsageError(f"The configuration {name} is not YAML ({reason}); mend or remove it.") from error
    if len(found) > 1:
        raise UsageError(f"The configurations disagree about the resolution: {sorted(found)}; keep one.")
    return found.pop() if found else None


def _ddconfig_resolutions(node: Any) -> Iterator[int]:
    if isinstance(node, Mapping):
        ddconfig = node.get("ddconfig")
        if isinstance(ddconfig, Mapping) and isinstance(ddconfig.get("resolution"), int):
            yield ddconfig["resolution"]
        for value in node.values():
            yield from _ddconfig_resolutions(value)
