"""``npz:PATH``: ADM-type batches (Dhariwal and Nichol 2021), one file, or a folder with train.npz and val.npz."""

from __future__ import annotations

from pathlib import Path

from bench import npzs, prepare
from bench.contract import Missing
from bench.entries import Dataset, DatasetRequest

OWN_SPLIT = "the files train.npz and val.npz"


def open_npz(request: DatasetRequest) -> Dataset:
    """The images of a batch file, a tenth held out by content, or of two files; labels are kept."""
    path = Path(request.path or "").expanduser()
    label = f"npz:{path.resolve().name}"
    if path.is_dir():
        train, val = path / "train.npz", path / "val.npz"
        absent = [file.name for file in (train, val) if not file.is_file()]
        if absent:
            raise Missing(f"{path} lacks {' and '.join(absent)}; a folder of batches holds train.npz and val.npz.")
        return prepare.dataset(request, label, npzs.opened(train), npzs.opened(val), split=OWN_SPLIT)
    if not path.is_file():
        raise Missing(f"There is no batch {path}; check the path.")
    splits = prepare.by_content(request, npzs.opened(path))
    return prepare.dataset(request, label, *splits, split=prepare.CONTENT_SPLIT)
