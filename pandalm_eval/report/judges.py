"""The judges against gold, and how far each two agree: `tables.judges` on the page."""

from __future__ import annotations

from collections.abc import Sequence

from pandalm_eval.report.sheets import Axes, Axis, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.judges import JudgesTable

_AXES: Axes = {
    "accuracy": Axis("acc"),
    "macro F1": Axis("f1_macro"),
    "weighted F1": Axis("f1_weighted"),
    "kappa": Axis("kappa", -1, 1, guide=0),
    "consistency": Axis("position_consistency"),
    "first position": Axis("first_position_rate", guide=0.5),
    "invalid": "invalid_rate",
    "n (prompts)": "n_pairs",
}
_AGREEMENT_AXES: Axes = {
    "agreement": Axis("agreement"),
    "kappa": Axis("kappa", -1, 1, guide=0),
    "accuracy a − b": Axis("acc_difference", -1, 1, guide=0),
    "p (Holm)": "p_adjusted",
    "n (prompts)": "n",
}


def judge_sheets(runs: Sequence[Run]) -> list[Sheet]:
    """The judges; where there are several runs on the same pairs, how far they agree."""
    table = JudgesTable.of(runs)
    judges, agreements = table.sections()
    caption = (
        "Judges against gold, with trivial rules, annotators and published figures; a figure, its "
        "95% interval in brackets and drawn"
    )
    found = [sheet("judges", caption, judges, table.rows, _AXES, table.notes)]
    if agreements:
        caption = "How far each two runs agree on the same pairs, and how their accuracies differ"
        found.append(sheet("agreements", caption, agreements, table.agreements, _AGREEMENT_AXES))
    return found
