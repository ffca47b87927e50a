"""How methods are named and ordered for people: short where a label holds a path, numbers by their size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

LONGEST = 36
"""Characters of a label in tables and figures; the whole of a longer one stands in a footnote."""


def natural(text: str) -> list[tuple[int, float, str]]:
    """A key for sorting in which ``q=5`` comes before ``q=45``."""
    parts = re.findall(r"[0-9]{1,15}|[^0-9]+|[0-9]", text)
    return [(0, float(part), "") if part[0] in "0123456789" else (1, 0.0, part) for part in parts]


def shortened(labels: Sequence[str]) -> dict[str, str]:
    """Every label with what to print for it: without paths, not too long, and no two alike."""
    found: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        text = short(label)
        number = 2
        while text in found.values():
            text = f"{short(label)} ({number})"
            number += 1
        found[label] = text
    return found


def short(label: str) -> str:
    """One label without the path in it: ``vqgan@runs/church-small/vqgan/seed0`` is ``vqgan@church-small``."""
    found = re.search(r"@([^@]*/[^@]*?)((:[A-Za-z_]\w*=.*)?( \(.*\))?)$", label)
    if found is not None:
        label = f"{label[: found.start(1)]}{_place(found[1], label.partition('@')[0])}{found[2]}"
    if len(label) <= LONGEST:
        return label
    half = LONGEST // 2
    return f"{label[:half]}…{label[half + 1 - LONGEST :]}"


def _place(path: str, method: str) -> str:
    """The part of a path that says most: not the seed, not the method again."""
    name = method.partition(":")[0]
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    telling = [part for part in parts if not re.fullmatch(r"seed\d+", part) and re.split(r"[+:@]", part)[0] != name]
    text = (telling or parts or [path])[-1]
    return re.sub(r"\.(zip|tar)(?=-|$)", "", text.removeprefix("folder+"))
