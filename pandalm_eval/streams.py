"""Judgments of results one after the other: a million of them need no more memory than a few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Judgment, RunName, stream_judgments
from pandalm_eval.results import (
    apart,
    is_ours,
    read_results,
    require_whole,
    results_beside,
    run_name,
    samples_beside,
    stream_samples,
)


def stream_results(paths: Iterable[Path]) -> Iterator[tuple[RunName, Judgment]]:
    """Yield every judgment below the folders and files given, with the name of its run.

    The same runs in the same order, under the same names, as `results.read_runs` has them.

    Raises:
        InputError: a path that is no result, a results file without samples, or an unreadable line.
    """
    seen: Counter[RunName] = Counter()
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder. Name a result of the harness.")
        number = 0
        for name, judgments in _runs(path):
            seen[name] += 1
            told = apart(name, seen[name])
            for number, judgment in enumerate(judgments, start=1):  # noqa: B007
                yield told, judgment
        if number == 0:
            raise InputError(
                f"{path}: holds no judgments of a pairwise-judge task (judgments_*.jsonl, or "
                "results_*.json with samples_*.jsonl)."
            )


def _runs(path: Path) -> Iterator[tuple[RunName, Iterator[Judgment]]]:
    if path.is_file() and path.name.startswith("samples_"):
        results = results_beside(path)
        for name, samples in _with_samples(results):
            if samples == path:
                yield name, _whole(results, name, samples)
        return
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*.json*") if p.is_file())
    covered = set()
    for file in (p for p in files if p.name.startswith("judgments_")):
        name, _ = next(stream_judgments(file))
        covered.add((file.parent, name.task, name.judge))
        yield name, (judgment for _, judgment in stream_judgments(file))
    for file in (p for p in files if p.name.startswith("results_")):
        for name, samples in _with_samples(file):
            if (file.parent, name.task, name.judge) not in covered:
                yield name, _whole(file, name, samples)


def _with_samples(results: Path) -> Iterator[tuple[RunName, Path]]:
    data = read_results(results)
    for task, config in data["configs"].items():
        if is_ours(config):
            yield run_name(data, task), samples_beside(results, task)


def _whole(results: Path, name: RunName, samples: Path) -> Iterator[Judgment]:
    if not samples.is_file():
        raise InputError(
            f"{results}: has no samples beside it. Run again with --log_samples; without samples "
            "there are no judgments."
        )
    number = 0
    for number, judgment in enumerate(stream_samples(samples, name.protocol), start=1):  # noqa: B007
        yield judgment
    require_whole(samples, number, read_results(results)["results"].get(name.task, {}))
