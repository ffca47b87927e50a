"""Which family a tokenizer's weights are of, told by the names of their keys.

Every family keeps something of its own in its key names. A file of another family is refused with the method that
reads it, before anything is built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NoReturn

from bench.errors import UsageError

OTHERS = (
    ("encoder.conv_blocks.0.res.0.norm1.weight", "a LlamaGen tokenizer", "llamagen@PATH"),
    ("decoder.adaptive.0.gamma.weight", "an Open-MAGVIT2 tokenizer", "open-magvit2@PATH"),
    ("quantize.embedding_proj.weight", "a SimVQ tokenizer", "simvq@PATH"),
    ("quantize.quant_resi.qresi_ls.0.weight", "a VAR tokenizer", "var@PATH"),
    ("encoder.latent_token_positional_embedding", "a TiTok tokenizer", "titok@PATH"),
    ("quant_embed.weight", "a BSQ-ViT tokenizer", "bsq-vit@PATH"),
    ("decoder.up.1.upsample_conv.weight", "a MaskGIT-VQGAN, VQGAN+ or MaskBit tokenizer", "maskgit-vq@PATH"),
    (
        "decoder.mid_block.resnets.0.conv1.weight",
        "a tokenizer in the format of diffusers",
        "diffusers:PATH with its folder",
    ),
    ("decoder.conv_norm_out.weight", "a tokenizer in the format of diffusers", "diffusers:PATH with its folder"),
)
"""A key that only one family has, the family, and what reads it; networks that are not those of taming-transformers."""

TAMING = (
    ("quantizer.codebooks.0.weight", "an RQ-VAE", "rqvae@PATH"),
    ("quantize.embedding.weight", "a vector-quantised tokenizer", "vqgan@PATH, vq-ldm@PATH or ibq@PATH"),
    ("encoder.mid.block_1.norm1.weight", "a KL-regularised autoencoder", "kl-ldm@PATH or va-vae@PATH"),
)
"""The same of those with the networks of taming-transformers; the first that is found tells."""


def refuse_others(keys: Iterable[str], said: str, own: tuple[str, ...] = ()) -> None:
    """Raises :class:`UsageError`, what is ``said`` and what reads the file, where ``keys`` are of :data:`OTHERS`.

    ``own`` are those by which the family that is looked for is known.
    """
    _refuse(set(keys) - set(own), said, OTHERS)


def refuse(keys: Collection[str], said: str) -> NoReturn:
    """Raises :class:`UsageError`: what is ``said`` of the file, and which method reads what it holds."""
    _refuse(keys, said, (*OTHERS, *TAMING))
    raise UsageError(f"{said}; its weights begin with {', '.join(list(keys)[:3]) or 'nothing'}.")


def _refuse(keys: Iterable[str], said: str, known: tuple[tuple[str, str, str], ...]) -> None:
    held = frozenset(keys)
    for key, title, method in known:
        if key in held:
            raise UsageError(f"{said}: it holds {title}; write {method}.")
