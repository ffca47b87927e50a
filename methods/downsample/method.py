"""What the area reduction can do."""

from __future__ import annotations

from bench.contract import Method
from methods.downsample import Settings
from methods.downsample.model import Downsample, parts

METHOD: Method[Settings] = Method(tokenizer=Downsample, parts=parts)
