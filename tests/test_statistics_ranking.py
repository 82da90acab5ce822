"""Bradley–Terry with ties against evalica, scikit-learn, scipy and linear programming."""

from __future__ import annotations

import itertools
import math

import evalica
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from pandalm_eval.errors import InputError
from pandalm_eval.statistics import davidson
from pandalm_eval.statistics.clusters import Floats, bootstrap_sums
from pandalm_eval.statistics.davidson import fit
from pandalm_eval.statistics.ranking import Ranking, RankRange, rank, rank_groups

Rows = list[tuple[int, int, float]]
WINNER = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}


def ranked(rows: Rows, candidates: int, draws: int = 50) -> Ranking:
    """Each comparison in its own prompt."""
    first, second, scores = (np.array(part) for part in zip(*rows, strict=True))
    return rank(first, second, scores, np.arange(len(rows)), candidates, draws=draws)


def simulated(strengths: list[float], tie: float, prompts: int, seed: int) -> Rows:
    """Every two candidates once a prompt."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, j in list(itertools.combinations(range(len(strengths)), 2)) * prompts:
        half = (strengths[i] - strengths[j]) / 2
        chances = np.array([math.exp(-half), tie, math.exp(half)])
        rows.append((i, j, float(rng.choice([0.0, 0.5, 1.0], p=chances / chances.sum()))))
    return rows


def log_likelihood(parameters: Floats, rows: Rows) -> float:
    """Davidson's, row by row."""
    *strengths, log_tie = parameters
    total = 0.0
    for i, j, score in rows:
        half = (strengths[i] - strengths[j]) / 2
        terms = {0.0: -half, 0.5: log_tie, 1.0: half}
        total += terms[score] - np.logaddexp.reduce(list(terms.values()))
    return total


def test_two_candidates_by_hand() -> None:
    # 6 wins, 3 ties, 2 losses: three chances and two parameters, so the fit is exact.
    # p_win / p_loss = exp(λ_0 - λ_1) = 3; p_tie² / (p_win p_loss) = ν² = 9/12.
    found = ranked([(0, 1, 1.0)] * 6 + [(1, 0, 0.5)] * 3 + [(1, 0, 1.0)] * 2, 2)
    assert found.contrasts[0, 1] == pytest.approx(math.log(3))
    assert found.log_strengths == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    assert found.log_tie == pytest.approx(math.log(9 / 12) / 2)
    assert (found.order, found.unbounded, found.incomparable) == ([0, 1], (), ())
    assert (found.n, found.clusters) == (11, 11)


@pytest.mark.parametrize("seed", range(3))
def test_without_ties_is_evalicas(seed: int) -> None:
    rows = simulated([1.0, 0.3, 0.0, -0.2, -1.5], 0.0, 40, seed)
    first, second, scores = zip(*rows, strict=True)
    theirs = evalica.bradley_terry(
        first, second, [WINNER[score] for score in scores], tolerance=1e-12, limit=10_000
    ).scores.sort_index()
    expected = np.log(theirs.to_numpy())
    found = ranked(rows, 5)
    assert found.log_strengths == pytest.approx(expected - expected.mean(), abs=1e-5)
    assert found.log_tie == -math.inf


def test_without_ties_is_a_logistic_regression() -> None:
    rows = simulated([0.8, 0.0, -0.8], 0.0, 60, 4)
    design = np.zeros((len(rows), 3))
    for number, (i, j, _) in enumerate(rows):
        design[number, i], design[number, j] = 1, -1
    model = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-10)
    model.fit(design[:, 1:], [score for _, _, score in rows])
    strengths = np.array([0.0, *model.coef_[0]])
    assert ranked(rows, 3).log_strengths == pytest.approx(strengths - strengths.mean(), abs=1e-5)


@pytest.mark.parametrize(("tie", "seed"), [(0.2, 0), (1.0, 1), (5.0, 2)])
def test_with_ties_is_the_maximum(tie: float, seed: int) -> None:
    rows = simulated([1.0, 0.2, -0.3, -0.9], tie, 25, seed)
    found = ranked(rows, 4)
    ours = np.array([*found.log_strengths, found.log_tie])
    best = scipy.optimize.minimize(
        lambda at: -log_likelihood(at, rows), np.zeros(5), method="BFGS", options={"gtol": 1e-7}
    )
    assert ours[:4] == pytest.approx(best.x[:4] - best.x[:4].mean(), abs=1e-4)
    assert ours[4] == pytest.approx(best.x[4], abs=1e-4)


