"""What a tokenizer costs: parameters and operations of its encoder and decoder, and of a training step.

Nothing here loops over images or looks at a clock (:mod:`bench.evaluate.clock` does). Parts are executed once each for
a batch of one, on meta tensors where the method builds them there, so the published sizes count in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from bench.contract import Build, Part
from bench.core.distributed import Alone
from bench.core.flops import Tally, tally
from bench.results.record import Measurement, Signature

S = TypeVar("S")
SIDES = ("decoder", "encoder")
CONVENTIONS: Mapping[str, str] = {
    "gmac": "convolutions, matrix products and attention, multiply-accumulates",
    "gmac-fvcore": "as fvcore's total: the same, 5 per normalised element, 1 per element upsampled to nearest",
}
UNSEEN = (
    "as fvcore's total: the same but for fused attention, 5 per normalised element, 1 per element upsampled to nearest"
)
"""What ``gmac-fvcore`` counts where there is fused attention, which fvcore does not see."""


@dataclass(frozen=True)
class Counted:
    """The cost of a tokenizer: ``measurements`` for the table, ``facts`` (cost by part, operators not counted)."""

    measurements: tuple[Measurement, ...]
    facts: Mapping[str, Any]


def count(parts: Sequence[Part]) -> tuple[Measurement, ...]:
    """The measurements of :func:`count_parts`."""
    return count_parts(parts).measurements


def count_parts(parts: Sequence[Part]) -> Counted:
    """Executes each part once, without gradients, and adds up operations and parameters by side.

    Measurements: ``decoder-parameters`` and ``encoder-parameters`` (networks), ``decoder-grid-parameters``,
    ``codebook-parameters``, and for each side ``-gmac`` and ``-gmac-fvcore`` in 10^9 per image. A side without a part
    (a codec, a decoder without an encoder) has absent operations with the reason.
    """
    with torch.no_grad():
        tallies = [tally(part.run) for part in parts]
    measurements = (*_parameters(parts), *(m for side in SIDES for m in _operations(side, parts, tallies)))
    return Counted(measurements, {"cost-by-part": _by_part(parts, tallies), "uncounted": _uncounted(parts, tallies)})


def count_method(parts: Callable[[S, Build], Sequence[Part]], settings: S, size: tuple[int, int]) -> Counted:
    """The counts of a method's ``parts``, built on the meta device: shapes without memory, whatever the size."""
    meta = torch.device("meta")
    build = Build(size, seed=0, device=meta, comm=Alone())
    with meta:
        built = parts(settings, build)
    return count_parts(built)


def count_step(run: Callable[[], object]) -> float:
    """Floating-point operations of one training step, counted while ``run`` executes it.

    ``run`` makes the whole step: forward, backward (and the double backward of a gradient penalty), optimiser. Only
    convolutions, matrix products and attention count, two FLOPs per multiply-accumulate; recomputation by gradient
    checkpointing counts, because it is executed. A compiled region is opaque: count before compiling.
    """
    return tally(run).flops


def _parameters(parts: Sequence[Part]) -> list[Measurement]:
    def total(kind: str, side: str | None) -> int:
        return sum(p.parameters.get(kind, 0) for p in parts if side in (None, p.side))

    numbers = {
        "decoder-parameters": total("network", "decoder"),
        "decoder-grid-parameters": total("grids", "decoder"),
        "encoder-parameters": total("network", "encoder"),
        "codebook-parameters": total("codebook", None),
    }
    return [
        Measurement(name, float(value), "parameters", higher_is_better=False, n=value)
        for name, value in numbers.items()
    ]


def _operations(side: str, parts: Sequence[Part], tallies: Sequence[Tally]) -> list[Measurement]:
    mine = [t for part, t in zip(parts, tallies, strict=True) if part.side == side]
    values = {"gmac": sum(t.gmac for t in mine), "gmac-fvcore": sum(t.gmac_fvcore for t in mine)}
    fused = any(t.fused for t in mine)
    return [
        Measurement(
            f"{side}-{convention}",
            value if mine else None,
            "10^9 multiply-accumulates per image",
            higher_is_better=False,
            n=len(mine),
            signature=signature(convention, fused),
            reason=None if mine else f"The method names no {side} part to count.",
        )
        for convention, value in values.items()
    ]


def signature(convention: str, fused: bool = False) -> Signature:
    """The protocol of an operation count: convention and batch; ``fused``: there is fused attention."""
    counts = UNSEEN if fused and convention == "gmac-fvcore" else CONVENTIONS[convention]
    return {"convention": convention, "counts": counts, "batch": 1}


def _by_part(parts: Sequence[Part], tallies: Sequence[Tally]) -> list[dict[str, Any]]:
    return [
        {
            "part": part.name,
            "side": part.side,
            "gmac": t.gmac,
            "gmac-fvcore": t.gmac_fvcore,
            "parameters": dict(part.parameters),
        }
        for part, t in zip(parts, tallies, strict=True)
    ]


def _uncounted(parts: Sequence[Part], tallies: Sequence[Tally]) -> dict[str, dict[str, int]]:
    """For each side, how often each operator ran that neither convention counts, by name."""
    totals: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    for part, t in zip(parts, tallies, strict=True):
        totals[part.side].update(t.uncounted)
    return {side: dict(sorted(c.items())) for side, c in totals.items() if c}
