"""Which pretrained networks a run needs, whether they are here and whole, and what takes the place of those absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.pretrained.networks import Pretrained
    from bench.run.cells import Cell
    from bench.run.config import RunConfig


def check(cells: list[Cell], config: RunConfig) -> tuple[list[str], list[str]]:
    """What is absent of the networks in losses, and in metrics; what is here is read and verified.

    Raises :class:`IntegrityError` for a file that is damaged or another one, before anything is trained with it.
    """
    from bench.pretrained import weights

    source, absent = source_of(config), list[str]()
    for cell in cells:
        needed = required_networks(cell)
        absent += [f"'{cell.label}' trains with {weights.reason(n)}" for n in needed if not source.available(n)]
    for name in dict.fromkeys(name for cell in cells for name in required_networks(cell)):
        if weights.available(name):
            source.verify(name)
    measured = any({"recon", "gen"} & set(cell.stages) for cell in cells)
    for name in measured_networks(config) if measured else ():
        if weights.available(name):
            source.find(name)
    return absent, [weights.reason(name) for name in measured_networks(config) if not source.available(name)]


def stand_ins(cells: list[Cell], config: RunConfig) -> list[str]:
    """What will be replaced by stand-ins, in one sentence each."""
    source = source_of(config)
    names = dict.fromkeys([*(n for cell in cells for n in required_networks(cell)), *measured_networks(config)])
    return [
        f"{name} is not here; random weights (a stand-in) take its place, and every number that they touch says so"
        for name in names
        if source.replaced(name)
    ]


def source_of(config: RunConfig) -> Pretrained:
    """Where a run takes its pretrained networks from."""
    from bench.core.files import cache_root
    from bench.pretrained.networks import FOLDER, Pretrained

    return Pretrained(cache_root() / FOLDER if config.stand_in else None)


def measured_networks(config: RunConfig) -> list[str]:
    """The networks that the metrics need under the run's protocol, sorted."""
    from bench.core.registry import lookup
    from bench.metrics import measured
    from bench.metrics.features import FEATURES
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.metrics.signatures import needed

    protocol = lookup(PROTOCOLS, config.metric_protocol or DEFAULT_PROTOCOL, "metric protocol")
    return sorted({name for metric in measured(protocol).values() for name in needed(metric, FEATURES, protocol)})


def required_networks(cell: Cell) -> tuple[str, ...]:
    """The pretrained networks in the losses of the stages that will run."""
    from bench.run import tokenizers

    return tokenizers.networks(cell) if "train" in cell.stages else ()
