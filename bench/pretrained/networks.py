"""Where a run takes its pretrained networks from: pinned files, or stand-ins where a run was told to do without.

Everything that builds, measures or keys with such a network asks one :class:`Pretrained`; what a stand-in touched
carries its identity, which starts with :data:`bench.results.record.STAND_IN`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.core.digest import of_file
from bench.errors import IntegrityError
from bench.pretrained import weights
from bench.pretrained.stand_ins import misfit, stand_in
from bench.pretrained.table import WEIGHTS
from bench.results.record import STAND_IN

FOLDER = "stand-ins"
"""The folder of stand-ins in a cache, apart from that of weights."""


@dataclass(frozen=True)
class Pretrained:
    """Finds and names pretrained networks; ``stand_ins`` is the folder of random ones, None where none are wanted.

    A file is verified when it is first asked for, and not again by this instance.
    """

    stand_ins: Path | None = None
    _files: dict[str, Path] = field(default_factory=dict, init=False, repr=False, compare=False)
    _identities: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def replaced(self, name: str) -> bool:
        """Whether a stand-in takes the network's place."""
        return self.stand_ins is not None and not weights.available(name)

    def available(self, name: str) -> bool:
        """Whether there is a file or a stand-in; neither has been verified."""
        return self.stand_ins is not None or weights.available(name)

    def find(self, name: str) -> Path:
        """The verified file, or else the stand-in. Raises what :func:`bench.pretrained.weights.find` raises."""
        if name not in self._files:
            instead = None if weights.available(name) else self.stand_ins
            self._files[name] = weights.find(name) if instead is None else stand_in(name, instead)
        return self._files[name]

    def identity(self, name: str) -> str:
        """What signatures say: :func:`bench.pretrained.weights.identity`, or ``stand-in NAME#first 12 digits of its
        SHA-256``.
        """
        if name not in self._identities:
            replaced = self.replaced(name)
            random = of_file(self.find(name))[:12] if replaced else ""
            self._identities[name] = f"{STAND_IN} {name}#{random}" if replaced else weights.identity(name)
        return self._identities[name]

    def planned(self, name: str) -> str:
        """What the recipe of a training says of a network in its loss: the pinned file, here or not, or a stand-in.

        A finished training can so be loaded on a machine without the network. A file without a pin has to be here.
        """
        files = WEIGHTS[name].files
        pinned = len(files) == 1 and files[0].pin != "none" and not self.replaced(name)
        return f"{files[0].name}#{files[0].pin}" if pinned else self.identity(name)

    def verify(self, name: str) -> None:
        """Reads the whole file. Raises :class:`IntegrityError` where it is another one, damaged or of another network.

        Raises :class:`bench.errors.Missing` where it is absent.
        """
        path = self.find(name)
        said = misfit(name, weights.load_state(path))
        if said is not None:
            raise IntegrityError(f"{path} is no {WEIGHTS[name].title}: {said}; delete it and fetch it again.")

    def replacing(self, names: Iterable[str]) -> tuple[str, ...]:
        """The identities of the stand-ins in the place of these networks; none for those that are here."""
        return tuple(self.identity(name) for name in names if self.replaced(name))
