"""The win rate that would hold if both candidates wrote at equal length.

Judges like long answers, so a candidate can win by writing more. The win is regressed on the
difference in length, and the rate is read off where the difference is 0. Dubois, Galambosi, Liang
and Hashimoto 2024, "Length-Controlled AlpacaEval", arXiv 2404.04475, do so for one baseline; this
is the plain form of it, with errors clustered by prompt. Ties are half a win: Papke and Wooldridge
1996, Journal of Applied Econometrics 11 (fractional logit).

The figure is a statement about the pairs at hand: it holds lengths equal, not what else differs
between long and short answers, and it is not always identified. Then it is refused, in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import Floats, Numbers, cluster_sums
from pandalm_eval.statistics.shares import Estimate, Method, check_shares, t_quantile

LEAST_PROMPTS = 30
LEAST_EITHER_WAY = 10
"""Prompts with a pair in which the first candidate is no longer, and no shorter, than the other."""

_MOST_STEPS = 100
_STOP = 1e-8  # a Newton step this short, relative to the coefficients, leaves no error


@dataclass(frozen=True, slots=True)
class NotIdentified:
    """There is no win rate at equal length; `reason` is a sentence that says why."""

    reason: str


def log_length_difference(first: Floats, second: Floats) -> Floats:
    """`log(1 + characters)` of the first response minus that of the second, (n,).

    Logarithms, since 100 characters more are much to a short answer and nothing to a long one; 1 is
    added for empty answers.
    """
    difference: Floats = np.log1p(first) - np.log1p(second)
    return difference


def at_equal_length(
    scores: Floats, length_difference: Floats, clusters: Numbers
) -> Estimate | NotIdentified:
    """The first candidate's win rate where the lengths are equal.

    `logit E[score] = a + b · x`, with x the difference over its standard deviation (not centred:
    0 is equal length); the value is `1 / (1 + exp(−a))`. The interval is `a ± t · se(a)` brought
    back to shares, with the cluster-robust sandwich error, `G/(G−1) · (n−1)/(n−2)` correction, and
    G − 2 degrees of freedom for G prompts. `stderr` is that of the share, by the delta method.

    Args:
        scores: (n,), 1 where the first candidate won, ½ for a tie, 0 where the second won.
        length_difference: (n,), of the responses; see `log_length_difference`.
        clusters: (n,), the number of each pair's prompt.

    Returns:
        The estimate, or why there is none: fewer than 30 prompts; lengths that do not vary; one
        candidate is the longer one in all but a few prompts, so that equal length lies outside or
        at the edge of the data; wins that do not vary, or that length separates from losses; a fit
        that does not converge.

    Raises:
        InputError: no scores, scores outside [0, 1], or a length difference that is not finite.
    """
    check_shares(scores, clusters)
    if not np.isfinite(length_difference).all():
        raise InputError("A length difference is not finite; give every response's length.")
    reason = _not_identified(scores, length_difference, clusters)
    if reason is not None:
        return NotIdentified(reason)
    design = np.column_stack([np.ones_like(scores), length_difference / length_difference.std()])
    coefficients = _fit(design, scores)
    if coefficients is None:
        return NotIdentified(f"the regression did not converge in {_MOST_STEPS} steps")
    prompts = len(np.unique(clusters))
    intercept = float(coefficients[0])
    error = _robust_error(design, scores, coefficients, clusters)
    reach = t_quantile(prompts - 2) * error
    value, low, high = (float(special.expit(intercept + d)) for d in (0.0, -reach, reach))
    stderr = error * value * (1 - value)
    return Estimate(value, stderr, low, high, len(scores), prompts, Method.LOGIT)


def _not_identified(scores: Floats, difference: Floats, clusters: Numbers) -> str | None:
    """Why the data cannot say, or None; each check supposes those before it."""
    prompts = len(np.unique(clusters))
    if prompts < LEAST_PROMPTS:
        return f"{prompts} prompts are too few for a regression; it takes {LEAST_PROMPTS}"
    if np.ptp(difference) == 0:
        return "the difference in length is the same in all pairs"
    for side, name in ((difference <= 0, "longer"), (difference >= 0, "shorter")):
        found = len(np.unique(clusters[side]))
        if found < LEAST_EITHER_WAY:
            return (
                f"the first candidate is the {name} one in all pairs of all but {found} of "
                f"{prompts} prompts, so equal length is at or beyond the edge of the data; it "
                f"takes {LEAST_EITHER_WAY} prompts"
            )
    if np.ptp(scores) == 0:
        return f"every pair has the same outcome, {scores[0]:g}"
    if _separated(scores, difference) or _separated(scores, -difference):
        return "one length difference separates all wins from all losses"
    return None


def _separated(scores: Floats, difference: Floats) -> bool:
    """Whether no loss, or part of one, lies above a difference that no win lies below.

    Then the steeper the regression the better it fits, without end (Albert and Anderson 1984,
    Biometrika 71).
    """
    return bool(difference[scores < 1].max() <= difference[scores > 0].min())


def _fit(design: Floats, scores: Floats) -> Floats | None:
    """Logit coefficients (2,) by Newton's method with step halving, or None."""
    at = np.zeros(design.shape[1])
    best = _log_likelihood(design, scores, at)
    for _ in range(_MOST_STEPS):
        chances = special.expit(design @ at)
        gradient = design.T @ (scores - chances)
        step = np.linalg.solve(_information(design, chances), gradient)
        if np.abs(step).max() <= _STOP * max(1.0, np.abs(at).max()):
            return at + step
        while (value := _log_likelihood(design, scores, at + step)) < best - 1e-9 * abs(best):
            step /= 2
        at, best = at + step, value
    return None


def _log_likelihood(design: Floats, scores: Floats, at: Floats) -> float:
    linear = design @ at
    return float(scores @ linear - np.logaddexp(0.0, linear).sum())


def _information(design: Floats, chances: Floats) -> Floats:
    information: Floats = (design * (chances * (1 - chances))[:, None]).T @ design
    return information


def _robust_error(design: Floats, scores: Floats, at: Floats, clusters: Numbers) -> float:
    """Cluster-robust standard error of the first coefficient (Liang and Zeger 1986)."""
    chances = special.expit(design @ at)
    sums = cluster_sums(design * (scores - chances)[:, None], clusters)
    bread = np.linalg.inv(_information(design, chances))
    groups, rows = len(np.unique(clusters)), len(scores)
    correction = groups / (groups - 1) * (rows - 1) / (rows - 2)
    return math.sqrt(correction * float(np.square(sums @ bread[0]).sum()))
