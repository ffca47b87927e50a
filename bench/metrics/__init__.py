"""The table of metrics: plain data, loaded when named."""

from bench.contract import MetricEntry

METRICS: dict[str, MetricEntry] = {}
