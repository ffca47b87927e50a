"""Which flags reduced a result below its preset: those alone that kept images from it, or that changed the preset."""

from __future__ import annotations

from bench.run import tokenizers
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Session


def limited(name: str, job: Job) -> tuple[str, ...]:
    """The flags that reduced what the stage gives, and those of the run that its weights come from."""
    cell, session = job.cell, job.session
    origin = () if cell.weights.run is None or name == "cost" else cell.weights.run.limited
    flags = {
        "limit": _trains_on_fewer(session) and _sees_training_images(name, cell),
        "eval-limit": _measures_fewer(session) and name not in ("train", "cost"),
        **{f"set {text}": True for text in session.config.set},
    }
    return tuple(dict.fromkeys([*origin, *(flag for flag, reduced in flags.items() if reduced)]))


def _trains_on_fewer(session: Session) -> bool:
    most, train = session.config.limit, session.dataset.train
    return most is not None and train is not None and most < len(train)


def _measures_fewer(session: Session) -> bool:
    most, usual = session.config.eval_limit, session.preset.eval_images
    count = len(session.dataset.val)
    return most is not None and most < (count if usual is None else min(count, usual))


def _sees_training_images(name: str, cell: Cell) -> bool:
    """Whether weights, statistics or a reference behind the stage's numbers are of training images."""
    if name != "recon":
        return name != "cost"
    return tokenizers.not_trained(cell) is None or cell.code.rates is not None
