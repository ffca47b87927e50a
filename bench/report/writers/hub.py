"""Folders for the Hugging Face Hub, one per method: a model card with its numbers, and ``.eval_results``.

The Hub reads numbers from two places. The older is the ``model-index`` in the front matter of the model card
(README.md). The newer is ``.eval_results/*.yaml``: entries ``{dataset: {id, task_id, revision}, value, notes}``
that it gathers into the leaderboard of the dataset named by ``id``, which therefore has to be a dataset of the Hub.
Nothing is pushed from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bench
from bench.core.files import folder_name
from bench.errors import UsageError
from bench.report.stand_ins import is_apart
from bench.report.table import Cell, Row, Table
from bench.report.writers.model_index import TASKS, metrics_of, model_index
from bench.report.writers.text import escape_markdown, to_markdown
from bench.results.record import signature_id

SHOWN = ("comparison", "generation")
"""The tables of a model card."""

FRONT = "library_name: image-tokenizer-bench\ntags:\n- image-tokenizer\n"
OWN = re.compile(r"hf:([^/@]+/[^/@]+)(?:@(.+))?")


@dataclass(frozen=True)
class HubDataset:
    """A dataset of the Hub: ``owner/name`` and, where it is known, the revision."""

    id: str
    revision: str | None = None


def hub_dataset(text: str) -> HubDataset:
    """``OWNER/NAME[@REVISION]``; raises :class:`UsageError` for anything else."""
    found = OWN.fullmatch(f"hf:{text}")
    if found is None or not re.fullmatch(r"[\w.-]+/[\w.-]+", found[1]):
        raise UsageError(f"'{text}' is no dataset of the Hugging Face Hub; write --hub-dataset OWNER/NAME.")
    return HubDataset(found[1], found[2])


def known_datasets(tables: Sequence[Table]) -> dict[str, HubDataset]:
    """By dataset name those that were read from the Hub (``hf:OWNER/NAME``) and so have an address there."""
    names = {table.dataset for table in tables}
    found = {name: OWN.fullmatch(name) for name in sorted(names)}
    return {name: HubDataset(match[1], match[2]) for name, match in found.items() if match}


def files(tables: Sequence[Table], datasets: Mapping[str, HubDataset]) -> dict[str, str]:
    """Every file by its path within the folder: ``<method>/README.md`` and ``<method>/.eval_results/*.yaml``.

    ``datasets`` gives the Hub's dataset for a table's dataset; tables of others have no ``.eval_results``. Rows with
    stand-ins and rows that are only quoted are left out. Raises :class:`UsageError` where no row is left.
    """
    made: dict[str, str] = {}
    for label, index in model_index(tables).items():
        folder = folder_name(label)
        made[f"{folder}/README.md"] = _card(label, index, tables)
        for table in tables:
            entries = _entries(table, label, datasets)
            if entries:
                made[f"{folder}/.eval_results/{table.key}.yaml"] = _yaml(entries)
    if not made:
        raise UsageError("These results have no reconstruction or generation number of a method's own to share.")
    return made


def _card(label: str, index: str, tables: Sequence[Table]) -> str:
    """A model card: front matter with the ``model-index``, then the tables that the method stands in."""
    own = [table for table in tables if table.name in SHOWN and _row(table, label)]
    title = next((row.title for table in own if (row := _row(table, label))), label)
    body = [
        f"# {escape_markdown(title)}",
        f"The row `{label.replace('`', '')}` below, measured with image-tokenizer-bench {bench.__version__}.",
        *(to_markdown(table).strip() for table in own),
        "Every number has a signature, the protocol it was measured with: `args` in the `model-index` of this card. "
        "Two numbers may be compared where their signatures are equal.",
    ]
    return f"---\n{FRONT}{index}---\n\n" + "\n\n".join(body) + "\n"


def _entries(table: Table, label: str, datasets: Mapping[str, HubDataset]) -> list[dict[str, Any]]:
    """The method's numbers in a table as entries of ``.eval_results``: the metric's name is the task."""
    row, dataset = _row(table, label), datasets.get(table.dataset)
    if row is None or dataset is None or table.name not in TASKS or is_apart(label):
        return []
    revision = {"revision": dataset.revision} if dataset.revision else {}
    return [
        {
            "dataset": {"id": dataset.id, "task_id": column.name, **revision},
            "value": cell.value,
            "notes": _notes(table, cell),
        }
        for column, cell in metrics_of(table, row)
    ]


def _notes(table: Table, cell: Cell) -> str:
    """How the number came about, in one line."""
    measured, limited = cell.sources[0].measurement, cell.sources[0].result.limited
    said = [
        f"image-tokenizer-bench {bench.__version__}",
        f"preset {table.preset}",
        f"signature {signature_id(measured.signature)}",
        *([f"n = {measured.n:,}"] if measured.n else []),
        *([f"mean of {len(cell.sources)} seeds"] if len(cell.sources) > 1 else []),
        *([f"limited by {' and '.join('--' + flag.replace('_', '-') for flag in limited)}"] if limited else []),
    ]
    return ", ".join(said)


def _row(table: Table, label: str) -> Row | None:
    return next((row for row in table.rows if row.label == label), None)


def _yaml(entries: Sequence[Mapping[str, Any]]) -> str:
    import yaml

    return str(yaml.safe_dump(list(entries), sort_keys=False, allow_unicode=True, width=100))
