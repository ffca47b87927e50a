"""The toy tokenizer as a plugin, with a cache that the tests of a session share."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGIN = """
from bench.contract import MethodEntry
from tests.toys import ENTRY
import dataclasses
METHOD = dataclasses.replace(ENTRY, name="toy")
"""


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plugin file with the toy tokenizer."""
    file = tmp_path_factory.mktemp("plugin") / "plugin_toy.py"
    file.write_text(PLUGIN)
    return str(file)


@pytest.fixture
def toy(plugin: str, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The plugin; the cache is shared by the tests of this session."""
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    return plugin
