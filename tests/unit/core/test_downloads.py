"""A server that answers wrongly in every way: nothing of it is kept, and the error is one sentence."""

from __future__ import annotations

import contextlib
import io
import socket
import tarfile
import threading
import time
import urllib.request
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from bench.cli import app
from bench.core import downloads, formats
from bench.core.digest import of_bytes
from bench.core.downloads import Limits
from bench.core.fetch import File, obtain
from bench.errors import BenchError, IntegrityError, UsageError
from bench.pretrained.table import WEIGHTS

WHOLE = save({"a": torch.arange(1000.0)})
PLAIN = Limits(plain=True)


class Hostile(BaseHTTPRequestHandler):
    """The path names what is wrong."""

    def do_GET(self):
        getattr(self, f"answer_{self.path.strip('/')}")()

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def body(self, data, status=200, **headers):
        self.head(status, Content_Length=str(len(data)), **headers)
        self.wfile.write(data)

    def answer_whole(self):
        self.body(WHOLE, Content_Type="application/octet-stream")

    def answer_page(self):
        self.body(b"<html>log in</html>", Content_Type="text/html; charset=utf-8")

    def answer_unnamed_page(self):
        self.body(b"<html>log in</html>" * 100)

    def answer_error(self):
        self.body(b'{"error": "quota"}', Content_Type="application/json")

    def answer_nothing(self):
        self.head(204)

    def answer_empty(self):
        self.body(b"")

    def answer_unasked_part(self):
        self.body(WHOLE[5:], 206, Content_Range=f"bytes 5-{len(WHOLE) - 1}/{len(WHOLE)}")

    def answer_cut(self):
        self.body(WHOLE[:-40])

    def answer_junk_length(self):
        self.head(Content_Length="many")
        self.wfile.write(WHOLE)

    def answer_negative_length(self):
        self.head(Content_Length="-5")
        self.wfile.write(WHOLE)

    def answer_huge_length(self):
        self.head(Content_Length="9" * 18)

    def answer_endless(self):
        self.head()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"\0" * 65536)

    def answer_slow(self):
        self.head(Content_Length="1000000")
        with contextlib.suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"\0")
                time.sleep(0.05)

    def answer_ftp(self):
        self.head(302, Location="ftp://127.0.0.1/x")

    def answer_local(self):
        self.head(302, Location="file:///etc/passwd")

    def answer_junk_address(self):
        self.head(302, Location="http://[::1/x")

    def answer_junk_port(self):
        self.head(302, Location="http://127.0.0.1:many/x")

    def answer_loop(self):
        self.head(302, Location="/loop")

    def answer_escape(self):
        self.send_response(500, "\x1b[31mred")
        self.end_headers()

    def answer_moved(self):
        self.head(302, Location="/whole")

    def log_message(self, *args):
        pass


@pytest.fixture
def server(cache: Path):
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def unpinned(url: str, name: str = "net.safetensors", least: int = 100) -> File:
    return File(name, url, "none", "the test", least)


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


@pytest.mark.parametrize("path", ["whole", "moved"])
def test_a_right_answer_is_kept(server: str, tmp_path: Path, path: str) -> None:
    assert obtain(unpinned(f"{server}/{path}"), tmp_path / "w", limits=PLAIN).read_bytes() == WHOLE
    assert left(tmp_path / "w") == ["net.safetensors", "net.safetensors.sha256"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("page", "answered with a page .text/html"),
        ("unnamed_page", "is no .safetensors file .it has no header"),
        ("error", "answered with a page .application/json"),
        ("nothing", "answered with status 204"),
        ("empty", "has 0 bytes, net.safetensors at least 100"),
        ("unasked_part", "answered with status 206"),
        ("cut", "its size is not that of its tensors"),
        ("junk_length", "announces a length that is no number .'many'"),
        ("negative_length", "announces a length that is no number .'-5'"),
        ("huge_length", "is larger than"),
        ("endless", "is larger than 1,000,000 bytes"),
        ("slow", "took longer than 1 s"),
        ("ftp", "leads to 'ftp://127.0.0.1/x', which is not https"),
        ("local", "'file:///etc/passwd' is not allowed"),
        ("junk_address", "cannot be downloaded|not https"),
        ("junk_port", "cannot be downloaded"),
        ("loop", "cannot be downloaded"),
        ("escape", r"HTTP 500 \[31mred"),
    ],
)
def test_a_wrong_answer_is_one_sentence_and_leaves_nothing(server: str, tmp_path: Path, path: str, words: str) -> None:
    begun = time.monotonic()
    with pytest.raises(BenchError, match=words) as error:
        obtain(unpinned(f"{server}/{path}"), tmp_path / "w", limits=Limits(1_000_000, 1.0, plain=True))
    assert str(error.value).isprintable()
    assert left(tmp_path / "w") == []
    assert time.monotonic() - begun < 10


