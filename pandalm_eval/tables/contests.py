"""Contests: two candidates against each other, one row each, with test, bounds and correction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.metrics import SUFFIXES
from pandalm_eval.outcomes import Contest, Outcomes
from pandalm_eval.statistics.equal_length import NotIdentified, at_equal_length
from pandalm_eval.statistics.paired import draws_for, holm, sign_flip
from pandalm_eval.statistics.shares import Estimate

ALPHA = 0.05

Row = dict[str, Any]


def contest_rows(outcomes: Outcomes, *, labelled: bool) -> list[Row]:
    """A row for each two candidates that met; see `ModelsTable`.

    Args:
        labelled: whether people judged a part of the pairs, to correct the win rates by.
    """
    met = outcomes.contests()
    contests = [outcomes.contest(a, b) for a, b in met]
    draws = draws_for(len(met), ALPHA)
    tests = [_p_value(contest, draws) for contest in contests]
    tested = [place for place, p in enumerate(tests) if p is not None]
    adjusted: list[float | None] = [None] * len(met)
    if tested:
        for place, p in zip(tested, holm(np.array([tests[i] for i in tested])), strict=True):
            adjusted[place] = float(p)
    return [
        {"a": outcomes.names[a], "b": outcomes.names[b]}
        | _figures(contest)
        | {"p_value": p, "p_adjusted": raised, "significant": raised is not None and raised < ALPHA}
        | _equal_length(contest)
        | (_correction(contest) if labelled else {})
        for (a, b), contest, p, raised in zip(met, contests, tests, adjusted, strict=True)
    ]


def _figures(contest: Contest) -> Row:
    """Counts, win rate, interval and bounds of a contest."""
    row: Row = contest.counts()
    row |= {"n": len(contest.score), "n_prompts": len(np.unique(contest.cluster))}
    row |= rate_of(contest)
    row["win_rate_low"], row["win_rate_high"] = contest.bounds()
    return row


def rate_of(contest: Contest) -> Row:
    """Its win rate with `_stderr`, `_ci_low`, `_ci_high`; None for what is undefined."""
    return estimated(contest.win_rate(), "win_rate")


def estimated(rate: Estimate | None, key: str) -> Row:
    told = [None] * 4 if rate is None else [rate.value, rate.stderr, rate.low, rate.high]
    return {f"{key}{suffix}": defined(value) for suffix, value in zip(SUFFIXES, told, strict=True)}


def _correction(contest: Contest) -> Row:
    """By people's labels alone and with the judge's help, or why not."""
    if not contest.is_labelled:
        return {"correction_reason": "no labels"}
    try:
        found = contest.corrected()
    except InputError as error:
        return {"correction_reason": str(error)}
    return {
        **estimated(found.classical, "human_win_rate"),
        **estimated(found.corrected, "corrected_win_rate"),
        "labelled_prompts": found.labelled,
        "judge_weight": found.weight,
    }


def defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _p_value(contest: Contest, draws: int) -> float | None:
    """Of no difference, by prompts; None where there is no verdict."""
    valid = contest.valid
    if not valid.any():
        return None
    return sign_flip(2 * contest.score[valid] - 1, contest.cluster[valid], draws=draws).p_value


def _equal_length(contest: Contest) -> Row:
    valid = contest.valid
    if not valid.any():
        return {"equal_length_reason": "no verdicts"}
    found = at_equal_length(contest.score[valid], contest.longer[valid], contest.cluster[valid])
    if isinstance(found, NotIdentified):
        return {"equal_length_reason": found.reason}
    return {
        "equal_length_win_rate": defined(found.value),
        "equal_length_ci_low": defined(found.low),
        "equal_length_ci_high": defined(found.high),
    }
