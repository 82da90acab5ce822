"""The adaptive strategy: what it believes, when it stops, what it says of errors."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from search_judges import all_invalid, all_ties, names, noise_free, noisy, searched

from pandalm_eval.errors import InputError
from pandalm_eval.search.strategies.adaptive import adaptive, duels
from pandalm_eval.search.strategies.asking import Asked, margins
from pandalm_eval.search.strategies.belief import START, Variances, _evidence, believe, priors
from pandalm_eval.search.strategies.pairing import Pairing, matchings


def readings(count: int, candidates: int, prompts: int, seed: int) -> Asked:
    """Random pairs on random prompts."""
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.choice(candidates, 2, replace=False) for _ in range(count)])
    pairs.sort(axis=1)
    prompt = rng.integers(0, prompts, count)
    return Asked(pairs[:, 0], pairs[:, 1], prompt, rng.random(count) < 0.5)


def test_information_is_that_of_the_whole_model() -> None:
    # The same by brute force: V = σ² + ω² Z Zᵀ of all readings, information Xᵀ V⁻¹ X.
    asked, rng = readings(40, 5, 6, seed=1), np.random.default_rng(2)
    margin, variances = rng.normal(size=40), Variances(noise=0.7, persistent=0.3)
    rows = np.arange(40)
    strengths, effects = np.zeros((40, 5)), np.zeros((40, 5 * 6))
    for candidate, sign in ((asked.first, 1.0), (asked.second, -1.0)):
        strengths[rows, candidate] = sign
        effects[rows, candidate * 6 + asked.prompt] = sign
    inverse = np.linalg.inv(0.7 * np.eye(40) + 0.3 * effects @ effects.T)
    information, right = _evidence(asked, margin, 5, variances)
    np.testing.assert_allclose(information, strengths.T @ inverse @ strengths, atol=1e-12)
    np.testing.assert_allclose(right, strengths.T @ inverse @ margin, atol=1e-12)


def test_belief_by_hand() -> None:
    # One reading, margin 1, halved ½; its lean cannot be told, so both orders: two readings of one
    # pair on two prompts. Prior variance 1: the difference d has prior 2 and data of variance
    # (σ² + 2 ω²) / 2 = .2, so its mean is ½ · 2 / 2.2, and ± half of that for each.
    asked = Asked(np.array([0, 0]), np.array([1, 1]), np.array([0, 1]), np.array([False, True]))
    belief, _ = believe(asked, np.array([[1.0, 0, 0]] * 2), np.eye(2)[None], Variances(0.2, 0.1))
    assert belief.mean == pytest.approx([0.5 / 2.2, -0.5 / 2.2])


def test_more_readings_of_the_same_answers_tell_no_more_than_prompts_do() -> None:
    # 2 candidates of many on one prompt: the variance of their difference stays above 2 ω².
    asked = readings(400, 6, 1, seed=3)
    information, _ = _evidence(asked, np.zeros(400), 6, Variances(noise=0.1, persistent=0.05))
    covariance = np.linalg.pinv(information)
    difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert 2 * 0.05 < difference < 2 * 0.05 + 0.01


def test_a_lean_to_the_first_position_moves_no_strength() -> None:
    asked = readings(600, 6, 100, seed=4)
    plain, leaning = np.zeros((600, 3)), np.zeros((600, 3))
    plain[:, 2] = 1.0
    leaning[np.arange(600), asked.swapped.astype(int)] = 1.0
    for answers in (plain, leaning):
        belief, _ = believe(asked, answers, priors(6), START)
        assert np.abs(belief.mean).max() < 0.005
    assert np.abs(margins(leaning)).min() == 1


def test_duels_are_of_two_different_candidates() -> None:
    # One candidate leads every draw; the rival is the best of the rest.
    drawn = np.tile([0.0, 3.0, 2.0, 1.0], (20, 1))
    pairs, times = duels(drawn, 10)
    assert (pairs.tolist(), times.tolist()) == ([[1, 2]], [10])


def test_stops_once_the_error_is_small() -> None:
    choice, batches = searched(adaptive, 40, 200, noise_free(range(40)))
    assert choice.best == 39
    assert choice.error is not None
    assert choice.error <= 0.05
    assert sum(map(len, batches)) < 1950  # the budget by default: 39 · 200 / 4


def test_reads_the_good_ones_most() -> None:
    strengths = [0.0] * 30 + [1.0, 1.1]
    _, batches = searched(partial(adaptive, budget=400, error=0.0), 32, 200, noisy(strengths, 1))
    late = [one[:2] for one in names(batches[-1:])]
    assert late.count((30, 31)) > 0.8 * len(late)


@pytest.mark.parametrize("seed", [34, 35, 45, 46, 85])  # lost, as long as all could drop at once
def test_one_far_above_many_equals(seed: int) -> None:
    strategy = partial(adaptive, budget=300, error=0.0)
    choice, _ = searched(strategy, 20, 20, noisy([0.0] * 19 + [1.5], seed), seed)
    assert choice.best == 19


def test_says_that_equals_cannot_be_told_apart() -> None:
    choice, _ = searched(partial(adaptive, budget=500), 10, 100, all_ties)
    assert len(choice.equal) == 9
    assert choice.strengths is not None
    assert choice.strengths == pytest.approx(np.full(10, 0.5))


def test_nothing_but_invalid_readings_end_after_the_opening() -> None:
    choice, batches = searched(partial(adaptive, budget=5000), 20, 100, all_invalid)
    assert sum(map(len, batches)) == 60  # 20 candidates × 6 readings / 2
    assert choice.best == 0
    assert choice.error is not None
    assert choice.error > 0.5


def test_many_invalid_readings() -> None:
    strengths = [0.1 * number for number in range(16)]
    judge = noisy(strengths, 2, invalid=0.6)
    choice, _ = searched(partial(adaptive, budget=2000, error=0.0), 16, 200, judge)
    assert choice.best >= 14


@pytest.mark.parametrize(("candidates", "prompts"), [(2, 1), (2, 10_000), (500, 1), (500, 170)])
def test_sizes(candidates: int, prompts: int) -> None:
    strategy = partial(adaptive, budget=3000)
    choice, batches = searched(strategy, candidates, prompts, noise_free(range(candidates)))
    asked = names(batches)
    assert len(set(asked)) == len(asked) <= 3000
    assert choice.best >= candidates * 0.9 - 1


def test_the_stated_error_is_no_understatement() -> None:
    # 60 searches among 12 candidates. The mean of stated errors is within three binomial standard
    # errors of the share that went wrong, or above it.
    wrong, stated = [], []
    for seed in range(60):
        strengths = np.random.default_rng(seed).normal(scale=0.3, size=12)
        judge = noisy(strengths.tolist(), seed)
        choice, _ = searched(partial(adaptive, budget=300, margin=0.0), 12, 170, judge, seed)
        wrong.append(choice.best != int(strengths.argmax()))
        assert choice.error is not None
        stated.append(choice.error)
    share = float(np.mean(stated))
    assert np.mean(wrong) < share + 3 * np.sqrt(share * (1 - share) / 60)


def test_refuses_a_budget_of_nothing() -> None:
    with pytest.raises(InputError, match="budget is 0 readings"):
        next(adaptive(4, 10, np.random.default_rng(0), budget=0))


@pytest.mark.parametrize("count", [2, 5, 8])
def test_every_pass_of_matchings_has_every_pair_once(count: int) -> None:
    rounds = matchings(np.arange(count), np.random.default_rng(0))
    for _ in range(2):
        each = [next(rounds) for _ in range(count if count % 2 else count - 1)]
        assert all(len(set(pairs.ravel().tolist())) == pairs.size for pairs in each)
        pairs = np.sort(np.concatenate(each), axis=1).tolist()
        assert len(set(map(tuple, pairs))) == len(pairs) == count * (count - 1) // 2


def test_pairing_takes_new_prompts_first_and_every_reading_once() -> None:
    pairing = Pairing(2, 4, np.random.default_rng(0))
    one = np.array([[0, 1]])
    first = pairing.take(one, np.array([3]))
    assert len(set(first.prompt.tolist())) == 3
    rest = [pairing.take(one, np.array([3])) for _ in range(3)]
    assert [len(batch) for batch in rest] == [3, 2, 0]
    asked = names([first, *rest])
    assert len(set(asked)) == 8
    assert len({prompt for _, _, prompt, _ in asked[:4]}) == 4
