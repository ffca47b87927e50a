"""A reproducibility benchmark harness that compares image tokenizers."""

__version__ = "0.1.0"
