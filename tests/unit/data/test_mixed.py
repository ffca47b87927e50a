"""Frozen images of several sizes: one digest, one order, batches by size, damage, and one size as it ever was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.data import freezing, frozen, image_sets, mixed, sized
from bench.data.freezing import Block, Writer
from bench.data.frozen import Frozen
from bench.data.mixed import SIZES, Mixed
from bench.data.placing import Placer
from bench.errors import IntegrityError
from tests import sources

SHAPES = ((8, 12), (12, 8), (8, 12), (5, 5), (12, 8))


def pictures(shapes: tuple[tuple[int, int], ...] = SHAPES) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (3, *shape), np.uint8) for shape in shapes]


def written(folder: Path, images: list[np.ndarray], blocks: int = 2) -> Frozen | Mixed:
    writer = Writer(folder, None, None, labelled=True)
    for start in range(0, len(images), blocks):
        part = images[start : start + blocks]
        lines = [{"name": f"{start + i}.png", "size": list(image.shape[1:])} for i, image in enumerate(part)]
        writer.append(Block(part, np.arange(start, start + len(part)), lines))
    return writer.finish_mixed({"what": "test"})


def test_images_of_several_sizes_come_back_in_their_order(tmp_path: Path) -> None:
    images = pictures()
    found = written(tmp_path / "set", images)
    assert isinstance(found, Mixed)
    assert found.sizes.tolist() == [list(shape) for shape in SHAPES]
    assert all(np.array_equal(found.image(i), image) for i, image in enumerate(images))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 3, 4]
    assert found.digest == mixed.in_memory(images).digest
    assert mixed.open_images(tmp_path / "set").digest == found.digest


def test_the_digest_tells_sizes_and_order_apart() -> None:
    images = pictures()
    turned = [images[0].reshape(3, 12, 8), *images[1:]]  # the same bytes in another shape
    digests = {mixed.in_memory(order).digest for order in (images, images[::-1], turned)}
    assert len(digests) == 3


def test_a_folder_of_one_size_is_the_one_that_a_writer_of_one_size_makes(tmp_path: Path) -> None:
    images = pictures(((8, 12),) * 3)
    found = written(tmp_path / "set", images)
    assert isinstance(found, Frozen)
    assert not (tmp_path / "set" / SIZES).exists()
    assert found.digest == frozen.in_memory(np.stack(images)).digest
    assert frozen.open_frozen(tmp_path / "set").pixels.shape == (3, 3, 8, 12)


def test_batches_are_formed_by_size_and_bounded_by_pixels() -> None:
    images = mixed.in_memory(pictures())
    batches = [(places.tolist(), pixels.shape[2:]) for places, pixels in sized.batches(images, 8)]
    assert batches == [([3], (5, 5)), ([0, 2], (8, 12)), ([1, 4], (12, 8))]
    assert [p.tolist() for p in sized.plan(sized.sizes(images), 8, pixels=100)] == [[3], [0], [2], [1], [4]]
    assert [p.tolist() for p in sized.plan(np.tile([[4, 4]], (5, 1)), 2)] == [[0, 1], [2, 3], [4]]


def test_the_first_images_have_a_digest_of_their_own_and_may_have_one_size() -> None:
    images = pictures()
    whole = mixed.in_memory(images)
    assert sized.first(whole, 2).digest == mixed.in_memory(images[:2]).digest
    alone = sized.first(whole, 1)
    assert isinstance(alone, Frozen)
    assert np.array_equal(alone.pixels[0], images[0])


def test_sizes_are_said_from_the_smallest_to_the_largest() -> None:
    assert sized.said(np.array([[768, 512], [512, 768]])) == "512x768 to 768x512"
    assert sized.said(np.array([[9, 9], [4, 3], [64, 64]])) == "3x4 to 64x64"
    assert sized.said(np.array([[64, 64], [64, 64]])) == "64x64"


def test_reconstructions_are_placed_in_any_order(tmp_path: Path) -> None:
    images = pictures()
    whole = mixed.in_memory(images)
    placer = Placer(tmp_path / "set", sized.sizes(whole))
    for places, pixels in reversed(list(sized.batches(whole, 2))):
        placer.put(places, pixels)
    assert placer.finish({}).digest == whole.digest
    with pytest.raises(ValueError, match="expected uint8 images"):
        Placer(tmp_path / "other", sized.sizes(whole)).put(np.array([0]), pixels[:, :, :3])


@pytest.mark.parametrize("name", ["pixels.u8", "digests.bin", SIZES, "labels.i64", "sources.jsonl", "manifest.json"])
def test_damage_is_found_and_made_anew(tmp_path: Path, name: str) -> None:
    written(tmp_path / "set", pictures())
    data = bytearray((tmp_path / "set" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "set" / name).write_bytes(data)
    with pytest.raises(IntegrityError, match="prepare the data again"):
        mixed.open_images(tmp_path / "set")
    assert freezing.existing_images(tmp_path / "set") is None
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("change", [{SIZES: 8}, {"digests.bin": 32}, {"labels.i64": 8}, {"../other.u8": 1}, {}])
def test_a_manifest_whose_sizes_do_not_belong_together_is_refused(tmp_path: Path, change: dict[str, int]) -> None:
    written(tmp_path / "set", pictures())
    path = tmp_path / "set" / "manifest.json"
    said = json.loads(path.read_text())
    if change:
        said["lengths"] |= change
    else:
        said |= {"count": 0, "lengths": dict.fromkeys(said["lengths"], 0)}
    path.write_text(json.dumps({**said, "sha256": frozen.self_digest(said)}))
    with pytest.raises(IntegrityError, match=r"manifest\.json records sizes that do not belong together"):
        mixed.open_images(tmp_path / "set")


def test_a_killed_preparation_goes_on_where_it_was(tmp_path: Path) -> None:
    images = pictures()
    asked: list[tuple[int, int]] = []

    def produce(start: int, stop: int) -> Block:
        asked.append((start, stop))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return Block(images[start:stop])

    def spans(start: int, count: int) -> list[tuple[int, int]]:
        return [(i, i + 1) for i in range(start, count)]

    def freeze() -> Frozen | Mixed:
        return freezing.freeze_mixed(tmp_path / "set", len(images), produce, spans, lambda sources: {}, "recipe")

    with pytest.raises(KeyboardInterrupt):
        freeze()
    assert freeze().digest == mixed.in_memory(images).digest
    assert asked == [(0, 1), (1, 2), (2, 3), (2, 3), (3, 4), (4, 5)]


def test_a_folder_of_many_sizes_is_one_set_in_the_order_of_its_names(tmp_path: Path) -> None:
    shapes = tuple((8 + i % 5, 8 + i % 7) for i in range(30))
    files = {f"{i:02d}.png": sources.encoded(i, height=h, width=w) for i, (h, w) in enumerate(shapes)}
    sources.folder(tmp_path / "files", files)
    found = image_sets.open_set(image_sets.find(tmp_path / "files"), tmp_path / "cache")
    assert isinstance(found.images, Mixed)
    assert found.names == tuple(files)
    assert found.images.sizes.tolist() == [list(shape) for shape in shapes]
    assert "the candidate holds images of 30 sizes, 8x8 to 13x12" in list(image_sets.remarks(None, found))
    assert found.images.folder is not None
    again = image_sets.open_set(image_sets.find(found.images.folder), tmp_path / "cache")
    assert again.images.digest == found.images.digest
    turned = image_sets.open_set(image_sets.find(found.images.folder), tmp_path / "cache", order=range(29, -1, -1))
    assert sized.sizes(turned.images).tolist() == [list(shape) for shape in shapes[::-1]]
