"""Seeded damage: to bytes as disks, networks and enemies do it, to documents as people and other programs do it."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Mapping
from typing import Any

VALUES = (
    *(None, True, 0, -1, 1.5, 1e308, -1e308, 10**18, 10**400, "", "x", "x" * 3000, "\x1b[31m", "\ud800", "../../x"),
    *([], [1], ["a", None], [[[]]], {}, {"a": 1}, {"": {"": {}}}, float("nan"), float("inf")),
)
"""What may stand in a document's place."""
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
"""What may stand in a field of a length, a count, an offset."""
TOKENS = (
    b"[" * 2000,
    b"{",
    b"]",
    b"\0",
    b"\xff\xfe",
    b"&a *a",
    b"1e999",
    b"NaN",
    b"-0",
    b"\xed\xa0\x80",
    b"\n\n---\n",
    b"!!x ",
)


def parts(whole: Mapping[str, bytes], chance: random.Random) -> dict[str, bytes]:
    """The files with one of them damaged once to three times."""
    made = dict(whole)
    name = chance.choice(sorted(made))
    for _ in range(chance.choice((1, 1, 2, 3))):
        made[name] = content(made[name], chance)
    return made


def content(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one damage."""
    if not data:
        return chance.randbytes(chance.randint(1, 64))
    start = chance.randrange(min(len(data), chance.choice((64, 512, len(data)))))
    if chance.random() < 0.2:  # many formats have their directory at the end
        start = len(data) - 1 - start
    stop = min(len(data), start + chance.choice((1, 2, 4, 8, 64, 1024)))
    kind = chance.randrange(8)
    if kind == 0:
        return data[:start] + bytes([data[start] ^ 1 << chance.randrange(8)]) + data[start + 1 :]
    if kind == 1:
        return data[:start]
    if kind == 2:
        return data[:start] + data[stop:]
    if kind == 3:
        return data[:start] + chance.randbytes(stop - start) + data[stop:]
    if kind == 4:
        return data[:start] + bytes([chance.choice((0, 255))]) * (stop - start) + data[stop:]
    if kind == 5:
        source = chance.randrange(len(data))
        return data[:start] + data[source : source + stop - start] + data[start:]
    if kind == 6:
        return data[:start] + chance.choice(TOKENS) + data[start:]
    size, order = chance.choice((1, 2, 4, 8)), chance.choice("<>")
    value = chance.choice(EXTREMES) & ((1 << 8 * size) - 1)
    return data[:start] + struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size], value) + data[start + size :]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value in a document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def document(whole: Any, chance: random.Random) -> Any:
    """The document with one value replaced, or one key taken away or added."""
    made = json.loads(json.dumps(whole))
    path = chance.choice([p for p in places(made) if p])
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    kind = chance.random()
    if kind < 0.15 and isinstance(holder, dict):
        del holder[path[-1]]
    elif kind < 0.25 and isinstance(holder, dict):
        holder["surprise"] = chance.choice(VALUES)
    else:
        holder[path[-1]] = chance.choice(VALUES)
    return made


def json_parts(whole: Mapping[str, bytes], chance: random.Random) -> dict[str, bytes]:
    """JSON (which is YAML, too): two of three damages are to a value, the others to bytes."""
    made = dict(whole)
    name = chance.choice(sorted(name for name in made if name.endswith((".json", ".yaml"))))
    if chance.random() < 1 / 3:
        return {**made, name: content(made[name], chance)}
    return {**made, name: json.dumps(document(json.loads(made[name]), chance)).encode("utf-8", "surrogatepass")}
