"""The entry of ``diffusers:REPO_OR_PATH``: what the harness may ask of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.contract import MethodEntry, Takes
from bench.core.digest import of_file, of_value
from bench.core.files import expanded
from bench.core.registry import suggestion
from bench.errors import UsageError
from methods.diffusers_vae.names import NAMES, described

WEIGHTS = "diffusion_pytorch_model*.safetensors"
NAME = re.compile(r"diffusion_pytorch_model(?:\.([\w]+))?(?:-\d+-of-\d+)?\.safetensors")
SUBFOLDERS = ("", "vae", "vqvae", "first_stage")
"""Where the autoencoder may lie: in the folder itself, or in one of a whole pipeline."""


@dataclass(frozen=True)
class Settings:
    """``source``: a local folder, or a repository of the Hugging Face hub, with the autoencoder in ``subfolder``.

    ``variant`` is the word in the names of its weight files (``fp16``), None where there are files without one;
    ``revision`` that of a repository.
    ``digest`` is that of a local folder's configuration and weights; a repository has none before it is downloaded.
    """

    source: str
    subfolder: str = ""
    variant: str | None = None
    digest: str | None = None
    revision: str = "main"


def settings(preset: str, variant: str | None) -> Settings:
    """The variant is the folder, a name of :data:`NAMES`, or a repository.

    Raises :class:`UsageError` for a folder without an autoencoder.
    """
    if variant is None:
        raise UsageError(f"diffusers: name a folder, a repository OWNER/NAME, or one of {', '.join(NAMES)}.")
    folder = expanded(variant)
    if not folder.exists():
        if variant in NAMES:
            known = NAMES[variant]
            return Settings(known.repository, known.subfolder, revision=known.revision)
        if variant.count("/") != 1 or variant.startswith((".", "~", "/")):
            meant = suggestion(variant, NAMES)
            raise UsageError(f"diffusers: there is no folder {variant}, and it is no repository OWNER/NAME.{meant}")
        return Settings(variant)
    for subfolder in SUBFOLDERS:
        found = _by_variant(folder / subfolder)
        if found and (folder / subfolder / "config.json").is_file():
            if None not in found and len(found) > 1:
                names = ", ".join(str(name) for name in found)
                raise UsageError(f"diffusers: {variant} has weights of several kinds ({names}); keep one of them.")
            word, files = (None, found[None]) if None in found else next(iter(found.items()))
            digests = [of_file(file) for file in (folder / subfolder / "config.json", *files)]
            return Settings(variant, subfolder, word, of_value(digests))
    raise UsageError(f"diffusers: {variant} has no config.json with {WEIGHTS}, nor a sub-folder vae that has.")


def takes(settings: Settings, size: tuple[int, int]) -> Takes:
    """What the configuration says, as :func:`methods.diffusers_vae.sizes.of` reads it."""
    from methods.diffusers_vae import sizes

    return sizes.of(settings.source, settings.subfolder, settings.revision, size)


def _by_variant(folder: Path) -> dict[str | None, list[Path]]:
    """The weight files of a folder by the word in their names: ``diffusion_pytorch_model.fp16.safetensors``."""
    found: dict[str | None, list[Path]] = {}
    for file in sorted(folder.glob(WEIGHTS)):
        match = NAME.fullmatch(file.name)
        if match:
            found.setdefault(match[1], []).append(file)
    return found


ENTRY = MethodEntry(
    name="diffusers",
    title="diffusers",
    summary="Any image autoencoder of the diffusers library: a folder, a repository or a name (list checkpoints)",
    code="methods.diffusers_vae.method:METHOD",
    settings=settings,
    names=described,
    takes=takes,
    takes_rest=True,
)
