"""A cache of each test's own, and two folders of images."""

import pytest

from .scoring import pictures, write


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def real(tmp_path):
    return write(tmp_path / "real", pictures(0))


@pytest.fixture
def fake(tmp_path):
    return write(tmp_path / "fake", pictures(1))
