"""The codecs' entries, a line each. No torch and no Pillow at import."""

from __future__ import annotations

from bench.contract import MethodEntry


def _row(name: str, title: str, summary: str) -> MethodEntry:
    """``name`` is what :mod:`methods.codecs.formats` calls the codec's settings."""
    return MethodEntry(
        name=name,
        title=title,
        summary=summary,
        settings=f"methods.codecs.formats:{name}",
        tokenizer="methods.codecs.model:FileCodec",
        source="methods.codecs",
    )


JPEG = _row("jpeg", "JPEG", "JPEG at quality q (jpeg:q=50, a sweep jpeg:q=5..95), whole files counted")
WEBP = _row("webp", "WebP", "WebP at quality q (webp:q=50)")
AVIF = _row("avif", "AVIF", "AVIF at quality q (avif:q=50), where Pillow was built with it")
JPEG2000 = _row(
    "jpeg2000",
    "JPEG 2000",
    "JPEG 2000 at a target PSNR of q decibels (jpeg2000:q=32), where Pillow was built with it",
)
