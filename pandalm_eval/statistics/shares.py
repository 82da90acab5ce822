"""A share with its interval: a win rate, an accuracy, a consistency.

The interval is Wilson's on the effective number of pairs with a t quantile, everywhere. The choice
is by simulation (`benchmarks/COVERAGE.md`): over 170 prompts of 6 pairs, shares from .02 to .98 and
correlations of a prompt's pairs up to .3, it covers the truth in 93 to 97% of samples, needs no
draws and no rule for when to switch. The percentile bootstrap over prompts is as good in the middle
but covers 91% at a share of .02, and 89% at .05 with 40 prompts; Wilson's on all pairs as if they
were independent covers less than 80%. Least sure of all are rare outcomes in prompts of very uneven
size: 92%.

Sources: Wilson 1927, JASA 22; Korn and Graubard 1998, Survey Methodology 24 (effective sample size
with t quantiles); Franco, Little, Louis and Slud 2019, JSSAM 7 (comparison of such intervals);
Kish 1965, Survey Sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import (
    LEVEL,
    Floats,
    Numbers,
    cluster_sums,
    clustered_error,
)


class Method(StrEnum):
    """How an interval was found."""

    WILSON = "wilson"
    """Score interval of a share on the effective number of pairs, with a t quantile."""
    LOGIT = "logit"
    """Symmetric on the log-odds, with a cluster-robust error and a t quantile."""
    BOOTSTRAP = "bootstrap"
    """Percentiles over draws of whole clusters."""
    NONE = "none"
    """There is none: a single cluster says nothing about the next one."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, how sure it is, and what it rests on.

    Attributes:
        value: the estimate; a share lies in [0, 1].
        stderr: its clustered standard error, NaN for a single cluster. It is 0 where all clusters
            agree, which is not certainty: the interval says so.
        low, high: the 95% interval; NaN where `method` is none.
        n: pairs.
        clusters: prompts.
        method: how the interval was found.
    """

    value: float
    stderr: float
    low: float
    high: float
    n: int
    clusters: int
    method: Method


def share(values: Floats, clusters: Numbers) -> Estimate:
    """The mean of values in [0, 1] with a 95% interval that knows of clusters.

    The value is `Σ values / n`, so that a cluster counts by its number of pairs. The interval is
    Wilson's with two changes:

    1. The pairs are worth fewer than n. With V the clustered variance of the mean and s² the
       variance of the values, the design effect is `V / (s²/n)`, and n over it is the effective
       number of pairs. It is kept between the effective number of clusters (all pairs of a prompt
       are one and the same observation; also where V or s² is 0) and n (all are independent).
    2. A tie, ½, varies less than a win or a loss: the effective number is divided by
       `s² / (value (1 − value))`. Two more observations, one 0 and one 1, go into this s², so that
       a sample of ties alone does not claim certainty. For values of only 0 and 1 nothing changes.

    The t quantile has one degree of freedom fewer than there are effective clusters.

    Args:
        values: (n,), each in [0, 1]: 1 a win or hit, ½ a tie, 0 a loss or miss. n ≥ 1.
        clusters: (n,), the number of each value's prompt, 0, 1, 2, ….

    Returns:
        The estimate; with a single cluster only its value, `method` none.

    Raises:
        InputError: no values, or values outside [0, 1], or NaN among them.

    >>> found = share(np.array([1.0, 1.0, 0.5, 0.0]), np.array([0, 0, 1, 2]))
    >>> found.value, found.n, found.clusters, str(found.method)
    (0.625, 4, 3, 'wilson')
    """
    check_shares(values, clusters)
    sizes = np.bincount(clusters)
    variance = float(np.var(values))
    return _estimate(float(values.mean()), variance, mean_error(values, clusters), sizes[sizes > 0])


def share_of_counts(hits: Floats, sizes: Floats) -> Estimate:
    """`share` of ones and zeros, of which only the counts by cluster are at hand.

    Args:
        hits: (clusters,), how many ones.
        sizes: (clusters,), ones and zeros; a cluster without any does not count. One at least has.

    >>> share_of_counts(np.array([2.0, 0.0, 0.0]), np.array([2.0, 1.0, 1.0])) == share(
    ...     np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 2])
    ... )
    True
    """
    used = sizes > 0
    sums = np.column_stack([hits, sizes])[used]
    value = float(hits.sum() / sizes.sum())
    stderr = clustered_error(_ratio, sums)
    return _estimate(value, value * (1 - value), stderr, np.rint(sizes[used]).astype(np.intp))


def _estimate(value: float, variance: float, stderr: float, sizes: Numbers) -> Estimate:
    """Wilson's interval of a mean with clusters of `sizes`, none of them empty; see `share`."""
    n = int(sizes.sum())
    if len(sizes) < 2:
        return Estimate(value, stderr, math.nan, math.nan, n, len(sizes), Method.NONE)
    groups = effective_count(sizes)
    spread = n * stderr**2
    effective = min(n, max(groups, n * variance / spread)) if spread > 0 else groups
    low, high = wilson(value, effective / _tie_factor(value, variance, effective), groups - 1)
    return Estimate(value, stderr, low, high, n, len(sizes), Method.WILSON)


