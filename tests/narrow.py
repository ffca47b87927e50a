"""The methods that train, at the settings of ``paper`` but for the widths: every loss and phase of a real run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from bench.contract import MethodEntry
from bench.core.registry import load
from methods import METHODS
from methods.brics.presets import GridSettings
from methods.priors.settings import UNetShape

UNET = UNetShape(channels=(32, 32), attention=(False, True), layers=1, head_channels=16, groups=16)
AUTOENCODER = {"ch": 32, "disc_width": 8, "z_channels": 16, "embed_dim": 16, "disc_start": 0, "batch": 4}
NAMES = ("vqgan", "rqvae", "kl-ldm", "vq-ldm", "brics", "dct")


def paper(name: str, attribute: str, **changes: Any) -> Any:
    return dataclasses.replace(getattr(load(METHODS[name]), attribute)("paper", None), **changes)


def vqgan(preset: str, variant: str | None) -> Any:
    return paper("vqgan", "settings", **AUTOENCODER, n_embed=16)


def rqvae(preset: str, variant: str | None) -> Any:
    return paper("rqvae", "settings", **AUTOENCODER, n_embed=16)


def kl_ldm(preset: str, variant: str | None) -> Any:
    return paper("kl-ldm", "settings", **{**AUTOENCODER, "z_channels": 4, "embed_dim": 4})


def vq_ldm(preset: str, variant: str | None) -> Any:
    return paper("vq-ldm", "settings", **{**AUTOENCODER, "z_channels": 4, "embed_dim": 4}, n_embed=16)


def brics(preset: str, variant: str | None) -> Any:
    whole = paper("brics", "settings")
    small = {"code_side": 8, "feature_side": 16, "feature_channels": 32, "hidden": 16, "group_style": 16, "batch": 4}
    return dataclasses.replace(
        whole,
        **small,
        grids=GridSettings(coarsest=4, finest=16, levels=2, table_log2=12),
        encoder=dataclasses.replace(whole.encoder, width=16, widest=32, attention=(8,)),
        losses=dataclasses.replace(whole.losses, discriminator_base=1024, r1_every=1),
    )


def dct(preset: str, variant: str | None) -> Any:
    return paper("dct", "settings", q=5)


def gpt(preset: str, variant: str | None) -> Any:
    return paper("vqgan", "prior_settings", layers=1, heads=2, width=32)


def rq_transformer(preset: str, variant: str | None) -> Any:
    return paper("rqvae", "prior_settings", body_layers=1, head_layers=1, heads=2, width=32)


def kl_diffusion(preset: str, variant: str | None) -> Any:
    return paper("kl-ldm", "prior_settings", unet=UNET, steps=2)


def vq_diffusion(preset: str, variant: str | None) -> Any:
    return paper("vq-ldm", "prior_settings", unet=UNET, steps=2)


def brics_diffusion(preset: str, variant: str | None) -> Any:
    base = dataclasses.replace(paper("brics", "prior_settings").base, unet=UNET)
    return paper("brics", "prior_settings", base=base, steps=2)


def dct_transformer(preset: str, variant: str | None) -> Any:
    return paper("dct", "prior_settings", width=32, heads=2, encoder_blocks=1, decoder_blocks=1, chunk=48, overlap=8)


PRIORS = {
    "vqgan": gpt,
    "rqvae": rq_transformer,
    "kl-ldm": kl_diffusion,
    "vq-ldm": vq_diffusion,
    "brics": brics_diffusion,
    "dct": dct_transformer,
}


def narrow(name: str) -> MethodEntry:
    """The method's entry as ``narrow-NAME``."""
    return dataclasses.replace(
        load(METHODS[name]),
        name=f"narrow-{name}",
        settings=globals()[name.replace("-", "_")],
        prior_settings=PRIORS[name],
        variants=(),
    )


def plugin(name: str, folder: Path) -> str:
    """A plugin file with the narrow method."""
    file = folder / f"narrow_{name.replace('-', '_')}.py"
    file.write_text(f"from tests.narrow import narrow\nMETHOD = narrow({name!r})\n")
    return str(file)
