"""Why published numbers of the same weights differ: the codes that may be given, and nothing else."""

from __future__ import annotations

CAUSES = {
    "reference-split": "another reference set",
    "ssim-range": "another range in SSIM",
    "ssim-window": "another window in SSIM",
    "crop": "another crop or resize",
    "resolution": "another resolution",
    "rounding": "another rounding of the reconstruction",
    "mislabelled": "the numbers of another row",
    "weights-not-named": "the weights are not named, or not the same",
    "unknown": "the cause is not known",
}

NOT_NAMED = "not named"
"""What a quoted row says of its weights where the source does not say which they are."""
