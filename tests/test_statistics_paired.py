"""The sign-flip test, McNemar's and Holm's against scipy, statsmodels and counting by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.paired import draws_for, holm, mcnemar, mean_difference, sign_flip

SIGNS = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60)


def by_counting(sums: list[float]) -> float:
    """All assignments of signs to the prompts' sums."""
    totals = [
        abs(sum(sign * number for sign, number in zip(signs, sums, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(sums))
    ]
    return sum(total >= abs(sum(sums)) - 1e-9 for total in totals) / len(totals)


def test_by_hand() -> None:
    # Prompt sums 1, 1, ½: of 8 sums ±1 ±1 ±½, the largest |2½| occurs twice. Mean of 4 pairs: 2½/4.
    found = sign_flip(np.array([1.0, 0.5, 0.5, 0.5]), np.array([0, 1, 1, 2]))
    assert (found.p_value, found.statistic, found.exact, found.draws) == (0.25, 0.625, True, 0)


@given(signs=SIGNS)
def test_one_pair_a_prompt_is_the_binomial_test(signs: list[float]) -> None:
    plus, minus = signs.count(1.0), signs.count(-1.0)
    found = sign_flip(np.array(signs), np.arange(len(signs)))
    expected = scipy.stats.binomtest(plus, plus + minus).pvalue if plus + minus else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert found.exact


@settings(max_examples=25)
@given(
    values=st.lists(
        st.sampled_from([-1, -0.5, 0, 0.25, 0.5, 1, 1 / 3, math.pi]), min_size=2, max_size=8
    )
)
def test_is_scipys_exact_test(values: list[float]) -> None:
    found = sign_flip(np.array(values), np.arange(len(values)))
    theirs = scipy.stats.permutation_test(
        (np.array(values),), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.exact


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), st.integers(0, 8)),
        min_size=1,
        max_size=40,
    )
)
def test_the_prompt_is_the_unit(pairs: list[tuple[float, int]]) -> None:
    differences, prompts = (np.array(part) for part in zip(*pairs, strict=True))
    sums = np.bincount(prompts, weights=differences)
    found = sign_flip(differences, prompts)
    assert found.p_value == pytest.approx(by_counting(sums.tolist()), rel=1e-9)
    assert found.statistic == pytest.approx(differences.mean())
    # Repeats of every pair change nothing; swapping the systems changes only the sign.
    again = sign_flip(np.tile(-differences, 3), np.tile(prompts, 3))
    assert again.p_value == pytest.approx(found.p_value, rel=1e-9)
    assert again.statistic == pytest.approx(-found.statistic)


def test_exact_at_any_size() -> None:
    # 3,000 prompts, 1,560 for the first: the binomial test, beyond what could be enumerated.
    differences = np.where(np.arange(3000) < 1560, 0.5, -0.5)
    found = sign_flip(differences, np.arange(3000))
    assert found.exact
    assert found.p_value == pytest.approx(scipy.stats.binomtest(1560, 3000).pvalue, rel=1e-9)
    # 2 · 2⁻³⁰⁰⁰ is below the smallest double, and still not 0.
    assert 0 < sign_flip(np.ones(3000), np.arange(3000)).p_value < 1e-300


def test_drawn_where_it_cannot_be_counted() -> None:
    # Sevenths are not among the units tried, so they are drawn; in whole numbers they are counted.
    whole = np.random.default_rng(3).integers(-6, 9, size=60).astype(float)
    exact = sign_flip(whole, np.arange(60))
    drawn = sign_flip(whole / 7, np.arange(60), draws=40_000, seed=5)
    assert (drawn.exact, drawn.draws) == (False, 40_000)
    assert exact.exact
    error = math.sqrt(exact.p_value * (1 - exact.p_value) / 40_000)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=4 * error)
    assert sign_flip(whole / 7, np.arange(60), draws=40_000, seed=5) == drawn
    assert sign_flip(whole / 7, np.arange(60), draws=40_000, seed=6).p_value != drawn.p_value


