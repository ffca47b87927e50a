"""The ``data`` subcommands as a user runs them: output, exit codes, a download that is cut, a kill in the middle."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.data import datasets, frozen, sized
from bench.data.datasets import cifar10, lsun
from bench.errors import BenchError, IntegrityError, Missing, UsageError
from tests import sources


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)

    def run(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_prepare_says_what_was_made_and_what_is_odd(bench, tmp_path):
    path = sources.split_folder(tmp_path / "data")
    (path / "train" / "torn.png").write_bytes(b"torn")
    (path / "val" / "twin.png").write_bytes((path / "train" / "0.png").read_bytes())
    out = bench("data", "prepare", f"folder:{path}", "-r", 16)
    assert "folder:data: 16 px, protocol ldm" in out
    assert "train: 6 images (6 png)" in out
    assert "left out: 1 bad images, for example: The image train/torn.png" in out
    assert "1 validation images are also in training, for example val/twin.png" in out
    with pytest.raises(UsageError, match=r"torn\.png"):
        bench("data", "prepare", f"folder:{path}", "-r", 16, "--on-bad", "fail")
    with pytest.raises(UsageError, match="skip or fail, not 'maybe'"):
        bench("data", "prepare", f"folder:{path}", "-r", 16, "--on-bad", "maybe")


def test_list_and_verify_know_what_was_prepared(bench, tmp_path):
    path = sources.split_folder(tmp_path / "data")
    assert bench("data", "list") == ""
    bench("data", "prepare", f"folder:{path}", "-r", 16)
    assert "folder:data  16 px  ldm  train 6  val 3" in bench("data", "list")
    assert bench("data", "verify").count("ok ") == 2
    assert bench("data", "verify", "folder:data").count("ok ") == 2
    with pytest.raises(UsageError, match="not prepared"):
        bench("data", "verify", "church")
    for pixels in (tmp_path / "cache" / "sets").glob("*/pixels.u8"):
        pixels.write_bytes(bytes(pixels.stat().st_size))
    with pytest.raises(IntegrityError, match="2 frozen sets are damaged") as caught:
        bench("data", "verify")
    assert caught.value.exit_code == 5


def test_church_from_a_database_is_prepared_and_found_again(bench, tmp_path):
    data = sources.lsun(tmp_path / "data")
    out = bench("data", "prepare", "church", "--from", data, "-r", 16, "--protocol", "stylegan")
    assert "church: 16 px, protocol stylegan" in out
    assert "not the whole published dataset" in out
    assert "val: 4 images (4 webp)" in bench("data", "prepare", "church_outdoor", "-r", 16, "--protocol", "stylegan")
    bench("data", "show", "church", "-r", 16, "--protocol", "stylegan", "--out", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("layout", ["nvidia", "adm"])
def test_export_gives_what_other_tools_read(bench, tmp_path, layout):
    path = sources.split_folder(tmp_path / "data", 30, 3)
    file = tmp_path / ("out.zip" if layout == "nvidia" else "out.npz")
    bench("data", "export", f"folder:{path}", "-r", 16, "--format", layout, "--out", file)
    kind = "zip" if layout == "nvidia" else "npz"
    assert f"{kind}:{file.name}: 16 px" in bench("data", "prepare", f"{kind}:{file}", "-r", 16)
    with pytest.raises(UsageError, match=r"There is no format 'nvidea'.*nvidia"):
        bench("data", "export", f"folder:{path}", "-r", 16, "--format", "nvidea", "--out", file)
    with pytest.raises(UsageError, match="train or val"):
        bench("data", "export", f"folder:{path}", "-r", 16, "--split", "test", "--out", file)


@pytest.mark.parametrize("name", ["church", "ffhq", "imagenet"])
def test_offline_or_not_allowed_to_download_is_a_screen_of_advice(bench, name):
    with pytest.raises(Missing, match="--from PATH") as caught:
        bench("data", "prepare", name, "--offline")
    assert caught.value.exit_code == 2


def test_from_and_a_path_together_are_refused(bench, tmp_path):
    with pytest.raises(UsageError, match="leave --from out"):
        bench("data", "prepare", f"folder:{tmp_path}", "--from", tmp_path)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the files of ``root`` with ranges; ``mood`` says what goes wrong with the training file."""

    root: ClassVar[Path]
    mood: ClassVar[str]
    cut: ClassVar[set[str]]

    def do_GET(self):
        data = (self.root / self.path.lstrip("/")).read_bytes()
        wrong = "train" in self.path or "cifar" in self.path
        if wrong and self.mood == "redirect loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        if wrong and self.mood == "short":
            data = data[: len(data) // 2]
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if wrong and self.mood == "cut once" and self.path not in self.cut:
            self.cut.add(self.path)
            data = data[: len(data) // 2]
        self.wfile.write(data[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The folder that a local server serves in the place of LSUN's and CIFAR-10's."""
    root = sources.lsun_zips(tmp_path / "served")
    (root / "cifar-10-binary.tar.gz").write_bytes(b"not the published archive")
    Handler.root, Handler.cut = root, set()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(lsun, "URL", address)
    monkeypatch.setattr(cifar10, "URL", f"{address}cifar-10-binary.tar.gz")
    yield root
    server.shutdown()
    server.server_close()


def test_church_is_downloaded_and_a_cut_download_goes_on(bench, tmp_path, served):
    Handler.mood = "cut once"
    with pytest.raises(BenchError, match="same command again to resume"):
        bench("data", "prepare", "church", "-r", 16)
    part = tmp_path / "cache" / "downloads" / "lsun" / "church_outdoor_train_lmdb.zip.part"
    assert part.stat().st_size > 0
    assert "train: 12 images (12 webp)" in bench("data", "prepare", "church", "-r", 16)


def test_a_short_file_is_not_kept(bench, served):
    Handler.mood = "short"
    with pytest.raises(IntegrityError, match=r"church_outdoor_\w+\.zip is no \.zip file .*it was not kept"):
        bench("data", "prepare", "church", "-r", 16)
    Handler.mood = "well"
    assert "train: 12 images (12 webp)" in bench("data", "prepare", "church", "-r", 16)


def test_a_redirect_loop_ends(bench, served):
    Handler.mood = "redirect loop"
    with pytest.raises(BenchError, match="cannot be downloaded"):
        bench("data", "prepare", "church", "-r", 16)


def test_a_wrong_digest_is_refused_with_exit_5(bench, tmp_path, served):
    Handler.mood = "well"
    with pytest.raises(IntegrityError, match="is not the pinned cifar-10-binary") as caught:
        bench("data", "prepare", "cifar10", "-r", 32)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "cache" / "downloads" / "cifar10" / "cifar-10-binary.tar.gz").exists()


def test_a_download_that_cannot_fit_is_refused_before_it_begins(bench, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**9})())
    with pytest.raises(BenchError, match=r"needs 4\.6 GB, but only 1\.0 GB are free"):
        bench("data", "prepare", "church")


def prepare_process(cache, path):
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "data", "prepare", f"folder:{path}", "-r", "16", "--workers", "1"],
        env={**os.environ, "BENCH_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_preparations_and_two_at_once_give_the_same_set(bench, tmp_path):
    path = sources.folder(tmp_path / "data", sources.pictures(f"{i:05d}.png" for i in range(1500)))
    for delay in (0.05, 0.3):
        process = prepare_process(tmp_path / "cache", path)
        deadline = time.monotonic() + 60
        while not list((tmp_path / "cache").glob("s*/*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    pair = [prepare_process(tmp_path / "cache", path) for _ in range(2)]
    told = [process.communicate() for process in pair]
    assert [process.returncode for process in pair] == [0, 0], told
    assert told[0][0] == told[1][0]
    whole = prepare_process(tmp_path / "other", path).communicate()[0]
    assert told[0][0] == whole
    for folder in (tmp_path / "cache" / "sets").iterdir():
        if folder.is_dir():
            frozen.verify(frozen.open_frozen(folder))


def test_a_read_only_cache_is_one_sentence(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the cache should be")
    process = prepare_process(blocked, path)
    out, err = process.communicate()
    assert process.returncode in (2, 3)
    assert "Traceback" not in err
    assert "cache" in err
    assert out == ""


def test_prepare_says_what_is_no_image_and_verifies_on_demand(tmp_path, cache, command):
    path = sources.split_folder(tmp_path / "data")
    (path / "val" / "x.heic").write_bytes(b"")
    done = command("data", "prepare", f"folder:{path}", "-r", "16")
    assert done.code == 0
    assert "1 files of data are not among the images: 1 .heic" in done.out
    time.sleep(0.2)
    command("data", "prepare", f"folder:{path}", "-r", "16")
    memos = list((cache / "sources").glob("*.bin"))
    assert memos
    written = [memo.stat().st_mtime_ns for memo in memos]
    command("data", "prepare", f"folder:{path}", "-r", "16")
    assert [memo.stat().st_mtime_ns for memo in memos] == written
    assert command("data", "prepare", f"folder:{path}", "-r", "16", "--verify").code == 0
    assert all(now.stat().st_mtime_ns > then for now, then in zip(memos, written, strict=True))


@pytest.mark.parametrize("form", ["folder:/dev/zero", "npz:/dev/zero", "wds:/dev/zero", "testset:/dev/zero"])
def test_a_device_is_no_dataset(cache, command, form):
    done = command("data", "prepare", form, "-r", "16")
    assert done.code == 2
    assert "/dev/zero" in done.err


def test_a_device_is_no_archive_of_cifar10(cache, command):
    done = command("data", "prepare", "cifar10", "--from", "/dev/zero", "-r", "16")
    assert done.code == 2
    assert "/dev/zero is no regular file" in done.err


def test_images_of_native_size_are_prepared_listed_verified_and_found_again(tmp_path, cache, command):
    source = sources.lsun(tmp_path / "lsun")  # 25 x 20 pixels each
    sources.lmdb_of(source / "church_outdoor_val_lmdb", [90], side=24)
    prepared = command("data", "prepare", "church", "--from", str(source), "-r", "16", "--protocol", "native")
    assert prepared.code == 0, prepared.err
    assert "25x20 to 30x24 pixels" in prepared.out
    listed = command("data", "list").out
    assert "church  16 px  native  train 12  val 5" in listed
    assert "5 images  own sizes  native" in listed
    assert "5 images  16 px  ldm" in listed  # the validation images again, as large as what is trained
    assert command("data", "verify").code == 0
    assert command("data", "verify", "church").out.count("ok ") == 3
    assert command("cache", "verify").code == 0
    (source / "church_outdoor_val_lmdb" / "data.mdb").unlink()
    found = datasets.opened(*datasets.asked("church", 16, "native"))
    assert sized.said(sized.sizes(found.val)) == "25x20 to 30x24"
    assert found.cropped_val is not None
    assert found.cropped_val.pixels.shape == (5, 3, 16, 16)
    refused = command(
        "data", "export", "church", "-o", str(tmp_path / "a.zip"), "--split", "val", "-r", "16", "--protocol", "native"
    )
    assert refused.code == 2
    assert "have several sizes under 'native'; choose a --protocol of one" in refused.err
    (sizes,) = cache.rglob("sizes.i32")
    sizes.write_bytes(sizes.read_bytes()[::-1])
    damaged = command("data", "verify")
    assert damaged.code == 5
    assert "prepare the data again" in damaged.out
    assert command("cache", "verify").code == 5
