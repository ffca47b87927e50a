"""Decoding with all kinds of files, the rounding function, and damaged files that never end in a traceback."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.core import images
from bench.errors import BenchError
from tests.sources import png_chunk as chunk


def picture(height=20, width=30, channels=3, seed=0):
    rough = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), np.uint8)
    return np.array(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_plain_png_comes_back_as_it_was():
    pixels = picture()
    decoded = images.decode(saved(Image.fromarray(pixels), "PNG"), "a.png")
    assert np.array_equal(decoded.pixels, pixels)
    assert (decoded.encoding, decoded.notes) == ("png", ())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF"])
def test_the_encoding_is_recorded(kind):
    assert images.decode(saved(Image.fromarray(picture()), kind), "a").encoding == kind.lower()


def test_grey_is_repeated():
    grey = picture()[:, :, 0]
    decoded = images.decode(saved(Image.fromarray(grey), "PNG"), "a.png")
    assert np.array_equal(decoded.pixels, np.repeat(grey[:, :, None], 3, 2))
    assert decoded.notes == ("grey",)


def test_alpha_is_dropped_and_noted():
    pixels = picture(channels=4)
    decoded = images.decode(saved(Image.fromarray(pixels, "RGBA"), "PNG"), "a.png")
    assert np.array_equal(decoded.pixels, pixels[:, :, :3])
    assert decoded.notes == ("alpha",)
    grey = Image.fromarray(pixels, "RGBA").convert("LA")
    assert images.decode(saved(grey, "PNG"), "a.png").notes == ("grey", "alpha")


def test_cmyk_is_converted():
    decoded = images.decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), "a.tif")
    assert decoded.notes == ("cmyk",)
    assert decoded.pixels[0, 0].tolist() == [255, 0, 0]
    assert images.decode(saved(Image.new("CMYK", (8, 8)), "JPEG"), "a.jpg").notes == ("cmyk",)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (128, 0), (129, 1), (32896, 128), (65535, 255)])
def test_sixteen_bit_grey_is_scaled_and_rounded_not_clipped(value, expected):
    deep = np.full((8, 8), value, np.uint16)
    decoded = images.decode(saved(Image.fromarray(deep), "PNG"), "a.png")
    assert decoded.notes == ("grey", "16-bit")
    assert decoded.pixels.dtype == np.uint8
    assert np.all(decoded.pixels == expected)


def png_of_16_bits(samples, colour_type):
    """A PNG of uint16 ``[H, W, C]``; every second line is stored as differences from the pixel to its left."""
    lines = []
    for y, line in enumerate(samples.astype(">u2")):
        whole = np.frombuffer(line.tobytes(), np.uint8)
        left = np.concatenate([np.zeros(2 * samples.shape[2], np.uint8), whole])[: len(whole)]
        lines.append(bytes([y % 2]) + (whole - left if y % 2 else whole).tobytes())
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(lines))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def deep(channels):
    return np.random.default_rng(0).integers(0, 65536, (9, 7, channels)).astype(np.uint16)


@pytest.mark.parametrize(
    ("colour_type", "channels", "notes"), [(2, 3, ("16-bit",)), (6, 4, ("16-bit", "alpha")), (4, 2, None)]
)
def test_sixteen_bit_colour_is_rounded_as_grey_is(colour_type, channels, notes):
    samples = deep(channels)
    decoded = images.decode(png_of_16_bits(samples, colour_type), "a.png")
    colours = samples[:, :, :3] if channels > 2 else samples[:, :, :1].repeat(3, 2)
    assert np.array_equal(decoded.pixels, np.rint(colours / 257).astype(np.uint8))
    assert decoded.notes == (notes or ("16-bit", "grey", "alpha"))
    assert not np.array_equal(decoded.pixels, colours >> 8), "the samples do not tell rounding from cutting"


@pytest.mark.parametrize(
    "options", [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"byteorder": ">", "compression": "zlib"}]
)
def test_sixteen_bit_colour_of_a_tiff_is_rounded_in_either_byte_order(options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep(3), photometric="rgb", **options)
    decoded = images.decode(buffer.getvalue(), "a.tif")
    assert np.array_equal(decoded.pixels, np.rint(deep(3) / 257).astype(np.uint8))
    assert decoded.notes == ("16-bit",)


def test_sixteen_bit_colour_of_a_ppm_is_rounded_and_noted():
    decoded = images.decode(b"P6 7 9 65535\n" + deep(3).astype(">u2").tobytes(), "a.ppm")
    assert np.array_equal(decoded.pixels, np.rint(deep(3) / 257).astype(np.uint8))
    assert decoded.notes == ("16-bit",)


def test_sixteen_bit_colour_that_pillow_would_cut_is_refused():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep(4), photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(images.BadImage, match="16-bit colour of the kind RGBa"):
        images.decode(buffer.getvalue(), "a.tif")
    shallow = bytearray(saved(Image.fromarray(picture()), "JPEG2000"))
    shallow[shallow.index(b"\xff\x4f\xff\x51") + 42] = 15
    with pytest.raises(images.BadImage, match="colour of 16 bits in JPEG 2000"):
        images.decode(bytes(shallow), "a.jp2")


def test_five_bits_a_sample_are_not_taken_for_sixteen():
    head = struct.pack("<2sIHHI", b"BM", 54 + 4, 0, 0, 54) + struct.pack(
        "<IiiHHIIiiII", 40, 2, 1, 1, 16, 0, 4, 0, 0, 0, 0
    )
    decoded = images.decode(head + struct.pack("<HH", 0x7C00, 0x001F), "a.bmp")
    assert decoded.pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_every_ending_of_a_format_that_is_read_counts_as_an_image():
    Image.init()
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in images._FORMATS}
    left = known - images.EXTENSIONS
    assert left == {".pfm", ".icb", ".vda", ".vst"}, "floats are refused, and nobody names a Targa file so"


def test_a_small_file_of_very_many_pixels_is_refused_before_it_is_decoded():
    import tracemalloc

    flat = saved(Image.new("RGB", (6000, 4000)), "PNG", compress_level=9)
    tracemalloc.start()
    with pytest.raises(images.BadImage, match="as a bomb does"):
        images.decode(flat, "flat.png")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert images.pixels_of(flat) == 24_000_000
    assert images.pixels_of(b"no image") == 0


def test_floating_point_images_are_refused():
    with pytest.raises(images.BadImage, match=r"a\.tif"):
        images.decode(saved(Image.fromarray(np.zeros((8, 8), np.float32)), "TIFF"), "a.tif")


def test_a_palette_is_resolved():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = (200, 10, 30)
    decoded = images.decode(saved(Image.fromarray(pixels).quantize(4), "PNG"), "a.png")
    assert np.array_equal(decoded.pixels, pixels)
    assert decoded.notes == ("palette",)
    transparent = images.decode(saved(Image.fromarray(pixels).quantize(4), "PNG", transparency=b"\x00\x80"), "a.png")
    assert transparent.notes == ("palette", "alpha")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (200, 20, 100)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    decoded = images.decode(data, "a")
    assert "animated" in decoded.notes
    assert np.all(decoded.pixels == 200)


def test_orientation_is_noted_and_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = images.decode(saved(Image.fromarray(picture(8, 16)), "JPEG", exif=exif.tobytes()), "a.jpg")
    assert decoded.pixels.shape == (8, 16, 3)
    assert decoded.notes == ("orientation",)


@pytest.mark.parametrize("data", [b"", b"not an image", saved(Image.fromarray(picture(200, 200)), "JPEG")[:2000]])
def test_what_cannot_be_decoded_is_one_sentence_with_the_name_and_the_remedy(data):
    with pytest.raises(images.BadImage, match=r"the_name\.jpg.*remove it\.$") as caught:
        images.decode(data, "the_name.jpg")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert str(images.skippable(caught.value)).endswith("remove it, or pass --on-bad skip.")


def test_a_missing_file_is_the_same_error(tmp_path):
    with pytest.raises(images.BadImage, match="absent"):
        images.decode(tmp_path / "absent.png", "absent.png")


def test_a_picture_of_a_billion_pixels_is_refused_before_it_is_decoded():
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    start = chunk(b"IHDR", head)
    with pytest.raises(images.BadImage):
        images.decode(b"\x89PNG\r\n\x1a\n" + start, "bomb.png")
    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    start = chunk(b"IHDR", head)
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(images.BadImage, match="more than the limit"):
        images.decode(b"\x89PNG\r\n\x1a\n" + start + b"\0\0\0\0IDAT\x35\xaf\x06\x1e", "bomb.png")


SEEDS = [
    saved(Image.fromarray(picture()), kind, **options)
    for kind, options in [
        ("PNG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {}),
        ("BMP", {}),
        ("JPEG2000", {}),
        ("PPM", {}),
    ]
] + [saved(Image.fromarray(picture()).quantize(7), "PNG"), saved(Image.new("CMYK", (9, 9)), "JPEG")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    seed=st.sampled_from(range(len(SEEDS))),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
    whole=st.booleans(),
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_damaged_file_gives_pixels_or_one_sentence(seed, cut, flips, whole):
    data = bytearray(SEEDS[seed])
    for where, change in flips:
        data[int(where * len(data))] ^= change
    if not whole:
        data = data[: int(cut * len(data))]
    try:
        decoded = images.decode(bytes(data), "f")
    except images.BadImage:
        return
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.ndim == 3
    assert decoded.pixels.shape[2] == 3


def test_rounding_is_to_nearest_half_to_even_and_clamped():
    values = torch.tensor([-1.0, 0.0, 0.49 / 255, 0.51 / 255, 0.5 / 255, 1.5 / 255, 2.5 / 255, 1.0, 7.0, float("inf")])
    assert images.to_uint8(values).tolist() == [0, 0, 0, 1, 0, 2, 2, 255, 255, 255]


def test_every_byte_survives_both_round_trips():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(images.to_uint8(images.to_unit(every)), every)
    assert torch.equal(images.to_uint8(images.from_signed(images.to_signed(every))), every)
    assert images.to_signed(every).min() == -1
    assert images.to_signed(every).max() == 1


def test_rounding_works_from_half_precision_and_refuses_nan():
    half = images.to_uint8(torch.full((1,), 0.5, dtype=torch.float16))
    assert half.item() == 128
    with pytest.raises(BenchError, match="NaN"):
        images.to_uint8(torch.tensor([float("nan")]))
