"""Clustered errors and intervals against statsmodels, scipy and sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.statistics import clusters
from pandalm_eval.statistics.clusters import (
    DRAWS,
    Floats,
    bootstrap_sums,
    cluster_sums,
    clustered_error,
    interval,
)


def mean(sums: Floats) -> Floats:
    """Of columns (sum, count)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)
    return result


def sums_of(values: Floats, groups: np.ndarray) -> Floats:
    return cluster_sums(np.column_stack([values, np.ones_like(values)]), groups)


def test_cluster_sums() -> None:
    columns = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    sums = cluster_sums(columns, np.array([1, 0, 1]))
    assert sums.tolist() == [[2.0, 20.0], [5.0, 50.0]]


def regression(values: Floats, groups: np.ndarray) -> float:
    """Cluster-robust error of the constant in a regression on a constant alone."""
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    return float(fit.bse[0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["accuracy", "normal"])
def test_mean_is_statsmodels(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    groups = np.sort(rng.integers(0, 17, size=120))
    groups = np.unique(groups, return_inverse=True)[1]
    effect = rng.normal(size=groups.max() + 1)[groups]  # pairs of a cluster resemble each other
    values = effect + rng.normal(size=120)
    if kind == "accuracy":
        values = (values > 0).astype(float)
    assert clustered_error(mean, sums_of(values, groups)) == pytest.approx(
        regression(values, groups), rel=1e-7
    )


def test_mean_by_hand() -> None:
    # Clusters {1, 1} and {0, 0}: mean ½; residual sums 2 × ½ and 2 × -½, divided by n = 4: ±¼.
    # sqrt(2/1 · (1/16 + 1/16)) = ½. As four independent pairs it would be sqrt(¼ / 3) = .289.
    sums = sums_of(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1]))
    assert clustered_error(mean, sums) == pytest.approx(0.5)
    singles = sums_of(np.array([1.0, 1.0, 0.0, 0.0]), np.arange(4))
    assert clustered_error(mean, singles) == pytest.approx(math.sqrt(0.25 / 3))


@pytest.mark.parametrize("seed", range(3))
def test_ratio_by_linearisation(seed: int) -> None:
    # r = Σx / Σy; the influence of a cluster is (x_g - r · y_g) / Σy, and these sum to 0.
    rng = np.random.default_rng(seed)
    sums = rng.integers(1, 9, size=(23, 2)).astype(float)
    x, y = sums.T
    ratio = x.sum() / y.sum()
    influence = (x - ratio * y) / y.sum()
    expected = math.sqrt(23 / 22 * (influence**2).sum())
    assert clustered_error(mean, sums) == pytest.approx(expected, rel=1e-7)


