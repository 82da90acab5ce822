"""Strengths of many candidates from pairs with ties, with intervals and ranges of ranks.

The model is Davidson's (`davidson`), the intervals are percentiles over draws of whole prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import (
    DRAWS,
    LEVEL,
    SEED,
    Floats,
    Numbers,
    Truths,
    bootstrap_sums,
)
from pandalm_eval.statistics.davidson import fit


@dataclass(frozen=True, slots=True)
class Ranking:
    """Bradley–Terry strengths with ties of k candidates.

    A contrast is `λ_i − λ_j`, the log of the odds of a win of i over j where they do not tie.

    Attributes:
        log_strengths: (k,), mean 0 over the largest set of candidates with finite contrasts; ±inf
            for those without bound above or below it, NaN for those that nothing compares with it.
        log_tie: log of the tie parameter ν; −inf without ties. The chance of a tie of equals is
            `ν / (2 + ν)`.
        contrasts: (k, k), of row against column; ±inf and NaN in the same way.
        intervals: (k, k, 2), 95% percentile intervals of the contrasts over draws of prompts. A
            draw that lets a contrast grow without bound counts as ±inf, so an end may be infinite;
            NaN, NaN where more than half of the draws say nothing, or with a single prompt.
        unbounded: the pairs (i, j) with a contrast of +inf, i above j: no chain of wins or ties
            leads from j to i.
        incomparable: the pairs (i, j), i < j, with a contrast of NaN.
        n: comparisons.
        clusters: prompts.
    """

    log_strengths: Floats
    log_tie: float
    contrasts: Floats
    intervals: Floats
    unbounded: tuple[tuple[int, int], ...]
    incomparable: tuple[tuple[int, int], ...]
    n: int
    clusters: int

    @property
    def order(self) -> list[int]:
        """Candidates from strong to weak, NaN last; equals in their own order."""
        return [int(i) for i in np.argsort(-self.log_strengths, kind="stable")]


def rank(
    first: Numbers,
    second: Numbers,
    scores: Floats,
    clusters: Numbers,
    candidates: int,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Ranking:
    """Fit Davidson's model to comparisons, with cluster-bootstrap intervals.

    Args:
        first, second: (n,), the candidates compared, 0 to candidates − 1, never one with itself.
        scores: (n,), 1 where `first` won, ½ for a tie, 0 where `second` won.
        clusters: (n,), the number of each comparison's prompt.
        candidates: k ≥ 2.
        draws: of the bootstrap; time and memory grow with draws × k².
        seed: of the draws.

    Raises:
        InputError: no comparisons, other scores, numbers that are no candidates, or strengths so
            far apart that the fit does not converge.
    """
    _check(first, second, scores, candidates)
    sums = _counts_by_cluster(first, second, scores, clusters, candidates)
    point = fit(*_tables(sums.sum(axis=0, keepdims=True), candidates))
    if not point.converged[0]:
        raise InputError("The strengths are too far apart to be estimated: no fit converges.")
    contrasts = point.contrasts[0]
    intervals = np.full((candidates, candidates, 2), np.nan)
    if len(sums) > 1:
        drawn = [
            fit(*_tables(chunk, candidates)).contrasts
            for chunk in bootstrap_sums(sums, draws, seed)
        ]
        intervals = _intervals(np.concatenate(drawn))
    above, beside = np.nonzero(np.isposinf(contrasts)), np.nonzero(np.triu(np.isnan(contrasts)))
    return Ranking(
        log_strengths=_strengths(contrasts),
        log_tie=float(point.log_tie[0]),
        contrasts=contrasts,
        intervals=intervals,
        unbounded=tuple(zip(*(side.tolist() for side in above), strict=True)),
        incomparable=tuple(zip(*(side.tolist() for side in beside), strict=True)),
        n=len(scores),
        clusters=len(sums),
    )


def _check(first: Numbers, second: Numbers, scores: Floats, candidates: int) -> None:
    if len(scores) == 0:
        raise InputError("There is nothing to rank: no comparisons.")
    both = np.stack([first, second])
    wrong = (both < 0).any(axis=0) | (both >= candidates).any(axis=0) | (first == second)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"Row {row} compares candidates {first[row]} and {second[row]}; "
            f"give two different numbers from 0 to {candidates - 1}."
        )
    if (unread := np.flatnonzero(~np.isin(scores, (0.0, 0.5, 1.0)))).size:
        raise InputError(
            f"Row {unread[0]} has the score {scores[unread[0]]}; give 1, ½ or 0, and leave out "
            "what has no verdict."
        )


def _counts_by_cluster(
    first: Numbers, second: Numbers, scores: Floats, clusters: Numbers, candidates: int
) -> Floats:
    """By prompt, wins of i over j and then ties of i and j for i < j: (prompts, 2 k²)."""
    numbers, cluster = np.unique(clusters, return_inverse=True)
    winner = np.where(scores == 1, first, second)
    loser = np.where(scores == 1, second, first)
    tie = scores == 0.5
    row = np.where(tie, np.minimum(first, second), winner)
    column = np.where(tie, np.maximum(first, second), loser)
    cell = ((cluster * 2 + tie) * candidates + row) * candidates + column
    width = 2 * candidates**2
    counts = np.bincount(cell, minlength=len(numbers) * width)
    return counts.reshape(len(numbers), width).astype(np.float64)


def _tables(totals: Floats, candidates: int) -> tuple[Floats, Floats]:
    """Wins and symmetric ties, each (d, k, k), from sums (d, 2 k²)."""
    wins, ties = totals.reshape(-1, 2, candidates, candidates).transpose(1, 0, 2, 3)
    return wins, ties + ties.transpose(0, 2, 1)


def _intervals(draws: Floats) -> Floats:
    """Percentiles (k, k, 2) of contrasts (d, k, k).

    The quantiles are draws themselves, the outer ones where they fall between two: there is no mean
    of a number and infinity.
    """
    tail = (1 - LEVEL) / 2
    # NaN sorts last, so the defined draws of a contrast are its first ones.
    ordered = np.sort(draws, axis=0)
    defined = np.count_nonzero(~np.isnan(draws), axis=0)
    low = np.floor(tail * (defined - 1)).astype(np.intp)
    high = np.ceil((1 - tail) * (defined - 1)).astype(np.intp)
    positions = np.maximum(np.stack([low, high]), 0)
    ends = np.take_along_axis(ordered, positions, axis=0)
    ends[:, defined * 2 < len(draws)] = np.nan
    return np.moveaxis(ends, 0, -1)


def _strengths(contrasts: Floats) -> Floats:
    """Log-strengths (k,) with mean 0 over the largest set with finite contrasts."""
    finite = np.isfinite(contrasts)
    member = int(np.argmax(finite.sum(axis=1)))
    against = contrasts[:, member]
    strengths: Floats = against - against[finite[member]].mean()
    return strengths


@dataclass(frozen=True, slots=True)
class RankRange:
    """The ranks that a candidate may have: 1 + those surely better, to k − those surely worse."""

    candidate: int
    best: int
    worst: int


def rank_groups(order: Sequence[int], different: Truths) -> list[RankRange]:
    """A range of ranks for each candidate, from pairwise tests.

    The best rank is 1 + the number of candidates before it in `order` that differ significantly
    from it; the worst is k − the number of those after it. So a candidate that differs from all
    others has one rank, and without any difference everyone's range is 1 to k. Two candidates that
    do not differ always share a rank; two that differ may share one too, as "A = B, B = C, A > C"
    cannot be drawn as ranks.

    Args:
        order: the k candidates, best first.
        different: (k, k), symmetric by candidate number: whether two differ, by tests that are
            adjusted for their number (`paired.holm`).

    Returns:
        One range a candidate, in the order given.

    Raises:
        InputError: `order` does not name every candidate once, or `different` is not symmetric.

    >>> different = np.zeros((3, 3), dtype=bool)
    >>> different[2, 0] = different[0, 2] = True
    >>> [(found.candidate, found.best, found.worst) for found in rank_groups([2, 1, 0], different)]
    [(2, 1, 2), (1, 1, 3), (0, 2, 3)]
    """
    count = len(different)
    if sorted(order) != list(range(count)):
        raise InputError(f"The order {list(order)} must name each of {count} candidates once.")
    if (different != different.T).any():
        raise InputError("Whether i differs from j must be whether j differs from i.")
    sorted_by_rank = different[np.ix_(order, order)]
    return [
        RankRange(
            candidate=candidate,
            best=1 + int(sorted_by_rank[place, :place].sum()),
            worst=count - int(sorted_by_rank[place, place + 1 :].sum()),
        )
        for place, candidate in enumerate(order)
    ]
