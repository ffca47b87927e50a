"""Memory follows the pixels of images and not their number."""

import os
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from bench.data import image_sets, set_decoding
from bench.data.allowance import LARGEST_AT_ONCE, Allowance
from bench.data.readers import files
from tests import sources

CODE = """
import sys
from pathlib import Path
from bench.data import image_sets
files = image_sets.open_set(image_sets.find(Path(sys.argv[1])), Path(sys.argv[2]))
print(len(files.names), open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Twelve of 12 megapixels."""
    folder = tmp_path_factory.mktemp("large")
    picture = sources.picture(0, 3000, 4000)
    for i in range(12):
        picture.save(folder / f"{i:02d}.jpg")
    return folder


def test_as_many_images_are_decoded_together_as_their_pixels_allow(photographs, tmp_path):
    members = files.open_path(photographs)
    with ThreadPoolExecutor(2) as pool:
        blocks = list(set_decoding._blocks(members, pool))
        assert [len(block) for block in blocks] == [2] * 6
        assert [one.position for block in blocks for one in block] == list(range(12))
        assert all(sum(one.pixels for one in block) <= LARGEST_AT_ONCE for block in blocks)
        small = files.open_path(sources.folder(tmp_path / "s", sources.pictures(f"{i:03d}.png" for i in range(70))))
        assert [len(block) for block in set_decoding._blocks(small, pool)] == [64, 6]


def test_twelve_photographs_of_twelve_megapixels_need_no_gigabyte(photographs, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, photographs, tmp_path / "cache"], capture_output=True, text=True, check=True
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 12
    assert kilobytes < 700_000, "decoding all at once takes 1.2 GB for eight of them"


def test_photographs_are_frozen_at_their_native_size_in_the_memory_of_a_few(photographs, tmp_path):
    code = """
import sys
from bench.data.datasets import asked, opened
dataset = opened(*asked("testset:" + sys.argv[1], 64, "native"))
print(len(dataset.val), open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""
    environment = {**os.environ, "BENCH_CACHE": str(tmp_path / "cache")}
    arguments = [sys.executable, "-c", code, photographs]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 12
    assert kilobytes < 600_000, "all twelve together have 432 MB of pixels, and twice that while they are written"


def test_a_batch_of_large_images_is_smaller():
    from contextlib import ExitStack

    from bench.metrics import image_pass

    one = np.zeros((1, 3, 1, 1), np.uint8)
    shapes = ((5, 3000, 4000), (70, 256, 256), (9, 1024, 1024))
    arrays = [image_sets.arrays.Frozen("", np.broadcast_to(one, (n, 3, h, w)), None, one) for n, h, w in shapes]
    with ExitStack() as stack:
        side = image_pass._SetPass("reference", arrays, {}, {}, stack)
        sizes = [len(batch) for _, batch in side.batches(32)]
    assert sizes == [1] * 5 + [32, 32, 6] + [8, 1]


def test_what_threads_hold_together_stays_within_the_allowance():
    allowance, held, most = Allowance(10), [0], [0]
    lock = threading.Lock()

    def work(amount):
        with allowance.of(amount):
            with lock:
                held[0] += min(amount, 10)
                most[0] = max(most[0], held[0])
            threading.Event().wait(0.002)
            with lock:
                held[0] -= min(amount, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [3, 7, 4, 10, 1, 25, 6, 2] * 8))
    assert 7 <= most[0] <= 10
    assert held == [0]


def test_twelve_flat_files_of_very_many_pixels_are_refused_before_memory(tmp_path):
    """Each is 0.4 MB and would unpack to 400 MB."""
    import zlib

    from tests.sources import png_chunk as chunk

    line = b"\0" + bytes(3 * 11_500)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(line) for _ in range(11_500)) + packer.flush()
    head = (11_500).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    folder = sources.folder(tmp_path / "flat", {f"{i}.png": data for i in range(12)})
    code = CODE.replace("files = ", "from bench.errors import UsageError\ntry: ").replace(
        "print(len(files.names),", "except UsageError as error: print(error.exit_code,"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder, tmp_path / "c"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    code, kilobytes = map(int, done.stdout.split())
    assert code == 2
    assert kilobytes < 200_000


def test_images_that_are_larger_than_one_file_may_be_are_refused(tmp_path):
    path = tmp_path / "huge" / "a.png"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(files.LARGEST_FILE + 1)
    with pytest.raises(files.images.BadImage, match="larger than"):
        files.open_path(path.parent).read("a.png")


def test_a_small_file_takes_no_more_memory_than_it_is_long(tmp_path):
    path = tmp_path / "small" / "a.png"
    path.parent.mkdir()
    path.write_bytes(bytes(10_000))
    read = files.open_path(path.parent).read
    tracemalloc.start()
    assert len(read("a.png")) == 10_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_the_picture_itself_is_not_changed(photographs, tmp_path):
    found = image_sets.open_set(image_sets.find(photographs / "00.jpg"), tmp_path / "cache")
    assert np.array_equal(found.images.pixels[0].transpose(1, 2, 0), np.array(Image.open(photographs / "00.jpg")))
