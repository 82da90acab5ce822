"""Length: does the judge prefer the longer response, and what is left at equal length."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pandalm_eval.columns import FIRST, SECOND
from pandalm_eval.report.models import Comparison, names_candidates
from pandalm_eval.report.sheets import Axes, Axis, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.cells import with_interval
from pandalm_eval.tables.models_text import equal_length

_AXES: Axes = {
    "prefers longer": Axis("prefers_longer_rate", guide=0.5),
    "decisive, unequal lengths": "decisive",
}
_CONTEST_AXES: Axes = {
    "win rate of a": Axis("win_rate", guide=0.5),
    "at equal length": Axis("equal_length_win_rate", guide=0.5, interval="equal_length"),
}


def length_sheets(runs: Sequence[Run], compared: Sequence[Comparison]) -> list[Sheet]:
    """Preference for length, one row a run; win rates at equal length, one row a contest."""
    told = [run for run in runs if run.judgments]
    if not told:
        return []
    rows = [_row(run) for run in told]
    section = [
        {
            "judge": run.name.judge,
            "task": run.name.task,
            "protocol": run.name.protocol.value,
            "prefers longer": with_interval(
                *(row[f"prefers_longer_rate{end}"] for end in ("", "_ci_low", "_ci_high"))
            ),
            "decisive, unequal lengths": str(row["decisive"]),
            "win rate at equal length": "see below"
            if names_candidates(run)
            else "not identified: the pairs name no candidates",
        }
        for run, row in zip(told, rows, strict=True)
    ]
    caption = "Length: share of decisive judgments for the longer response"
    found = [sheet("length", caption, section, rows, _AXES, _NOTES)]
    contests = [(one.run, row) for one in compared for row in one.table.rows]
    if contests:
        caption = "Win rates at equal length, contest by contest"
        section = [
            {
                "a": row["a"],
                "b": row["b"],
                "judge": run.name.judge,
                "task": run.name.task,
                "win rate of a": with_interval(
                    *(row[f"win_rate{end}"] for end in ("", "_ci_low", "_ci_high"))
                ),
                "at equal length": equal_length(row),
            }
            for run, row in contests
        ]
        rows = [row for _, row in contests]
        found.append(sheet("equal-length", caption, section, rows, _CONTEST_AXES))
    return found


_NOTES = (
    "Prefers longer: among judgments of first or second with unequal lengths (characters, "
    "stripped), share for the longer response; 95% interval by prompt. People may prefer longer "
    "responses, too: compare with the rule longest.",
    "At equal length: the win rate that a logit on the log ratio of lengths expects of responses "
    "of one length, with the reason where the data cannot tell.",
)


def _row(run: Run) -> dict[str, object]:
    row: dict[str, object] = {
        f"prefers_longer_rate{end}": _defined(run.figures.get(f"prefers_longer_rate{end}"))
        for end in ("", "_ci_low", "_ci_high")
    }
    judged = run.judgments
    assert judged is not None  # the caller's choice
    decisive = (judged.verdict == FIRST) | (judged.verdict == SECOND)
    row["decisive"] = int((decisive & (judged.length1 != judged.length2)).sum())
    return row


def _defined(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
