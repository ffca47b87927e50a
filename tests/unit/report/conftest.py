"""The command line, in this process."""

import sys
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_bench(monkeypatch, capsys):
    from bench.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        said = capsys.readouterr()
        return Ran(done.value.code, said.out, said.err)

    return run


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    """Nothing here is about surviving a power cut; a busy disk would make these tests slow."""
    monkeypatch.setattr("os.fsync", lambda _: None)
