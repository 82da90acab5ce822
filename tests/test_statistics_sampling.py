"""Samples that cannot be random are refused, and random ones are not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import Floats, Truths
from pandalm_eval.statistics.sampling import _few_runs, _runs, check_random

PROMPTS = 170
CLUSTERS = np.repeat(np.arange(PROMPTS), 6)
LENGTH = np.random.default_rng(0).lognormal(6, 1, size=6 * PROMPTS)
SCORE = np.random.default_rng(1).choice([0.0, 0.5, 1.0], size=6 * PROMPTS)
KNOWN = {"the judge's score": SCORE, "response length": LENGTH}


def labels(prompts: Floats | Truths | list[int]) -> Truths:
    """One pair of each of these prompts, by number or truth value."""
    chosen = np.zeros(PROMPTS, dtype=bool)
    chosen[prompts] = True
    return chosen[CLUSTERS] & (np.arange(6 * PROMPTS) % 6 == 2)


def mean_by_prompt(values: Floats) -> Floats:
    return values.reshape(PROMPTS, 6).mean(axis=1)


REFUSED = {
    "the first": (list(range(40)), ["they stand together", "in 2 runs", "place in the prompt set"]),
    "the last": (list(range(130, 170)), ["they stand together", "place in the prompt set"]),
    "a run in the middle": (list(range(65, 105)), ["they stand together", "in 3 runs"]),
    "two runs": ([*range(20, 40), *range(120, 140)], ["they stand together", "in 5 runs"]),
    "each second of the first half": (list(range(0, 80, 2)), ["place in the prompt set"]),
    "the shortest": (
        [int(i) for i in np.argsort(mean_by_prompt(LENGTH))[:40]],
        ["response length differs"],
    ),
    "where the judge said second": (
        [int(i) for i in np.argsort(mean_by_prompt(SCORE))[:40]],
        ["the judge's score differs"],
    ),
}


@pytest.mark.parametrize(("chosen", "evidence"), REFUSED.values(), ids=REFUSED)
def test_refused(chosen: list[int], evidence: list[str]) -> None:
    with pytest.raises(InputError, match="40 labelled prompts of 170 are no random") as caught:
        check_random(labels(chosen), CLUSTERS, KNOWN)
    message = str(caught.value)
    for words in evidence:
        assert words in message
    # What is no evidence is not named.
    named = {"they stand together", "place in", "response length", "the judge's score"}
    told = " ".join(evidence)
    assert {words for words in named if words in message} == {w for w in named if w in told}


def test_random_samples_pass() -> None:
    # Four checks at p < 1e-4: at most .04% of random samples, here 1.6 of 4,000; .1% would be 4.
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(4000):
        chosen = rng.permutation(PROMPTS) < rng.choice([30, 60, 100])
        try:
            check_random(labels(chosen), CLUSTERS, KNOWN)
        except InputError:
            refused += 1
    assert refused <= 4


def test_the_p_values_are_not_too_small() -> None:
    # 3,000 random samples: the exact runs test rejects at most 1% at p < .01, whose Monte Carlo
    # error is .18 points.
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(3000):
        chosen = rng.permutation(60) < 20
        p_values.append(_few_runs(_runs(chosen), 20, 40))
    assert np.mean(np.array(p_values) < 0.01) <= 0.01 + 3 * 0.0018


@pytest.mark.parametrize(("ones", "others"), [(1, 1), (3, 5), (5, 3), (2, 7), (4, 4)])
def test_few_runs_by_counting(ones: int, others: int) -> None:
    count = ones + others
    seen = []
    for places in itertools.combinations(range(count), ones):
        row = "".join("1" if place in places else "0" for place in range(count))
        seen.append(sum(1 for _ in itertools.groupby(row)))
    for runs in range(2, count + 1):
        expected = np.mean(np.array(seen) <= runs)
        assert _few_runs(runs, ones, others) == pytest.approx(expected)


def test_few_runs_of_many() -> None:
    # Whole numbers of more than 300 digits; about normal, mean 1 + 2ab/n = 1601, variance
    # 2ab (2ab - n) / (n² (n - 1)).
    a, b, n = 1000, 4000, 5000
    deviation = (2 * a * b * (2 * a * b - n) / (n**2 * (n - 1))) ** 0.5
    expected = scipy.stats.norm.cdf((1560.5 - 1601) / deviation)
    assert _few_runs(1560, a, b) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("chosen", [[], list(range(PROMPTS))])
def test_none_or_all_need_no_sample(chosen: list[int]) -> None:
    check_random(labels(chosen), CLUSTERS, KNOWN)


def test_a_regular_grid_passes() -> None:
    check_random(labels(list(range(0, PROMPTS, 5))), CLUSTERS, {})


def test_a_constant_is_no_evidence() -> None:
    chosen = np.random.default_rng(4).permutation(PROMPTS) < 50
    check_random(labels(chosen), CLUSTERS, {"length": np.full(6 * PROMPTS, 3.0)})


def test_what_is_known_is_known_of_all() -> None:
    with pytest.raises(InputError, match="The length has to be known"):
        check_random(
            labels([1, 5, 9]), CLUSTERS, {"length": np.where(LENGTH > 100, LENGTH, np.nan)}
        )
