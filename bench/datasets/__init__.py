"""The table of datasets: plain data, loaded when named."""

from bench.contract import DatasetEntry

DATASETS: dict[str, DatasetEntry] = {}
