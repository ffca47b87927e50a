"""Which code decides a tokenizer: the modules that its method's row names, and the loop that trains it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contract import MethodEntry
from bench.core.source import Sources

TRAINING = ("bench.train.loop", "bench.run.stages.fit", "bench.run.stages.train")


def of_method(entry: MethodEntry, sources: Sources) -> str:
    """The digest of the code behind the row, and of all of our own that it imports."""
    return sources.digest(_modules(entry))


def of_training(entry: MethodEntry, sources: Sources) -> str:
    """The digest of the code that decides trained weights."""
    return sources.digest([*_modules(entry), TRAINING[0]], TRAINING[1:])


def _modules(entry: MethodEntry) -> Iterator[str]:
    yield entry.code
    for value in vars(entry).values():
        if callable(value):
            yield value.__module__
