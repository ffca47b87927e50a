"""Training a tokenizer. The trained weights live in the cache under the digest of their recipe."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import digest, registry
from bench.contract import BenchError
from bench.plan import Cell
from bench.record import Measurement
from bench.session import Outcome, Session
from bench.store import write_file

if TYPE_CHECKING:
    from bench.contract import Learner, Tokenizer
    from bench.tasks.fit import FitReport

VERSION = 1
REPORT = "report.json"
PREVIEW_IMAGES = 256


def obstacle(cell: Cell) -> str | None:
    """Methods without a learner and ready-made weights are not trained."""
    if cell.method.weights is not None:
        return "its weights are ready-made"
    return None if cell.entry.learner else "it needs no training"


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """Method, settings, images and budget: what decides the weights."""
    return {
        "stage": "train",
        "version": VERSION,
        "method": cell.method.name,
        "settings": digest.plain(cell.settings),
        "resolution": session.preset.resolution,
        "images": session.train.digest,
        "images_seen": session.preset.images_seen,
        "flip": session.preset.flip,
        "precision": session.preset.precision,
        "seed": cell.seed,
    }


def folder(cell: Cell, session: Session) -> Path:
    """Where the run's checkpoint, final weights and report are."""
    return session.cache / "runs" / digest.of_value(recipe(cell, session))[:32]


def run(cell: Cell, session: Session) -> Outcome:
    """Trains, or reads the report of a run that is finished."""
    where = folder(cell, session)
    report = finished(where) or _train(cell, session, where)
    measurements = (
        Measurement("images-seen", float(report["images_seen"]), "images", n=report["images_seen"]),
        Measurement("training-seconds", report["seconds"], "s", higher_is_better=False, n=report["steps"]),
        Measurement("training-flops", report["flops"], "FLOP", higher_is_better=False, n=report["steps"]),
    )
    return Outcome(measurements, facts=report)


def finished(where: Path) -> dict[str, Any] | None:
    """The report of a finished run: report and final weights are both there."""
    from bench.tasks.checkpoint import FINAL

    if not ((where / REPORT).exists() and (where / FINAL).exists()):
        return None
    report: dict[str, Any] = json.loads((where / REPORT).read_text(encoding="utf-8"))
    return report


def _train(cell: Cell, session: Session, where: Path) -> dict[str, Any]:
    import torch
    from filelock import FileLock, Timeout

    from bench import seeding
    from bench.tasks.checkpoint import CHECKPOINT
    from bench.tasks.comm import comm
    from bench.tasks.fit import FitPlan, fit
    from bench.tasks.source import ImageSource

    fabric = session.fabric()
    where.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(where / "lock", timeout=0):
            torch.manual_seed(seeding.derive(cell.seed, "initialisation"))
            build = session.build(cell.seed, fabric.device, comm(fabric))
            learner: Learner = registry.load(str(cell.entry.learner))(cell.settings, build)
            learner.module.to(fabric.device)
            plan = FitPlan(
                images=session.preset.images_seen,
                seed=cell.seed,
                flip=session.preset.flip,
                micro_batch=session.config.micro_batch,
                previews=session.preset.previews,
            )
            preview = _preview(session) if session.preset.previews else None
            report = fit(learner, ImageSource(session.train), plan, fabric, where, session.progress, preview)
            if fabric.global_rank == 0:
                write_file(where / REPORT, lambda path: path.write_text(_to_json(report), encoding="utf-8"))
                (where / CHECKPOINT).unlink(missing_ok=True)
    except Timeout as error:
        raise BenchError(f"Another process is training this very run in {where}; wait for it to end.") from error
    return json.loads(_to_json(report))


def _to_json(report: FitReport) -> str:
    return json.dumps(dataclasses.asdict(report), indent=2) + "\n"


def _preview(session: Session) -> Any:
    """A function that gives the PSNR of the learner's present state on the first validation images."""
    import torch

    from bench import images
    from bench.session import head

    held_out = torch.from_numpy(head(session.val, PREVIEW_IMAGES).pixels.copy())

    def preview(learner: Learner) -> Mapping[str, float]:
        tokenizer: Tokenizer = learner.finish()  # type: ignore[assignment]
        device = next(learner.module.parameters()).device
        errors = []
        with torch.inference_mode():
            for batch in held_out.split(session.batch()):
                decoded = images.to_uint8(tokenizer.decode(tokenizer.encode(batch.to(device)))).cpu()
                errors.append((decoded.double() - batch.double()).square().mean(dim=(1, 2, 3)))
        decibels = 10 * torch.log10(255**2 / torch.cat(errors).clamp_min(1e-5))
        return {"psnr": float(decibels.mean())}

    return preview
