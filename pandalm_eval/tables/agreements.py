"""How far two judges agree, and how their accuracies differ; how far the annotators agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.metrics import summarise
from pandalm_eval.results import Run, common_judgments
from pandalm_eval.settings import HUMAN
from pandalm_eval.statistics.agreement import krippendorff_alpha
from pandalm_eval.statistics.clusters import Numbers
from pandalm_eval.statistics.paired import draws_for, holm, mean_difference, sign_flip
from pandalm_eval.tables.cells import estimated, with_interval
from pandalm_eval.verdicts import LABELS, Verdict

Row = dict[str, Any]
Common = Sequence[tuple[Judgment, Judgment]]
"""Judgments of two runs on the same pairs."""


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
        and (common := common_judgments(one, other))
    ]
    for one, other, common in met:
        row: Row = {"a": _label(one), "b": _label(other)} | _agreement(common)
        if all(judgment.gold is not None for judgment, _ in common):
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
    agree = sum(one.verdict is other.verdict for one, other in common) / len(common)
    told = [replace(one, gold=other.verdict) for one, other in common]
    readable = [judgment for judgment in told if judgment.gold is not Verdict.INVALID]
    kappa = summarise(readable, Protocol.SINGLE)["kappa"] if readable else math.nan
    prompts = {one.prompt_id for one, _ in common}
    return {
        "n": len(common),
        "n_prompts": len(prompts),
        "agreement": agree,
        "kappa": None if math.isnan(kappa) else kappa,
    }


def _difference(common: Common, draws: int) -> Row:
    clusters = _clusters([one for one, _ in common])
    differences = np.array([float(one.correct) - float(other.correct) for one, other in common])
    found = mean_difference(differences, clusters)
    test = sign_flip(differences, clusters, draws=draws)
    return estimated("acc_difference", found) | {"p_value": test.p_value}


def annotators(runs: Sequence[Run]) -> list[str]:
    """How far the human annotators of each run's pairs agree beyond chance, a sentence each."""
    notes = []
    for run in runs:
        judgments = run.judgments or ()
        if run.name.gold_source != HUMAN or not (judgments and judgments[0].annotators):
            continue
        codes = np.array([[LABELS.index(v) for v in j.annotators] for j in judgments], dtype=float)
        found = krippendorff_alpha(codes, _clusters(judgments))
        told = with_interval(found.value, found.low, found.high)
        notes.append(
            f"Krippendorff's alpha (nominal) of the {codes.shape[1]} annotators on {found.n} pairs "
            f"of {found.clusters} prompts: {told}."
        )
    return notes


def _clusters(judgments: Sequence[Judgment]) -> Numbers:
    """Numbers of the judgments' prompts."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(j.prompt_id, len(numbers)) for j in judgments])
