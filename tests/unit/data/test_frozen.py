"""Frozen arrays: resumable, atomic, checked; identity by content."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from bench.data import freezing
from bench.data import frozen as arrays
from bench.errors import BenchError, IntegrityError


def some(count, side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), np.uint8)


def frozen(folder, pixels, labels=None):
    def produce(start, stop):
        return freezing.Block(pixels[start:stop], None if labels is None else labels[start:stop])

    return freezing.freeze(
        folder, len(pixels), (8, 8), produce, lambda sources: {"extra": 1}, "r", labelled=labels is not None, block=4
    )


def test_a_frozen_folder_gives_back_pixels_labels_and_facts(tmp_path):
    pixels, labels = some(10), np.arange(10)
    made = frozen(tmp_path / "set", pixels, labels)
    again = arrays.open_frozen(tmp_path / "set")
    assert np.array_equal(again.pixels, pixels)
    assert np.array_equal(again.labels, labels)
    assert again.manifest["extra"] == 1
    assert len(again) == 10
    assert again.digest == made.digest
    assert not again.pixels.flags.writeable


def test_the_digest_is_of_the_content_however_it_was_written(tmp_path):
    pixels = some(10)
    writer = freezing.Writer(tmp_path / "other", 8, 8)
    for start in (0, 3, 9):
        writer.append(freezing.Block(pixels[start : {0: 3, 3: 9, 9: 10}[start]]))
    one, two, three = frozen(tmp_path / "set", pixels), writer.finish(), arrays.in_memory(pixels)
    assert one.digest == two.digest == three.digest
    assert arrays.in_memory(pixels[::-1]).digest != one.digest
    assert arrays.in_memory(pixels.reshape(10, 3, 4, 16)).digest != one.digest


def test_first_is_a_prefix_with_the_digest_of_the_prefix(tmp_path):
    pixels = some(10)
    whole = frozen(tmp_path / "set", pixels, np.arange(10))
    head = arrays.first(whole, 4)
    assert np.array_equal(head.pixels, pixels[:4])
    assert list(head.labels) == [0, 1, 2, 3]
    assert head.digest == arrays.in_memory(pixels[:4]).digest
    assert arrays.first(whole, 10) is whole


def test_an_interrupted_freeze_resumes_after_the_last_block(tmp_path):
    pixels, asked = some(10), []

    def produce(start, stop):
        asked.append(start)
        if start == 8 and len(asked) < 4:
            raise KeyboardInterrupt
        return freezing.Block(pixels[start:stop])

    def go():
        return freezing.freeze(tmp_path / "set", 10, (8, 8), produce, lambda sources: {}, "r", block=4)

    with pytest.raises(KeyboardInterrupt):
        go()
    assert not (tmp_path / "set").exists()
    with (tmp_path / "set.partial" / arrays.PIXELS).open("ab") as file:
        file.write(b"half a block that no progress file knows of")
    assert go().digest == arrays.in_memory(pixels).digest
    assert asked == [0, 4, 8, 8]


def test_another_recipe_starts_anew_and_so_does_no_recipe(tmp_path):
    for recipes in (("a", "b"), (None, None)):
        for recipe in recipes:
            writer = freezing.Writer(tmp_path / "set", 8, 8, recipe=recipe)
            assert writer.done == 0
            writer.append(freezing.Block(some(4)))
    assert freezing.Writer(tmp_path / "other", 8, 8, recipe="a").done == 0


def test_candidates_that_gave_no_image_count_as_done(tmp_path):
    writer = freezing.Writer(tmp_path / "set", 8, 8, recipe="r")
    writer.append(freezing.Block(some(2), sources=[{"name": str(i)} for i in range(5)]), candidates=5)
    assert writer.done == 5
    assert freezing.Writer(tmp_path / "set", 8, 8, recipe="r").done == 5
    assert len(writer.finish()) == 2


@pytest.mark.parametrize("name", [arrays.PIXELS, arrays.DIGESTS, arrays.MANIFEST])
def test_damage_is_found_on_opening_and_mended_by_freezing_again(tmp_path, name):
    pixels = some(10)
    frozen(tmp_path / "set", pixels)
    path = tmp_path / "set" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="prepare the data again"):
        arrays.open_frozen(tmp_path / "set")
    assert frozen(tmp_path / "set", pixels).digest == arrays.in_memory(pixels).digest


@pytest.mark.parametrize("name", [arrays.PIXELS, arrays.DIGESTS, arrays.LABELS, arrays.SOURCES, arrays.MANIFEST])
def test_a_short_or_missing_file_is_found_on_opening(tmp_path, name):
    frozen(tmp_path / "set", some(10), np.arange(10))
    path = tmp_path / "set" / name
    if name != arrays.SOURCES:
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(IntegrityError):
            arrays.open_frozen(tmp_path / "set")
    path.unlink()
    with pytest.raises(IntegrityError):
        arrays.open_frozen(tmp_path / "set")


@pytest.mark.parametrize("image", [0, 1, 255, 256, 599])
def test_damage_of_any_image_is_found_on_opening(tmp_path, image):
    frozen(tmp_path / "set", some(600))
    assert len(arrays.open_frozen(tmp_path / "set")) == 600
    flip(tmp_path / "set" / arrays.PIXELS, image * 3 * 8 * 8 + 7)
    with pytest.raises(IntegrityError, match=f"Image {image} of"):
        arrays.open_frozen(tmp_path / "set")


@pytest.mark.parametrize("name", [arrays.LABELS, arrays.SOURCES])
def test_damage_of_what_lies_beside_the_images_is_found_on_opening(tmp_path, name):
    writer = freezing.Writer(tmp_path / "set", 8, 8, labelled=True)
    writer.append(freezing.Block(some(10), np.arange(10), [{"name": "one.png"}]))
    writer.finish()
    flip(tmp_path / "set" / name, 3)
    with pytest.raises(IntegrityError, match=f"{name} is damaged"):
        arrays.open_frozen(tmp_path / "set")


def test_a_set_is_compared_once_while_its_files_stay_as_they_are(tmp_path):
    frozen(tmp_path / "set", some(300))
    path = tmp_path / "set" / arrays.PIXELS
    seen = []

    def watch(frame, event, argument):
        if event == "call" and frame.f_code is arrays.verify.__code__:
            seen.append(1)

    sys.setprofile(watch)
    try:
        for _ in range(3):
            arrays.open_frozen(tmp_path / "set")
        times = path.stat()
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        arrays.open_frozen(tmp_path / "set")
    finally:
        sys.setprofile(None)
    assert len(seen) == 1  # the writer itself opened it first; then the same bytes were written anew


def flip(path, place):
    """Changes one bit, and neither size nor time of the file."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_manifest_of_a_newer_schema_is_not_read(tmp_path):
    frozen(tmp_path / "set", some(4))
    path = tmp_path / "set" / arrays.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": "bench.frozen/2"}))
    with pytest.raises(IntegrityError, match="another version"):
        arrays.open_frozen(tmp_path / "set")


