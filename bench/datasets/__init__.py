"""The table of datasets: plain data, loaded when named."""

from bench.contract import DatasetEntry

_ENTRIES = (
    DatasetEntry("photos", "Embedded photographs", "bench.datasets.photos:open_photos"),
    DatasetEntry("folder", "Folder or zip of images", "bench.datasets.folder:open_folder", takes_path=True),
    DatasetEntry("zip", "Zip of images", "bench.datasets.folder:open_folder", takes_path=True),
)

DATASETS: dict[str, DatasetEntry] = {entry.name: entry for entry in _ENTRIES}
