"""Shares and their intervals against statsmodels and sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import Floats, Numbers
from pandalm_eval.statistics.shares import (
    Method,
    effective_count,
    mean_error,
    share,
    t_quantile,
    wilson,
)

PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 9)), min_size=2, max_size=40
).filter(lambda pairs: len({prompt for _, prompt in pairs}) > 1)


def arrays(pairs: list[tuple[float, int]]) -> tuple[Floats, Numbers]:
    values, prompts = zip(*pairs, strict=True)
    return np.array(values), np.array(prompts)


@pytest.mark.parametrize(("wins", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (333, 1000)])
def test_wilson_is_statsmodels(wins: int, n: int) -> None:
    theirs = proportion_confint(wins, n, method="wilson")
    assert wilson(wins / n, n, math.inf) == pytest.approx(theirs, abs=1e-12)


def test_t_quantile() -> None:
    # Of the usual tables.
    assert t_quantile(10) == pytest.approx(2.228, abs=5e-4)
    assert t_quantile(math.inf) == pytest.approx(1.95996, abs=5e-6)


def test_effective_count() -> None:
    assert effective_count(np.array([6, 6, 6])) == pytest.approx(3)
    # (1 + 1 + 4)² / (1 + 1 + 16) = 36 / 18.
    assert effective_count(np.array([1, 1, 4])) == pytest.approx(2)


def test_one_pair_a_prompt_is_wilson_with_t() -> None:
    values = np.array([1.0] * 7 + [0.0] * 13)
    found = share(values, np.arange(20))
    assert (found.value, found.n, found.clusters, found.method) == (0.35, 20, 20, Method.WILSON)
    assert (found.low, found.high) == pytest.approx(wilson(0.35, 20, 19))
    # sqrt(p (1 - p) / (n - 1)).
    assert found.stderr == pytest.approx(math.sqrt(0.35 * 0.65 / 19))


def test_design_effect_by_hand() -> None:
    # 4 prompts of 2 pairs: 11, 11, 10, 00. p = 5/8; residual sums .75, .75, -.25, -1.25 over 8;
    # V = 4/3 · (.5625 + .5625 + .0625 + 1.5625) / 64 = .0572917; s² = 15/64.
    # Effective number: 8 / (V / (s²/8)) = s²/V = 4.0909, between 4 prompts and 8 pairs.
    values = np.array([1.0, 1, 1, 1, 1, 0, 0, 0])
    found = share(values, np.repeat(np.arange(4), 2))
    assert found.stderr**2 == pytest.approx(4 / 3 * 2.75 / 64)
    effective = (15 / 64) / (4 / 3 * 2.75 / 64)
    assert 4 < effective < 8
    assert (found.low, found.high) == pytest.approx(wilson(5 / 8, effective, 3))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_the_same_outcome(value: float) -> None:
    # Nothing tells how alike the pairs of a prompt are, so 10 prompts count as 10 pairs. Wilson's
    # ends at 10 of 10 are 1 / (1 + t²/10) and 1.
    found = share(np.full(60, value), np.repeat(np.arange(10), 6))
    end = 1 / (1 + t_quantile(9) ** 2 / 10)
    low, high = (end, 1.0) if value else (0.0, 1 - end)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.stderr == 0


def test_ties_alone_are_not_certain() -> None:
    found = share(np.full(60, 0.5), np.repeat(np.arange(10), 6))
    # s² = 0; with one 0 and one 1 more, (¼ + ¼) / (10 + 2) = 1/24, a sixth of ¼: 10 · 6 = 60.
    assert (found.low, found.high) == pytest.approx(wilson(0.5, 60, 9))


def test_ties_narrow_the_interval_as_they_narrow_the_error() -> None:
    # Every 5th pair decided: the interval follows the error, not what wins and losses would give.
    values = np.tile([1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5], 60)
    found = share(values, np.arange(600))
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.stderr, rel=0.02)
    assert found.stderr == pytest.approx(math.sqrt(0.05 / 599))


def test_a_single_prompt_has_no_interval() -> None:
    found = share(np.array([1.0, 0.0]), np.array([4, 4]))
    assert (found.value, found.clusters, found.method) == (0.5, 1, Method.NONE)
    assert all(math.isnan(x) for x in (found.stderr, found.low, found.high))


def test_a_prompt_with_nearly_all_pairs_is_nearly_one_observation() -> None:
    # 1,000 wins of one prompt and ten others with one pair each: little is known of the next one.
    values = np.array([1.0] * 1000 + [0.0] * 10)
    found = share(values, np.concatenate([np.zeros(1000, dtype=int), np.arange(1, 11)]))
    assert found.low < 0.4  # as independent pairs, .98
    assert found.high == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], [], "no values"),
        ([0.5, 1.5], [0, 1], "Value 1.5 in row 1"),
        ([-1.0, math.nan], [0, 1], r"row 0 \(2 such rows\)"),
        ([math.nan], [0], "Value nan in row 0"),
        ([0.5, 1.0], [0], "one cluster number"),
    ],
)
def test_what_is_refused(values: list[float], clusters: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        share(np.array(values), np.array(clusters, dtype=np.intp))


@given(pairs=PAIRS)
def test_interval_holds_the_value(pairs: list[tuple[float, int]]) -> None:
    found = share(*arrays(pairs))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@given(pairs=PAIRS)
def test_error_is_the_regressions(pairs: list[tuple[float, int]]) -> None:
    values, prompts = arrays(pairs)
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.unique(prompts, return_inverse=True)[1]}
    )
    assert mean_error(values, prompts) == pytest.approx(float(fit.bse[0]), rel=1e-6, abs=1e-9)


@given(pairs=PAIRS)
def test_losing_is_winning_from_the_other_side(pairs: list[tuple[float, int]]) -> None:
    values, prompts = arrays(pairs)
    won, lost = share(values, prompts), share(1 - values, prompts)
    assert (1 - lost.value, 1 - lost.high, 1 - lost.low) == pytest.approx(
        (won.value, won.low, won.high), abs=1e-9
    )


@given(pairs=PAIRS, order=st.randoms())
def test_order_and_numbers_do_not_matter(pairs: list[tuple[float, int]], order: object) -> None:
    shuffled = [(value, 3 * prompt + 5) for value, prompt in pairs]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = share(*arrays(pairs)), share(*arrays(shuffled))
    assert (other.n, other.clusters) == (one.n, one.clusters)
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-9)


@given(values=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=30))
def test_repeats_add_no_knowledge(values: list[float]) -> None:
    once = share(np.array(values), np.arange(len(values)))
    thrice = share(np.repeat(values, 3), np.repeat(np.arange(len(values)), 3))
    assert (thrice.stderr, thrice.low, thrice.high) == pytest.approx(
        (once.stderr, once.low, once.high), abs=1e-9
    )


def test_coverage_where_pairs_resemble_each_other() -> None:
    # A small part of benchmarks/coverage.py: ρ = .3, share .3. The Monte Carlo error is .7 points.
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(100), 4)
    hits = naive_hits = 0
    for _ in range(1000):
        rates = rng.beta(0.7, 0.7 / 0.3 * 0.7, size=100)
        values = (rng.random(400) < rates[clusters]).astype(float)
        found = share(values, clusters)
        low, high = wilson(found.value, 400, math.inf)
        hits += found.low <= 0.3 <= found.high
        naive_hits += low <= 0.3 <= high
    assert 930 <= hits <= 970
    assert naive_hits < 880
