"""From a cell to its tokenizer: built, trained earlier, or loaded from ready-made weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contract import ANY_SIZE, Codes, Takes, Tokenizer
from bench.core import digest, seeding
from bench.core.readings import Readings
from bench.data import sized
from bench.data.sized import Images
from bench.errors import UsageError
from bench.results import record
from bench.run import checkpoints, code
from bench.run.cells import Cell
from bench.run.session import Session
from bench.run.settings import settings_until

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bench.contract import Build, Learner


def not_applicable(cell: Cell) -> str | None:
    """Why the method has no tokenizer; None where it has one."""
    able = cell.code
    if able.tokenizer or able.learner or (able.checkpoint and cell.method.weights):
        return None
    return "it is no tokenizer" if not able.checkpoint else "it needs weights: write name@WEIGHTS"


def not_trained(cell: Cell) -> str | None:
    """Why the tokenizer is not trained here: methods without a learner and ready-made weights are not."""
    if cell.method.weights is not None:
        return "its weights are ready-made"
    return None if cell.code.learner else "it needs no training"


def networks(cell: Cell) -> tuple[str, ...]:
    """The pretrained networks in the losses that the cell trains with; none where nothing is trained."""
    if cell.entry.networks is None or not_trained(cell) is not None:
        return ()
    return tuple(cell.entry.networks(cell.settings))


@dataclass(frozen=True)
class CellTokenizer:
    """Where a cell's tokenizer comes from, and the tokenizer itself, opened when the first stage asks for it.

    It stays on the device for the stages that follow, until :meth:`close`.
    """

    cell: Cell
    session: Session
    _open: list[Tokenizer] = field(default_factory=list, init=False, repr=False, compare=False)

    @cached_property
    def device(self) -> torch.device:
        """The device of the run."""
        return self.session.device()

    @cached_property
    def training(self) -> dict[str, Any]:
        """What decides the weights of a training: method, code, settings, images, budget, networks in the losses."""
        cell, session, needs = self.cell, self.session, networks(self.cell)
        return {
            "stage": "train",
            "code": code.of_training(cell.entry, session),
            "method": cell.method.name,
            "settings": settings_until(cell.settings, "train"),
            "resolution": session.preset.resolution,
            "images": session.train.digest,
            "images_seen": session.preset.images_seen,
            "flip": session.preset.flip,
            "precision": session.preset.precision,
            "seed": cell.seed,
            **({"networks": {name: session.pretrained.planned(name) for name in needs}} if needs else {}),
        }

    @property
    def folder(self) -> Path:
        """Where the training's checkpoint, final weights and report are."""
        return self.session.cache / "runs" / digest.of_value(self.training)[:32]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the tokenizer, as plain values and without building it."""
        cell, settings = self.cell, settings_until(self.cell.settings, "recon")
        ready, made_by = cell.weights.found(), {"code": code.of_images(self.cell.entry, self.session, (), ())}
        if ready is not None:
            return {"weights": ready.digest, "method": cell.method.name, "settings": settings, **made_by}
        if not_trained(cell) is None:
            trained_with = settings_until(cell.settings, "train")
            later = {name: value for name, value in settings.items() if name not in trained_with}
            return {"train": digest.of_value(self.training), **later, **made_by}
        method = {"method": cell.method.name, "settings": settings, "resolution": self.session.preset.resolution}
        return {**method, **made_by}

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The stand-ins in the losses that its weights are trained with, here or in the run that they come from."""
        run = self.cell.weights.run
        return self.session.pretrained.replacing(networks(self.cell)) if run is None else record.stand_ins(run.metrics)

    def open(self) -> Tokenizer:
        """The tokenizer on the device, in evaluation mode: built, trained earlier, or loaded from ready-made weights.

        Raises :class:`UsageError` for foreign weights of a method that reads none.
        """
        if not self._open:
            self._open.append(self._made())
        return self._open[0]

    def close(self) -> None:
        """Lets go of the opened tokenizer and its memory; what asks for it later opens it anew."""
        self._open.clear()

    def _made(self) -> Tokenizer:
        from bench.core.distributed import Alone

        cell, ready = self.cell, self.cell.weights.found()
        build = self.session.build(cell.seed, self.device, Alone(), training=False)
        if ready is not None and ready.kind == "file":
            reader = cell.code.checkpoint
            if reader is None:
                raise UsageError(f"'{cell.label}': {cell.entry.title} reads no foreign weights.")
            return reader.load(cell.settings, build, self.session.readings.content(ready.path, reader.read))
        if ready is not None:
            return self._trained(build, ready.path)
        if not_trained(cell) is None:
            self._train_where_absent()
            return self._trained(build, self.folder)
        make = cell.code.tokenizer
        assert make is not None, "the stage does not apply to a cell without a tokenizer"
        return make(cell.settings, build)

    def _train_where_absent(self) -> None:
        """Trains again what is no longer in the cache, although a result says that it was trained."""
        from bench.run.job import Job
        from bench.run.stages import train

        train.report_of(Job(self.cell, self.session, self))

    def learner(self, build: Build) -> Learner[Tokenizer]:
        """What trains the cell's tokenizer."""
        make = self.cell.code.learner
        assert make is not None, "a cell without a learner is not trained"
        return make(self.cell.settings, build)

    def _trained(self, build: Build, folder: Path) -> Tokenizer:
        """The product of a finished training run, built without what training alone needs."""
        from bench.train.checkpoint import FINAL, load_final

        learner = self.learner(build)
        load_final(folder / FINAL, learner, self.session.final)
        learner.module.to(self.device)
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


def weight_facts(cell: Cell, readings: Readings) -> dict[str, Any]:
    """What a result says of foreign weights: the file, what was left out of it; nothing for a row without."""
    found = checkpoints.described(cell.entry, cell.weights, readings)
    return {} if found is None else {"weights": dict(found.facts)}


def check_prior(cell: Cell, readings: Readings) -> None:
    """Raises :class:`UsageError` for a file with a published prior: another would be trained in its place."""
    found = checkpoints.described(cell.entry, cell.weights, readings)
    if found is not None and found.prior:
        raise UsageError(
            f"'{cell.label}' holds a second stage ({', '.join(found.prior)}), which cannot be loaded yet; ask for "
            "--stages recon,cost, or save the tokenizer in a file of its own to train a new prior on it."
        )


def bit_depth(cell: Cell) -> int | None:
    """To how many bits the reconstructions' continuous codes are rounded; None for as they are."""
    return None if cell.entry.bit_depth is None else cell.entry.bit_depth(cell.settings)


def depth_recipe(cell: Cell) -> dict[str, Any]:
    """What recipes and facts say of the bit depth: nothing where there is none."""
    depth = bit_depth(cell)
    return {} if depth is None else {"bit_depth": depth}


def encoded(
    tokenizer: Tokenizer, images: Images, batch: int, device: torch.device, takes: Takes = ANY_SIZE
) -> Iterator[tuple[Tensor, Codes]]:
    """Batches of images as the tokenizer takes them, uint8 ``[B, 3, H, W]``, with their codes.

    They follow each other as in :func:`bench.data.sized.plan`: images of one size in their order.
    """
    import torch

    from bench.evaluate import adapter, fitting

    with torch.inference_mode():
        for _, pixels in sized.batches(images, batch):
            padded = fitting.padded(takes, torch.from_numpy(pixels).to(device))
            yield padded, adapter.encoded(tokenizer, padded)
