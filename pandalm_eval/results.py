"""Runs as the harness left them: `results_*.json` with `samples_*.jsonl` or `judgments_*.jsonl`.

A run is one judge on one pairwise-judge task. Figures are recomputed from the judgments where they
are there, and taken from the results file where they are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pandalm_eval.columns import Columns, read_judgments
from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Judgment, Protocol, RunName
from pandalm_eval.metrics import summarise
from pandalm_eval.records import stream_records


@dataclass(frozen=True, slots=True)
class Part:
    """How much of its documents a limited run (`--limit`, `--samples`) was over."""

    judged: int
    whole: int

    def __str__(self) -> str:
        return f"{self.judged} of {self.whole}"


@dataclass(frozen=True, slots=True)
class Run:
    """One judge's run of one task.

    Attributes:
        name: task, judge, protocol, prompt, decoding, gold.
        figures: {metric key: value}; a value the data leaves undefined is NaN.
        judgments: by pair, None where only the results file is at hand.
        path: where it was read from.
        part: where it was limited, else None; None also where nothing tells.
    """

    name: RunName
    figures: Mapping[str, float]
    judgments: Columns | None
    path: Path
    part: Part | None = None


def read_runs(paths: Iterable[Path]) -> list[Run]:
    """Every run below the folders and files given, in the order found.

    Judges of one name but different folders get numbers, so that no two rows look the same.

    Raises:
        InputError: a path does not exist, is no result, or holds none of our tasks.
    """
    runs: list[Run] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder. Name a result of the harness.")
        found = _runs_of(path)
        if not found:
            raise InputError(
                f"{path}: holds no result of a pairwise-judge task (results_*.json with "
                "samples_*.jsonl, or judgments_*.jsonl)."
            )
        runs += found
    return _told_apart(runs)


def _runs_of(path: Path) -> list[Run]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*.json*") if p.is_file())
    runs = [_from_judgments(p) for p in files if p.name.startswith("judgments_")]
    covered = {(run.path.parent, run.name.task, run.name.judge) for run in runs}
    for results in (p for p in files if p.name.startswith("results_")):
        runs += [
            run
            for run in _from_results(results)
            if (results.parent, run.name.task, run.name.judge) not in covered
        ]
    if path.is_file() and path.name.startswith("samples_"):
        runs += _from_samples(path)
    return runs


def _from_judgments(path: Path) -> Run:
    name, judgments = read_judgments(path)
    manifest = manifest_beside(path)
    part = part_of(_read_json(manifest), [name.task]) if manifest.is_file() else None
    return Run(name, summarise(judgments, name.protocol), judgments, path, part)


def manifest_beside(judgments: Path) -> Path:
    """Where `redact` puts the manifest of a judgments file."""
    name = judgments.name.replace("judgments_", "manifest_", 1).removesuffix(".jsonl")
    return judgments.with_name(f"{name}.json")


def _from_samples(path: Path) -> list[Run]:
    results = results_beside(path)
    task = _SAMPLES.fullmatch(path.name)
    return [run for run in _from_results(results) if task and run.name.task == task["task"]]


_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT.+)\.jsonl")


def results_beside(samples: Path) -> Path:
    match = _SAMPLES.fullmatch(samples.name)
    beside = samples.with_name(f"results_{match['time']}.json") if match else samples
    if match is None or not beside.is_file():
        raise InputError(
            f"{samples}: the results_*.json of the same run is not beside it; samples alone do not "
            "name their judge."
        )
    return beside


def samples_beside(results: Path, task: str) -> Path:
    """Where the harness puts a task's samples, given its results file; it need not be there."""
    return results.with_name(results.name.replace("results_", f"samples_{task}_", 1) + "l")


def read_results(path: Path) -> dict[str, Any]:
    """The content of a `results_*.json`.

    Raises:
        InputError: not readable, not JSON, or not written by the harness.
    """
    data = _read_json(path)
    if not {"results", "configs", "config"} <= set(data):
        raise InputError(f"{path}: is not a results file of the harness.")
    return data


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}).") from None
    return data if isinstance(data, dict) else {}


def part_of(data: Mapping[str, Any], tasks: Iterable[str]) -> Part | None:
    """The part that the run of one task, or of all tasks of a group, was limited to.

    Args:
        data: a results file, or a manifest that `redact` made of one.
    """
    counts = [(data.get("n-samples") or {}).get(task) or {} for task in tasks]
    if not all({"effective", "original"} <= set(count) for count in counts):
        return None
    judged, whole = (sum(count[key] for count in counts) for key in ("effective", "original"))
    return Part(judged, whole) if judged < whole else None


