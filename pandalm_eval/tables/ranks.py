"""Ranks: which candidates differ, and the range of ranks that each may have."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pandalm_eval.outcomes import Outcomes
from pandalm_eval.statistics.paired import draws_for, holm, sign_flip
from pandalm_eval.statistics.ranking import Ranking, rank, rank_groups
from pandalm_eval.tables.contests import ALPHA, defined, rate_of

Row = dict[str, Any]


def better(outcomes: Outcomes, contests: Sequence[Row]) -> list[tuple[str, str]]:
    """(better, worse) candidates whose difference is significant.

    Two candidates that met are tested by their contest, two that never did by their scores against
    the same opponents on the same prompts; Holm's adjustment is over all of these tests.

    Args:
        contests: rows of `contest_rows`.
    """
    names = outcomes.names
    found = {
        (row["a"], row["b"]): (row["p_value"], row["win_rate"] - 0.5)
        for row in contests
        if row["p_value"] is not None
    }
    met = {(row["a"], row["b"]) for row in contests}
    apart = [
        (a, b)
        for a, b in itertools.combinations(range(len(names)), 2)
        if not {(names[a], names[b]), (names[b], names[a])} & met
    ]
    draws = draws_for(len(contests) + len(apart), ALPHA)
    for a, b in apart:
        differences, prompts = outcomes.by_common_opponents(a, b)
        if len(differences):
            test = sign_flip(differences, prompts, draws=draws)
            found[names[a], names[b]] = test.p_value, test.statistic
    if not found:
        return []
    adjusted = holm(np.array([p_value for p_value, _ in found.values()]))
    return [
        (a, b) if lead > 0 else (b, a)
        for ((a, b), (_, lead)), p_value in zip(found.items(), adjusted, strict=True)
        if p_value < ALPHA
    ]


def ranked(outcomes: Outcomes, better: Sequence[tuple[str, str]]) -> list[Row]:
    """The candidates from strong to weak; a rank for each end of what the tests leave open."""
    valid = ~np.isnan(outcomes.score)
    if not valid.any():
        return []
    names = outcomes.names
    fitted: Ranking = rank(
        outcomes.first[valid],
        outcomes.second[valid],
        outcomes.score[valid],
        outcomes.cluster[valid],
        len(names),
    )
    different = np.zeros((len(names), len(names)), dtype=bool)
    for a, b in better:
        one, other = names.index(a), names.index(b)
        different[one, other] = different[other, one] = True
    best = fitted.order[0]
    return [
        {
            "candidate": names[i],
            "best_rank": group.best,
            "worst_rank": group.worst,
            "n": int(outcomes.all_of(i).valid.sum()),
            **rate_of(outcomes.all_of(i)),
            "log_strength": defined(fitted.log_strengths[i]),
            "below_best": defined(fitted.contrasts[best, i]),
            "below_best_ci_low": defined(fitted.intervals[best, i, 0]),
            "below_best_ci_high": defined(fitted.intervals[best, i, 1]),
            "unbounded": any(i in pair for pair in fitted.unbounded),
        }
        for i, group in zip(fitted.order, rank_groups(fitted.order, different), strict=True)
    ]
