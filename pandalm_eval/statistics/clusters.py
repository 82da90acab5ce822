"""Standard errors and intervals where the cluster, not the pair, is the sampling unit.

Every metric of ours is a function of sums over pairs (`metrics.py`). With the sums kept by cluster,
both its standard error (delta method) and its interval (bootstrap over clusters) follow without
touching the pairs again. Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640, gives the
reasons for clustering by prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
"""Numbers of clusters or candidates: 0, 1, 2, …"""
Truths = npt.NDArray[np.bool_]
Metric = Callable[[Floats], Floats]
"""Maps sums of shape (..., k) to values of shape (...); NaN where the value is undefined."""

DRAWS = 2000
SEED = 2023
LEVEL = 0.95
_CELLS = 4_000_000  # draws × clusters held at once, 32 MB


def cluster_sums(columns: Floats, clusters: npt.NDArray[np.intp]) -> Floats:
    """Sum rows of `columns` (n, k) by cluster number (n,), giving (clusters, k)."""
    sums = np.zeros((int(clusters.max()) + 1, columns.shape[1]))
    np.add.at(sums, clusters, columns)
    return sums


def clustered_error(metric: Metric, sums: Floats) -> float:
    """Clustered standard error by the delta method.

    `sqrt(G/(G-1) · Σ_g (∇f · (s_g − s̄))²)`, with the gradient of the metric f at the total of the
    cluster sums s_g, (G, k). For a mean this is the cluster-robust (CR1) error of a regression on a
    constant; for a ratio the usual linearisation. NaN for fewer than two clusters, or where the
    metric is undefined.
    """
    count = len(sums)
    if count < 2:
        return float("nan")
    total = sums.sum(axis=0)
    steps = np.maximum(np.abs(total), 1.0) * 1e-6
    # Central differences, one row a column of the sums, up and down at once.
    moved = total + np.concatenate([np.diag(steps), -np.diag(steps)])
    values = metric(moved)
    gradient = (values[: len(total)] - values[len(total) :]) / (2 * steps)
    used = np.any(sums != 0, axis=0)  # a column that is zero everywhere cannot move the metric
    influence = (sums[:, used] - sums.mean(axis=0)[used]) @ gradient[used]
    return float(np.sqrt(count / (count - 1) * np.square(influence).sum()))


def bootstrap_sums(sums: Floats, draws: int = DRAWS, seed: int = SEED) -> Iterator[Floats]:
    """Totals (chunk, k) of clusters drawn with replacement, `draws` in all, in seeded order."""
    count = len(sums)
    rng = np.random.default_rng(seed)
    chunk = max(1, min(draws, _CELLS // count))
    for start in range(0, draws, chunk):
        rows = min(chunk, draws - start)
        drawn = rng.integers(0, count, size=(rows, count))
        weights = np.empty((rows, count))
        for weight, numbers in zip(weights, drawn, strict=True):  # one draw's counts fit a cache
            weight[:] = np.bincount(numbers, minlength=count)
        yield weights @ sums


def interval(values: Floats) -> tuple[float, float]:
    """Percentile interval of bootstrap values (draws,), undefined draws left out.

    NaN, NaN where fewer than half of the draws are defined: such an interval would speak for the
    lucky half only.
    """
    defined = values[~np.isnan(values)]
    if len(defined) * 2 < len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
