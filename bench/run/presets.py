"""What is common to all methods at one size: resolution, budgets, counts. Methods' own widths are in their folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Preset:
    """One size of the comparison; every method gets the same images, the same budget and the same evaluation.

    ``images_seen`` and ``prior_images_seen`` are training budgets; ``eval_images`` caps the validation images (None:
    all of them); ``samples`` is how many images a prior draws for the generation table.
    """

    name: str
    purpose: str
    resolution: int
    images_seen: int
    prior_images_seen: int
    eval_images: int | None
    samples: int
    flip: bool
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    previews: int = 0


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "smoke",
            "tests and CI: every method, every stage, seconds",
            resolution=32,
            images_seen=640,
            prior_images_seen=640,
            eval_images=64,
            samples=64,
            flip=False,
        ),
        Preset(
            "small",
            "a laptop or a CPU server: a table worth reading in minutes",
            resolution=64,
            images_seen=24_000,
            prior_images_seen=24_000,
            eval_images=5_000,
            samples=1_000,
            flip=True,
            previews=8,
        ),
        Preset(
            "medium",
            "one modern GPU, minutes per method",
            resolution=128,
            images_seen=500_000,
            prior_images_seen=1_000_000,
            eval_images=10_000,
            samples=10_000,
            flip=True,
            precision="bf16-mixed",
            previews=8,
        ),
        Preset(
            "paper",
            "the published configurations",
            resolution=256,
            images_seen=25_000_000,
            prior_images_seen=50_000_000,
            eval_images=None,
            samples=50_000,
            flip=False,
            precision="bf16-mixed",
            previews=20,
        ),
    )
}
DEFAULT_PRESET = "small"
