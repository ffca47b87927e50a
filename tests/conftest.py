"""What several tests share: a cache of their own and the command line in process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a process per core: more threads than that would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that tests of one session share, so that the embedded photographs are prepared once."""
    return tmp_path_factory.mktemp("shared-cache")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``python -m bench ARGUMENTS`` in this process."""

    def run(*arguments: str) -> Done:
        from bench.cli import main

        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        captured = capsys.readouterr()
        code = done.value.code
        return Done(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return run
