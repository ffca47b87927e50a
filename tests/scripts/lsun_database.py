"""Writes a small LSUN church in the published format: ``python -m tests.scripts.lsun_database FOLDER [TRAIN] [VAL]``.

Two LMDB folders with WebP values under keys of 40 hexadecimal digits, short side 256; synthetic pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.sources import lsun

if __name__ == "__main__":
    train, val = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 96), (3, 24)))
    made = lsun(Path(sys.argv[1]), train=train, val=val, side=256)
    print(f"{made}: {train} training and {val} validation images")