def test_recovers_the_truth() -> None:
    strengths = [1.5, 0.5, -0.5, -1.5]
    found = ranked(simulated(strengths, 0.7, 1500, 6), 4, draws=400)
    truth = np.subtract.outer(strengths, strengths)
    assert found.log_strengths == pytest.approx(strengths, abs=0.12)
    assert math.exp(found.log_tie) == pytest.approx(0.7, abs=0.06)
    upper = np.triu_indices(4, 1)
    low, high = found.intervals[upper].T
    assert ((low < truth[upper]) & (truth[upper] < high)).sum() >= 5  # of 6, each 95%
    assert found.order == [0, 1, 2, 3]


def test_intervals_are_percentiles_over_prompts() -> None:
    # Two candidates without ties: the contrast of a draw is log(wins / losses), and draws are the
    # same for any columns. 40 prompts of 3 pairs.
    scores = (np.random.default_rng(1).random(120) < 0.6).astype(float)
    prompts = np.repeat(np.arange(40), 3)
    found = rank(np.zeros(120, dtype=int), np.ones(120, dtype=int), scores, prompts, 2, draws=1001)
    wins = np.bincount(prompts, weights=scores)
    (totals,) = bootstrap_sums(np.column_stack([wins, 3 - wins]), 1001)
    contrasts = np.sort(np.log(totals[:, 0] / totals[:, 1]))
    assert found.intervals[0, 1] == pytest.approx([contrasts[25], contrasts[975]])
    assert found.intervals[1, 0] == pytest.approx([-contrasts[975], -contrasts[25]])


def test_repeats_of_a_prompt_add_no_knowledge() -> None:
    rows = simulated([0.5, 0.0, -0.5], 0.5, 30, 3)
    first, second, scores = (np.array(part) for part in zip(*rows, strict=True))
    prompts = np.repeat(np.arange(30), 3)
    once = rank(first, second, scores, prompts, 3, draws=200)
    # The same comparisons, told from the other side, twice more.
    thrice = rank(
        np.concatenate([first, second, second]),
        np.concatenate([second, first, first]),
        np.concatenate([scores, 1 - scores, 1 - scores]),
        np.tile(prompts, 3),
        3,
        draws=200,
    )
    assert thrice.contrasts == pytest.approx(once.contrasts, abs=1e-7)
    assert thrice.intervals == pytest.approx(once.intervals, abs=1e-7)


SEPARATED = {
    "one wins all": ([(0, 1, 1.0), (0, 1, 1.0)], 2, [(0, 1)], []),
    "a set wins all": (
        [(0, 1, 1.0), (1, 0, 1.0), (2, 3, 1.0), (3, 2, 1.0), (0, 2, 1.0), (1, 3, 1.0)],
        4,
        [(0, 2), (0, 3), (1, 2), (1, 3)],
        [],
    ),
    "a chain": ([(2, 1, 1.0), (1, 0, 1.0)], 3, [(1, 0), (2, 0), (2, 1)], []),
    "never compared": ([(0, 1, 1.0), (1, 0, 1.0)], 3, [], [(0, 2), (1, 2)]),
    "both below a third": ([(0, 1, 1.0), (0, 2, 1.0)], 3, [(0, 1), (0, 2)], [(1, 2)]),
    "a tie closes the circle": (
        [(0, 1, 1.0), (1, 2, 1.0), (2, 0, 0.5), (0, 1, 0.0)],
        3,
        [],
        [],
    ),
    # Never beaten, but tied: ν may grow with the contrast, and the fit has no maximum.
    "wins and ties": ([(0, 1, 1.0), (0, 1, 0.5)], 2, [(0, 1)], []),
    "only ties": ([(0, 1, 0.5), (1, 2, 0.5)], 3, [], []),
}


