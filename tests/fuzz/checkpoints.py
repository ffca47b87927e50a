"""Weights: safetensors, torch's formats of now and of before 1.6, scripts, pickles that act, and this program's own."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import torch

from tests.fuzz.arrays import gathered
from tests.toys import ToyLearner, ToySettings

STATE = {
    "encoder.conv_in.weight": torch.arange(24.0).reshape(4, 1, 3, 2),
    "encoder.conv_in.bias": torch.ones(4),
    "decoder.conv_out.weight": torch.linspace(0, 1, 30).reshape(3, 10),
    "quantize.embedding.weight": torch.ones(7, 2, dtype=torch.float16),
}
"""Keys of a VQGAN, with shapes of no network."""


def _digest(state: object) -> str:
    items = [
        (k, str(v.dtype), tuple(v.shape), v.detach().contiguous().numpy().tobytes()) for k, v in sorted(state.items())
    ]
    return hashlib.sha256(repr(items).encode()).hexdigest()


def safetensors(scratch: Path) -> dict[str, bytes]:
    """Bare weights."""
    from safetensors.torch import save

    return {"a.safetensors": save(STATE)}


def _saved(content: object, zipped: bool) -> dict[str, bytes]:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return {"a.ckpt": buffer.getvalue()}


def _lightning() -> dict[str, object]:
    return {"state_dict": STATE, "epoch": 3, "hyper_parameters": {"lr": 1e-3, "betas": (0.5, 0.9)}, "path": Path("/x")}


def zipped(scratch: Path) -> dict[str, bytes]:
    """A training framework's checkpoint."""
    return _saved(_lightning(), zipped=True)


def legacy(scratch: Path) -> dict[str, bytes]:
    """The same, as before torch 1.6."""
    return _saved(_lightning(), zipped=False)


def archive(scratch: Path) -> dict[str, bytes]:
    """A publication: one checkpoint and its configuration, packed."""
    buffer = io.BytesIO()
    config = b"model: {params: {ddconfig: {resolution: 32}}}"
    files = {"x/model.ckpt": zipped(scratch)["a.ckpt"], "x/project.yaml": config}
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return {"a.tar.gz": buffer.getvalue()}


class Attack:
    """Starts a program when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, ("echo AAAA > victim",)


def malicious(scratch: Path) -> dict[str, bytes]:
    """Weights beside an object that starts a program."""
    return _saved({"state_dict": STATE, "x": Attack()}, zipped=False)


class Writer(torch.nn.Module):
    """Maps a file and writes into it as soon as it is loaded."""

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


def script(scratch: Path) -> dict[str, bytes]:
    """A TorchScript archive that writes into a file."""
    torch.jit.save(torch.jit.script(Writer("victim")), str(scratch / "s.pt"))
    return {"a.ckpt": (scratch / "s.pt").read_bytes()}


def read(name: str) -> Callable[[Path], str]:
    """The tokenizer's weights as a method's reader finds them."""

    def read(folder: Path) -> str:
        from methods.autoencoder.checkpoint_files import read as read_foreign

        os.chdir(folder)  # where the malicious files look for their victim
        found = read_foreign(folder / name)
        return _digest(found.state)

    return read


def _learner() -> ToyLearner:
    from bench.contract import Build
    from bench.core.distributed import Alone

    return ToyLearner(ToySettings(), Build((16, 16), 0, torch.device("cpu"), Alone()))


def own(scratch: Path) -> dict[str, bytes]:
    """The finished weights of a run."""
    from bench.train import checkpoint

    checkpoint.save_final(scratch / "o", _learner())
    return gathered(scratch / "o")


def read_own(folder: Path) -> str:
    """Them."""
    from bench.train import checkpoint

    return _digest(checkpoint.read_final(folder / checkpoint.FINAL))


def training(scratch: Path) -> dict[str, bytes]:
    """A checkpoint amid training."""
    from bench.train import checkpoint

    checkpoint.save(scratch / "t", _learner(), None, checkpoint.Progressed(step=3))
    return gathered(scratch / "t")


def read_training(folder: Path) -> str:
    """The learner as it goes on."""
    from bench.train import checkpoint

    learner = _learner()
    progressed = checkpoint.restore(folder, learner, None)
    return f"{progressed and progressed.step} {_digest(learner.module.state_dict())}"
