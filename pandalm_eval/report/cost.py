"""What the judging took: readings, and seconds where they were recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pandalm_eval.report.sheets import Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.cells import NOTHING

_KEYS = {
    "readings": "readings",
    "with recorded seconds": "timed",
    "seconds": "seconds",
    "readings per second": "rate",
    "whole run, seconds": "whole",
}
_NOTES = (
    "Seconds of a reading: its batch's wall time over the batch's size, recorded by hf-judge only; "
    "a reading from a store keeps the seconds that it took when it was asked. The whole run "
    "includes loading data and model. Tokens are not recorded.",
)


def cost_sheet(runs: Sequence[Run], manifests: Sequence[Mapping[str, Any] | None]) -> Sheet | None:
    """One row a run with judgments; None where there is none."""
    told = [pair for pair in zip(runs, manifests, strict=True) if pair[0].judgments]
    if not told:
        return None
    rows = [_row(run, manifest or {}) for run, manifest in told]
    section = [
        {
            "judge": run.name.judge,
            "task": run.name.task,
            "protocol": run.name.protocol.value,
            "readings": str(row["readings"]),
            "with recorded seconds": str(row["timed"]),
            "seconds": _number(row["seconds"], 1),
            "readings per second": _number(row["rate"], 2),
            "whole run, seconds": _number(row["whole"], 1),
        }
        for (run, _), row in zip(told, rows, strict=True)
    ]
    return sheet("cost", "Throughput and cost of judging", section, rows, _KEYS, _NOTES)


def _row(run: Run, manifest: Mapping[str, Any]) -> dict[str, Any]:
    judged = run.judgments
    assert judged is not None  # the caller's choice
    orders = [order.seconds for order in judged.orders if order.seconds is not None]
    timed = sum(int((~np.isnan(seconds)).sum()) for seconds in orders)
    spent = math.fsum(np.nansum(seconds) for seconds in orders)
    return {
        "readings": judged.readings(),
        "timed": timed,
        "seconds": spent if timed else None,
        "rate": timed / spent if spent > 0 else None,
        "whole": _seconds(manifest.get("total_evaluation_time_seconds")),
    }


def _seconds(told: Any) -> float | None:
    """The harness writes it as text."""
    try:
        return float(told)
    except (TypeError, ValueError):
        return None


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"