@pytest.mark.parametrize(
    ("rows", "candidates", "unbounded", "incomparable"), SEPARATED.values(), ids=SEPARATED
)
def test_separation_is_told(
    rows: Rows,
    candidates: int,
    unbounded: list[tuple[int, int]],
    incomparable: list[tuple[int, int]],
) -> None:
    found = ranked(rows * 3, candidates)
    assert list(found.unbounded) == unbounded
    assert list(found.incomparable) == incomparable
    for i, j in unbounded:
        assert (found.contrasts[i, j], found.contrasts[j, i]) == (math.inf, -math.inf)
        assert found.intervals[i, j, 1] == math.inf
    finite = found.contrasts[np.isfinite(found.contrasts)]
    assert np.abs(finite).max() < 5


def test_strengths_of_the_separated() -> None:
    # 0 above the circle 1, 2, 3; 4 below it; 5 apart: the circle has the finite strengths.
    circle = [(1, 2, 1.0), (2, 3, 1.0), (3, 1, 1.0)]
    found = ranked([*circle, (0, 1, 1.0), (3, 4, 1.0)], 6)
    assert found.log_strengths[:5] == pytest.approx([math.inf, 0, 0, 0, -math.inf])
    assert math.isnan(found.log_strengths[5])
    assert found.order == [0, 1, 2, 3, 4, 5]


def test_a_rare_loss_leaves_the_upper_end_open() -> None:
    # One loss in 20 prompts: it is in none of the draws in (1 - 1/20)^20 = 36% of cases.
    found = ranked([(0, 1, 1.0)] * 19 + [(0, 1, 0.0)], 2, draws=400)
    assert found.contrasts[0, 1] == pytest.approx(math.log(19))
    low, high = found.intervals[0, 1]
    assert 0 < low < math.log(19)
    assert high == math.inf


def test_one_prompt_has_no_intervals() -> None:
    found = rank(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 0.0]), np.array([3, 3]), 2)
    assert found.contrasts[0, 1] == pytest.approx(0)
    assert np.isnan(found.intervals).all()


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    outcome = st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0]))
    return draw(st.lists(outcome.filter(lambda row: row[0] != row[1]), min_size=1, max_size=10))


LOG_TIE = np.array([0.0, 0, 0, 0, 1])


def can_grow(rows: Rows, goal: Floats, *, fixed_tie: bool = False) -> bool:
    """Whether `goal` can grow in a direction in which the likelihood never falls.

    Directions are of four log-strengths and log ν; in them every outcome gains on the other two of
    its pair. Where it cannot grow, the data bound it from above (Albert and Anderson 1984).
    """
    constraints = []
    for first, second, score in rows:
        half = np.zeros(5)
        half[first], half[second] = 0.5, -0.5
        outcomes = {1.0: half, 0.5: LOG_TIE, 0.0: -half}
        constraints += [other - outcomes[score] for other in outcomes.values()]
    bounds = [(-1, 1)] * 4 + [(0, 0) if fixed_tie else (-1, 1)]
    found = scipy.optimize.linprog(
        -goal, A_ub=np.array(constraints), b_ub=np.zeros(len(constraints)), bounds=bounds
    )
    return -found.fun > 1e-9


def agrees(contrast: float, rows: Rows, goal: Floats, *, fixed_tie: bool) -> bool:
    """Whether the contrast is finite, ±inf or NaN as its `goal` cannot grow, can, or both ways."""
    up, down = (can_grow(rows, sign * goal, fixed_tie=fixed_tie) for sign in (1, -1))
    if up and down:
        return math.isnan(contrast)
    return contrast == math.inf * (up - down) if up or down else math.isfinite(contrast)


@settings(max_examples=30)
@given(rows=tables())
def test_unbounded_is_what_a_linear_programme_says(rows: Rows) -> None:
    found = ranked(rows, 4, draws=1)
    any_ties = 0.5 in {score for _, _, score in rows}
    unbounded_tie = any_ties and can_grow(rows, LOG_TIE)
    assert (found.log_tie == math.inf) == unbounded_tie
    for i, j in itertools.combinations(range(4), 2):
        goal = np.zeros(5)
        goal[i], goal[j] = 1, -1
        contrast = found.contrasts[i, j]
        if unbounded_tie:
            # Between comparables, ties alone leave equals whatever ν is; with wins there may be
            # nothing to say.
            assert (
                math.isnan(contrast)
                or agrees(contrast, rows, goal, fixed_tie=False)
                or agrees(contrast, rows, goal, fixed_tie=True)
            )
        else:
            assert agrees(contrast, rows, goal, fixed_tie=False)


