"""The manifest of each run: versions, commit, arguments as `redact` keeps them, without keys."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from pandalm_eval.credentials import Credentials
from pandalm_eval.records import read_object
from pandalm_eval.redaction import manifest_of
from pandalm_eval.results import Run, manifest_beside, read_results, results_beside

Manifest = dict[str, Any]


def manifest(run: Run) -> Manifest | None:
    """The manifest of a run, without machine details; None where none is at hand."""
    if run.path.name.startswith("judgments_"):
        beside = manifest_beside(run.path)
        return read_object(beside) if beside.is_file() else None
    path = results_beside(run.path) if run.path.name.startswith("samples_") else run.path
    return manifest_of(read_results(path), run.name.task)


def printed(told: Mapping[str, Any]) -> str:
    """All but the figures, which stand in the tables, as JSON without credentials."""
    kept = {key: value for key, value in told.items() if key != "results"}
    return Credentials().blotted(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False))


def when(told: Mapping[str, Any] | None) -> str:
    """When the run began, in UTC; a dash where nothing tells.

    >>> when({"date": 0}), when(None)
    ('1970-01-01 00:00 UTC', '–')
    """
    date = (told or {}).get("date")
    if not isinstance(date, int | float):
        return "–"
    return f"{datetime.datetime.fromtimestamp(date, datetime.UTC):%Y-%m-%d %H:%M} UTC"
