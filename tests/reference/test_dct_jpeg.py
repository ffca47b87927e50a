"""The DCT tokenizer's coefficients against those that libjpeg wrote into Pillow's files (quality q, 4:2:0)."""

from pathlib import Path

import jpeglib
import numpy as np
import pytest
import scipy.fft
import torch
from PIL import Image
from skimage import data

from methods.dct import transform
from methods.dct.layout import Layout
from methods.dct.model import DctTokenizer
from methods.dct.presets import Settings

PHOTOS = {"astronaut": data.astronaut(), "chelsea": data.chelsea()[:288, :448], "coffee": data.coffee()[:400, :592]}
CPU = torch.device("cpu")

LARGEST_SHARE = {10: 0.001, 50: 0.006, 75: 0.012, 95: 0.08}
"""Share of a plane's coefficients that may differ: libjpeg rounds Y, Cb, Cr and the halved chroma to integers first."""


def file_levels(pixels: np.ndarray, quality: int, folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Levels ``[frequencies, blocks]`` in zigzag order of Y, Cb, Cr, and the luma table, as the file holds them."""
    path = folder / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=quality, subsampling="4:2:0")
    read = jpeglib.read_dct(str(path))
    order = transform.zigzag(8)
    return [plane.reshape(-1, 64)[:, order].T for plane in (read.Y, read.Cb, read.Cr)], read.qt[0].reshape(64)[order]


def our_levels(pixels: np.ndarray, quality: int) -> tuple[list[np.ndarray], Layout]:
    settings = Settings(q=quality)
    layout = Layout(settings, pixels.shape[:2])
    rgb = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].double()
    planes = layout.to_planes(DctTokenizer(settings, CPU).quantise(rgb, layout))[0].numpy()
    return [planes[0], *(plane[:, layout.chroma_positions] for plane in planes[1:])], layout


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("quality", LARGEST_SHARE)
def test_coefficients_are_jpegs_but_for_rounding(photo: str, quality: int, tmp_path: Path) -> None:
    theirs, table = file_levels(PHOTOS[photo], quality, tmp_path)
    ours, layout = our_levels(PHOTOS[photo], quality)
    np.testing.assert_array_equal(table, layout.steps[0].numpy())
    for mine, read in zip(ours, theirs, strict=True):
        assert mine.shape == read.shape
        assert np.abs(mine - read).max() <= 2
        assert (mine != read).mean() < LARGEST_SHARE[quality]
        assert (read != 0).mean() > 0.005


@pytest.mark.parametrize("quality", LARGEST_SHARE)
def test_grey_photographs_differ_only_at_ties(quality: int, tmp_path: Path) -> None:
    """Without a colour conversion that rounds, what is left is libjpeg's transform, rounded to integers."""
    grey = np.repeat(data.astronaut()[..., 1:2], 3, axis=2)
    theirs, table = file_levels(grey, quality, tmp_path)
    ours, _ = our_levels(grey, quality)
    tiles = (grey[..., 0] - 128.0).reshape(64, 8, 64, 8).transpose(0, 2, 1, 3)
    exact = scipy.fft.dctn(tiles, axes=(2, 3), norm="ortho").reshape(-1, 64)[:, transform.zigzag(8)].T / table[:, None]
    to_boundary = np.abs(np.abs(exact - np.round(exact)) - 0.5) * table[:, None]
    differ = ours[0] != theirs[0]
    assert differ.mean() < 0.02
    assert (to_boundary[differ] < 0.2).all()
    assert not ours[1].any()
    assert not theirs[1].any()


@pytest.mark.parametrize("block", [8, 16, 32])
def test_the_transform_is_scipys(block: int) -> None:
    planes = torch.randn(2, 3, 2 * block, 3 * block, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = transform.block_dct(planes, transform.dct_matrix(block))
    tiles = planes.numpy().reshape(2, 3, 2, block, 3, block).transpose(0, 1, 2, 4, 3, 5)
    np.testing.assert_allclose(found.numpy(), scipy.fft.dctn(tiles, axes=(4, 5), norm="ortho"), atol=1e-12)
    torch.testing.assert_close(transform.block_idct(found, transform.dct_matrix(block)), planes)


def test_zigzag_is_jpegs() -> None:
    """ITU-T T.81, figure A.6: the first and last entries, and that every frequency occurs once."""
    order = transform.zigzag(8)
    assert order[:15] == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4]
    assert order[-4:] == [47, 55, 62, 63]
    assert sorted(order) == list(range(64))


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 90, 100])
@pytest.mark.parametrize("chroma", [False, True])
def test_tables_are_pillows(quality: int, chroma: bool, tmp_path: Path) -> None:
    path = tmp_path / "table.jpg"
    Image.fromarray(PHOTOS["chelsea"][:16, :16]).save(path, quality=quality)
    table = jpeglib.read_dct(str(path)).qt[int(chroma)].reshape(64)[transform.zigzag(8)]
    np.testing.assert_array_equal(transform.quantisation_table(quality, 8, chroma).numpy(), table)