def test_another_part_than_was_asked_for_is_refused(server: str, tmp_path: Path) -> None:
    (tmp_path / "net.safetensors.part").write_bytes(WHOLE[:7])
    (tmp_path / "net.safetensors.part.version").write_text('"1"')
    with pytest.raises(IntegrityError, match="another part than was asked for"):
        obtain(unpinned(f"{server}/unasked_part"), tmp_path, limits=PLAIN)
    assert left(tmp_path) == []


def test_plain_http_is_taken_where_it_is_asked_for_or_a_digest_is_pinned(server: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not encrypted.*--allow-http"):
        obtain(unpinned(f"{server}/whole"), tmp_path)
    with pytest.raises(UsageError, match="no address of the web"):
        obtain(unpinned("ftp://127.0.0.1/x"), tmp_path, limits=PLAIN)
    pinned = File("net.safetensors", f"{server}/whole", f"sha256:{of_bytes(WHOLE)}", "the test")
    assert obtain(pinned, tmp_path).read_bytes() == WHOLE


@pytest.mark.parametrize("address", ["http://other/x", "ftp://other/x", "file:///x"])
def test_an_encrypted_connection_stays_encrypted(address: str) -> None:
    request = urllib.request.Request("https://publisher/x")
    with pytest.raises(BenchError, match="which is not https"):
        downloads._Redirects().redirect_request(request, None, 302, "", {}, address)
    followed = downloads._Redirects().redirect_request(request, None, 302, "", {}, "https://other/x")
    assert followed.full_url == "https://other/x"


def test_the_flag_of_the_command_allows_it(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(WEIGHTS["alexnet"], files=(unpinned(f"{server}/whole"),))
    monkeypatch.setitem(WEIGHTS, "alexnet", row)
    refused = CliRunner().invoke(app, ["fetch", "alexnet"])
    assert isinstance(refused.exception, UsageError)
    assert "--allow-http" in str(refused.exception), "the remedy that is named is the one that works"
    done = CliRunner().invoke(app, ["fetch", "alexnet", "--allow-http"])
    assert done.exit_code == 0, done.output


def test_a_server_that_says_nothing_of_http_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            connection.recv(1000)
            connection.sendall(b"\x00\xff junk\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(BenchError, match="cannot be downloaded"):
            obtain(unpinned(f"http://127.0.0.1:{listening.getsockname()[1]}/x"), tmp_path, limits=PLAIN)


def archives(folder: Path) -> dict[str, bytes]:
    """A right file of every format that is known."""
    found = {"a.safetensors": WHOLE}
    for name, zipped in (("a.pth", True), ("a.pt", False), ("a.ckpt", True)):
        torch.save({"a": torch.ones(3)}, folder / name, _use_new_zipfile_serialization=zipped)
        found[name] = (folder / name).read_bytes()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("model.ckpt", b"x" * 100)
    found["a.zip"] = found["a.npz"] = data.getvalue()
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode=mode) as tape:
            tape.add(folder / "a.pth", "a.pth")
        found[name] = data.getvalue()
    return found


def test_formats_are_told_from_pages_and_from_damage(tmp_path: Path) -> None:
    right = archives(tmp_path)
    for name, data in right.items():
        path = tmp_path / "probe"
        path.write_bytes(data)
        assert formats.misfit(path, name) is None, name
        for wrong in (b"", b"<!doctype html><title>Sign in</title>" * 9, data[: len(data) // 2][:8], b"\xff" * 999):
            path.write_bytes(wrong)
            assert formats.misfit(path, name) is not None, (name, wrong[:10])
    assert formats.misfit(path, "a.bin") is None
