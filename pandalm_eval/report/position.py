"""Position: how many judgments survive the swap, and which way those lean that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pandalm_eval.judgments import Judgment
from pandalm_eval.report.sheets import Axes, Axis, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.cells import NOTHING, share, with_interval
from pandalm_eval.verdicts import Verdict

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
        told = [tuple(reading.verdict for reading in j.readings) for j in judgments]
        valid = [pair for pair in told if len(pair) == 2 and Verdict.INVALID not in pair]
        changed = [pair for pair in valid if pair[0] is not pair[1]]
        return cls(
            len(valid),
            len(changed),
            changed.count((Verdict.FIRST, Verdict.SECOND)),
            changed.count((Verdict.SECOND, Verdict.FIRST)),
            sum(Verdict.TIE in pair for pair in changed),
        )


def is_changed(judgment: Judgment) -> bool:
    """Whether both readings are valid and the swap changed the verdict."""
    return Changes.of([judgment]).changed == 1


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