@settings(max_examples=60)
@given(rows=tables())
def test_contrasts_are_antisymmetric(rows: Rows) -> None:
    found = ranked(rows, 4, draws=20)
    np.testing.assert_allclose(found.contrasts, -found.contrasts.T, atol=1e-9)
    np.testing.assert_allclose(
        found.intervals, -found.intervals.transpose(1, 0, 2)[..., ::-1], atol=1e-9
    )
    defined = ~np.isnan(found.intervals).any(axis=2)
    assert (found.intervals[defined][:, 0] <= found.intervals[defined][:, 1]).all()


@settings(max_examples=40)
@given(rows=tables(), others=tables())
def test_tables_are_fitted_alone(rows: Rows, others: Rows) -> None:
    # What stands in another draw cannot change a fit.
    counts = np.zeros((2, 2, 4, 4))
    for draw, table in enumerate((rows, others)):
        for i, j, score in table:
            if score == 0.5:
                counts[1, draw, i, j] += 1
                counts[1, draw, j, i] += 1
            else:
                winner, loser = (i, j) if score else (j, i)
                counts[0, draw, winner, loser] += 1
    together = fit(*counts).contrasts
    for draw in (0, 1):
        alone = fit(*counts[:, draw : draw + 1]).contrasts[0]
        np.testing.assert_allclose(together[draw], alone, atol=1e-7)


def test_a_fit_that_does_not_converge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(davidson, "_MOST_STEPS", 1)
    with pytest.raises(InputError, match="no fit converges"):
        ranked(simulated([1.0, 0.0], 0.5, 20, 0), 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 0, 1.0), "Row 0 compares candidates 0 and 0"),
        ((0, 3, 1.0), "numbers from 0 to 2"),
        ((-1, 1, 1.0), "candidates -1 and 1"),
        ((0, 1, 0.7), "score 0.7"),
        ((0, 1, math.nan), "score nan"),
    ],
)
def test_what_is_refused(row: tuple[int, int, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ranked([row], 3)


def test_nothing_to_rank() -> None:
    none = np.array([], dtype=int)
    with pytest.raises(InputError, match="no comparisons"):
        rank(none, none, np.array([]), none, 2)


def test_rank_groups_by_hand() -> None:
    # Order 3, 0, 1, 2; 3 differs from 1 and 2, 0 from 2.
    different = np.zeros((4, 4), dtype=bool)
    for i, j in ((3, 1), (3, 2), (0, 2)):
        different[i, j] = different[j, i] = True
    assert rank_groups([3, 0, 1, 2], different) == [
        RankRange(3, 1, 2),
        RankRange(0, 1, 3),
        RankRange(1, 2, 4),
        RankRange(2, 3, 4),
    ]


@given(data=st.data(), count=st.integers(2, 8))
def test_ranges_of_ranks(data: st.DataObject, count: int) -> None:
    order = data.draw(st.permutations(range(count)))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = data.draw(st.sets(st.sampled_from(pairs)))
    different = np.zeros((count, count), dtype=bool)
    for i, j in chosen:
        different[i, j] = different[j, i] = True
    found = {group.candidate: group for group in rank_groups(order, different)}
    for place, candidate in enumerate(order):
        group = found[candidate]
        assert group.best <= place + 1 <= group.worst
        assert group.worst - group.best == count - 1 - different[candidate].sum()


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3]])
def test_order_names_every_candidate(order: list[int]) -> None:
    with pytest.raises(InputError, match="each of 3 candidates once"):
        rank_groups(order, np.zeros((3, 3), dtype=bool))


def test_difference_goes_both_ways() -> None:
    with pytest.raises(InputError, match="differs"):
        rank_groups([0, 1], np.array([[False, True], [False, False]]))
