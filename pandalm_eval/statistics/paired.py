"""Two systems on the same prompts, and many such comparisons at once.

A difference between two systems that answered the same prompts is tested by what each prompt says
of it: without a difference, every prompt's sum of differences is as likely to have the opposite
sign. Nothing else is assumed, neither a distribution nor a number of pairs a prompt.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from pandalm_eval.errors import InputError, listing
from pandalm_eval.statistics.clusters import (
    SEED,
    Floats,
    Numbers,
    bootstrap_sums,
    cluster_sums,
    interval,
)
from pandalm_eval.statistics.shares import Estimate, Method, mean_error

_DENOMINATORS = (1, 2, 3, 4, 6, 8, 12, 24)
_MOST_STEPS = 200_000_000  # additions of the exact distribution: half a second
_MOST_ENUMERATED = 20  # sums: 2²⁰ assignments of signs
_CELLS = 4_000_000  # draws × prompts held at once
_TOLERANCE = 1e-9  # sums that differ by less are one and the same, relative to the largest


def mean_difference(differences: Floats, clusters: Numbers) -> Estimate:
    """Mean of paired differences with its clustered error and bootstrap interval.

    Args:
        differences: (n,), first system minus second, n ≥ 1.
        clusters: (n,), the number of each pair's prompt.

    Returns:
        The estimate; with a single cluster only its value, `method` none.
    """
    value, n = float(differences.mean()), len(differences)
    sums = cluster_sums(np.column_stack([differences, np.ones(n)]), clusters)
    if len(sums) < 2:
        return Estimate(value, math.nan, math.nan, math.nan, n, len(sums), Method.NONE)
    drawn = [chunk[..., 0] / chunk[..., 1] for chunk in bootstrap_sums(sums)]
    low, high = interval(np.concatenate(drawn))
    stderr = mean_error(differences, clusters)
    return Estimate(value, stderr, low, high, n, len(sums), Method.BOOTSTRAP)


@dataclass(frozen=True, slots=True)
class Test:
    """A two-sided test of no difference.

    Attributes:
        p_value: probability of a difference at least as large, in (0, 1].
        statistic: the mean difference over pairs.
        exact: whether all assignments of signs were counted, or `draws` of them drawn.
        draws: how many were drawn; 0 where exact.
    """

    __test__ = False  # pytest takes the name for a class of tests

    p_value: float
    statistic: float
    exact: bool
    draws: int


def sign_flip(
    differences: Floats, clusters: Numbers, *, draws: int = 10_000, seed: int = SEED
) -> Test:
    """Two-sided sign-flip test of the mean difference, with the prompt as the unit.

    `p = P(|Σ_g ε_g d_g| ≥ |Σ_g d_g|)`, where d_g is the sum of differences of prompt g and the
    signs ε_g are fair coins. Exact by convolution where the sums are multiples of 1/24 or coarser,
    as differences of verdicts and of their means over orders are; by enumeration for up to 20 other
    sums; otherwise drawn, with 1 added to both counts (Phipson and Smyth 2010, "Permutation
    P-values should never be zero"). With one pair a prompt and differences of −1, 0 and 1 it is the
    exact two-sided binomial test of the signs, which is the exact McNemar test.

    Args:
        differences: (n,), finite, first system minus second; 0 where they agree.
        clusters: (n,), the number of each pair's prompt.
        draws: assignments of signs to draw, where the test is not exact; see `draws_for`.
        seed: of the draws.

    Returns:
        The test; p is 1 where no prompt prefers a system.

    Raises:
        InputError: no differences, or one that is not finite.
    """
    if len(differences) == 0 or not np.isfinite(differences).all():
        raise InputError("The sign-flip test needs at least one difference, all of them finite.")
    sums: Floats = np.bincount(clusters, weights=differences).astype(np.float64)
    statistic = float(differences.mean())
    largest = float(np.abs(sums).max())
    sums = np.abs(sums[np.abs(sums) > _TOLERANCE * max(1.0, largest)])
    # A flip of all signs changes nothing, so signs may be counted from the absolute sums.
    observed = abs(float(differences.sum()))
    if len(sums) == 0:
        return Test(1.0, statistic, True, 0)
    whole = _as_whole_numbers(sums)
    if whole is not None:
        p_value = _by_convolution(whole, observed * float(whole.sum()) / float(sums.sum()))
    elif len(sums) <= _MOST_ENUMERATED:
        p_value = _by_enumeration(sums, observed)
    else:
        return Test(_by_draws(sums, observed, draws, seed), statistic, False, draws)
    # Halving more than 1,000 times underflows; no outcome has probability 0.
    return Test(min(1.0, max(p_value, sys.float_info.min)), statistic, True, 0)


def _as_whole_numbers(sums: Floats) -> Numbers | None:
    """The sums as whole numbers in their largest common unit, or None where they have none."""
    for denominator in _DENOMINATORS:
        scaled = sums * denominator
        whole = np.rint(scaled).astype(np.intp)
        if np.abs(scaled - whole).max() <= _TOLERANCE * scaled.max():
            feasible = int(whole.sum()) * len(whole) <= _MOST_STEPS
            return whole if feasible and whole.min() > 0 else None
    return None


def _by_convolution(whole: Numbers, observed: float) -> float:
    """Adds one prompt at a time to the distribution of the sum of those with sign plus."""
    total = int(whole.sum())
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    reached = 0
    for number in whole.tolist():
        chances[number : reached + number + 1] += chances[: reached + 1].copy()
        reached += number
        chances[: reached + 1] *= 0.5
    signed = np.abs(2 * np.arange(total + 1) - total)
    return float(chances[signed >= round(observed)].sum())


def _by_enumeration(sums: Floats, observed: float) -> float:
    """All 2^g assignments of signs, by doubling."""
    totals = np.zeros(1)
    for number in sums:
        totals = np.concatenate([totals - number, totals + number])
    return float(np.mean(np.abs(totals) >= observed - _TOLERANCE * sums.sum()))


def _by_draws(sums: Floats, observed: float, draws: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rows = max(1, _CELLS // len(sums))
    extreme = 0
    for start in range(0, draws, rows):
        plus = rng.integers(0, 2, size=(min(rows, draws - start), len(sums)), dtype=np.int8)
        totals = 2 * (plus @ sums) - sums.sum()
        extreme += int((np.abs(totals) >= observed - _TOLERANCE * sums.sum()).sum())
    return (extreme + 1) / (draws + 1)


def mcnemar(first_correct: Floats, second_correct: Floats, clusters: Numbers) -> Test:
    """Exact two-sided McNemar test of two systems on the same pairs, one pair a prompt.

    With b pairs that only the first has right and c that only the second has, the p-value is that
    of b among b + c fair coins; the statistic is `(b − c) / n`.

    Args:
        first_correct, second_correct: (n,), of 0 and 1 (or truth values).
        clusters: (n,), every number once.

    Raises:
        InputError: a prompt occurs twice: McNemar's test takes pairs for independent, and those of
            a prompt are not; or a value is not 0 or 1.
    """
    numbers, counts = np.unique(clusters, return_counts=True)
    if (repeated := numbers[counts > 1]).size:
        raise InputError(
            f"McNemar's test needs one pair a prompt, but prompts {listing(repeated.tolist())} "
            "have several, which are not independent; use sign_flip on the differences."
        )
    both = np.stack([first_correct, second_correct]).astype(np.float64)
    if not np.isin(both, (0.0, 1.0)).all():
        raise InputError("McNemar's test needs right or wrong, 1 or 0; use sign_flip for ties.")
    return sign_flip(both[0] - both[1], clusters)


def holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values (m,): reject those at most α, and P(any false) ≤ α.

    The i-th smallest is multiplied by m − i + 1, then made monotone and capped at 1. Holm 1979,
    Scandinavian Journal of Statistics 6.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    raised = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return adjusted


def draws_for(tests: int, alpha: float = 0.05) -> int:
    """Draws that resolve the smallest level that Holm asks of `tests` tests: 20 · tests / α.

    A p-value at that level, α / tests, then rests on about 20 draws as extreme as the data; its
    Monte Carlo error is less than a quarter of it.

    >>> draws_for(55)
    22000
    """
    return math.ceil(round(20 * tests / alpha, 6))
