"""From a cell to its tokenizer: built, trained earlier, or loaded from ready-made weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench import digest, record, registry, weights
from bench.contract import UsageError
from bench.options import settings_until
from bench.plan import Cell
from bench.session import Session
from bench.stages import train

if TYPE_CHECKING:
    import torch

    from bench.contract import Learner, Tokenizer


def obstacle(cell: Cell) -> str | None:
    """Why the method has no tokenizer."""
    entry = cell.entry
    if entry.tokenizer or entry.learner or (entry.checkpoint and cell.method.weights):
        return None
    return "it is no tokenizer" if not entry.checkpoint else "it needs weights: write name@WEIGHTS"


def identity(cell: Cell, session: Session) -> dict[str, Any]:
    """What decides the tokenizer, as plain values and without building it."""
    settings = settings_until(cell.settings, "recon")
    ready = weights.find(cell.method, cell.entry, session.cache)
    if ready is not None:
        return {"weights": ready.digest, "method": cell.method.name, "settings": settings}
    if train.obstacle(cell) is None:
        trained_with = settings_until(cell.settings, "train")
        later = {name: value for name, value in settings.items() if name not in trained_with}
        return {"train": digest.of_value(train.recipe(cell, session)), **later}
    return {
        "method": cell.method.name,
        "settings": settings,
        "resolution": session.preset.resolution,
    }


def stand_ins(cell: Cell, session: Session) -> tuple[str, ...]:
    """The stand-ins in the losses that the cell's weights are trained with, here or in the run that they come from."""
    run = weights.trained_as(cell.method)
    return session.pretrained.replacing(train.networks(cell)) if run is None else record.stand_ins(run.metrics)


def tokenizer(cell: Cell, session: Session, device: torch.device) -> Tokenizer:
    """The cell's tokenizer on ``device``, in evaluation mode."""
    from bench.tasks.comm import Alone

    build = session.build(cell.seed, device, Alone())
    ready = weights.find(cell.method, cell.entry, session.cache)
    if ready is not None and ready.kind == "file":
        if cell.entry.checkpoint is None:
            raise UsageError(f"'{cell.label}': {cell.entry.title} reads no foreign weights.")
        return registry.load(cell.entry.checkpoint)(cell.settings, build, ready.path)
    if ready is not None:
        return trained(cell, session, device, ready.path)
    if train.obstacle(cell) is None:
        return trained(cell, session, device, train.folder(cell, session))
    return registry.load(str(cell.entry.tokenizer))(cell.settings, build)


def trained(cell: Cell, session: Session, device: torch.device, folder: Any) -> Tokenizer:
    """The product of a finished training run."""
    from bench.tasks.checkpoint import FINAL, load_final
    from bench.tasks.comm import Alone

    learner: Learner = registry.load(str(cell.entry.learner))(cell.settings, session.build(cell.seed, device, Alone()))
    load_final(folder / FINAL, learner)
    learner.module.to(device)
    return learner.finish()  # type: ignore[return-value]
