"""Which code decides what a cell gives: the modules that its method's row names, and those of the stages.

A row names its functions in one place, so that whatever is edited in a method's folder counts for all that it gives:
a change of its prior trains its tokenizer again, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.contract import MethodEntry
from bench.metrics import signatures
from bench.run.session import Session

TRAINING = ("bench.train.loop",)
STAGES = "bench.run.stages"
BUILDING = ("bench.run.session", "bench.run.job", "bench.run.tokenizers")
"""What hands settings, precision, seeds and batches to methods and to the loop; its text alone counts."""

PROTOCOLS = "bench.metrics.protocols"


def of_method(entry: MethodEntry) -> list[str]:
    """Everything that the row names: the module of its functions, and those of its settings."""
    return [entry.code, *(value.__module__ for value in vars(entry).values() if callable(value))]


def of_measuring(session: Session) -> list[str]:
    """The formulas and feature networks of this run's metrics, and the table of their protocols."""
    features = (entry.build for entry in session.tables.features.values())
    return [
        PROTOCOLS,
        signatures.PASS,
        *(metric.function.__module__ for metric in session.tables.metrics.values()),
        *features,
    ]


def of_stage(name: str, entry: MethodEntry, session: Session) -> str:
    """The digest of all code behind a stage's result: the stage, the method, and what measures."""
    measuring = of_measuring(session) if name in ("recon", "gen") else []
    loop = TRAINING if name == "prior" else ()
    helpers = ("fit", "conditional", "external", "placement")
    alone = [*BUILDING, "bench.run.runner", *(f"{STAGES}.{helper}" for helper in helpers)]
    return session.sources.digest([f"{STAGES}.{name}", *of_method(entry), *loop, *measuring], alone)


def of_training(entry: MethodEntry, session: Session, stage: str = "train") -> str:
    """The digest of the code that decides trained weights."""
    return session.sources.digest([*of_method(entry), *TRAINING], [*BUILDING, f"{STAGES}.{stage}", f"{STAGES}.fit"])


def of_images(entry: MethodEntry, session: Session, modules: Iterable[str], stages: Iterable[str]) -> str:
    """The digest of the code that makes images with a method: ``modules``, and the text of ``stages``."""
    alone = [*BUILDING, "bench.train.checkpoint", *(f"{STAGES}.{stage}" for stage in stages)]
    return session.sources.digest([*of_method(entry), *modules], alone)
