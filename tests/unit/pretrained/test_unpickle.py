"""Foreign checkpoints: frameworks' files are read, and files that act are refused before anything of them runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.parsing import AttributeDict
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from bench.errors import IntegrityError
from bench.pretrained import unpickle

NEW_AND_LEGACY = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def lightning_checkpoint() -> dict:
    """What PyTorch Lightning, argparse and OmegaConf leave in a checkpoint."""
    return {
        "state_dict": OrderedDict(a=torch.arange(3.0), b=torch.ones(2, dtype=torch.bfloat16)),
        "hyper_parameters": AttributeDict(lr=1e-3, config=OmegaConf.create({"a": [1, 2], "b": {"c": 1.5}})),
        "arguments": argparse.Namespace(x=1),
        "path": pathlib.Path("/x"),
        "optimizer": defaultdict(dict, {1: {"step": 3}}),
        "numpy": [np.float64(3), np.ones(3)],
        "callbacks": {ModelCheckpoint: {"best": torch.ones(1)}},
        "types": [int, float, torch.float16, torch.Size([1]), {1}],
    }


@NEW_AND_LEGACY
def test_a_frameworks_checkpoint_is_read(zipped: bool, tmp_path: Path) -> None:
    torch.save(lightning_checkpoint(), tmp_path / "last.ckpt", _use_new_zipfile_serialization=zipped)
    found = unpickle.load(tmp_path / "last.ckpt", "last.ckpt")
    assert torch.equal(found["state_dict"]["a"], torch.arange(3.0))
    assert found["state_dict"]["b"].dtype == torch.bfloat16
    assert isinstance(found["arguments"], unpickle.Placeholder)
    kept = [value for value in torch.serialization.get_safe_globals() if isinstance(value, tuple)]
    assert kept == [], "the placeholders are gone with the reading"


class Writer(torch.nn.Module):
    """Maps a path that its file names, and writes into it as soon as it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path, self.mapped = path, torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        self.mapped = torch.from_file(state[0], True, 4, dtype=torch.uint8).fill_(65)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "victim").write_bytes(b"....")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Writer(str(tmp_path / "victim"))), str(tmp_path / "script.pt"))
    return tmp_path / "script.pt"


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """A file from before torch 1.6 that turns on ``dump_patches`` of an allowed class and gives it a path as name."""
    state = pickle.dumps({"dump_patches": True, "__name__": str(tmp_path / "victim")}, 2)[2:-1]
    text = b"X\x06\x00\x00\x00module" + b"cargparse\nNamespace\n" + b"X\x01\x00\x00\x00s" + b"X\x04\x00\x00\x00evil"
    content = b"\x80\x02cargparse\nNamespace\n" + b"N" + state + b"\x86b0" + b"(" + text + b"tQ."
    head = [pickle.dumps(value, 2) for value in (MAGIC_NUMBER, PROTOCOL_VERSION, {"little_endian": True})]
    path = tmp_path / "patch.pt"
    path.write_bytes(b"".join([*head, content, pickle.dumps([], 2)]))
    return path


def unrestricted(path: Path) -> None:
    """The file in a process that trusts it."""
    code = f"import torch, argparse; torch.load({str(path)!r}, weights_only=False)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=path.parent)


def test_a_script_archive_is_refused_by_its_members_and_writes_nothing(script: Path) -> None:
    with pytest.raises(IntegrityError, match=r"it is a TorchScript archive \(script/.*holds code"):
        unpickle.load(script, "script.pt")
    assert (script.parent / "victim").read_bytes() == b"...."
    unrestricted(script)
    assert (script.parent / "victim").read_bytes() == b"AAAA", "the file does act where it is trusted"


def test_a_script_archive_under_other_names_is_refused(script: Path, tmp_path: Path) -> None:
    """Without the folder of code, torch itself still knows it."""
    with zipfile.ZipFile(script) as old, zipfile.ZipFile(tmp_path / "other.pt", "w") as new:
        for name in old.namelist():
            if "/code/" not in name:
                new.writestr(name, old.read(name))
    with pytest.raises(IntegrityError, match="TorchScript archive"):
        unpickle.load(tmp_path / "other.pt", "other.pt")
    assert (tmp_path / "victim").read_bytes() == b"...."


def test_a_legacy_file_with_dump_patches_writes_no_patch(patch: Path) -> None:
    with pytest.raises(IntegrityError, match=r"patch\.pt is damaged or no PyTorch checkpoint"):
        unpickle.load(patch, "patch.pt")
    assert not list(patch.parent.glob("victim*"))
    unrestricted(patch)
    assert list(patch.parent.glob("victim*.patch")), "the file does act where it is trusted"


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@NEW_AND_LEGACY
def test_a_call_in_a_pickle_is_refused_by_its_name(zipped: bool, tmp_path: Path) -> None:
    content = {"state_dict": {}, "hyper_parameters": Attack(tmp_path / "ran")}
    torch.save(content, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(IntegrityError, match=r"evil was not read: it asks for (posix|nt)\.system"):
        unpickle.load(tmp_path / "evil.ckpt", "evil")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", [getattr, eval, __import__, type, torch.jit.load, np.load, pathlib.Path.unlink])
@NEW_AND_LEGACY
def test_functions_are_never_called(zipped: bool, kind, tmp_path: Path) -> None:
    """Names of a known framework stand for placeholders: numpy's and pathlib's functions are not functions here."""

    class Call:
        def __reduce__(self):
            return kind, (str(tmp_path / "victim"), "r")

    (tmp_path / "victim").write_bytes(b"....")
    content = {"a": Call()}
    try:
        torch.save(content, tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
    except (pickle.PicklingError, AttributeError):
        pytest.skip("protocol 2 has no way to name it")
    try:
        found = unpickle.load(tmp_path / "evil.pt", "evil.pt")
    except IntegrityError:
        found = None
    assert found is None or isinstance(found["a"], unpickle.Placeholder)
    assert (tmp_path / "victim").read_bytes() == b"...."


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    """A few MB could unpack to as much as anyone likes."""
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as old,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(IntegrityError, match="is compressed, as torch never writes it"):
        unpickle.load(tmp_path / "b.pt", "b.pt")


@NEW_AND_LEGACY
def test_damage_is_an_error_of_its_own(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(lightning_checkpoint(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    random = np.random.RandomState(0)
    for _ in range(150):
        data = bytearray(whole[: random.randint(1, len(whole) + 1)])
        for position in random.randint(0, len(data), 3):
            data[position] = random.randint(256)
        path.write_bytes(bytes(data))
        with contextlib.suppress(IntegrityError):
            unpickle.load(path, "a.pt")


def test_an_empty_file_and_a_page_are_no_checkpoints(tmp_path: Path) -> None:
    for content in (b"", b"<html>log in</html>", b"PK\x03\x04 cut off"):
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(IntegrityError, match="damaged or no PyTorch checkpoint"):
            unpickle.load(tmp_path / "a.pt", "a.pt")
