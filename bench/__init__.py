"""A reproducibility benchmark harness that compares image tokenizers."""

from __future__ import annotations

__version__ = "0.1.0"
