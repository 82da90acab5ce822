"""How far two judges agree, and how their accuracies differ; how far the annotators agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pandalm_eval.columns import INVALID, NONE, Columns
from pandalm_eval.judgments import Protocol
from pandalm_eval.metrics import summarise
from pandalm_eval.results import Run, common_judgments
from pandalm_eval.settings import HUMAN
from pandalm_eval.statistics.agreement import krippendorff_alpha
from pandalm_eval.statistics.paired import draws_for, holm, mean_difference, sign_flip
from pandalm_eval.tables.cells import estimated, with_interval

Row = dict[str, Any]
Common = tuple[Columns, Columns]
"""Judgments of two runs on the same pairs, row by row."""


def agreements(runs: Sequence[Run]) -> list[Row]:
    """Every two runs that judged the same pairs against the same gold.

    Returns:
        {a, b, n, n_prompts, agreement: share of equal verdicts, kappa}, and where the pairs have a
        label acc_difference (a's accuracy minus b's) with `_stderr`, `_ci_low`, `_ci_high`
        (bootstrap over prompts), p_value (sign-flip test on the prompts' sums) and p_adjusted
        (Holm over all rows).
    """
    rows = []
    met = [
        (one, other, common)
        for one, other in itertools.combinations(runs, 2)
        if one.name.gold_source == other.name.gold_source
        and len((common := common_judgments(one, other))[0])
    ]
    for one, other, common in met:
        row: Row = {"a": _label(one), "b": _label(other)} | _agreement(common)
        if common[0].is_labelled.all():
            row |= _difference(common, draws_for(len(met)))
        rows.append(row)
    tested = [row for row in rows if "p_value" in row]
    if tested:
        adjusted = holm(np.array([row["p_value"] for row in tested]))
        for row, p_value in zip(tested, adjusted, strict=True):
            row["p_adjusted"] = float(p_value)
    return rows


def _label(run: Run) -> str:
    return f"{run.name.judge} ({run.name.protocol})"


def _agreement(common: Common) -> Row:
    one, other = common
    readable = one.told(one.verdict, other.verdict).take(other.verdict != INVALID)
    kappa = summarise(readable, Protocol.SINGLE)["kappa"] if len(readable) else math.nan
    return {
        "n": len(one),
        "n_prompts": len(np.unique(one.prompt)),
        "agreement": int((one.verdict == other.verdict).sum()) / len(one),
        "kappa": None if math.isnan(kappa) else kappa,
    }


def _difference(common: Common, draws: int) -> Row:
    one, other = common
    clusters = one.clusters()
    differences = one.is_correct.astype(np.float64) - other.is_correct
    found = mean_difference(differences, clusters)
    test = sign_flip(differences, clusters, draws=draws)
    return estimated("acc_difference", found) | {"p_value": test.p_value}


def annotators(runs: Sequence[Run]) -> list[str]:
    """How far the human annotators of each run's pairs agree beyond chance, a sentence each."""
    notes = []
    for run in runs:
        judged = run.judgments
        if run.name.gold_source != HUMAN or not (judged and judged[0].annotators):
            continue
        raters = [judged.labels(number) for number in range(len(judged[0].annotators))]
        codes = np.stack(raters, axis=1).astype(np.float64)
        codes[codes == NONE] = np.nan
        found = krippendorff_alpha(codes, judged.clusters())
        told = with_interval(found.value, found.low, found.high)
        notes.append(
            f"Krippendorff's alpha (nominal) of the {codes.shape[1]} annotators on {found.n} pairs "
            f"of {found.clusters} prompts: {told}."
        )
    return notes
