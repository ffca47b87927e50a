"""The checkpoints of a family with keys of its own, brought to our names: what it ignores, freezes and renames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_keys import refuse, refuse_others
from methods.autoencoder.checkpoint_layouts import Layout, State, litema, official_keys, prefix_of, without_prefixes

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Family:
    """The checkpoints of one family.

    - ``title`` with its article, for messages; ``keys`` that every file of the family has.
    - ``ignored``: beginnings of keys that are no weights of the tokenizer; ``frozen``: keys that training leaves as
      they are, of which a file therefore has no averages.
    - ``renamed``: from an official key to ours, given the state that it is in.
    - ``split``: takes weights apart that are several of ours, before they are renamed.
    """

    title: str
    keys: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    renamed: Callable[[str, State], str] | None = None
    split: Callable[[State], dict[str, Tensor]] | None = None


def arrange(family: Family, raw: State | None, averaged: State | None, origin: str) -> Layout:
    """The tokenizer among the weights under our names; see :func:`methods.autoencoder.checkpoint_files.read_as`.

    Raises :class:`UsageError` for the checkpoint of another family.
    """
    main = raw if raw is not None else averaged
    assert main is not None, "one of the two was found"
    dropped: Counter[str] = Counter()
    stripped, outside = without_prefixes(main, origin, family.keys[0])
    state = _own(family, stripped, origin, dropped)
    dropped.update(prefix_of(key) for key in outside)
    averages = None
    if averaged is not None:
        averages = _own(family, without_prefixes(averaged, origin, family.keys[0])[0], origin, Counter())
    elif raw is not None:
        averages = litema(stripped, state)
    if averages is not None and raw is not None:
        averages = averages | {key: state[key] for key in family.frozen if key in state and key not in averages}
    named = _named(family, state)
    return Layout(named, None if averages is None else _named(family, averages), dict(dropped), (), ())


def _own(family: Family, state: State, origin: str, dropped: Counter[str]) -> dict[str, Tensor]:
    own = official_keys(state, dropped, family.ignored)
    said = f"{origin} is not {family.title}"
    refuse_others(own, said, family.keys)
    if not own.keys() >= set(family.keys):
        refuse(own, said)
    return own


def _named(family: Family, state: State) -> dict[str, Tensor]:
    if family.split is not None:
        state = family.split(state)
    rename = family.renamed
    return dict(state) if rename is None else {rename(key, state): value for key, value in state.items()}
