"""The candidates that each run's pairs name: `tables.models` and the partial order on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pandalm_eval.plots.partial_order import partial_order
from pandalm_eval.report.inline_svg import inline_svg
from pandalm_eval.report.sheets import Axes, Axis, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.cells import one_line
from pandalm_eval.tables.domains import domain_of
from pandalm_eval.tables.models import ModelsTable
from pandalm_eval.tables.models_text import is_corrected

_RANKING_AXES: Axes = {
    "rank": "best_rank",
    "win rate over all": Axis("win_rate", guide=0.5),
    "strength": "log_strength",
    "below best": "below_best",
}
_CONTEST_AXES: Axes = {
    "win": "win",
    "tie": "tie",
    "lose": "lose",
    "invalid": "invalid",
    "win rate of a": Axis("win_rate", guide=0.5),
    "if invalid lost, won": "win_rate_low",
    "p (Holm)": "p_adjusted",
    "at equal length": Axis("equal_length_win_rate", guide=0.5, interval="equal_length"),
    "n (prompts)": "n",
}
_CORRECTED_AXES: Axes = {
    "by the judge": Axis("win_rate", guide=0.5),
    "by people": Axis("human_win_rate", guide=0.5),
    "corrected": Axis("corrected_win_rate", guide=0.5),
    "labelled prompts": "labelled_prompts",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidates of one run.

    Attributes:
        run: which.
        table: the figures.
        sheets: ranking, matrix, contests, correction by people where there is one.
        order: the partial order, drawn.
    """

    run: Run
    table: ModelsTable
    sheets: tuple[Sheet, ...]
    order: Markup

    @property
    def better(self) -> list[tuple[str, str]]:
        """(better, worse) where the difference is significant: the drawing in words."""
        return self.table.better


def names_candidates(run: Run) -> bool:
    """Whether the pairs of a run are of at least two named candidates."""
    return run.judgments is not None and len(run.judgments.models) > 1


def comparisons(runs: Sequence[Run]) -> list[Comparison]:
    """The comparison of every run whose pairs name candidates."""
    return [
        _comparison(run, number)
        for number, run in enumerate(runs, start=1)
        if names_candidates(run)
    ]


def _comparison(run: Run, number: int) -> Comparison:
    table = ModelsTable.of([run])
    ranking, matrix, contests, corrections = table.sections()
    by = f"by {run.name.judge} ({run.name.protocol}) on {domain_of(run) or run.name.task}"
    sheets = [
        sheet(f"ranking-{number}", f"Ranking, {by}", _short(ranking), table.ranking, _RANKING_AXES),
        _matrix(f"matrix-{number}", f"Win rates, row against column, {by}", matrix, table),
        sheet(
            f"contests-{number}",
            f"Contests, {by}",
            contests,
            table.rows,
            _CONTEST_AXES,
            table.notes,
        ),
    ]
    if corrections:
        caption = f"Win rates by the judge, by people, and corrected, {by}"
        told = [row for row in table.rows if is_corrected(row)]
        sheets.append(sheet(f"corrected-{number}", caption, corrections, told, _CORRECTED_AXES))
    rates = {row["candidate"]: row["win_rate"] for row in table.ranking}
    order = Markup()
    if rates:
        order = inline_svg(partial_order(list(rates), table.better, rates), f"order{number}")
    return Comparison(run, table, tuple(sheets), order)


def _short(ranking: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The printed ranking without the judge's name in its first head: the caption has it."""
    return [dict(zip(("candidate", *list(row)[1:]), row.values(), strict=True)) for row in ranking]


def _matrix(
    name: str, caption: str, printed: Sequence[Mapping[str, str]], table: ModelsTable
) -> Sheet:
    """The printed matrix with the win rates that it is sorted and shaded by."""
    rates: dict[str, dict[str, float]] = {row["candidate"]: {} for row in table.ranking}
    for row in table.rows:
        if row["win_rate"] is not None:
            rates[row["a"]][one_line(row["b"])] = row["win_rate"]
            rates[row["b"]][one_line(row["a"])] = 1 - row["win_rate"]
    axes = {candidate: candidate for candidate in map(one_line, rates)}
    note = "The darker, the more wins of the row; a star where the difference is significant."
    return sheet(name, caption, printed, list(rates.values()), axes, [note])