def _from_results(path: Path) -> list[Run]:
    data = read_results(path)
    runs = []
    for task, config in data["configs"].items():
        if not is_ours(config):
            continue
        name = run_name(data, task)
        samples = samples_beside(path, task)
        judgments = None
        if samples.is_file():
            judgments = Columns.of(stream_samples(samples, name.protocol))
            require_whole(samples, len(judgments), data["results"].get(task, {}))
            figures = summarise(judgments, name.protocol)
        else:
            figures = _figures(data["results"].get(task, {}))
        runs.append(Run(name, figures, judgments, path, part_of(data, [task])))
    return runs


def require_whole(samples: Path, found: int, results: Mapping[str, Any]) -> None:
    """Refuse samples of which a part is missing, as a full disk leaves them."""
    told = results.get("n_pairs,none", found)
    if found != told:
        raise InputError(
            f"{samples}: holds {found} samples, but the results beside it are of {told} pairs. A "
            "part is missing: run again (with --use_cache nothing is asked twice)."
        )


def is_ours(config: Mapping[str, Any]) -> bool:
    """Whether a task's configuration, as the harness wrote it, is of the pairwise-judge type."""
    metadata = config.get("metadata") or {}
    return {"protocol", "prompt", "decoding", "gold"} <= set(metadata)


def run_name(data: Mapping[str, Any], task: str) -> RunName:
    """What names the run of a task in a results file."""
    metadata = data["configs"][task]["metadata"]
    return RunName(
        task=task,
        judge=judge_name(metadata.get("judge") or data["config"]),
        protocol=Protocol(metadata["protocol"]),
        prompt=str(metadata["prompt"]),
        decoding=str(metadata["decoding"]),
        gold_source=_without_folders(str(metadata["gold"])),
    )


def judge_name(config: Mapping[str, Any]) -> str:
    """A judge's name in tables: its `name`, else the last part of its path, else the backend's.

    >>> judge_name({"model": "hf", "model_args": {"pretrained": "WeOpenML/PandaLM-7B-v1"}})
    'PandaLM-7B-v1'
    """
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):
        words = [word.partition("=") for word in arguments.split(",") if "=" in word]
        arguments = {key: value for key, _, value in words}
    model = str(config.get("model", "judge"))
    if model == "rule":
        return f"rule:{arguments.get('name', '')}"
    for key in ("name", "gguf_file", "peft", "pretrained", "model", "path"):
        if arguments.get(key):
            told = PurePosixPath(str(arguments[key]).replace("\\", "/").rstrip("/")).name
            return told.removesuffix(".jsonl").removesuffix(".json").removesuffix(".gguf")
    return model


def _without_folders(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def stream_samples(path: Path, protocol: Protocol) -> Iterator[Judgment]:
    """Judgments of a `samples_*.jsonl`, made from documents and filtered responses.

    Raises:
        InputError: not samples of a pairwise-judge task; names the line.
    """
    from pandalm_eval.readings import judge_sample

    for number, sample in enumerate(stream_records(path), start=1):
        try:
            judgment = judge_sample(sample, protocol)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise InputError(
                f"{path}: line {number} is no sample of a pairwise-judge task "
                f"({type(error).__name__}: {error})."
            ) from None
        yield judgment


def _figures(results: Mapping[str, Any]) -> dict[str, float]:
    figures = {}
    for key, value in results.items():
        name, _, filter = key.partition(",")
        if filter == "none" and not isinstance(value, str):
            figures[name] = float(value)
    return figures


def apart(name: RunName, count: int) -> RunName:
    """The name of the count-th run of one name: a number tells it from the others."""
    return name if count == 1 else replace(name, judge=f"{name.judge} ({count})")


def _told_apart(runs: Sequence[Run]) -> list[Run]:
    seen: dict[RunName, int] = {}
    renamed = []
    for run in runs:
        count = seen[run.name] = seen.get(run.name, 0) + 1
        renamed.append(replace(run, name=apart(run.name, count)))
    return renamed


def common_judgments(first: Run, second: Run) -> tuple[Columns, Columns]:
    """Judgments of both runs on the same pairs, row by row, in pair order.

    Matched by id and text hash: an id alone may stand for another pair in another set.
    """
    if not first.judgments or not second.judgments:
        return Columns.of(()), Columns.of(())
    ordered = first.judgments.by_index()
    keys, others = ordered.keys(), second.judgments.keys()
    order = np.argsort(others, kind="stable")
    places = np.searchsorted(others[order], keys, side="right") - 1
    found = order[np.maximum(places, 0)]
    met = others[found] == keys
    return ordered.take(met), second.judgments.take(found[met])