def test_a_column_of_zeros_has_no_influence() -> None:
    # The metric is undefined one step below zero of the third column, which no pair touches.
    def fragile(sums: Floats) -> Floats:
        return np.where(sums[..., 2] < 0, np.nan, mean(sums))

    sums = np.array([[1.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
    assert clustered_error(fragile, sums) == pytest.approx(clustered_error(mean, sums[:, :2]))


def test_one_cluster_has_no_error() -> None:
    assert math.isnan(clustered_error(mean, np.array([[3.0, 4.0]])))


def test_undefined_metric_has_no_error() -> None:
    assert math.isnan(clustered_error(mean, np.array([[1.0, 0.0], [2.0, 0.0]])))


def test_interval_is_scipys() -> None:
    # 40 clusters of 3 pairs: the mean over pairs is the mean over clusters, which scipy resamples.
    rng = np.random.default_rng(1)
    values = (rng.random((40, 3)) < rng.random((40, 1))).astype(float)
    sums = sums_of(values.ravel(), np.repeat(np.arange(40), 3))
    draws = np.concatenate([mean(chunk) for chunk in bootstrap_sums(sums, draws=20_000)])
    theirs = scipy.stats.bootstrap(
        (values.mean(axis=1),), np.mean, n_resamples=20_000, method="percentile", rng=rng
    )
    # The error is about .05; two bootstraps of 20,000 draws differ by far less than a tenth of it.
    assert interval(draws) == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)
    assert np.std(draws) == pytest.approx(theirs.standard_error, rel=0.03)
    # For a mean, the bootstrap's spread is the clustered error up to sqrt((G-1)/G).
    assert np.std(draws) == pytest.approx(
        clustered_error(mean, sums) * math.sqrt(39 / 40), rel=0.03
    )


def test_draws_are_whole_clusters() -> None:
    # A cluster's two columns go together, and each draw has as many clusters as the sample.
    sums = np.array([[1.0, 100.0], [10.0, 1000.0], [0.0, 0.0]])
    totals = np.concatenate(list(bootstrap_sums(sums, draws=500)))
    assert totals.shape == (500, 2)
    assert (totals[:, 1] == 100 * totals[:, 0]).all()
    # a + b ≤ 3 of the first two clusters, all of the 10 mixtures turn up in 500 draws.
    assert set(totals[:, 0]) == {a + 10.0 * b for a in range(4) for b in range(4 - a)}


def test_draws_are_seeded() -> None:
    sums = np.arange(20.0).reshape(10, 2)
    first, again = (np.concatenate(list(bootstrap_sums(sums))) for _ in range(2))
    other = np.concatenate(list(bootstrap_sums(sums, seed=1)))
    assert len(first) == DRAWS
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("cells", [1, 7, 10, 33, 9_990])
def test_chunks_do_not_change_the_draws(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.arange(20.0).reshape(10, 2)
    whole = np.concatenate(list(bootstrap_sums(sums, draws=1000)))
    monkeypatch.setattr(clusters, "_CELLS", cells)
    chunks = list(bootstrap_sums(sums, draws=1000))
    assert len(chunks) == math.ceil(1000 / max(1, cells // 10))
    assert (np.concatenate(chunks) == whole).all()  # whole numbers: no rounding


def test_interval() -> None:
    # 0, 1, …, 200: the 2.5% and 97.5% points of 201 values are the 5th and the 195th.
    assert interval(np.arange(201.0)) == pytest.approx((5, 195))
    assert interval(np.arange(201.0)[::-1]) == pytest.approx((5, 195))


@pytest.mark.parametrize(("undefined", "defined"), [(1, True), (5, True), (6, False), (10, False)])
def test_undefined_draws(undefined: int, defined: bool) -> None:
    values = np.full(10, 0.5)
    values[:undefined] = np.nan
    # Half of the draws may be undefined, not more.
    assert (not math.isnan(interval(values)[0])) == defined
    if defined:
        assert interval(values) == (0.5, 0.5)


SAMPLES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=30).filter(
    lambda pairs: len({group for group, _ in pairs}) > 1
)


def arrays(pairs: list[tuple[int, int]]) -> tuple[Floats, np.ndarray]:
    groups = np.unique([group for group, _ in pairs], return_inverse=True)[1]
    return np.array([float(value) for _, value in pairs]), groups


@given(pairs=SAMPLES, times=st.integers(2, 4))
def test_repeating_every_pair_adds_no_knowledge(pairs: list[tuple[int, int]], times: int) -> None:
    values, groups = arrays(pairs)
    once = clustered_error(mean, sums_of(values, groups))
    repeated = clustered_error(mean, sums_of(np.tile(values, times), np.tile(groups, times)))
    assert repeated == pytest.approx(once, rel=1e-6, abs=1e-9)


@given(pairs=SAMPLES)
def test_error_is_the_regressions(pairs: list[tuple[int, int]]) -> None:
    values, groups = arrays(pairs)
    found = clustered_error(mean, sums_of(values, groups))
    assert found == pytest.approx(regression(values, groups), rel=1e-6, abs=1e-9)


@given(pairs=SAMPLES)
def test_interval_is_ordered_and_within_the_values(pairs: list[tuple[int, int]]) -> None:
    values, groups = arrays(pairs)
    sums = sums_of(values, groups)
    draws = np.concatenate([mean(chunk) for chunk in bootstrap_sums(sums, draws=200)])
    low, high = interval(draws)
    means = mean(sums)
    assert means.min() - 1e-12 <= low <= high <= means.max() + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_interval_contains_a_typical_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.random(300) < 0.6).astype(float)
    sums = sums_of(values, rng.permutation(np.arange(300) % 50))
    low, high = interval(np.concatenate([mean(chunk) for chunk in bootstrap_sums(sums)]))
    assert low < values.mean() < high
    # Near the normal interval: ±1.96 errors, here about .055.
    error = clustered_error(mean, sums)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
