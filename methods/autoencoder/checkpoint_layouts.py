"""The layouts in which a tokenizer's weights are found, brought to the official key names.

Trainers wrap a state dict (under ``model``, ``state_dict`` or ``module``), prefix its keys (DataParallel, compilation,
a second stage around the tokenizer), add networks of their losses, and keep moving averages beside it. What is left out
here is counted by prefix and stands in the result; whatever else does not fit is an error when the weights are loaded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import IntegrityError, UsageError
from methods.autoencoder.checkpoint_keys import refuse_others

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]

RAW = ("state_dict", "model", "module")
"""Where trainers put the weights of the last step."""
AVERAGED = ("state_dict_ema", "model_ema", "ema", "ema_model", "ema_state_dict")
"""Where they put moving averages of them; latent-diffusion has them as ``model_ema.*`` among the weights instead."""
DEPTH = 3
"""Wrappers within wrappers that are opened."""

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of DistributedDataParallel and of ``torch.compile``."""
INNER = ("first_stage_model.", "vae.")
"""The prefixes of a tokenizer inside the checkpoint of a second stage."""
LITEMA = "model_ema."
"""Latent-diffusion's averages: keys without their dots."""
AUXILIARY = ("loss.", LITEMA, "foundation_model.", "linear_proj.")
"""Networks that training alone has: discriminator, LPIPS, averages, an alignment's teacher and its projection."""
BOOKKEEPING = (".cluster_size", ".embed_avg")
"""A codebook's moving averages; the vectors themselves are its ``weight``."""
CONDITIONING = ("cond_stage_model.", "cond_stage.")
"""Networks of a second stage's condition: neither a tokenizer nor a prior."""

FIRST = "encoder.conv_in.weight"
"""The first key of the networks of taming-transformers."""

POINTWISE = re.compile(r"(?:^|\.)(?:q|k|v|proj_out|nin_shortcut|quant_conv|post_quant_conv)\.weight$")
"""1x1 convolutions, which some trainers keep as matrices."""


@dataclass(frozen=True)
class Layout:
    """A tokenizer's ``state`` under the official names, and what of the file is not in it.

    ``averaged`` are the moving averages, None where there are none. ``dropped`` counts keys by prefix, ``identity``
    names convolutions that the file lacks and that are the identity. ``prior``: the prefixes of a second stage.
    """

    state: State
    averaged: State | None
    dropped: Mapping[str, int]
    identity: tuple[str, ...]
    prior: tuple[str, ...]


def unwrapped(content: Any, origin: str) -> tuple[State | None, State | None]:
    """The state dicts of the last step and of the averages in what a trainer saved, None for what is not there.

    Raises :class:`UsageError` where there are several, and :class:`IntegrityError` for tensors that are not plain.
    """
    raw, averaged = _unwrapped(content, origin, DEPTH)
    for state in (raw, averaged):
        _check_plain(state or {}, origin)
    return raw, averaged


def _unwrapped(content: Any, origin: str, depth: int) -> tuple[State | None, State | None]:
    from torch import Tensor

    if not isinstance(content, Mapping) or not content or not depth:
        return None, None
    if all(isinstance(value, Tensor) for value in content.values()):
        return content, None
    found = {key: _unwrapped(content[key], origin, depth - 1) for key in (*RAW, *AVERAGED) if key in content}
    raws = {key: found[key][0] for key in RAW if key in found and found[key][0] is not None}
    averages = {key: found[key][0] or found[key][1] for key in AVERAGED if key in found}
    averages |= {f"{key} (averages)": found[key][1] for key in RAW if key in found}
    averages = {key: state for key, state in averages.items() if state is not None}
    for several in (raws, averages):
        if len(several) > 1:
            raise UsageError(f"{origin} holds several state dicts ({', '.join(several)}); save the one that is meant.")
    return next(iter(raws.values()), None), next(iter(averages.values()), None)


def _check_plain(state: State, origin: str) -> None:
    """Sparse, quantised and expanded tensors could take any amount of memory when they are used."""
    import torch

    for key, value in state.items():
        if not isinstance(key, str):
            raise IntegrityError(f"{origin} has a key that is no name ({key!r:.40}); it is no state dict.")
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise IntegrityError(f"{origin}: '{key}' is no plain tensor; save the weights as dense tensors.")


