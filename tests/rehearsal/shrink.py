"""The settings of the large presets made small: widths, sides, codebooks and the starts of phases, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from bench.contract import MethodEntry
from bench.core.registry import load, method_of
from bench.errors import UsageError
from bench.run.presets import PRESETS
from methods import METHODS

LARGE = ("medium", "paper")
SIDE = 32
BATCH = 2

ENTRIES: Mapping[str, MethodEntry] = {name: load(path) for name, path in METHODS.items()}

Rule = Callable[[Any, Any, int], Any]
"""From (the settings that hold the field, its value, how many times smaller the image is) to the small value."""


def _sides(settings: Any, value: Any, factor: int) -> Any:
    """Sides that have attention. (The U-Net's flags, and the way attention is computed, are no sizes.)"""
    sized = isinstance(value, tuple) and not any(isinstance(side, bool) for side in value)
    return tuple(side // factor for side in value) if sized else value


def _unet_widths(settings: Any, value: Any, factor: int) -> Any:
    """The same proportions; multiples of 8, which normalisation and attention can divide. (Grids have a number.)"""
    return tuple(8 * round(width / value[0]) for width in value) if isinstance(value, tuple) else value


def _width(settings: Any, value: Any, factor: int) -> Any:
    heads: int | None = getattr(settings, "heads", None)
    return 8 if heads is None else 4 * heads


def _at_most(limit: int) -> Rule:
    return lambda settings, value, factor: min(value, limit)


def _smaller(settings: Any, value: Any, factor: int) -> Any:
    return max(value // factor, 1)


def _table(settings: Any, value: Any, factor: int) -> Any:
    """Cubes shrink with the third power of the side: what wrapped around still does."""
    return value - 3 * (factor.bit_length() - 1)


def _levels(settings: Any, value: Any, factor: int) -> Any:
    """Of feature grids. (Of a rounded channel they are the code, and small.)"""
    return value if isinstance(value, tuple) else min(value, 3)


SIZES: Mapping[str, Rule] = {
    "ch": _at_most(8),
    "norm_groups": _at_most(4),
    "z_channels": _at_most(8),
    "embed_dim": _at_most(8),
    "n_embed": _at_most(64),
    "disc_width": _at_most(8),
    "attn_resolutions": _sides,
    "attention": _sides,
    "code_side": _smaller,
    "feature_side": _smaller,
    "coarsest": _smaller,
    "finest": _smaller,
    "table_log2": _table,
    "levels": _levels,
    "feature_channels": _at_most(32),
    "hidden": _at_most(8),
    "group_style": _at_most(8),
    "widest": _at_most(64),
    "discriminator_base": _at_most(64),
    "channels": _unet_widths,
    "groups": _at_most(4),
    "head_channels": _at_most(4),
    "width": _width,
    "layers": _at_most(2),
    "body_layers": _at_most(2),
    "head_layers": _at_most(1),
    "encoder_blocks": _at_most(1),
    "decoder_blocks": _at_most(1),
    "chunk": _at_most(48),
    "overlap": _at_most(8),
    "batch": _at_most(BATCH),
    "steps": _at_most(4),
}
"""Fields that are widths, sides, counts of layers, lengths or batches, in the settings of any method."""

STARTS: Mapping[str, Rule] = {
    "kmeans_at": _at_most(1),
    "disc_start": _at_most(2),
    "warmup": _at_most(2),
    "r1_every": _at_most(2),
}
"""Fields that say at which step something begins or how often it returns."""

RULES = {**SIZES, **STARTS}


def small(settings: Any, factor: int) -> Any:
    """The settings for images that are ``factor`` times smaller."""
    changes = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            changes[field.name] = small(value, factor)
        elif value is not None and field.name in RULES:
            changes[field.name] = RULES[field.name](settings, value, factor)
    return replace(settings, **changes)


def flat(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every field by its dotted name."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            yield from flat(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def last_start(settings: Any) -> int:
    """The step at which the last part of a training begins."""
    return max((value for name, value in flat(settings) if name in ("kmeans_at", "disc_start")), default=0)


def changed(one: Any, other: Any) -> set[str]:
    """The dotted names of the fields that differ."""
    theirs = dict(flat(other))
    return {name for name, value in flat(one) if theirs[name] != value}


@dataclass(frozen=True)
class Case:
    """A method at a preset: its settings there, the small ones, and the side of the small images."""

    method: str
    preset: str
    variant: str | None
    published: Any
    settings: Any
    side: int

    @property
    def id(self) -> str:
        """As pytest names it."""
        return "-".join(filter(None, (self.method, self.variant, self.preset)))

    @property
    def entry(self) -> MethodEntry:
        """The method's row."""
        return ENTRIES[self.method]


def side_of(settings: Any) -> int:
    """The least side from 32 on at which the codes are at least 2 x 2: attention over one cell does nothing."""
    halvings = len(getattr(settings, "ch_mult", (1,))) - 1
    return max(SIDE, 2 * 2**halvings)


def case(method: str, preset: str, variant: str | None, side: int | None = None) -> Case | None:
    """None where the preset has no such variant."""
    try:
        published = ENTRIES[method].settings(preset, variant)
    except UsageError:
        return None
    side = side or side_of(published)
    return Case(method, preset, variant, published, small(published, PRESETS[preset].resolution // side), side)


def tokenizers() -> list[Case]:
    """Every method that trains a tokenizer, with every variant, at every large preset; each settings once."""
    found: list[Case] = []
    for method, entry in ENTRIES.items():
        for preset in LARGE if method_of(entry).learner else ():
            every = [case(method, preset, variant) for variant in (*entry.variants, None)]
            here: list[Case] = []
            for one in filter(None, every):
                if one.published not in [other.published for other in here]:
                    here.append(one)
            assert here, f"{method} trains but has no settings at {preset}"
            found += here
    return found


@dataclass(frozen=True)
class PriorCase:
    """A prior at a preset, for the codes of the method's default tokenizer there."""

    tokenizer: Case
    published: Any
    settings: Any
    choice: str = ""

    @property
    def id(self) -> str:
        """As pytest names it."""
        return "-".join(filter(None, (self.tokenizer.method, self.choice, self.tokenizer.preset)))


SCHEDULES = ("a", "b")


def priors() -> list[PriorCase]:
    """Every prior at every large preset, and each of the schedules between which BRICS's paper lets one choose."""
    found = []
    for method, entry in ENTRIES.items():
        for preset in LARGE if method_of(entry).prior else ():
            for variant, settings in prior_choices(entry, preset).items():
                for letter in SCHEDULES if method == "brics" else ("",):
                    published = replace(settings, schedule=letter) if letter else settings
                    tokenizer = case(method, preset, variant, code_side(method, preset, variant, published))
                    assert tokenizer is not None
                    choice = "-".join(filter(None, (variant, letter)))
                    found.append(PriorCase(tokenizer, published, small(published, 1), choice))
    return found


def prior_choices(entry: MethodEntry, preset: str) -> dict[str | None, Any]:
    """The settings of the priors of a preset, by the first variant that has them; the default has to be there."""
    found: dict[str | None, Any] = {}
    for variant in (None, *entry.variants):
        settings = entry.prior_settings(preset, variant)
        if settings not in found.values():
            found[variant] = settings
    return found


def code_side(method: str, preset: str, variant: str | None, prior: Any) -> int | None:
    """The images' side whose codes are 2 x 2 at the coarsest level of the prior's U-Net; None for the least side."""
    unet = dict(flat(prior)).get("unet.channels") or dict(flat(prior)).get("base.unet.channels")
    if unet is None:
        return None
    whole = ENTRIES[method].settings(preset, variant)
    halvings = len(getattr(whole, "ch_mult", ())) - 1
    stride = 2**halvings if halvings >= 0 else PRESETS[preset].resolution // whole.code_side
    return stride * 2 ** len(unet)
