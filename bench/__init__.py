"""A reproducibility benchmark harness that compares image tokenizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    import pandas

__version__ = "0.1.0"


def load_results(*places: str | os.PathLike[str], per_image: bool = False) -> pandas.DataFrame:
    """The results in files and folders (and all below them) as a pandas data frame: a row for every number.

    Every row names dataset, preset, method, seed, stage, metric, value (NaN where it is absent, then with a reason),
    count and signature, the protocol of the number: numbers compare where the ``signature_id`` is equal. With
    ``per_image`` a row for every image and pair metric instead. Raises :class:`bench.errors.UsageError` where there
    are no results.
    """
    from pathlib import Path

    from bench.report import frames

    found = [Path(place) for place in places]
    return frames.images(found) if per_image else frames.numbers(found)
