"""What the stages of one run share: configuration, preset, data, tables, cache, device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contract import Build, MethodEntry
from bench.core import digest, native
from bench.core.devices import choose_device, processes
from bench.core.images import ImageArray
from bench.core.readings import Readings
from bench.core.source import Sources
from bench.data import frozen, sized
from bench.data.dataset import Dataset
from bench.data.mixed import Mixed
from bench.data.sized import BATCH_PIXELS, Images
from bench.errors import UsageError
from bench.metrics.entries import FeatureEntry, MetricEntry, MetricProtocol
from bench.pretrained.networks import FOLDER as STAND_INS
from bench.pretrained.networks import Pretrained
from bench.results.record import Measurement
from bench.results.store import Place
from bench.run.cells import Cell
from bench.run.config import RunConfig
from bench.run.presets import Preset

if TYPE_CHECKING:
    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from torch import Tensor

    from bench.core.progress import Progress


@dataclass(frozen=True)
class Tables:
    """The tables in which a run looks up names."""

    methods: Mapping[str, MethodEntry]
    metrics: Mapping[str, MetricEntry]
    features: Mapping[str, FeatureEntry]


def head(array: ImageArray, count: int | None) -> ImageArray:
    """The array itself, or its first images where it has more than ``count``."""
    return array if count is None or count >= len(array) else frozen.first(frozen.as_frozen(array), count)


@dataclass(frozen=True)
class Session:
    """One run. ``say`` prints a line to stderr.

    ``readings`` is what it has read of weight files, ``sources`` of code; ``renewed`` are the places in the cache that
    ``--overwrite`` made it begin anew.
    """

    config: RunConfig
    preset: Preset
    dataset: Dataset
    tables: Tables
    protocol: MetricProtocol
    cache: Path
    progress: Progress
    say: Callable[[str], None]
    readings: Readings = field(default_factory=Readings)
    sources: Sources = field(default_factory=Sources)
    renewed: set[Path] = field(default_factory=set)

    @property
    def train(self) -> ImageArray:
        """The training images, at most ``--limit``. Raises :class:`UsageError` where the dataset has none."""
        if self.dataset.train is None or not len(self.dataset.train):
            raise UsageError(
                f"The dataset '{self.dataset.name}' has no training images; name one that has a train split."
            )
        return head(self.dataset.train, self.config.limit)

    @property
    def val(self) -> Images:
        """The validation images that are reconstructed: at most the preset's count and ``--eval-limit``."""
        return self._first(self.dataset.val)

    @property
    def held_out(self) -> ImageArray:
        """The validation images at the size that is trained at: :attr:`val`, but under the protocol ``native``.

        Raises :class:`UsageError` where there are none, because there are no training images.
        """
        dataset = self.dataset
        images = dataset.cropped_val if native.is_native(dataset.protocol) else dataset.val
        if images is None or isinstance(images, Mixed):
            raise UsageError(
                f"The dataset '{dataset.name}' has no training images, so that under '{dataset.protocol}' none is "
                "cropped to the preset's size; name a dataset with a train split, or a --protocol of one size."
            )
        first = self._first(images)
        assert not isinstance(first, Mixed), "a part of images of one size has one size"
        return first

    def _first(self, images: Images) -> Images:
        for count in (self.preset.eval_images, self.config.eval_limit):
            images = images if count is None else sized.first(images, count)
        return images

    @property
    def title(self) -> str:
        """The dataset as results name it: under ``native`` with its images' sizes, which make a table of their own."""
        dataset = self.dataset
        if not native.is_native(dataset.protocol):
            return dataset.name
        return f"{dataset.name}, {sized.said(sized.sizes(dataset.val))}"

    @cached_property
    def pretrained(self) -> Pretrained:
        """Finds and names the pretrained networks of this run, with stand-ins where ``--stand-in`` allows them."""
        return Pretrained(self.cache / STAND_INS if self.config.stand_in else None)

    def place(self, cell: Cell) -> Place:
        """Where a cell's results are: unlike images and unlike recipes have places of their own."""
        dataset = self.dataset
        name = f"{dataset.name}@{dataset.protocol}" if native.is_native(dataset.protocol) else dataset.name
        data = self.data if ":" in self.config.dataset else ""
        return Place(self.config.out, name, self.preset.name, cell.label, cell.seed, cell.task, data, self.asked)

    @property
    def data(self) -> str:
        """The digest of all images of the dataset."""
        train = self.dataset.train
        return digest.of_value([None if train is None else train.digest, self.dataset.val.digest])

    @property
    def asked(self) -> tuple[str, ...]:
        """What makes the recipe beyond dataset, preset, task and method: ``("precision=bf16-mixed", "limit=8")``."""
        from bench.data.dataset import dataset_of
        from bench.data.datasets import DATASETS
        from bench.metrics.protocols import DEFAULT_PROTOCOL

        config = self.config
        flags = {
            "limit": config.limit,
            "eval-limit": config.eval_limit,
            "protocol": None if native.is_native(self.dataset.protocol) else self.dataset.protocol,
            "metric-protocol": self.protocol.name,
            "stand-in": config.stand_in or None,
        }
        usual = {"protocol": dataset_of(config.dataset, DATASETS)[0].protocol, "metric-protocol": DEFAULT_PROTOCOL}
        said = [f"{name}={value}" for name, value in flags.items() if value not in (None, usual.get(name))]
        return (*sorted(config.set), *said)

    def device(self) -> torch.device:
        """The device of ``--device``, "auto" meaning CUDA, then MPS, then the CPU."""
        return choose_device(self.config.device)

    def fabric(self) -> Fabric:
        """Lightning Fabric for the device, precision and processes of this run, launched.

        Fabric has no autocast on MPS: there the training is in float32.
        """
        from lightning_fabric import Fabric

        device = self.device()
        precision = self.preset.precision if device.type != "mps" else "32-true"
        devices = [device.index] if device.index is not None else processes(device)
        fabric = Fabric(accelerator=device.type, devices=devices, precision=precision)
        fabric.launch()
        return fabric

    def build(self, seed: int, device: torch.device, comm: Any, training: bool = True) -> Build:
        """What a method is built with; without ``training`` for what it gives alone."""
        return Build(
            (self.preset.resolution, self.preset.resolution),
            seed,
            device,
            comm,
            training=training,
            channels_last=self.config.channels_last,
            compile=self.config.compile and device.type != "meta",
            weights=self.pretrained.find,
        )

    @property
    def execution(self) -> dict[str, bool]:
        """How networks are executed, where it is not the usual way: it decides speeds and the last digits."""
        options = {"channels-last": self.config.channels_last, "compiled": self.config.compile}
        return {name: True for name, on in options.items() if on}

    def final(self, path: Path) -> Mapping[str, Tensor]:
        """The finished weights in a file, read once in this run."""
        from bench.train.checkpoint import read_final

        found: Mapping[str, Tensor] = self.readings.content(path, read_final)
        return found

    def renews(self, place: Path) -> bool:
        """Whether what is in this place of the cache is to be made again: under ``--overwrite``, once in a run."""
        if not self.config.overwrite or place in self.renewed:
            return False
        self.renewed.add(place)
        return True

    def batch(self) -> int:
        """Images in a batch of evaluation, a function of the resolution alone."""
        return max(BATCH_PIXELS // self.preset.resolution**2, 1)


@dataclass(frozen=True)
class Outcome:
    """What a stage gives: numbers, facts, per-image values and pictures to write beside the result.

    ``pictures`` maps a file suffix (``examples.png``) to encoded bytes.
    """

    metrics: tuple[Measurement, ...] = ()
    facts: Mapping[str, Any] | None = None
    per_image: Mapping[str, np.ndarray] | None = None
    pictures: Mapping[str, bytes] | None = None
