"""The table of datasets: plain data, loaded when named."""

from __future__ import annotations

from pathlib import Path

from bench.core.files import cache_root
from bench.core.progress import Progress, silent
from bench.core.registry import load
from bench.data.dataset import BadImages, Dataset, DatasetEntry, DatasetRequest, dataset_of
from bench.errors import UsageError

_FOLDER, _LSUN = "bench.data.datasets.local:open_folder", "bench.data.datasets.lsun:open_lsun"
_TESTSET = "bench.data.datasets.local:open_testset"
_LSUN_FILES, _CIFAR10_FILES = "bench.data.datasets.lsun:download", "bench.data.datasets.cifar10:download"
_KODAK_FILES, _DIV2K_FILES = "bench.data.datasets.kodak:download", "bench.data.datasets.div2k:download"
_CLIC, _CLIC_FILES = "bench.data.datasets.clic2020:open_clic2020", "bench.data.datasets.clic2020:download"
_IMAGENETTE = "bench.data.datasets.imagenette:open_imagenette"
_COCO_FILES, _IMAGENETTE_FILES = "bench.data.datasets.coco:download", "bench.data.datasets.imagenette:download"
_CHURCH = ("church_outdoor", "church-brics")

_ENTRIES = (
    DatasetEntry("photos", "Embedded photographs", "bench.data.datasets.photos:open_photos"),
    DatasetEntry("folder", "Folder or zip of images", _FOLDER, takes_path=True),
    DatasetEntry("zip", "Zip of images, also of NVIDIA's dataset_tool", _FOLDER, takes_path=True),
    DatasetEntry("testset", "Folder or zip of validation images alone", _TESTSET, takes_path=True),
    DatasetEntry("npz", "ADM-type .npz batch", "bench.data.datasets.local:open_npz", takes_path=True),
    DatasetEntry("wds", "WebDataset shards", "bench.data.datasets.local:open_webdataset", takes_path=True),
    DatasetEntry("hf", "Hugging Face dataset", "bench.data.datasets.huggingface:open_hf", takes_path=True),
    DatasetEntry("church", "LSUN church, official split", _LSUN, _LSUN_FILES, aliases=_CHURCH),
    DatasetEntry("church-ldm", "LSUN church, LDM's lists", _LSUN),
    DatasetEntry("church-rqvae", "LSUN church, RQ-VAE's split (val = train)", _LSUN, _LSUN_FILES, protocol="rqvae"),
    DatasetEntry("bedroom", "LSUN bedroom, official split", _LSUN, _LSUN_FILES),
    DatasetEntry("bedroom-ldm", "LSUN bedroom, LDM's lists", _LSUN),
    DatasetEntry("tower", "LSUN tower, official split", _LSUN, _LSUN_FILES),
    DatasetEntry("ffhq", "FFHQ", "bench.data.datasets.ffhq:open_ffhq", protocol="stylegan"),
    DatasetEntry("imagenet", "ImageNet (ILSVRC 2012)", "bench.data.datasets.imagenet:open_imagenet", protocol="adm"),
    DatasetEntry("kodak", "Kodak's 24 photographs", "bench.data.datasets.kodak:open_kodak", _KODAK_FILES),
    DatasetEntry("clic2020", "CLIC 2020, validation", _CLIC, _CLIC_FILES),
    DatasetEntry("clic2020-professional", "CLIC 2020, validation, professional", _CLIC, _CLIC_FILES),
    DatasetEntry("clic2020-mobile", "CLIC 2020, validation, mobile", _CLIC, _CLIC_FILES),
    DatasetEntry("div2k", "DIV2K, validation", "bench.data.datasets.div2k:open_div2k", _DIV2K_FILES),
    DatasetEntry("coco-val2017", "COCO 2017, validation", "bench.data.datasets.coco:open_coco", _COCO_FILES),
    DatasetEntry("imagenette", "Imagenette, 160 px", _IMAGENETTE, _IMAGENETTE_FILES, protocol="adm"),
    DatasetEntry("cifar10", "CIFAR-10", "bench.data.datasets.cifar10:open_cifar10", _CIFAR10_FILES),
)

DATASETS: dict[str, DatasetEntry] = {entry.name: entry for entry in _ENTRIES}


def asked(
    name: str,
    resolution: int,
    protocol: str | None = None,
    source: Path | None = None,
    offline: bool = False,
    on_bad: BadImages = "skip",
    workers: int = 2,
    progress: Progress = silent,
    verify: bool = False,
) -> tuple[DatasetEntry, DatasetRequest]:
    """The row of ``name`` or ``name:PATH`` and what is asked of it; without a ``protocol``, in the dataset's own.

    Raises :class:`UsageError` for an unknown name, and for a path that is too much or missing.
    """
    entry, path = dataset_of(name, DATASETS)
    if source is not None:
        if path is not None:
            raise UsageError(f"'{name}' names its path already; leave --from out.")
        path = str(source)
    chosen = protocol or entry.protocol
    request = DatasetRequest(
        entry.name, path, resolution, chosen, cache_root(), offline, on_bad, workers, progress, verify, entry.protocol
    )
    return entry, request


def opened(entry: DatasetEntry, request: DatasetRequest) -> Dataset:
    """The dataset, prepared now where it is not yet; raises :class:`bench.errors.Missing` with the remedy."""
    dataset: Dataset = load(entry.open)(request)
    return dataset
