"""Codecs: real files, headers told from payload, every size and content, and the version in the revision."""

import io
import re
from dataclasses import replace

import numpy as np
import PIL
import pytest
import torch
from PIL import Image, features
from skimage import data

from bench.contract import Build, Continuous, Stream
from bench.core import digest
from bench.core.distributed import Alone
from bench.errors import UsageError
from methods.codecs import formats, headers
from methods.codecs.formats import AvifSettings, Jpeg2000Settings, JpegSettings, WebpSettings
from methods.codecs.model import FileCodec

BUILD = Build((32, 32), seed=0, device=torch.device("cpu"), comm=Alone())
CODECS = {
    "jpeg": JpegSettings(),
    "webp": WebpSettings(),
    "avif": AvifSettings(),
    "jpeg2000": Jpeg2000Settings(),
}
PHOTO = torch.from_numpy(np.stack([data.astronaut()[:96, 200:296], data.chelsea()[100:196, 100:196]])).permute(
    0, 3, 1, 2
)


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest):
    return FileCodec(CODECS[request.param], BUILD)


def psnr(decoded: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    return -10 * torch.log10((decoded - pixels / 255).square().mean((1, 2, 3)))


def test_photographs_survive(codec) -> None:
    decoded = codec.decode(codec.encode(PHOTO))
    assert decoded.dtype == torch.float32
    assert (psnr(decoded, PHOTO) > 28).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 33), (8, 8)])
def test_every_size_comes_back(codec, size: tuple[int, int]) -> None:
    pixels = PHOTO[:, :, : size[0], : size[1]]
    codes = codec.encode(pixels)
    assert codec.decode(codes).shape == pixels.shape
    assert codes.size == size


@pytest.mark.parametrize("level", [0, 255])
def test_flat_images_come_back(codec, level: int) -> None:
    pixels = torch.full((1, 3, 16, 16), level, dtype=torch.uint8)
    assert (codec.decode(codec.encode(pixels)) - level / 255).abs().max() < 0.02


def test_grey_stays_grey(codec) -> None:
    pixels = PHOTO[:, :1].expand(-1, 3, -1, -1)
    decoded = codec.decode(codec.encode(pixels))
    assert (decoded.amax(1) - decoded.amin(1)).max() < 0.05


def test_an_empty_batch_is_an_empty_batch(codec) -> None:
    assert codec.decode(codec.encode(PHOTO[:0])).shape == PHOTO[:0].shape


def test_decoding_gives_the_files_own_pixels() -> None:
    codec = FileCodec(JpegSettings(q=30), BUILD)
    codes = codec.encode(PHOTO)
    expected = np.asarray(Image.open(io.BytesIO(codes.data[1])))
    assert np.array_equal((codec.decode(codes)[1] * 255).round().byte().permute(1, 2, 0).numpy(), expected)


def test_the_header_does_not_depend_on_the_image(codec) -> None:
    codes = codec.encode(PHOTO)
    assert codes.header_bits[0] == codes.header_bits[1]
    assert all(0 < bits < 8 * len(file) for bits, file in zip(codes.header_bits, codes.data, strict=True))


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000"])
def test_the_header_is_the_common_beginning(name: str) -> None:
    codes = FileCodec(CODECS[name], BUILD).encode(PHOTO)
    start = codes.header_bits[0] // 8 - 2
    assert codes.data[0][:start] == codes.data[1][:start]
    assert codes.data[0][-2:] == codes.data[1][-2:]


def test_fitted_huffman_tables_are_payload() -> None:
    plain = FileCodec(JpegSettings(), BUILD).encode(PHOTO)
    fitted = FileCodec(JpegSettings(optimize=True), BUILD).encode(PHOTO)
    assert fitted.header_bits[0] == fitted.header_bits[1] < plain.header_bits[0]
    assert len(fitted.data[0]) < len(plain.data[0])


def test_progressive_files_are_divided_too() -> None:
    codes = FileCodec(JpegSettings(progressive=True), BUILD).encode(PHOTO)
    assert codes.header_bits[0] == codes.header_bits[1]
    assert codes.header_bits[0] < 8 * len(codes.data[0]) / 2


def test_a_webp_payload_is_its_image_chunk() -> None:
    file = FileCodec(WebpSettings(), BUILD).encode(PHOTO).data[0]
    size = int.from_bytes(file[file.index(b"VP8 ") + 4 :][:4], "little")
    assert headers.webp(file) == 8 * (len(file) - size)


