"""Feature vectors on disk: sealed, never half there, and nothing of killed processes stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.metrics.feature_cache import VectorWriter, open_vectors, remove_unfinished

VALUES = np.random.default_rng(0).standard_normal((10, 7)).astype(np.float32)

CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from bench.metrics.feature_cache import VectorWriter
writer = VectorWriter(Path(sys.argv[1]), 100)
writer.append(np.zeros((10, 7), np.float32))
print("half", flush=True)
time.sleep(60)
"""


def written(folder: Path) -> None:
    writer = VectorWriter(folder, len(VALUES))
    for start in range(0, len(VALUES), 4):
        writer.append(VALUES[start : start + 4])
    writer.finish()


def test_what_is_written_is_read_and_nothing_else_stays(tmp_path: Path) -> None:
    written(tmp_path / "features" / "a")
    assert np.array_equal(np.asarray(open_vectors(tmp_path / "features" / "a")), VALUES)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "features", "seal.json", "values.npy"]


def half_written(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    killed, living = half_written(tmp_path / "a"), half_written(tmp_path / "b")
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        (tmp_path / "c.0123abcd.tmp").mkdir()  # of a version that held no lock
        assert len(list(tmp_path.glob("*.tmp"))) == 3
        written(tmp_path / "d")
        assert [path.name[:2] for path in tmp_path.glob("*.tmp")] == ["b."]
        assert remove_unfinished(tmp_path) == []
    finally:
        living.kill()
        living.wait()


def test_two_writers_of_one_thing_leave_one_copy(tmp_path: Path) -> None:
    one, other = VectorWriter(tmp_path / "a", 10), VectorWriter(tmp_path / "a", 10)
    for writer in (one, other):
        writer.append(VALUES)
    one.finish()
    other.finish()
    assert np.array_equal(np.asarray(open_vectors(tmp_path / "a")), VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_space_that_is_not_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    writer = VectorWriter(tmp_path / "a", 1 << 50)
    with pytest.raises(BenchError, match="GB are free"):
        writer.append(VALUES)
    writer.discard()
    assert not list(tmp_path.iterdir())


FILLING = """
import sys
from pathlib import Path
import numpy as np
from bench.errors import BenchError
from bench.metrics.feature_cache import VectorWriter
folder = Path(sys.argv[1])
writer = VectorWriter(folder / "a", 20_000)
writer.append(np.zeros((10, 7), np.float32))
(folder / "other").write_bytes(bytes(700_000))  # another program takes the space meanwhile
try:
    for _ in range(1_999):
        writer.append(np.zeros((10, 7), np.float32))
    writer.finish()
except BenchError as error:
    print(error)
writer.discard()
print(sorted(path.name for path in folder.iterdir()))
"""


def test_a_disk_that_fills_up_meanwhile_is_one_sentence_and_no_signal(tmp_path: Path) -> None:
    command = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    asked = ["unshare", "--mount", "sh", "-c", command, "sh", str(tmp_path), sys.executable, FILLING]
    if subprocess.run([*asked[:4], "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert "No space left on device" in done.stdout
    assert done.stdout.splitlines()[-1] == "['other']"
