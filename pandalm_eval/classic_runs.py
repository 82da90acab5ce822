"""The harness's classic tasks as runs left them: figures, and items where samples are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.pairs import short_hash
from pandalm_eval.records import read_records
from pandalm_eval.results import Part, judge_name, part_of, read_results
from pandalm_eval.squad import token_f1

METRICS = {
    "arc_challenge": "acc_norm",
    "cb": "acc",
    "coqa": "f1",
    "hellaswag": "acc_norm",
    "squadv2": "f1",
    "wsc": "acc",
    "mmlu": "acc",
}
"""The tasks of `pandalm-classic`, with the metric that is compared."""

_PERCENT = "squadv2"  # the harness prints its figures from 0 to 100

Key = tuple[str, str]
"""Of an item: the task that asked it, and the hash of its document."""


@dataclass(frozen=True, slots=True)
class Item:
    """One answered item: its value in [0, 1], its cluster, and the hash of the prompt."""

    value: float
    cluster: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One task as one model answered it.

    Attributes:
        value: the figure of the results file, in [0, 1]; None where it holds none.
        items: by key; None where samples are missing.
        part: of the items, where the run was limited, else None.
    """

    value: float | None
    items: Mapping[Key, Item] | None
    part: Part | None


@dataclass(frozen=True, slots=True)
class Tuning:
    """A model, with every classic task that it has results of."""

    name: str
    tasks: Mapping[str, Answered]


def read_tunings(paths: Iterable[Path]) -> list[Tuning]:
    """The models of the results named; a folder's runs of one model are one tuning.

    Raises:
        InputError: no such file, no classic task in it, or a task twice for one model.
    """
    tunings: list[Tuning] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder. Name a result of the harness.")
        found: dict[str, dict[str, Answered]] = {}
        files = [path] if path.is_file() else sorted(path.rglob("results_*.json"))
        for file in files:
            data = read_results(file)
            own = found.setdefault(judge_name(data["config"]), {})
            for task, answered in _tasks(file, data):
                if task in own:
                    raise InputError(
                        f"{file}: {task} was run twice with this model below {path}. Name one "
                        "result, or move the other away."
                    )
                own[task] = answered
        named = [Tuning(name, tasks) for name, tasks in found.items() if tasks]
        if not named:
            raise InputError(
                f"{path}: holds no result of a classic task ({', '.join(METRICS)}); run "
                "--tasks pandalm-classic with --output_path and --log_samples."
            )
        tunings += named
    return _told_apart(tunings)


def _told_apart(tunings: Sequence[Tuning]) -> list[Tuning]:
    names = [tuning.name for tuning in tunings]
    return [
        Tuning(
            f"{t.name} ({count})" if (count := names[: i + 1].count(t.name)) > 1 else t.name,
            t.tasks,
        )
        for i, t in enumerate(tunings)
    ]


def _tasks(file: Path, data: Mapping[str, Any]) -> Iterator[tuple[str, Answered]]:
    for task, metric in METRICS.items():
        leaves = [leaf for leaf in _leaves(data, task) if leaf in data["configs"]]
        if not leaves:
            continue
        value = data["results"].get(task, {}).get(f"{metric},none")
        told = value if isinstance(value, int | float) else None
        if told is not None and task == _PERCENT:
            told = told / 100
        items: dict[Key, Item] | None = {}
        for leaf in leaves:
            samples = file.with_name(file.name.replace("results_", f"samples_{leaf}_", 1) + "l")
            if items is None or not samples.is_file():
                items = None
                break
            items |= _items(samples, leaf, metric)
        yield task, Answered(told, items, part_of(data, leaves))


def _leaves(data: Mapping[str, Any], task: str) -> list[str]:
    children = data.get("group_subtasks", {}).get(task) or []
    return [leaf for child in children for leaf in _leaves(data, child)] or [task]


def _items(samples: Path, task: str, metric: str) -> dict[Key, Item]:
    """The items of a samples file; those of SQuAD 2.0 are scored here, by passage."""
    items = {}
    for number, sample in enumerate(read_records(samples), start=1):
        if sample.get("filter", "none") != "none":
            continue
        try:
            doc = sample["doc"]
            value = _squad(sample[metric]) if task == "squadv2" else float(sample[metric])
            cluster = short_hash(doc["context"]) if task == "squadv2" else str(sample["doc_hash"])
            key = (task, f"{sample['doc_id']}:{sample['doc_hash']}")
            items[key] = Item(value, cluster, str(sample.get("prompt_hash")))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{samples}: line {number} is no sample of {task} with {metric} ({error!r})."
            ) from None
    return items


def _squad(told: Sequence[Mapping[str, Any]]) -> float:
    predicted, reference = told
    text = str(predicted["prediction_text"])
    return token_f1(text, [str(answer) for answer in reference["answers"]["text"]])