def test_lossless_webp_is_lossless() -> None:
    codec = FileCodec(WebpSettings(lossless=True), BUILD)
    assert torch.equal((codec.decode(codec.encode(PHOTO)) * 255).round().byte(), PHOTO)


def test_lower_quality_is_fewer_bits_and_a_larger_error() -> None:
    for name, low, high in (("jpeg", 10, 90), ("webp", 10, 90), ("avif", 20, 90), ("jpeg2000", 26, 40)):
        worse, better = (FileCodec(replace(CODECS[name], q=q), BUILD) for q in (low, high))
        few, many = worse.encode(PHOTO), better.encode(PHOTO)
        assert len(few.data[0]) < len(many.data[0])
        assert (psnr(worse.decode(few), PHOTO) < psnr(better.decode(many), PHOTO)).all()


@pytest.mark.parametrize(
    ("settings", "value"), [(JpegSettings, 0), (JpegSettings, 101), (WebpSettings, -1), (AvifSettings, 101)]
)
def test_a_quality_out_of_range_is_refused(settings: type, value: int) -> None:
    with pytest.raises(UsageError, match="outside"):
        settings(q=value)


def test_images_too_large_for_the_format_are_refused() -> None:
    with pytest.raises(UsageError, match="16383"):
        FileCodec(WebpSettings(), BUILD).encode(torch.zeros(1, 3, 1, 16_384, dtype=torch.uint8))


def test_other_codes_are_refused(codec) -> None:
    with pytest.raises(UsageError):
        codec.decode(Continuous(torch.zeros(1, 3, 8, 8)))


def test_a_damaged_file_is_one_sentence(codec) -> None:
    codes = codec.encode(PHOTO)
    with pytest.raises(UsageError, match="file 0"):
        codec.decode(Stream((codes.data[0][:40],), codes.header_bits[:1], codes.size))


def test_the_revision_knows_settings_and_library(monkeypatch: pytest.MonkeyPatch) -> None:
    revision = FileCodec(JpegSettings(q=50), BUILD).revision
    assert revision == FileCodec(JpegSettings(q=50), BUILD).revision
    assert revision != FileCodec(JpegSettings(q=51), BUILD).revision
    monkeypatch.setattr(features, "version", lambda feature: "another")
    assert revision != FileCodec(JpegSettings(q=50), BUILD).revision


def test_files_name_the_library_that_wrote_them(codec, request) -> None:
    names = {"jpeg": "libjpeg-turbo", "webp": "libwebp", "avif": "libavif", "jpeg2000": "OpenJPEG"}
    chosen = request.node.callspec.params["codec"]
    said = codec.encode(PHOTO).library
    assert re.fullmatch(rf"{names[chosen]} \d+\.\d+\.\d+, Pillow {re.escape(PIL.__version__)}", said)


def test_another_libjpeg_turbo_is_another_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's version of its feature "jpg" is that of the interface, 6.2 for every libjpeg-turbo."""
    revision, told = FileCodec(JpegSettings(), BUILD).revision, features.version
    monkeypatch.setattr(features, "version", lambda name: "9.9.9" if name == "libjpeg_turbo" else told(name))
    assert FileCodec(JpegSettings(), BUILD).revision != revision
    monkeypatch.setattr(features, "version", lambda name: None if name == "libjpeg_turbo" else told(name))
    assert formats.library("jpg").startswith("libjpeg 6.2, Pillow")


def test_what_a_revision_says_of_the_settings_is_their_options_alone() -> None:
    """Results and caches are keyed by it: a codec's class keeps its name."""
    assert digest.plain(WebpSettings(q=7)) == {"": "WebpSettings", "q": 7, "lossless": False, "method": 4}


def test_a_build_without_the_codec_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda feature: False)
    with pytest.raises(UsageError, match="AVIF"):
        FileCodec(AvifSettings(), BUILD)


@pytest.mark.parametrize("settings", [formats.avif, formats.jpeg2000, formats.webp, formats.jpeg])
def test_a_missing_codec_is_found_before_anything_is_spent(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings("smoke", None)
    monkeypatch.setattr(features, "check", lambda feature: False)
    with pytest.raises(UsageError, match="This build of Pillow has no"):
        settings("smoke", None)
