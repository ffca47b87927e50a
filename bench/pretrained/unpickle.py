"""Foreign PyTorch checkpoints, read by torch's own restricted unpickler (``weights_only=True``).

A training framework's checkpoint holds more than tensors: callbacks, configurations, optimisers. What a file asks for
is listed before anything is loaded; a name of a known framework then stands for an inert placeholder, and any other
name (``os.system``, ``builtins.eval`` ...) refuses the file. Archives of TorchScript hold code and are refused by the
names of their members.

What this cannot prevent:

- faults in torch's reader itself, in C++ or in what its list of allowed functions does (before torch 2.6 there was one
  that executed code, CVE-2025-32434; older versions are not supported here);
- a file that asks for more memory than there is, through torch's own allowed types;
- weights that are valid and wrong: a tokenizer that was tampered with gives other numbers, and only a pinned digest
  tells. Take ``.safetensors`` where a publisher has them.
"""

from __future__ import annotations

import _compat_pickle
import os
import pickle
import pickletools
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from bench.errors import IntegrityError

FRAMEWORKS = frozenset(
    (
        "addict",
        "argparse",
        "attrdict",
        "easydict",
        "functools",
        "lightning",
        "lightning_fabric",
        "ldm",
        "main",
        "numpy",
        "omegaconf",
        "pathlib",
        "pytorch_lightning",
        "rqvae",
        "taming",
        "typing",
    )
)
"""Packages whose classes may occur; nothing of them is imported, a placeholder stands for each."""

CONTAINERS = frozenset(
    {("builtins", name) for name in ("dict", "list", "tuple", "frozenset", "slice", "range", "object")}
    | {("builtins", name) for name in ("int", "float", "bool", "str", "bytes")}
    | {("collections", "defaultdict")}
)
"""Types that configurations and optimisers name and that hold no weights; they are placeholders as well."""

DICTIONARIES = frozenset(("defaultdict", "AttributeDict", "AttrDict", "EasyDict", "Dict"))
"""Names of classes that are filled like a ``dict``."""

SCRIPT_FILES = ("constants.pkl", "model.json")
SCRIPT_FOLDER = "code"
"""Members that only TorchScript archives have."""

ZIP = b"PK\x03\x04"
"""How the files of torch 1.6 and later begin."""

ALLOWED_BY_TORCH = frozenset(
    {"collections.OrderedDict", "collections.Counter", "_codecs.encode"}
    | {f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("bytearray", "set", "complex")}
)
"""What torch reads beside names of its own."""

LEGACY_PICKLES = 5
"""In a file from before torch 1.6: magic number, protocol, system, content, names of the storages."""


class Placeholder:
    """Stands for an object of a framework's class: takes whatever it is built from, and keeps nothing."""

    def __init__(self, *arguments: object) -> None:
        return None

    def __setstate__(self, state: object) -> None:
        return None


class DictionaryPlaceholder:
    """Stands for a framework's class that is filled like a ``dict``: torch fills a counter without calling methods."""

    def __new__(cls, *arguments: object) -> Any:
        """An empty counter, whatever the file gives."""
        return Counter()


def load(path: Path, name: str) -> Any:
    """What ``torch.save`` or a training framework wrote, tensors on the CPU; ``name`` stands in error messages.

    Tensors are mapped from the file (and copied when written to); those of files from before torch 1.6 are read.
    Raises :class:`IntegrityError` for a damaged file and for one that holds code or unknown objects.
    """
    import torch
    from torch.serialization import safe_globals

    try:
        zipped = is_zip(path)
        wanted = _wanted_by_zip(path) if zipped else _wanted_by_legacy(path)
        placeholders: list[Any] = [_placeholder(full_name) for full_name in sorted(wanted)]
        with safe_globals(placeholders):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except IntegrityError as error:
        raise IntegrityError(f"{name} was not read: {error}. Use a file that holds weights alone.") from error
    except PermissionError as error:
        raise IntegrityError(f"{name} cannot be read ({error.strerror}); change its rights.") from error
    except (
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        MemoryError,
        OverflowError,
        ImportError,
        NotImplementedError,
        zipfile.BadZipFile,
    ) as error:
        raise IntegrityError(
            f"{name} is damaged or no PyTorch checkpoint ({_reason(error)}); fetch it again."
        ) from error


def is_zip(path: Path) -> bool:
    """Whether the file begins as torch 1.6 and later write it."""
    with path.open("rb") as file:
        return file.read(len(ZIP)) == ZIP


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:160] or type(error).__name__


def _wanted_by_zip(path: Path) -> set[str]:
    """The names that a file asks for beyond torch's own list.

    Raises :class:`IntegrityError` for TorchScript and for compressed members, which torch never writes.
    """
    from torch.serialization import get_unsafe_globals_in_checkpoint

    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        parts = PurePosixPath(member.filename).parts
        if parts[-1:] and (parts[-1] in SCRIPT_FILES or SCRIPT_FOLDER in parts[:-1]):
            raise IntegrityError(f"it is a TorchScript archive ({member.filename}), which holds code")
        if member.compress_type != zipfile.ZIP_STORED:
            raise IntegrityError(f"its member {member.filename} is compressed, as torch never writes it")
    return set(get_unsafe_globals_in_checkpoint(path))


def _wanted_by_legacy(path: Path) -> set[str]:
    """The names in the pickles of a file from before torch 1.6, found by disassembly alone.

    Torch judges its own names, and refuses the operations that would name something by other means.
    """
    wanted = set()
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            if file.tell() == os.fstat(file.fileno()).st_size:
                break
            for operation, argument, _position in pickletools.genops(file):
                if operation.name == "GLOBAL":
                    wanted.add(str(argument).replace(" ", "."))
    return {name for name in wanted if not name.startswith("torch.") and name not in ALLOWED_BY_TORCH}


def _placeholder(full_name: str) -> tuple[Any, str]:
    """What stands for a name; raises :class:`IntegrityError` for a name of no known framework."""
    module, _, name = full_name.rpartition(".")
    if (module, name) in _compat_pickle.NAME_MAPPING:  # torch.save writes some names as Python 2 has them
        module, name = _compat_pickle.NAME_MAPPING[module, name]
    module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    if module.partition(".")[0] not in FRAMEWORKS and (module, name) not in CONTAINERS:
        raise IntegrityError(f"it asks for {full_name}, which is neither a tensor nor a known framework's class")
    kind = DictionaryPlaceholder if name in DICTIONARIES and module != "typing" else Placeholder
    return kind, f"{module}.{name}"
