"""Downloads: resumed, verified, atomic; a wrong digest is refused and nothing is left behind."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from bench import networks
from bench.contract import BenchError, IntegrityError, Missing
from bench.fetch import checkpoint_file, checkpoint_pin, obtain
from bench.pins import WEIGHTS, File

DATA = bytes(range(256)) * 4000
SHA = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves DATA with ranges; /short breaks off, /nothing is absent, /whole ignores ranges."""

    asked: ClassVar[list] = []

    def do_GET(self):
        span = self.headers.get("Range")
        self.asked.append((self.path, span))
        if self.path == "/nothing":
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.path != "/whole" else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        body = DATA[start:]
        self.wfile.write(body[: len(body) // 2] if self.path == "/short" and not start else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    Handler.asked = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def file(url, pin=f"sha256:{SHA}"):
    return File("net.pth", url, pin, "the test")


def left(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_a_file_is_downloaded_once(server, tmp_path):
    path = obtain(file(f"{server}/x"), tmp_path / "w")
    assert path.read_bytes() == DATA
    obtain(file(f"{server}/x"), tmp_path / "w")
    assert len(Handler.asked) == 1
    assert left(tmp_path / "w") == ["net.pth"]


def test_an_interrupted_download_is_continued(server, tmp_path):
    with pytest.raises(BenchError, match="again to resume"):
        obtain(file(f"{server}/short"), tmp_path)
    assert (tmp_path / "net.pth.part").stat().st_size == len(DATA) // 2
    assert obtain(file(f"{server}/short"), tmp_path).read_bytes() == DATA
    assert Handler.asked[-1] == ("/short", f"bytes={len(DATA) // 2}-")


def test_a_server_without_ranges_starts_over(server, tmp_path):
    (tmp_path / "net.pth.part").write_bytes(b"old")
    assert obtain(file(f"{server}/whole"), tmp_path).read_bytes() == DATA


def test_a_whole_part_is_taken_over(server, tmp_path):
    (tmp_path / "net.pth.part").write_bytes(DATA)
    assert obtain(file(f"{server}/x"), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("pin", ["sha256:" + "0" * 64, "sha256-prefix:00000000", "md5:" + "0" * 32])
def test_a_wrong_digest_is_refused_with_exit_5(server, tmp_path, pin):
    with pytest.raises(IntegrityError, match="not the pinned") as error:
        obtain(file(f"{server}/x", pin), tmp_path / "w")
    assert error.value.exit_code == 5
    assert left(tmp_path / "w") == []


def test_prefix_and_md5_pins_are_honoured(server, tmp_path):
    obtain(file(f"{server}/x", f"sha256-prefix:{SHA[:8]}"), tmp_path / "a")
    obtain(file(f"{server}/x", f"md5:{hashlib.md5(DATA).hexdigest()}"), tmp_path / "b")


def test_without_a_pin_the_first_digest_is_recorded_and_then_binding(server, tmp_path):
    unpinned = file(f"{server}/x", "none")
    path = obtain(unpinned, tmp_path)
    assert (tmp_path / "net.pth.sha256").read_text().strip() == SHA
    path.write_bytes(b"something else")
    with pytest.raises(IntegrityError):
        obtain(unpinned, tmp_path)


def test_failures_name_the_address(server, tmp_path):
    with pytest.raises(BenchError, match="HTTP 404"):
        obtain(file(f"{server}/nothing"), tmp_path)
    with pytest.raises(BenchError, match="--bundle"):
        obtain(file("http://127.0.0.1:9/x"), tmp_path)
    with pytest.raises(Missing, match="BENCH_WEIGHTS"):
        obtain(file(None), tmp_path)


def test_a_bundle_is_filled_from_what_is_here(server, tmp_path, monkeypatch):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "net.pth").write_bytes(DATA)
    monkeypatch.setenv("BENCH_WEIGHTS", str(folder))
    assert obtain(file(f"{server}/x"), tmp_path / "bundle").read_bytes() == DATA
    assert Handler.asked == []


def test_checkpoints_are_found_or_named_with_their_command(server, tmp_path, monkeypatch):
    checkpoint = {"url": f"{server}/some%20dir/net.pth?x=1", "pin": f"sha256:{SHA}"}
    assert checkpoint_pin(checkpoint).name == "net.pth"
    with pytest.raises(Missing, match="python -m bench fetch vqgan@f16"):
        checkpoint_file("vqgan@f16", checkpoint, tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth").write_bytes(DATA)
    assert checkpoint_file("vqgan@f16", checkpoint, tmp_path) == tmp_path / "weights" / "net.pth"
    (tmp_path / "weights" / "net.pth").write_bytes(b"else")
    with pytest.raises(IntegrityError):
        checkpoint_file("vqgan@f16", checkpoint, tmp_path)


def test_the_table_of_weights_is_well_formed():
    for name, weights in WEIGHTS.items():
        assert weights.name == name
        assert weights.files
        assert weights.licence
        for one in weights.files:
            kind, _, digest = one.pin.partition(":")
            assert kind in ("sha256", "sha256-prefix", "md5", "none")
            assert bool(digest) == (kind != "none")
            assert one.pin_source
            if kind == "sha256-prefix":
                assert digest in one.name


def test_find_refuses_a_file_that_is_not_the_pinned_one(tmp_path, monkeypatch):
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"not AlexNet")
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(IntegrityError, match="alexnet-owt"):
        networks.find("alexnet")
