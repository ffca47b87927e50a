"""Files that are JSON or YAML, at the door: bounded in size and depth, finite, and of the type that is expected."""

from __future__ import annotations

import json
import math
import reprlib
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.registry import suggestion
from bench.core.visible import visible
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

LARGEST = 1 << 23
"""Bytes (8 MiB) that a document may have; the largest that this program writes are a hundredth of it."""
LARGEST_BY_HAND = 1 << 20
"""Bytes (1 MiB) of a file that people write: gates, a configuration, published numbers."""
DEEPEST = 50
"""How many lists and mappings may stand in each other."""
LARGEST_INTEGER = 1 << 63


@dataclass(frozen=True)
class Door:
    """Which document is read: ``where`` names it in a message, ``remedy`` ends that, ``failure`` is the error."""

    where: str
    remedy: str
    failure: type[BenchError] = UsageError

    def refuse(self, trouble: str) -> BenchError:
        """The error to raise: file, trouble, remedy."""
        return self.failure(f"{self.where} {trouble}; {self.remedy}.")


def read(path: Path, door: Door, largest: int = LARGEST) -> str:
    """The text of a regular file of at most ``largest`` bytes in UTF-8; anything else is refused unread."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise door.refuse("is not a regular file")
        if status.st_size > largest:
            raise door.refuse(f"has {status.st_size:,} bytes, more than the {largest:,} that such a file may have")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise door.refuse(f"cannot be read ({error})") from error


def from_json(text: str, door: Door) -> Any:
    """What a JSON document says: no NaN, no number beyond a float's or 64 bits' range, bounded in depth."""
    if len(text) > LARGEST:
        raise door.refuse(f"has more than {LARGEST:,} characters")
    try:
        value = json.loads(text, parse_constant=_constant, parse_float=_float, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise door.refuse(f"is not valid JSON ({error})") from error
    if _too_deep(value):
        raise door.refuse(f"nests deeper than {DEEPEST} levels")
    return value


def from_yaml(text: str, door: Door) -> Any:
    """What a YAML document says, in the types that JSON has; an alias (``*name``) is refused, since it can expand."""
    import yaml

    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise door.refuse(f"uses the alias '*{event.anchor}'; aliases can expand without bound: write it out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise door.refuse(f"nests deeper than {DEEPEST} levels")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise door.refuse(f"cannot be read as YAML ({' '.join(str(error).split())})") from error


def check(kind: Any, value: Any, door: Door) -> Any:
    """The value as ``kind`` (a dataclass, or anything that pydantic takes), by JSON's types and without conversion.

    The message names the first field that is wrong and what stands there. Unknown fields are refused where the class
    says so in ``__pydantic_config__``; numbers that are not finite always are.
    """
    from pydantic import ValidationError

    try:
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as error:
        raise door.refuse(f"holds something that JSON cannot say ({error})") from error
    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise door.refuse(_trouble(error, kind)) from error


def _trouble(error: ValidationError, kind: Any) -> str:
    """The first thing that is wrong: in which field, and what stands there."""
    first = error.errors(include_url=False)[0]
    field, message = ".".join(_shown(part) for part in first["loc"]) or "the whole", first["msg"]
    if first["type"] == "unexpected_keyword_argument":
        return f"has the unknown field {field} ({suggestion(str(first['loc'][-1]), _fields(kind)).strip()})"
    if first["type"] == "missing":
        return f"lacks the field {field}"
    return f"is wrong in {field}: {message[0].lower()}{message[1:]}, not {_shown(first['input'])}"


def _shown(value: Any) -> str:
    """Bounded in length and depth, without characters that a terminal obeys."""
    text = value if isinstance(value, str) else reprlib.repr(value)
    return visible(text[:80])


def _fields(kind: Any) -> list[str]:
    """The names of the fields of a type and of the types in it."""
    schema = _adapter(kind).json_schema()
    classes = (schema, *schema.get("$defs", {}).values())
    return sorted({name for one in classes for name in one.get("properties", {})})


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is beyond the range of numbers")
    return value


def _integer(text: str) -> int:
    if len(text) > len(str(LARGEST_INTEGER)) or abs(int(text)) >= LARGEST_INTEGER:
        raise ValueError(f"{text[:40]} is beyond the range of integers")
    return int(text)


def _too_deep(value: Any) -> bool:
    """Level by level, so that nothing recurses."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
