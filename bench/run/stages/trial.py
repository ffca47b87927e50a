"""What the trial of a cell hands from stage to stage, and the coding and measuring that several of them need."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bench.contract import Prior, Tokenizer
from bench.data import sized
from bench.run import sizes
from bench.run.forecast import Spread, spread
from bench.run.job import Job
from bench.run.session import Session

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.run.stages.trial_steps import Patience

DIGEST_BYTES = 32
"""What a frozen set holds of an image besides its pixels."""


@dataclass
class Trial:
    """What the stages of one cell hand on.

    ``job`` writes into the scratch cache and takes stand-ins for networks that are not here; ``real`` is that of the
    run, from which ready-made weights are read.
    ``encode`` and ``decode`` are seconds per image, ``free`` the bytes of memory that were free before the cell.
    """

    job: Job
    real: Job
    device: torch.device
    patience: Patience
    first: bool
    free: int | None
    tokenizer: Tokenizer | None = None
    prior: Prior | None = None
    encode: Spread = field(default_factory=Spread)
    decode: Spread = field(default_factory=Spread)
    decoded: np.ndarray | None = None


def remedies(trial: Trial, settings: Any, micro_batch: int | None) -> tuple[str, ...]:
    """What needs less memory: a smaller micro-batch, recomputed activations, half precision. None of what is on."""
    said = []
    if micro_batch and micro_batch != trial.job.session.config.micro_batch:
        said.append(f"give --micro-batch {micro_batch}")
    if getattr(settings, "checkpointing", True) is False:
        said.append(f"add checkpointing=true to the method ({trial.job.cell.label}:checkpointing=true)")
    if trial.device.type == "cuda" and trial.job.session.preset.precision == "32-true":
        said.append("add --set precision=bf16-mixed")
    return tuple(said)


def tokenizer_of(trial: Trial) -> Tokenizer:
    """The cell's tokenizer: the one that was trained for a few steps, or ready-made weights."""
    if trial.tokenizer is None:
        trial.tokenizer = trial.real.tokenizer.open()
    return trial.tokenizer


def code(trial: Trial) -> None:
    """Encodes and decodes a batch of evaluation, and notes how long an image took."""
    import torch

    from bench.core import images
    from bench.evaluate import fitting
    from bench.evaluate.adapter import check_decoded, encoded
    from bench.evaluate.clock import Schedule, seconds_per_call

    tokenizer = tokenizer_of(trial)
    batch = sized.largest(trial.job.session.val, trial.job.session.batch())
    schedule = Schedule(warmup=1, repeats=2, seconds=0.5, most=5)
    with torch.inference_mode():
        pixels = fitting.padded(sizes.of(trial.job), torch.from_numpy(batch).to(trial.device))
        codes = encoded(tokenizer, pixels)
        noise = list(range(len(pixels))) if trial.job.cell.decoding.noise else None
        decoded = tokenizer.decode(codes, noise)
        check_decoded(decoded, pixels, range(len(pixels)), tokenizer)
        trial.encode = spread(seconds_per_call(lambda: tokenizer.encode(pixels), trial.device, schedule))
        trial.decode = spread(seconds_per_call(lambda: tokenizer.decode(codes, noise), trial.device, schedule))
    trial.encode, trial.decode = trial.encode * (1 / len(pixels)), trial.decode * (1 / len(pixels))
    trial.decoded = images.to_uint8(fitting.cropped(decoded, batch.shape[2:])).cpu().numpy()


def measuring(trial: Trial, kind: str | None) -> tuple[Spread, float]:
    """Seconds and bytes of features per image of one set, from one batch measured twice, all metrics or one kind."""
    from bench.data import frozen
    from bench.metrics.measure import measure

    assert trial.decoded is not None
    session = trial.job.session
    reference = frozen.in_memory(sized.largest(session.val, len(trial.decoded)))
    candidate = frozen.in_memory(trial.decoded)
    pretrained = session.pretrained if trial.real.session.config.stand_in else trial.real.session.pretrained
    metrics = [m for m in session.tables.metrics.values() if kind in (None, m.kind)]
    seconds, written = [], 0.0
    for number in range(2):
        cache = session.cache / f"measured-{kind}-{number}"
        began = perf_counter()
        measure(
            reference,
            candidate,
            metrics,
            session.tables.features,
            session.protocol,
            trial.device,
            cache,
            session.batch(),
            session.progress,
            pretrained=pretrained,
        )
        seconds.append((perf_counter() - began) / len(candidate))
        written = size_of(cache / "features") / (2 * len(candidate))
    return spread(seconds), written


def pixels_of(session: Session) -> int:
    """Bytes of one frozen image."""
    return 3 * session.preset.resolution**2 + DIGEST_BYTES


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
