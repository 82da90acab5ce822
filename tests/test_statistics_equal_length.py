"""The win rate at equal length against statsmodels, scikit-learn and odds by hand."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from pandalm_eval.errors import InputError
from pandalm_eval.statistics import equal_length
from pandalm_eval.statistics.clusters import Floats, Numbers
from pandalm_eval.statistics.equal_length import (
    NotIdentified,
    at_equal_length,
    log_length_difference,
)
from pandalm_eval.statistics.shares import Estimate, Method, t_quantile


def simulated(
    seed: int, *, at_zero: float = 0.4, slope: float = 1.5, mean: float = 0.5
) -> tuple[Floats, Floats, Numbers]:
    """60 prompts of 4 pairs, a fifth of them ties, log-odds `at_zero` + `slope` · difference."""
    rng = np.random.default_rng(seed)
    difference = rng.normal(mean, 1, size=240)
    wins = rng.random(240) < 1 / (1 + np.exp(-at_zero - slope * difference))
    scores = np.where(rng.random(240) < 0.2, 0.5, wins)
    return scores, difference, np.repeat(np.arange(60), 4)


def estimate(scores: Floats, difference: Floats, clusters: Numbers) -> Estimate:
    found = at_equal_length(scores, difference, clusters)
    assert isinstance(found, Estimate)
    return found


def test_log_length_difference() -> None:
    # log(100 / 10), log(1 / 10), equal.
    found = log_length_difference(np.array([99.0, 0.0, 7.0]), np.array([9.0, 9.0, 7.0]))
    assert found == pytest.approx([math.log(10), -math.log(10), 0])


def test_two_lengths_by_hand() -> None:
    # At +1 three of four are won, at -1 one of two: a + b = log 3, a - b = log 1; a = log(3) / 2.
    scores = np.tile([1.0, 1.0, 1.0, 0.0, 1.0, 0.0], 30)
    difference = np.tile([1.0, 1.0, 1.0, 1.0, -1.0, -1.0], 30)
    found = estimate(scores, difference, np.arange(180))
    assert found.value == pytest.approx(math.sqrt(3) / (1 + math.sqrt(3)))
    assert (found.n, found.clusters, found.method) == (180, 180, Method.LOGIT)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("seed", range(4))
def test_is_statsmodels_fractional_logit(seed: int) -> None:
    scores, difference, clusters = simulated(seed)
    theirs = sm.GLM(scores, sm.add_constant(difference), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": True}
    )
    intercept, error = float(theirs.params[0]), float(theirs.bse[0])
    reach = t_quantile(58) * error
    found = estimate(scores, difference, clusters)
    expected = [1 / (1 + math.exp(-x)) for x in (intercept, intercept - reach, intercept + reach)]
    assert [found.value, found.low, found.high] == pytest.approx(expected, abs=1e-7)
    assert found.stderr == pytest.approx(error * found.value * (1 - found.value), rel=1e-6)


def test_ties_are_half_weights() -> None:
    # A tie as half a win and half a loss, in scikit-learn's weighted logistic regression.
    scores, difference, clusters = simulated(9)
    twice = np.concatenate([difference, difference])[:, None]
    model = LogisticRegression(C=1e9, tol=1e-10)
    model.fit(twice, np.repeat([1, 0], 240), sample_weight=np.concatenate([scores, 1 - scores]))
    expected = 1 / (1 + math.exp(-model.intercept_[0]))
    assert estimate(scores, difference, clusters).value == pytest.approx(expected, abs=1e-5)


def test_takes_the_advantage_of_length_away() -> None:
    # The first candidate writes more and wins by it alone; at equal length it is even.
    scores, difference, clusters = simulated(3, at_zero=0.0, slope=2.0, mean=0.8)
    found = estimate(scores, difference, clusters)
    assert scores.mean() > 0.65
    assert found.low < 0.5 < found.high
    assert found.value == pytest.approx(0.5, abs=0.1)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
def test_symmetry_and_scale(seed: int, factor: float) -> None:
    scores, difference, clusters = simulated(seed)
    one = estimate(scores, difference, clusters)
    other = estimate(1 - scores, -factor * difference, clusters)
    assert [other.value, other.low, other.high] == pytest.approx(
        [1 - one.value, 1 - one.high, 1 - one.low], abs=1e-8
    )


def test_repeats_of_a_prompt_add_little_knowledge() -> None:
    # Only the correction (n - 1) / (n - 2) moves.
    scores, difference, clusters = simulated(5)
    once = estimate(scores, difference, clusters)
    thrice = estimate(np.tile(scores, 3), np.tile(difference, 3), np.tile(clusters, 3))
    assert thrice.value == pytest.approx(once.value)
    assert thrice.stderr == pytest.approx(once.stderr * math.sqrt(719 / 718 * 238 / 239))


EVEN = np.tile([1.0, 0.0], 30)
SIDES = np.tile([1.0, 1.0, -1.0, -1.0], 15)
NOT_IDENTIFIED = {
    "few prompts": (EVEN, SIDES, np.arange(60) // 3, "20 prompts are too few"),
    "no variation": (EVEN, np.full(60, 0.3), np.arange(60), "the same in all pairs"),
    "always longer": (EVEN, np.arange(60) + 1.0, np.arange(60), "longer one in all .* but 0 of 60"),
    "nearly always longer": (
        EVEN,
        np.arange(60) - 8.0,
        np.arange(60),
        "longer one in all pairs of all but 9 of 60",
    ),
    "always shorter": (EVEN, -np.arange(60) - 1.0, np.arange(60), "the shorter one"),
    "all won": (np.ones(60), SIDES, np.arange(60), "same outcome, 1"),
    "all tied": (np.full(60, 0.5), SIDES, np.arange(60), "same outcome, 0.5"),
    "separated": ((SIDES > 0) * 1.0, SIDES, np.arange(60), "separates all wins"),
    "separated the other way": ((SIDES < 0) * 1.0, SIDES, np.arange(60), "separates all wins"),
    "separated but for pairs of one length": (
        np.where(np.arange(60) < 20, 0.0, np.where(np.arange(60) < 40, EVEN, 1.0)),
        np.where(np.arange(60) < 20, -1.0, np.where(np.arange(60) < 40, 0.0, 1.0)),
        np.arange(60),
        "separates all wins",
    ),
}


@pytest.mark.parametrize(
    ("scores", "difference", "clusters", "reason"), NOT_IDENTIFIED.values(), ids=NOT_IDENTIFIED
)
def test_not_identified(scores: Floats, difference: Floats, clusters: Numbers, reason: str) -> None:
    found = at_equal_length(scores, difference, clusters)
    assert isinstance(found, NotIdentified)
    assert re.search(reason, found.reason)


def test_all_but_separated_converges() -> None:
    # One loss among the longer ones bounds the slope: log-odds log 29 at +1, and -log 29 at -1.
    scores = (SIDES > 0) * 1.0
    scores[0], scores[2] = 0.0, 1.0
    assert estimate(scores, SIDES, np.arange(60)).value == pytest.approx(0.5)


def test_a_fit_that_does_not_converge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_length, "_MOST_STEPS", 1)
    found = at_equal_length(*simulated(1))
    assert isinstance(found, NotIdentified)
    assert "did not converge in 1 steps" in found.reason


def test_lengths_must_be_known() -> None:
    with pytest.raises(InputError, match="not finite"):
        at_equal_length(EVEN, np.where(EVEN > 0, np.nan, SIDES), np.arange(60))
