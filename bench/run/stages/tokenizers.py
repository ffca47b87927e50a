"""From a cell to its tokenizer: built, trained earlier, or loaded from ready-made weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.contract import Codes, Tokenizer
from bench.core import digest, seeding
from bench.core.images import ImageArray
from bench.errors import UsageError
from bench.results import record
from bench.run import checkpoints
from bench.run.cells import Cell
from bench.run.session import Session
from bench.run.settings import settings_until
from bench.run.stages import train

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def obstacle(cell: Cell) -> str | None:
    """Why the method has no tokenizer."""
    able = cell.code
    if able.tokenizer or able.learner or (able.checkpoint and cell.method.weights):
        return None
    return "it is no tokenizer" if not able.checkpoint else "it needs weights: write name@WEIGHTS"


def identity(cell: Cell, session: Session) -> dict[str, Any]:
    """What decides the tokenizer, as plain values and without building it."""
    settings = settings_until(cell.settings, "recon")
    ready = checkpoints.find(cell.method, cell.entry, session.cache, session.readings)
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
    run = checkpoints.trained_as(cell.method)
    return session.pretrained.replacing(train.networks(cell)) if run is None else record.stand_ins(run.metrics)


def tokenizer(cell: Cell, session: Session, device: torch.device) -> Tokenizer:
    """The cell's tokenizer on ``device``, in evaluation mode."""
    from bench.core.distributed import Alone

    build = session.build(cell.seed, device, Alone(), training=False)
    ready = checkpoints.find(cell.method, cell.entry, session.cache, session.readings)
    if ready is not None and ready.kind == "file":
        reader = cell.code.checkpoint
        if reader is None:
            raise UsageError(f"'{cell.label}': {cell.entry.title} reads no foreign weights.")
        return reader.load(cell.settings, build, session.readings.content(ready.path, reader.read))
    if ready is not None:
        return trained(cell, session, device, ready.path)
    if train.obstacle(cell) is None:
        return trained(cell, session, device, train.folder(cell, session))
    make = cell.code.tokenizer
    assert make is not None, "a cell without a tokenizer has an obstacle"
    return make(cell.settings, build)


def trained(cell: Cell, session: Session, device: torch.device, folder: Any) -> Tokenizer:
    """The product of a finished training run, built without what training alone needs."""
    from bench.core.distributed import Alone
    from bench.train.checkpoint import FINAL, load_final

    build = session.build(cell.seed, device, Alone(), training=False)
    learner = train.learner(cell, build)
    load_final(folder / FINAL, learner, session.final)
    learner.module.to(device)
    return learner.finish()


def noise_recipe(cell: Cell) -> dict[str, Any]:
    """What a recipe says of noise: nothing where there is none, so that it is the recipe from before noise existed."""
    return {"noise": True} if cell.decoding.noise else {}


def noise_facts(cell: Cell) -> dict[str, Any]:
    """What a result says of noise: the standard deviations by name, nothing where there is none."""
    if not cell.decoding.noise or cell.entry.decoding_noise is None:
        return {}
    return {"decoding_noise": dict(cell.entry.decoding_noise(cell.settings))}


def noise_seed(cell: Cell) -> int | None:
    """The seed of the reconstructions' noise, to which an image's number is added; None for no noise."""
    return seeding.derive(cell.seed, "decoding") if cell.decoding.noise else None


def encoded(
    tokenizer: Tokenizer, array: ImageArray, batch: int, device: torch.device
) -> Iterator[tuple[Tensor, Codes]]:
    """Batches of images, uint8 ``[B, 3, H, W]``, with their codes."""
    import torch

    with torch.inference_mode():
        for first in range(0, len(array), batch):
            images = torch.from_numpy(array.pixels[first : first + batch].copy()).to(device)
            yield images, tokenizer.encode(images)
