"""Temporary names that processes of several hosts give to the files of one folder."""

from __future__ import annotations

from pathlib import Path

from bench.core.devices import first_process
from bench.core.files import unique, write_bytes


def test_a_temporary_name_is_never_given_twice_and_names_host_and_process(tmp_path: Path) -> None:
    names = {unique(tmp_path / "a.json", ".tmp") for _ in range(100)}
    assert len(names) == 100
    assert all(path.parent == tmp_path and path.suffix == ".tmp" and len(path.name) < 80 for path in names)


def test_a_file_that_an_equal_process_elsewhere_writes_is_left_alone(tmp_path: Path) -> None:
    other = unique(tmp_path / "a", ".tmp")
    other.write_bytes(b"half")
    write_bytes(tmp_path / "a", b"whole")
    assert other.read_bytes() == b"half"
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_the_first_process_of_a_training() -> None:
    assert first_process({})
    assert first_process({"RANK": "0", "LOCAL_RANK": "0"})
    assert not first_process({"RANK": "1", "LOCAL_RANK": "1"})
    assert not first_process({"RANK": "2", "LOCAL_RANK": "0"})
