"""The same metric on two samples that share no prompt, such as two sets of pairs."""

from __future__ import annotations

import math

import numpy as np

from pandalm_eval.statistics.clusters import (
    SEED,
    Floats,
    Metric,
    bootstrap_sums,
    clustered_error,
    interval,
)
from pandalm_eval.statistics.shares import Estimate, Method


def difference(metric: Metric, first: Floats, second: Floats) -> Estimate:
    """The metric of the first sample less that of the second, with a 95% interval.

    The samples are independent, so the error is the root of the summed squares of both clustered
    errors, and the interval comes from draws of whole clusters in each.

    Args:
        metric: a function of sums (`clusters.py`).
        first, second: sums by cluster, (clusters, k); `n` of the estimate counts clusters.

    Returns:
        The difference; without an interval where a sample has a single cluster, NaN where the
        metric is undefined on one of them.
    """
    value = float(metric(first.sum(axis=0)) - metric(second.sum(axis=0)))
    clusters = len(first) + len(second)
    if math.isnan(value) or min(len(first), len(second)) < 2:
        return Estimate(value, math.nan, math.nan, math.nan, clusters, clusters, Method.NONE)
    drawn = [
        np.concatenate([metric(chunk) for chunk in bootstrap_sums(sums, seed=seed)])
        for sums, seed in ((first, SEED), (second, SEED + 1))
    ]
    stderr = math.hypot(clustered_error(metric, first), clustered_error(metric, second))
    low, high = interval(drawn[0] - drawn[1])
    return Estimate(value, stderr, low, high, clusters, clusters, Method.BOOTSTRAP)
