"""Publishing a run: judgments without text, and a results file without machine details."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.columns import write_judgments
from pandalm_eval.errors import InputError
from pandalm_eval.records import read_object
from pandalm_eval.results import Run, is_ours, manifest_beside, read_results, read_runs

# What a stranger needs to repeat the run; everything else of the file (host, environment, prompt
# templates, paths) stays at home.
_KEPT = (
    *("results", "versions", "n-shot", "n-samples", "date", "git_hash"),
    *("transformers_version", "lm_eval_version", "total_evaluation_time_seconds"),
)
_KEPT_CONFIG = (
    *("model", "model_num_parameters", "model_dtype", "model_revision", "batch_size", "limit"),
    *("random_seed", "numpy_seed", "torch_seed"),
)


def redact(paths: Iterable[Path], folder: Path) -> list[Path]:
    """Write `judgments_<task>_<judge>.jsonl` and `manifest_<task>_<judge>.json` for every run.

    Raises:
        InputError: nothing to redact, no samples beside a results file, or an unwritable folder.
    """
    runs = read_runs(paths)
    if bare := [run.path for run in runs if run.judgments is None]:
        raise InputError(
            f"{bare[0]}: has no samples beside it. Run again with --log_samples; without samples "
            "there are no judgments to publish."
        )
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for run, stem in zip(runs, _stems(runs), strict=True):
            judgments = folder / f"judgments_{stem}.jsonl"
            write_judgments(judgments, run.name, run.judgments or ())
            written.append(judgments)
            if told := _told_of(run):
                manifest = folder / f"manifest_{stem}.json"
                manifest.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", "utf-8")
                written.append(manifest)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}).") from None
    return written


def _stems(runs: Sequence[Run]) -> Iterator[str]:
    """What each run's files are called; a number tells runs apart whose names would be the same."""
    seen: Counter[str] = Counter()
    for run in runs:
        stem = f"{run.name.task}_{_as_file_name(run.name.judge)}"
        seen[stem.casefold()] += 1
        yield f"{stem}-{seen[stem.casefold()]}" if seen[stem.casefold()] > 1 else stem


def _told_of(run: Run) -> dict[str, Any]:
    """The manifest of a run; of a run that was redacted before, what it has of one."""
    if run.path.name.startswith("results_"):
        return manifest_of(read_results(run.path), run.name.task)
    beside = manifest_beside(run.path)
    if not beside.is_file():
        return {}
    known = (*_KEPT, "config", "settings", "model_args", "pandalm_eval_version", "restated_by")
    told = read_object(beside)
    return {key: told[key] for key in known if key in told}


def manifest_of(data: Mapping[str, Any], task: str) -> dict[str, Any]:
    """What a stranger needs to repeat the run of a task, of a results file."""
    metadata = data["configs"][task]["metadata"]
    assert is_ours(data["configs"][task])  # read_runs takes no others
    kept: dict[str, Any] = {key: data[key] for key in _KEPT if key in data}
    for key in ("results", "versions", "n-shot", "n-samples"):
        kept[key] = {task: kept.get(key, {}).get(task)}
    kept["config"] = {k: data["config"][k] for k in _KEPT_CONFIG if k in data["config"]}
    kept["settings"] = {
        key: _without_folders(metadata.get(key))
        for key in (
            *("protocol", "prompt", "decoding", "gold", "left_out"),
            *("version", "pandalm_eval_version", "pandalm_eval_commit"),
        )
    }
    arguments = data["config"].get("model_args") or {}
    if isinstance(arguments, Mapping):
        kept["model_args"] = {
            key: _without_folders(value)
            for key, value in arguments.items()
            if not re.search(r"key|token$|secret|password|header", key, re.IGNORECASE)
        }
    return kept


def _without_folders(value: Any) -> Any:
    """The last part of an absolute path; hub names and numbers as they are."""
    if isinstance(value, str) and value.startswith(("/", "~", ".", "\\")):
        return Path(value).name
    return value


def _as_file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "judge"
