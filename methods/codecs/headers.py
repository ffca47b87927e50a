"""How many bits of a file do not depend on the image's content: container, tables and frame headers.

What is left is the entropy-coded data. The division follows each format's own markers, so it is exact and needs no
second encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.errors import BenchError

JPEG_SOS, JPEG_DHT, JPEG_EOI_BYTES = 0xDA, 0xC4, 2
RIFF_BYTES, CHUNK_BYTES = 12, 8
J2K_SOT, J2K_EOC_BYTES = 0x90, 2


def jpeg(data: bytes, tables_are_fitted: bool) -> int:
    """Bits of markers, quantisation and Huffman tables of a JPEG file (ITU-T T.81, Annex B).

    Huffman tables that were fitted to the image (``tables_are_fitted``) depend on it and count as payload.
    """
    header = 2 + JPEG_EOI_BYTES  # SOI, EOI
    for marker, length in _jpeg_segments(data):
        if not (tables_are_fitted and marker == JPEG_DHT):
            header += 2 + length
    return 8 * header


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and length (with its own two bytes) of every segment, entropy-coded data between scans skipped."""
    at = 2
    while at + 4 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != 0xFF:
            raise BenchError("A JPEG file just written does not follow its own format; update Pillow.")
        yield marker, length
        at += 2 + length
        if marker == JPEG_SOS:
            at = _end_of_scan(data, at)


def _end_of_scan(data: bytes, at: int) -> int:
    """The next marker that is neither a stuffed byte (FF00) nor a restart (FFD0..FFD7)."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def webp(data: bytes) -> int:
    """Bits of a WebP file outside its image chunk: the RIFF header and the chunk headers."""
    at, payload = RIFF_BYTES, 0
    while at + CHUNK_BYTES <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        payload += size if name in (b"VP8 ", b"VP8L") else 0
        at += CHUNK_BYTES + size + size % 2
    return 8 * (len(data) - payload)


def avif(data: bytes) -> int:
    """Bits of an AVIF file outside its media data box (ISO/IEC 14496-12)."""
    at, payload = 0, 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        size = size or len(data) - at
        payload += size - 8 if name == b"mdat" else 0
        at += size
    return 8 * (len(data) - payload)


def jpeg2000(data: bytes) -> int:
    """Bits of a raw JPEG 2000 codestream's main header and end marker (ISO/IEC 15444-1, Annex A)."""
    at = 2  # SOC
    while data[at + 1] != J2K_SOT:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 8 * (at + J2K_EOC_BYTES)