def _ratio(sums: Floats) -> Floats:
    quotient: Floats = sums[..., 0] / sums[..., 1]
    return quotient


def _tie_factor(value: float, variance: float, effective: float) -> float:
    """How much less the values vary than wins and losses of the same share would, in (0, 1]."""
    largest = value * (1 - value)
    if largest <= 0:
        return 1.0
    smoothed = (effective * variance + value**2 + (1 - value) ** 2) / (effective + 2)
    return min(1.0, smoothed / largest)


def mean_error(values: Floats, clusters: Numbers) -> float:
    """Clustered standard error of `Σ values / n`; NaN for a single cluster."""
    columns = np.column_stack([values, np.ones_like(values)])
    sums = cluster_sums(columns, clusters)
    sums = sums[sums[:, 1] > 0]  # a number without pairs is no cluster
    return clustered_error(_ratio, sums)


def check_shares(values: Floats, clusters: Numbers) -> None:
    """Refuse what is not one share and one cluster number a row."""
    if len(values) == 0:
        raise InputError("There are no values to take the mean of; give at least one pair.")
    if values.shape != clusters.shape or values.ndim != 1:
        raise InputError(
            f"Values of shape {values.shape} with clusters of shape {clusters.shape}; "
            "give one cluster number for each value."
        )
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(wrong):
        raise InputError(
            f"Value {values[wrong[0]]} in row {wrong[0]} ({len(wrong)} such rows) is no share; "
            "give 0 to 1, ½ for a tie, and leave out or count as 0 what has no verdict."
        )


def t_quantile(degrees: float) -> float:
    """How many standard errors a 95% interval reaches to either side."""
    return float(special.stdtrit(degrees, (1 + LEVEL) / 2))


def effective_count(sizes: Numbers) -> float:
    """Kish's effective number of clusters, `(Σ m)² / Σ m²`, for clusters of m pairs each.

    It is the number of clusters where all are of one size, and less where few hold most of the
    pairs: a mean over 1,000 pairs of one prompt and one pair each of ten others is nearly a mean
    over a single prompt.
    """
    squares = np.square(sizes.astype(np.float64)).sum()
    return float(sizes.sum()) ** 2 / float(squares)


def wilson(value: float, effective: float, degrees: float) -> tuple[float, float]:
    """Wilson's score interval of a share that is worth `effective` independent pairs.

    The shares p with `(value − p)² ≤ t² · p (1 − p) / effective`, t with `degrees` degrees of
    freedom, at least 1. It stays within [0, 1] and has a width at 0 and at 1.
    """
    t = t_quantile(max(1.0, degrees))
    shrink = 1 + t * t / effective
    centre = (value + t * t / (2 * effective)) / shrink
    half = t / shrink * math.sqrt(value * (1 - value) / effective + (t / (2 * effective)) ** 2)
    # Rounding must not leave the value outside.
    return max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half))
