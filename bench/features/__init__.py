"""The table of feature extractors: plain data, loaded when named."""

from bench.contract import FeatureEntry

FEATURES: dict[str, FeatureEntry] = {}
