"""From a method string to settings: presets, variants, ``k=v`` options and what ready-made weights fix.

No torch, unless a foreign checkpoint has to be looked into.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bench.contract import MethodEntry, NoSettings
from bench.core import digest, registry
from bench.core.readings import Readings
from bench.errors import UsageError
from bench.results.record import STAGES, Result
from bench.run.checkpoints import Named
from bench.run.method_string import Method, parse_list
from bench.run.presets import Preset


@dataclass(frozen=True)
class Decoding:
    """How a row's codes become images: ``noise`` turns on the noise of the method's paper, seeded per image.

    It belongs to the row, not to the tokenizer: rows with and without noise share one training.
    """

    noise: bool = False


T = typing.TypeVar("T")


def with_options(settings: T, options: Mapping[str, str], owner: str, allowed: Collection[str] | None = None) -> T:
    """The frozen dataclass with fields replaced by the values of ``k=v`` options, converted to the fields' types.

    Raises :class:`UsageError` for an unknown key (with a suggestion) and for a value of another type.
    """
    from pydantic import TypeAdapter, ValidationError

    if not options:
        return settings
    hints = typing.get_type_hints(type(settings))
    known = sorted(allowed if allowed is not None else hints)
    changes: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise UsageError(f"{owner} has no option '{key}'.{registry.suggestion(key, known)}")
        value = None if text.lower() in ("none", "null") else text
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(hints[key])
            changes[key] = adapter.validate_python(value) if value is None else adapter.validate_strings(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise UsageError(f"'{key}={text}' of {owner}: {reason[0].lower()}{reason[1:]}.") from error
    return dataclasses.replace(settings, **changes)  # type: ignore[type-var]


def resolve(method: Method, entry: MethodEntry, preset: str) -> Any:
    """A method's settings at a preset, with variant and options applied."""
    if entry.variants and method.variant is not None and method.variant not in entry.variants:
        raise UsageError(
            f"'{method.label}': {entry.title} has no variant '{method.variant}'."
            f"{registry.suggestion(method.variant, entry.variants)}"
        )
    if entry.settings is None:
        settings: Any = NoSettings()
        if method.variant is not None:
            raise UsageError(f"'{method.label}': {entry.title} has no variants.")
    else:
        settings = entry.settings(preset, method.variant)
    own = _field_names(settings)
    theirs = _field_names(_prior_defaults(method, entry, preset)) | _field_names(_decoding_defaults(entry))
    options = {key: value for key, value in method.options if key in own or key not in theirs}
    return with_options(settings, options, f"'{method.label}'", allowed=own | theirs)


def variant_of(method: Method, entry: MethodEntry, preset: str, settings: Any) -> str | None:
    """The variant that the method string names, or else the listed one that has these very settings; None for none."""
    if method.variant is not None:
        return method.variant
    return next((name for name in entry.variants if _named(name, entry, preset) == settings), None)


def _named(variant: str, entry: MethodEntry, preset: str) -> Any:
    """The settings of a variant; None where the preset has no such variant."""
    try:
        return entry.settings(preset, variant) if entry.settings else None
    except UsageError:
        return None


def settings_of(method: Method, entry: MethodEntry, preset: Preset, weights: Named, readings: Readings) -> Any:
    """:func:`resolve`, with what ready-made weights fix.

    Weights of an earlier training run bring that run's variant, options and preset with them; a foreign checkpoint, as
    far as it is on this machine, its widths. Raises :class:`UsageError` where the method string says otherwise.
    """
    if weights.run is not None:
        return _as_trained(method, entry, weights.run)
    settings, path = resolve(method, entry, preset.name), weights.foreign
    reader = registry.method_of(entry).checkpoint if path is not None else None
    if path is None or reader is None or reader.identify is None:
        return settings
    size = (preset.resolution, preset.resolution)
    asked = settings
    settings, variant = reader.identify(settings, size, readings.content(path, reader.read))
    for key in dict(method.options).keys() & _field_names(settings):
        if getattr(settings, key) != getattr(asked, key):
            held = getattr(settings, key)
            raise UsageError(f"'{method.label}': '{key}' is fixed by the weights, which have {held}; leave it out.")
    if method.variant is not None and variant not in (None, method.variant):
        raise UsageError(f"'{method.label}': {path} holds the variant '{variant}'; leave '{method.variant}' out.")
    return settings


def _as_trained(method: Method, entry: MethodEntry, run: Result) -> Any:
    (origin,) = parse_list([run.method], ())
    if origin.name != method.name or method.variant not in (None, origin.variant):
        raise UsageError(f"'{method.label}': those weights were trained as '{run.method}'.")
    options = {**dict(origin.options), **dict(method.options)}
    return resolve(Method(origin.name, origin.variant, None, tuple(sorted(options.items()))), entry, run.preset)


def resolve_prior(method: Method, entry: MethodEntry, preset: str) -> Any:
    """The settings of the method's prior, with those of the options that are its; None where it has none."""
    settings = _prior_defaults(method, entry, preset)
    options = {key: value for key, value in method.options if key in _field_names(settings)}
    return with_options(settings, options, f"'{method.label}'")


def resolve_decoding(method: Method, entry: MethodEntry, settings: Any) -> Decoding:
    """How the row is decoded. Raises :class:`UsageError` for noise where the tokenizer's ``settings`` have none."""
    default = _decoding_defaults(entry)
    if default is None:
        return Decoding()
    options = {key: value for key, value in method.options if key in _field_names(default)}
    decoding = with_options(default, options, f"'{method.label}'")
    if decoding.noise and entry.decoding_noise is not None and not entry.decoding_noise(settings):
        raise UsageError(f"'{method.label}': with these settings {entry.title} decodes without noise; leave noise out.")
    return decoding


def _decoding_defaults(entry: MethodEntry) -> Decoding | None:
    return Decoding() if entry.decoding_noise else None


def _prior_defaults(method: Method, entry: MethodEntry, preset: str) -> Any:
    return entry.prior_settings(preset, method.variant) if entry.prior_settings else None


def _field_names(settings: Any) -> frozenset[str]:
    return frozenset() if settings is None else frozenset(field.name for field in dataclasses.fields(settings))


def settings_until(settings: Any, stage: str) -> dict[str, Any]:
    """The settings as plain values, without the fields that only matter after ``stage`` (see ``PRIOR_FIELD``)."""
    later = STAGES[STAGES.index(stage) + 1 :]
    plain: dict[str, Any] = digest.plain(settings)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("stage") in later:
            del plain[field.name]
        elif dataclasses.is_dataclass(value):
            plain[field.name] = settings_until(value, stage)
    return plain
