"""Reading foreign PyTorch checkpoints without running anything that is in them.

A training framework's checkpoint holds more than tensors: callbacks, configurations, optimisers. ``weights_only=True``
refuses such files whole. Here tensors are rebuilt, classes of known frameworks become inert placeholders, and every
other name (``os.system``, ``builtins.eval`` ...) is refused before anything is called.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from bench.errors import IntegrityError

PLACEHOLDERS = frozenset(
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
"""Packages whose classes may occur; nothing of them is imported."""

_STORAGES = (
    "Bool",
    "Byte",
    "Char",
    "Short",
    "Int",
    "Long",
    "Half",
    "BFloat16",
    "Float",
    "Double",
    "Untyped",
)

ALLOWED = frozenset(
    {("collections", "OrderedDict"), ("collections", "defaultdict"), ("torch", "Size"), ("torch", "device")}
    | {("torch._utils", name) for name in ("_rebuild_tensor_v2", "_rebuild_parameter")}
    | {("torch", f"{name}Storage") for name in _STORAGES}
    | {("torch.storage", name) for name in ("UntypedStorage", "TypedStorage", "_LegacyStorage")}
    | {("torch", name) for name in ("float16", "bfloat16", "float32", "float64", "int64", "int32", "uint8", "bool")}
    | {("builtins", name) for name in ("set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "complex")}
    | {("builtins", name) for name in ("str", "bytes", "bytearray", "slice", "range", "object")}
)
"""The only names that are looked up: containers, and what tensors are rebuilt with."""


ZIP = b"PK\x03\x04"
"""How the files of torch 1.6 and later begin."""


class Placeholder:
    """Stands for an object of a framework's class: takes whatever it is built from, and keeps nothing."""

    def __init__(self, *arguments: object, **named: object) -> None:
        return None

    def __setstate__(self, state: object) -> None:
        return None

    def __setitem__(self, key: object, value: object) -> None:
        return None

    def append(self, value: object) -> None:
        """Takes a list item and forgets it."""

    def extend(self, values: object) -> None:
        """Takes list items and forgets them."""

    def __hash__(self) -> int:
        return id(self)


class RestrictedUnpickler(pickle.Unpickler):
    """Resolves the allowed names alone; see the module's text."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of an allowed name, :class:`Placeholder` for a framework's, otherwise :class:`IntegrityError`."""
        module = "builtins" if module == "__builtin__" else module  # as Python 2, and so torch.save, writes it
        if (module, name) in ALLOWED:
            return super().find_class(module, name)
        if module.partition(".")[0] in PLACEHOLDERS:
            return Placeholder
        raise IntegrityError(f"it asks for {module}.{name}, which is neither a tensor nor a known framework's class")


def _load(file: IO[bytes], **options: Any) -> Any:
    return RestrictedUnpickler(file, **options).load()


_MODULE = SimpleNamespace(
    __name__="bench.pretrained.unpickle",
    Unpickler=RestrictedUnpickler,
    load=_load,
    UnpicklingError=pickle.UnpicklingError,
)


def load(path: Path, name: str) -> Any:
    """What ``torch.save`` or a training framework wrote, tensors on the CPU; ``name`` stands in error messages.

    Tensors are mapped from the file (and copied when written to); those of files from before torch 1.6 are read.
    Raises :class:`IntegrityError` for a damaged file and for one that holds code or unknown objects.
    """
    import torch

    try:
        with path.open("rb") as file:
            mapped = file.read(len(ZIP)) == ZIP
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_MODULE, mmap=mapped)
    except IntegrityError as error:
        raise IntegrityError(f"{name} was not read: {error}. Use a file that holds weights alone.") from error
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
        ImportError,
        zipfile.BadZipFile,
    ) as error:
        reason = (str(error).splitlines() or [""])[0][:160] or type(error).__name__
        raise IntegrityError(f"{name} is damaged or no PyTorch checkpoint ({reason}); fetch it again.") from error
