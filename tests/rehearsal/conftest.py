"""The one network that the rehearsed losses need: VGG16 with seeded random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pretrained.stand_ins import stand_in


@pytest.fixture(scope="session")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the stand-in, made once."""
    return stand_in("vgg16", tmp_path_factory.mktemp("stand-ins"))