def test_a_drawn_p_value_is_never_zero() -> None:
    # 1 is added to both counts: none of 99 draws is as extreme as 40 sums of one sign.
    assert sign_flip(
        np.full(40, math.pi) + np.arange(40) / 97, np.arange(40), draws=99
    ).p_value == (1 / 100)


def test_no_difference() -> None:
    found = sign_flip(np.array([0.0, 1.0, -1.0]), np.array([0, 1, 1]))
    assert (found.p_value, found.statistic, found.exact) == (1.0, 0.0, True)


@pytest.mark.parametrize("differences", [[], [1.0, math.nan], [math.inf]])
def test_differences_must_be_finite(differences: list[float]) -> None:
    with pytest.raises(InputError, match="finite"):
        sign_flip(np.array(differences), np.arange(len(differences)))


def test_level_holds_without_a_difference() -> None:
    # 40 prompts of 3 pairs that prefer one system together. Rejected at .05: at most 5%, and 3
    # Monte Carlo errors of 1.1 points more; the sign test that ignores prompts rejects far more.
    rng = np.random.default_rng(8)
    clusters = np.repeat(np.arange(40), 3)
    clustered = ignoring = 0
    for _ in range(400):
        differences = np.repeat(rng.choice([-1.0, 1.0], size=40), 3)
        clustered += sign_flip(differences, clusters).p_value <= 0.05
        ignoring += sign_flip(differences, np.arange(120)).p_value <= 0.05
    assert clustered <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)
    assert ignoring > 80


@given(table=st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(any))
def test_mcnemar_is_statsmodels(table: list[int]) -> None:
    both, first_only, second_only, neither = table
    first = np.repeat([1.0, 1.0, 0.0, 0.0], table)
    second = np.repeat([1.0, 0.0, 1.0, 0.0], table)
    found = mcnemar(first, second, np.arange(sum(table)))
    if first_only + second_only:
        theirs = their_mcnemar([[both, first_only], [second_only, neither]], exact=True)
        assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.statistic == pytest.approx((first_only - second_only) / sum(table))
    assert found.exact


def test_mcnemar_refuses_several_pairs_of_a_prompt() -> None:
    with pytest.raises(InputError, match=r"prompts 3 have several.*use sign_flip"):
        mcnemar(np.array([1.0, 0.0, 1.0]), np.ones(3), np.array([3, 1, 3]))
    with pytest.raises(InputError, match="right or wrong"):
        mcnemar(np.array([0.5]), np.array([1.0]), np.array([0]))


@settings(max_examples=20)  # theirs takes 30 ms
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    theirs = multipletests(p_values, method="holm")[1]
    assert holm(np.array(p_values)) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    ("tests", "alpha", "draws"), [(1, 0.05, 400), (3, 0.05, 1200), (55, 0.01, 110_000)]
)
def test_draws_for(tests: int, alpha: float, draws: int) -> None:
    assert draws_for(tests, alpha) == draws


def test_mean_difference_by_hand() -> None:
    # Two prompts of two pairs: sums 2 and -1 of 4 pairs, mean 1/4. About the mean: 2 - .5 and
    # -1 - .5, so sqrt(2 · (1.5² + 1.5²)) / 4 = 3 / 4.
    found = mean_difference(np.array([1.0, 1.0, 0.0, -1.0]), np.array([0, 0, 1, 1]))
    assert (found.value, found.n, found.clusters) == (1 / 4, 4, 2)
    assert found.stderr == pytest.approx(3 / 4, rel=1e-6)
    # Draws of two prompts: the first twice is 1, the second twice -1/2.
    assert (found.low, found.high) == (-1 / 2, 1)


def test_mean_difference_of_one_prompt() -> None:
    found = mean_difference(np.array([1.0, 0.0]), np.array([0, 0]))
    assert found.value == 1 / 2
    assert np.isnan([found.stderr, found.low, found.high]).all()
