"""Gold against verdicts, a small table a run; its counts are those of `plot --kind confusion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pandalm_eval.results import Run
from pandalm_eval.tables.cells import share
from pandalm_eval.tables.judges import confusion_counts
from pandalm_eval.verdicts import LABELS, Verdict

VERDICTS = tuple(verdict.value for verdict in Verdict)


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """Pairs of one gold label that were judged in one way.

    Attributes:
        count: how many.
        share: of the label's pairs, printed.
        shade: that share in tenths, 0 to 10.
        correct: whether label and verdict are the same.
    """

    count: int
    share: str
    shade: int
    correct: bool


@dataclass(frozen=True, slots=True)
class Confusion:
    """One run's table: {gold label: (number of its pairs, a cell for each verdict)}."""

    run: Run
    rows: dict[str, tuple[int, list[ConfusionCell]]]

    @property
    def n(self) -> int:
        """Pairs with a gold label."""
        return sum(total for total, _ in self.rows.values())


def confusions(runs: Sequence[Run]) -> list[Confusion]:
    """The table of every run that has judgments with gold."""
    return [_confusion(run) for run in runs if run.judgments and run.judgments.is_labelled.any()]


def _confusion(run: Run) -> Confusion:
    rows = {}
    for label, counts in zip(LABELS, confusion_counts(run).tolist(), strict=True):
        total = sum(counts)
        cells = [
            ConfusionCell(
                count,
                share(count / total if total else None),
                round(10 * count / total) if total else 0,
                verdict is label,
            )
            for verdict, count in zip(Verdict, counts, strict=True)
        ]
        rows[label.value] = total, cells
    return Confusion(run, rows)
