"""Runs over a part of their pairs: what rows and notes say of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pandalm_eval.results import Run


def limited_fields(run: Run) -> dict[str, Any]:
    """`n_judged` and `n_whole` of a limited run; nothing of a whole one."""
    if run.part is None:
        return {}
    return {"n_judged": run.part.judged, "n_whole": run.part.whole}


def limited_notes(runs: Iterable[Run]) -> list[str]:
    """A note that names every limited run, if there is one."""
    told = [
        f"{run.name.judge} ({run.name.protocol}, {run.name.task}) {run.part}"
        for run in runs
        if run.part is not None
    ]
    return [f"Limited (--limit or --samples): {', '.join(told)} pairs."] if told else []
