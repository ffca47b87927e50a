"""Downloads: resumed, verified, atomic; a wrong digest is refused and nothing is left behind."""

import contextlib
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.core.downloads import Limits
from bench.core.fetch import File, obtain
from bench.errors import BenchError, IntegrityError, Missing
from bench.pretrained import weights as networks
from bench.pretrained.table import WEIGHTS
from bench.run.checkpoints import checkpoint_file, checkpoint_pin

DATA = bytes(range(256)) * 4000
SHA = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves DATA with ranges; /short breaks off, /nothing is absent, /whole ignores ranges.

    ``version``, where there is one, is the ETag; another one in If-Range gets the whole file.
    """

    asked: ClassVar[list] = []
    version: ClassVar[str | None] = None
    data: ClassVar[bytes] = DATA

    def do_GET(self):
        span = self.headers.get("Range")
        self.asked.append((self.path, span))
        if self.path == "/nothing":
            self.send_error(404)
            return
        changed = self.headers.get("If-Range", self.version) != self.version
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.path != "/whole" and not changed else 0
        if start >= len(self.data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        if self.version:
            self.send_header("ETag", self.version)
        self.end_headers()
        body = self.data[start:]
        self.wfile.write(body[: len(body) // 2] if self.path == "/short" and not start else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    Handler.asked, Handler.version, Handler.data = [], None, DATA
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


PLAIN = Limits(plain=True)


def file(url, pin=f"sha256:{SHA}"):
    """Without a pin of a kind whose format is not known, so that any bytes will do."""
    return File("net.bin" if pin == "none" else "net.pth", url, pin, "the test")


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


@pytest.mark.parametrize(("version", "asked"), [('"1"', f"bytes={len(DATA) // 2}-"), (None, None)])
def test_an_unpinned_file_is_continued_only_where_the_server_names_its_version(server, tmp_path, version, asked):
    Handler.version = version
    for _ in range(2 if version else 1):
        with contextlib.suppress(BenchError):
            obtain(file(f"{server}/short", "none"), tmp_path, limits=PLAIN)
    if version is None:
        obtain(file(f"{server}/x", "none"), tmp_path, limits=PLAIN)
    assert (tmp_path / "net.bin").read_bytes() == DATA
    assert Handler.asked[-1][1] == asked
    assert left(tmp_path) == ["net.bin", "net.bin.sha256"]


@pytest.mark.parametrize("pin", ["none", "sha256"])
def test_a_file_that_changed_on_the_server_is_not_joined_to_its_old_half(server, tmp_path, pin):
    Handler.version = '"1"'
    other = DATA[::-1]
    pinned = pin if pin == "none" else f"sha256:{hashlib.sha256(other).hexdigest()}"
    with pytest.raises(BenchError, match="again to resume"):
        obtain(file(f"{server}/short", pinned), tmp_path, limits=PLAIN)
    Handler.version, Handler.data = '"2"', other
    assert obtain(file(f"{server}/x", pinned), tmp_path, limits=PLAIN).read_bytes() == other


def test_the_command_fills_a_bundle_and_refuses_a_wrong_digest(server, tmp_path, monkeypatch):
    row = replace(WEIGHTS["alexnet"], files=(file(f"{server}/x"),))
    monkeypatch.setitem(WEIGHTS, "alexnet", row)
    bundle = tmp_path / "bundle"
    done = CliRunner().invoke(app, ["fetch", "--metrics", "lpips-alex", "--bundle", str(bundle)])
    assert done.exit_code == 0
    assert str(bundle / "net.pth") in done.stdout
    assert "BENCH_WEIGHTS" in done.stderr
    monkeypatch.setenv("BENCH_WEIGHTS", str(bundle))
    assert networks.find("alexnet") == bundle / "net.pth"
    wrong = replace(row, files=(file(f"{server}/x", "sha256:" + "0" * 64),))
    monkeypatch.setitem(WEIGHTS, "alexnet", wrong)
    done = CliRunner().invoke(app, ["fetch", "alexnet"])
    assert isinstance(done.exception, IntegrityError)
    assert left(tmp_path / "cache" / "weights") == []


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"PK\x03\x04 cut off"])
def test_weights_that_cannot_be_read_are_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=r"net\.\w+ is damaged or holds no weights .*fetch it again"):
        networks.load_state(tmp_path / name)


def test_a_pickle_without_tensors_is_no_state_dict(tmp_path):
    import torch

    for content in ([1, 2], {"state_dict": {"a": torch.zeros(1)}}):
        torch.save(content, tmp_path / "net.pth")
        with pytest.raises(IntegrityError, match="no state dict"):
            networks.load_state(tmp_path / "net.pth")


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
    path = obtain(unpinned, tmp_path, limits=PLAIN)
    assert (tmp_path / "net.bin.sha256").read_text().strip() == SHA
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