def test_duplicates_are_found_by_pixels():
    one, other = some(6), some(6, seed=1)
    other[4] = one[2]
    assert arrays.duplicates(arrays.in_memory(one), arrays.in_memory(other)) == [4]


def test_a_writer_refuses_blocks_of_another_shape_or_without_their_labels(tmp_path):
    writer = freezing.Writer(tmp_path / "set", 8, 8, labelled=True)
    with pytest.raises(ValueError, match="expected uint8"):
        writer.append(freezing.Block(some(1, side=4), np.zeros(1)))
    with pytest.raises(ValueError, match="labels"):
        writer.append(freezing.Block(some(1)))


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100})())
    with pytest.raises(BenchError, match="are free"):
        frozen(tmp_path / "set", some(10))


def test_a_disk_that_fills_up_is_one_sentence_and_loses_nothing(tmp_path, monkeypatch):
    writer = freezing.Writer(tmp_path / "set", 8, 8, recipe="r")
    writer.append(freezing.Block(some(4)))

    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(freezing, "write_bytes", full)
        with pytest.raises(BenchError, match=r"No space left on device.*same command again"):
            writer.append(freezing.Block(some(4)))
    assert freezing.Writer(tmp_path / "set", 8, 8, recipe="r").done == 4


CHILD = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import numpy as np
    from bench.data import freezing

    def produce(start, stop):
        time.sleep(float(sys.argv[2]))
        rng = np.random.default_rng(start)
        return freezing.Block(rng.integers(0, 256, (stop - start, 3, 8, 8), np.uint8))

    made = freezing.freeze(Path(sys.argv[1]), 40, (8, 8), produce, lambda s: {}, "r", block=2)
    print(made.digest)
    """
)


def child(folder, delay):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(delay)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )


def test_two_processes_make_one_set_and_a_killed_one_is_continued(tmp_path):
    whole = child(tmp_path / "whole", 0).communicate()[0]
    killed = child(tmp_path / "set", 0.05)
    while not (tmp_path / "set.partial" / "progress.json").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "set").exists()
    pair = [child(tmp_path / "set", 0.01) for _ in range(2)]
    digests = [process.communicate()[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert digests == [whole, whole]
    assert whole.strip()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": "3"}, "wrong in count"),
        ({"count": -1}, "do not belong together"),
        ({"count": 10**12}, "do not belong together"),
        ({"height": 0, "count": 0}, "do not belong together"),
        ({"lengths": {"pixels.u8": 1, "digests.bin": 96}}, "do not belong together"),
        ({"lengths": {"../pixels.u8": 1}}, "do not belong together"),
        ({"lengths": []}, "wrong in lengths"),
        ({"digest": None}, "wrong in digest"),
        ({"schema": 1}, "wrong in schema"),
        ({"schema": "bench.frozen/9"}, "another version"),
    ],
)
def test_a_manifest_of_wrong_types_or_sizes_is_refused_though_its_own_digest_fits(tmp_path, change, words):
    writer = freezing.Writer(tmp_path / "set", 4, 4)
    writer.append(freezing.Block(np.zeros((3, 3, 4, 4), np.uint8)))
    folder = writer.finish().folder
    changed = {**json.loads((folder / "manifest.json").read_text()), **change}
    (folder / "manifest.json").write_text(json.dumps({**changed, "sha256": arrays.self_digest(changed)}))
    with pytest.raises(IntegrityError, match=words) as caught:
        arrays.open_frozen(folder)
    assert str(folder / "manifest.json") in str(caught.value)
