"""Position: how many judgments survive the swap, and which way those lean that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pandalm_eval.columns import FIRST, INVALID, SECOND, TIE, Columns
from pandalm_eval.judgments import Judgment
from pandalm_eval.report.sheets import Axes, Axis, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.statistics.clusters import Truths
from pandalm_eval.tables.cells import NOTHING, share, with_interval

_AXES: Axes = {
    "position consistency": Axis("position_consistency"),
    "first-position rate": Axis("first_position_rate", guide=0.5),
    "both valid": "both_valid",
    "changed": "changed",
    "to the one shown first": "shown_first",
    "to the one shown second": "shown_second",
    "tie in one order": "one_tie",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """Pairs by what the swap does to the verdict.

    Attributes:
        both_valid: pairs with two valid readings; `changed` of them have two different verdicts.
        shown_first: of the changed, those for the response shown first both times.
        shown_second: those for the response shown second both times.
        one_tie: those with a tie in one of the orders.
    """

    both_valid: int = 0
    changed: int = 0
    shown_first: int = 0
    shown_second: int = 0
    one_tie: int = 0

    @classmethod
    def of(cls, judgments: Sequence[Judgment]) -> Changes:
        """Counted over judgments of two orders."""
        judged = Columns.of(judgments)
        changed = is_changed(judged)
        forward, swapped = judged.orders[0].verdict, judged.orders[-1].verdict
        return cls(
            int(_are_valid(judged).sum()),
            int(changed.sum()),
            int((changed & (forward == FIRST) & (swapped == SECOND)).sum()),
            int((changed & (forward == SECOND) & (swapped == FIRST)).sum()),
            int((changed & ((forward == TIE) | (swapped == TIE))).sum()),
        )


def is_changed(judged: Columns) -> Truths:
    """Whether both readings are valid and the swap changed the verdict; (n,)."""
    changed: Truths = judged.orders[0].verdict != judged.orders[-1].verdict
    return changed & _are_valid(judged)


def _are_valid(judged: Columns) -> Truths:
    """Whether there are two readings, both of them valid."""
    if len(judged.orders) < 2:
        return np.zeros(len(judged), np.bool_)
    valid = [order.is_read & (order.verdict != INVALID) for order in judged.orders]
    both: Truths = valid[0] & valid[1]
    return both


def position_sheet(runs: Sequence[Run]) -> Sheet | None:
    """One row a run of two orders; None where there is no such run with judgments."""
    told = [run for run in runs if run.judgments and run.name.protocol.orders == 2]
    rows = [
        dict(run.figures) | asdict(Changes.of(run.judgments or ())) | {"source": "run"}
        for run in told
    ]
    section = [
        {
            "judge": run.name.judge,
            "task": run.name.task,
            "protocol": run.name.protocol.value,
            "position consistency": _figure(run, "position_consistency"),
            "first-position rate": _figure(run, "first_position_rate"),
            "both valid": str(row["both_valid"]),
            "changed": str(row["changed"]),
            "to the one shown first": _part(row["shown_first"], row["changed"]),
            "to the one shown second": _part(row["shown_second"], row["changed"]),
            "tie in one order": _part(row["one_tie"], row["changed"]),
        }
        for run, row in zip(told, rows, strict=True)
    ]
    if not section:
        return None
    caption = "Position: verdicts that survive the swap, and which way the others lean"
    return sheet("position", caption, section, [_defined(row) for row in rows], _AXES, _NOTES)


_NOTES = (
    "Position consistency: among pairs with both readings valid, share with equal verdicts. "
    "First-position rate: among readings of first or second, share for the response shown first; "
    "a judge without a lean is at one half. Intervals are 95%, by prompt.",
    "Changed: pairs whose two verdicts differ. To the one shown first: both times the response "
    "that was shown first was called better.",
)


def _figure(run: Run, key: str) -> str:
    return with_interval(*(run.figures.get(f"{key}{end}") for end in ("", "_ci_low", "_ci_high")))


def _part(count: int, whole: int) -> str:
    return f"{count} ({share(count / whole)})" if whole else NOTHING


def _defined(row: dict[str, object]) -> dict[str, object]:
    return {key: None if value != value else value for key, value in row.items()}
