"""Published checkpoints: listed, fetched, and named all at once."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from bench.run import published
from bench.run.opening import methods_table
from tests.conftest import Command

PLUGIN = """
from bench.contract import Method, MethodEntry
PUBLISHED = Method()
METHOD = MethodEntry("mine", "Mine", "a plug-in", code="NAME:PUBLISHED", source="NAME", variants=("v",))
"""
SOURCE = """
[checkpoints.one]
url = "URL/one.pt"
pin = "none"
pin_source = "a test"
licence = "MIT"
variant = "v"
resolution = 32
megabytes = 1
"""


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a range that is asked for is answered, as the hub does."""

    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        span = self.headers.get("Range")
        self.asked.append(span)
        start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[start:])

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    name = f"publisher_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN.replace("NAME", name))
    return tmp_path / f"{name}.py"


def test_a_checkpoint_is_fetched_resumed_and_then_listed_as_here(
    cache: Path, command: Command, plugin: Path, tmp_path: Path
) -> None:
    web = tmp_path / "web"
    web.mkdir()
    torch.save({"x": torch.zeros(300_000)}, web / "one.pt")
    with served(web) as url:
        (tmp_path / "source.toml").write_text(SOURCE.replace("URL", url))
        line = "mine@one                         v, 32 px, 1 MB, MIT: "
        assert f"{line}absent" in command("list", "checkpoints", "--plugin", str(plugin)).out
        weights = cache / "weights"
        weights.mkdir(parents=True)
        (weights / "one.pt.part").write_bytes((web / "one.pt").read_bytes()[:500_000])
        (weights / "one.pt.part.version").write_text('"one"')
        done = command("fetch", "mine@one", "--plugin", str(plugin), "--allow-http")
        assert done.code == 0, done.err
        assert Ranges.asked[-1] == "bytes=500000-"
        assert (weights / "one.pt").read_bytes() == (web / "one.pt").read_bytes()
        assert f"{line}here" in command("list", "checkpoints", "--plugin", str(plugin)).out


def test_a_file_that_is_smaller_than_its_publisher_says_is_not_kept(
    cache: Path, command: Command, plugin: Path, tmp_path: Path
) -> None:
    web = tmp_path / "web"
    web.mkdir()
    torch.save({"x": torch.zeros(100_000)}, web / "one.pt")
    with served(web) as url:
        (tmp_path / "source.toml").write_text(SOURCE.replace("URL", url))
        done = command("fetch", "mine@one", "--plugin", str(plugin), "--allow-http")
    assert done.code == 5
    assert "at least 980,000; it was not kept" in done.err


def test_every_checkpoint_of_every_method_is_listed_and_every_name_of_diffusers(cache: Path, command: Command) -> None:
    listed = command("list", "checkpoints").out.splitlines()
    table = methods_table(())
    assert [line.split()[0] for line in listed] == [
        *(one.label for one in published.published(table)),
        *(f"diffusers:{name}" for name in table["diffusers"].names()),
    ]
    assert any(line.startswith("ibq@16384 ") and "888 MB, Apache-2.0: absent" in line for line in listed)
    assert any(line.startswith("diffusers:flux2-vae ") and "gated" in line for line in listed)


def test_all_published_is_the_checkpoints_of_the_presets_side_and_says_what_it_leaves_out() -> None:
    table = methods_table(())
    (text, other) = published.expanded(["downsample:16,all-published", "jpeg"], table, 256)
    labels = text.split(",")
    assert labels[0] == "downsample:16"
    assert labels[1:] == [one.label for one in published.published(table) if one.resolution == 256]
    assert "simvq@65536" not in labels
    assert other == "jpeg"
    assert "simvq@65536 (128 px)" in (published.left_out(["all-published"], table, 256) or "")
    assert published.left_out(["llamagen"], table, 256) is None


def test_what_would_be_fetched_is_counted_once_a_file_with_what_is_not_known(cache: Path) -> None:
    table = methods_table(())
    said = published.to_fetch(["ibq@1024", "ibq@16384", "open-magvit2@f8-128-at-256", "llamagen@vq-ds16-c2i"], table)
    assert said is not None
    assert said.startswith("4 checkpoints to fetch, 2.6 GB and 1 of a size that is not known: python -m bench fetch ")
    assert published.to_fetch(["jpeg@x"], table) is None


def test_validate_lists_what_the_field_would_need(cache: Path, command: Command, tmp_path: Path) -> None:
    arguments = ("--methods", "all-published", "--dataset", "photos", "--preset", "medium", "--stages", "recon,cost")
    done = command("validate", *arguments, "--out", str(tmp_path / "out"), "--device", "cpu")
    assert done.code == 2
    assert "The checkpoint simvq@65536 (simvq_65k.ckpt, 628 MB) is not here" in done.err
    assert "5 checkpoints to fetch, 2.1 GB and 2 of a size that is not known" in done.out
    assert "all-published leaves out the checkpoints of other sizes than 128 px: vqgan@imagenet" in done.out
