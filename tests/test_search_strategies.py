"""The strategies of a search on judges whose answers are known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_judges import (
    Judge,
    all_invalid,
    all_ties,
    first_shown,
    names,
    noise_free,
    searched,
    told,
)

from pandalm_eval.search.strategies.adaptive import adaptive
from pandalm_eval.search.strategies.asking import Asked, Choice, Strategy, resolved
from pandalm_eval.search.strategies.halving import halving
from pandalm_eval.search.strategies.round_robin import round_robin
from pandalm_eval.search.strategies.sequential import sequential
from pandalm_eval.search.strategies.uniform import uniform

BUDGETED = [uniform, halving, adaptive]


def limited(budget: int) -> list[Strategy]:
    """All strategies, those that take a budget with this one."""
    return [sequential, round_robin, *(partial(one, budget=budget) for one in BUDGETED)]


@pytest.mark.parametrize(
    ("strategy", "readings"),
    [
        (sequential, 880),  # 11 comparisons × 40 prompts × 2 orders
        (partial(sequential, blocks=3), 880),  # whatever the blocks: all but one must lose
        (round_robin, 5280),  # 66 pairs × 40 × 2
        (partial(uniform, budget=200), 200),
        (partial(halving, budget=80), 80),  # 4 rounds of 20: 12 → 6 → 3 → 2 → 1
        (partial(adaptive, budget=100, error=0.0), 100),  # 60 to open, 40 more
    ],
)
@pytest.mark.parametrize("best", [0, 5, 11])
def test_finds_the_best_when_the_judge_does_not_err(
    strategy: Strategy, readings: int, best: int
) -> None:
    strengths = [-abs(number - best) + 0.1 * number for number in range(12)]
    choice, batches = searched(strategy, 12, 40, noise_free(strengths))
    assert choice.best == best
    assert sum(map(len, batches)) == readings


def test_the_papers_size() -> None:
    # 80 candidates, 170 prompts: 79 · 170 · 2. Two blocks side by side: 39 rounds, then a final.
    _, batches = searched(sequential, 80, 170, all_ties)
    assert sum(map(len, batches)) == 26_860
    assert [len(batch) for batch in batches] == [680] * 39 + [340]


@pytest.mark.parametrize(
    ("judge", "best", "equal"),
    [
        (all_ties, 0, (1, 2, 3)),  # the incumbent stays: 0 of 0–2, 3 of 3–5, then 0
        (all_invalid, 0, (1, 2, 3)),
        (noise_free([0, 0, 1, 1, 0, 1]), 2, (3,)),  # 2 of 0–2; 3 of 3–5, level with 5; then 2
    ],
)
def test_sequential_at_equal_numbers(judge: Judge, best: int, equal: tuple[int, ...]) -> None:
    choice, _ = searched(partial(sequential, blocks=2), 6, 3, judge)
    assert (choice.best, choice.equal) == (best, equal)


def test_sequential_counts_prompts_not_readings() -> None:
    # 3 prompts. Candidate 1 wins prompt 0 in both orders. Candidate 0 wins prompt 1 in its own
    # order and ties in the other, which is a tie; of prompt 2, which it wins, one order is invalid.
    answers = np.array([-1, 1, 1, -1, 0, np.nan])
    assert resolved(told(answers)).tolist()[:2] == [-1, 0]
    choice, _ = searched(sequential, 2, 3, lambda asked: told(answers[: len(asked)]))
    assert choice == Choice(best=1, equal=())


def test_resolved_by_the_most_probable_verdict() -> None:
    own = [[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.3, 0.2, 0.5], [0.6, 0.2, 0.2]]
    swapped = [[0.9, 0.1, 0.0], [0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]]
    assert resolved(np.array(own + swapped)).tolist() == [1, 0, 0, 0]


def test_position_alone_is_no_strength() -> None:
    # Both orders of every pair are read, and each candidate was shown first half of the time.
    choice, _ = searched(round_robin, 5, 4, first_shown)
    assert choice.strengths is not None
    assert choice.strengths.tolist() == [0.5] * 5
    assert choice.equal == (1, 2, 3, 4)


def test_uniform_is_even() -> None:
    # 24 candidates, 23 rounds of 12 pairs: 276 readings have each pair once, each candidate 23
    # times, on another prompt nearly always, and shown first in about half of them.
    _, batches = searched(partial(uniform, budget=276), 24, 60, all_ties)
    asked = names(batches)
    assert len({(first, second) for first, second, *_ in asked}) == 276
    for candidate in range(24):
        mine = [one for one in asked if candidate in one[:2]]
        assert len({prompt for _, _, prompt, _ in mine}) >= 20
        assert 9 <= sum((one[0] == candidate) != one[3] for one in mine) <= 14


def test_halving_keeps_the_better_half() -> None:
    # 8 → 4 → 2 → 1 with 100 readings each. Only 4–7 are read in the second round, 6 and 7 in the
    # third, which have 2 · 20 readings of which some are known from the rounds before.
    choice, batches = searched(partial(halving, budget=300), 8, 20, noise_free(range(8)))
    readings = names(batches)
    assert choice.best == 7
    assert {number for one in readings[100:200] for number in one[:2]} == {4, 5, 6, 7}
    assert {number for one in readings[200:] for number in one[:2]} == {6, 7}
    assert choice.strengths is not None
    assert choice.strengths[6:].tolist() == [0, 1]


def random_judge(seed: int, invalid: float) -> Judge:
    """Any answers: nothing is behind them."""

    def answers(asked: Asked) -> np.ndarray:
        rng = np.random.default_rng([seed, len(asked), int(asked.prompt.sum())])
        drawn = rng.dirichlet([0.5, 0.5, 0.3], size=len(asked))
        drawn[rng.random(len(asked)) < invalid] = np.nan
        return drawn

    return answers


@settings(max_examples=60, deadline=None)
@given(
    which=st.integers(0, 4),
    candidates=st.integers(2, 14),
    prompts=st.integers(1, 12),
    budget=st.integers(1, 400),
    seed=st.integers(0, 1000),
    invalid=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_any_answers_end_in_a_choice(
    which: int, candidates: int, prompts: int, budget: int, seed: int, invalid: float
) -> None:
    strategy = limited(budget)[which]
    judge = random_judge(seed, invalid)
    choice, batches = searched(strategy, candidates, prompts, judge, seed)
    asked = names(batches)
    assert len(set(asked)) == len(asked), "a reading was asked for twice"
    for first, second, prompt, _ in asked:
        assert 0 <= first < second < candidates
        assert 0 <= prompt < prompts
    if which >= 2:
        assert len(asked) <= budget
    assert 0 <= choice.best < candidates
    assert choice.best not in choice.equal
    assert list(choice.equal) == sorted(set(choice.equal))
    again, same = searched(strategy, candidates, prompts, judge, seed)
    assert (again.best, again.equal, again.error) == (choice.best, choice.equal, choice.error)
    assert names(same) == asked


@pytest.mark.parametrize("strategy", limited(10**6))
def test_a_budget_beyond_all_readings_ends(strategy: Strategy) -> None:
    # 3 pairs × 2 prompts × 2 orders are all there is.
    _, batches = searched(strategy, 3, 2, all_ties)
    assert sum(map(len, batches)) <= 12
