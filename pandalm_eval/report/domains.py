"""The judges outside their domain: `tables.domains` on the page."""

from __future__ import annotations

from collections.abc import Sequence

from pandalm_eval.report.sheets import Axes, Axis, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.domains import DomainsTable, domain_of

_KAPPA = (-1.0, 1.0, 0.0)
_AXES: Axes = {
    "accuracy": Axis("acc"),
    "macro F1": Axis("f1_macro"),
    "kappa": Axis("kappa", *_KAPPA),
    "consistency": Axis("position_consistency"),
    "invalid": "invalid_rate",
    "shortened": "n_truncated",
    "pairs (clusters)": "n_pairs",
}
_DROP_AXES: Axes = {
    "accuracy, human set": Axis("acc_in"),
    "accuracy, domain": Axis("acc_out"),
    "drop": Axis("acc_drop", *_KAPPA),
    "kappa, human set": Axis("kappa_in", *_KAPPA),
    "kappa, domain": Axis("kappa_out", *_KAPPA),
    "drop of kappa": Axis("kappa_drop", *_KAPPA),
}


def domain_sheets(runs: Sequence[Run]) -> list[Sheet]:
    """Judge by domain, and what is lost against the human set; nothing without a domain's run."""
    if not any(domain_of(run) for run in runs):
        return []
    table = DomainsTable.of(runs)
    judges, drops = table.sections()
    found = [
        sheet("domains", "Judges by domain, with the rules", judges, table.rows, _AXES, table.notes)
    ]
    if drops:
        caption = "What each judge loses against the human set"
        found.append(sheet("drops", caption, drops, table.drops, _DROP_AXES))
    return found
