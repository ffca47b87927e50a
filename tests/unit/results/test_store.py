"""Results on disk: where they are, when they count as done, and what happens to bad files and full disks."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from bench.core import documents, files
from bench.errors import BenchError, UsageError
from bench.results import store
from bench.results.record import Measurement, Result
from bench.results.store import Place

RESULT = Result(
    stage="recon",
    status="ok",
    method="brics:codes=d",
    title="BRICS",
    dataset="photos",
    preset="smoke",
    seed=0,
    key="a" * 64,
    metrics=(Measurement("psnr", 20.5, "dB", True, 64, signature={"metric": "psnr"}),),
    per_image="recon.parquet",
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "photos", "smoke", "brics:codes=d", 0)


def test_a_result_comes_back_as_it_was(place: Place) -> None:
    values = {"image": np.arange(3), "psnr": np.array([20.0, 21.0, 20.5])}
    path = place.write(RESULT, values)
    assert path == place.root / "photos-smoke" / "brics+codes=d" / "seed0" / "recon.json"
    assert place.done("recon", RESULT.key) == RESULT
    assert parquet.read_table(path.with_name("recon.parquet")).to_pydict()["psnr"] == [20.0, 21.0, 20.5]
    assert [r for _, r in store.read_all([place.root])] == [RESULT]
    assert not list(place.root.rglob("*.tmp"))


def test_another_recipe_is_not_done_and_the_old_result_is_kept(place: Place) -> None:
    place.write(RESULT)
    assert place.done("recon", "b" * 64) is None
    place.write(dataclasses.replace(RESULT, key="b" * 64))
    kept = list(place.folder.glob("*.superseded"))
    assert [path.name for path in kept] == ["recon.json.aaaaaaaa.superseded"]
    assert json.loads(kept[0].read_text())["key"] == RESULT.key
    place.write(dataclasses.replace(RESULT, key="b" * 64, error="again"))
    assert len(list(place.folder.glob("*.superseded"))) == 1


def test_a_failure_is_tried_again(place: Place) -> None:
    place.write(dataclasses.replace(RESULT, status="failed", error="no memory"))
    assert place.done("recon", RESULT.key) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EROFS, "choose another folder with --out"),
        (errno.EIO, "was not written"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    place.write(RESULT)
    before = place.file("recon").read_bytes()

    def fail(path: Path, text: str, encoding: str) -> int:
        path.write_bytes(b"half a res")
        raise OSError(code, "said the system")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(BenchError, match=words) as caught:
        place.write(dataclasses.replace(RESULT, key=RESULT.key, error="new"))
    assert str(place.file("recon")) in str(caught.value)
    assert place.file("recon").read_bytes() == before
    assert not list(place.root.rglob("*.tmp"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 99}', '{"schema": "x"}', "\x00"])
def test_a_bad_result_file_is_named(place: Place, text: str) -> None:
    place.folder.mkdir(parents=True)
    place.file("recon").write_text(text)
    with pytest.raises(UsageError, match=r"recon\.json"):
        place.existing("recon")


def test_what_is_no_file_or_too_large_for_a_result_is_refused_unread(place: Place) -> None:
    place.folder.mkdir(parents=True)
    place.file("recon").symlink_to("/dev/null")
    with pytest.raises(UsageError, match="is not a regular file"):
        place.existing("recon")
    with place.file("cost").open("wb") as large:
        large.truncate(documents.LARGEST + 1)
    with pytest.raises(UsageError, match="has 8,388,609 bytes"):
        place.existing("cost")


def test_a_newer_schema_is_refused(place: Place) -> None:
    place.write(RESULT)
    raw = json.loads(place.file("recon").read_text())
    place.file("recon").write_text(json.dumps({**raw, "schema": 3}))
    with pytest.raises(UsageError, match="written by a newer version \\(schema 3"):
        place.existing("recon")


def test_a_read_only_folder_is_found_before_the_run(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(UsageError, match="cannot be written"):
        files.check_writable(file / "results")


def test_the_cache_follows_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path))
    assert files.cache_root() == tmp_path


def test_a_home_that_nobody_knows_is_one_sentence(tmp_path: Path) -> None:
    assert files.expanded(tmp_path) == tmp_path
    with pytest.raises(UsageError, match="~nobody_of_that_name/a: the home folder behind ~ is not known"):
        files.expanded("~nobody_of_that_name/a")


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    for path in (Path("/dev/full"), tmp_path):
        with pytest.raises(UsageError, match="a device, a pipe or a folder"):
            files.write_bytes(path, b"x")
    assert Path("/dev/full").is_char_device()
