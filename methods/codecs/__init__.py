"""The codecs' entries, a line each. No torch and no Pillow at import."""

from __future__ import annotations

from collections.abc import Callable

from bench.contract import AnySize, MethodEntry
from methods.codecs import formats


def _row(name: str, title: str, summary: str, settings: Callable[[str, str | None], object]) -> MethodEntry:
    code = "methods.codecs.model:FileCodec"
    return MethodEntry(name, title, summary, code, settings, takes=AnySize(), source="methods.codecs")


JPEG = _row("jpeg", "JPEG", "JPEG at quality q (jpeg:q=50, a sweep jpeg:q=5..95), whole files counted", formats.jpeg)
WEBP = _row("webp", "WebP", "WebP at quality q (webp:q=50)", formats.webp)
AVIF = _row("avif", "AVIF", "AVIF at quality q (avif:q=50), where Pillow was built with it", formats.avif)
JPEG2000 = _row(
    "jpeg2000",
    "JPEG 2000",
    "JPEG 2000 at a target PSNR of q decibels (jpeg2000:q=32), where Pillow was built with it",
    formats.jpeg2000,
)