def tokenizer_layout(raw: State | None, averaged: State | None, origin: str) -> Layout:
    """The tokenizer among the weights, in the files' own precision.

    Raises :class:`UsageError` for a checkpoint of another family.
    """
    dropped: Counter[str] = Counter()
    main = raw if raw is not None else averaged
    assert main is not None, "one of the two was found"
    stripped, outside = without_prefixes(main, origin, FIRST)
    state = official_keys(stripped, dropped)
    _refuse_others(state, origin)
    averages = litema(stripped, state) if raw is not None and averaged is None else None
    if averaged is not None:
        averages = official_keys(without_prefixes(averaged, origin, FIRST)[0], Counter())
    second = [key for key in outside if not key.startswith((*AUXILIARY, *CONDITIONING))]
    dropped.update(prefix_of(key) for key in outside)
    filled, identity = _with_identities(state)
    if averages is not None:
        averages, _ = _with_identities(averages)
    return Layout(filled, averages, dict(dropped), identity, tuple(sorted({prefix_of(key) for key in second})))


def without_prefixes(state: State, origin: str, first: str) -> tuple[dict[str, Tensor], list[str]]:
    """The tokenizer's part, told by its key ``first``, without any prefix, and the keys outside of it."""
    found, outside = dict(state), []
    while first not in found:
        wrapper = next((p for p in WRAPPERS if any(_without(key, p) != key for key in found)), None)
        inner = next((p for p in INNER if any(key.startswith(p) for key in found)), None)
        if wrapper is not None:
            renamed = {key: _without(key, wrapper) for key in found}
            if len(set(renamed.values())) < len(renamed):
                raise IntegrityError(f"{origin} has the same weights with and without '{wrapper}'; keep one of them.")
            found = {renamed[key]: value for key, value in found.items()}
        elif inner is not None:
            outside += [key for key in found if not key.startswith(inner)]
            found = {key.removeprefix(inner): value for key, value in found.items() if key.startswith(inner)}
        else:
            break
    return found, outside


def _without(key: str, wrapper: str) -> str:
    """A compiled part of a network has the prefix within its name, a parallel one at the start alone."""
    return key.replace(wrapper, "") if wrapper == "_orig_mod." else key.removeprefix(wrapper)


def official_keys(state: State, dropped: Counter[str], ignored: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tokenizer's own keys, 1x1 convolutions with four axes; counts in ``dropped`` what else there is.

    ``ignored`` are beginnings of keys that a family has beside the weights.
    """
    kept = {}
    auxiliary = (*AUXILIARY, *ignored)
    for key, value in state.items():
        if key.startswith(auxiliary):
            dropped[next(prefix for prefix in auxiliary if key.startswith(prefix))] += 1
        elif key.endswith(BOOKKEEPING):
            dropped[f"*{next(suffix for suffix in BOOKKEEPING if key.endswith(suffix))}"] += 1
        else:
            kept[key] = value[:, :, None, None] if value.ndim == 2 and POINTWISE.search(key) else value
    return kept


def prefix_of(key: str) -> str:
    """The part of a key up to its first dot."""
    return f"{key.partition('.')[0]}."


def _refuse_others(state: State, origin: str) -> None:
    if any(key.startswith(("quantize.embed.", "quantize.proj.")) for key in state):
        raise UsageError(f"{origin} is a Gumbel-softmax VQGAN, which is not supported.")
    said = f"{origin} is not a VQGAN, LDM or RQ-VAE tokenizer"
    refuse_others(state, said)
    if FIRST not in state or not any(key.startswith("decoder.") for key in state):
        raise UsageError(f"{said}; its weights begin with {', '.join(list(state)[:3])}.")


def litema(stripped: State, state: State) -> dict[str, Tensor] | None:
    """Latent-diffusion's averages of the tokenizer itself under its names; those of a second stage are not meant."""
    averages = {key: stripped.get(LITEMA + key.replace(".", "")) for key in state}
    found = {key: value for key, value in averages.items() if value is not None}
    return found or None


def _with_identities(state: State) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state with 1x1 convolutions around the latents, which are the identity where the file has none."""
    import torch

    filled, names = dict(state), []
    for name, widths, axis in (
        ("quant_conv", state.get("encoder.conv_out.weight"), 0),
        ("post_quant_conv", state.get("decoder.conv_in.weight"), 1),
    ):
        if widths is not None and not any(key.startswith(f"{name}.") for key in state):
            channels = widths.shape[axis]
            filled[f"{name}.weight"] = torch.eye(channels)[:, :, None, None]
            filled[f"{name}.bias"] = torch.zeros(channels)
            names.append(name)
    return filled, tuple(names)
