"""The correction by human labels against the formulas of PPI++ and limits known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import Floats, Numbers
from pandalm_eval.statistics.correction import correct
from pandalm_eval.statistics.shares import share


def simulated(
    seed: int, prompts: int, pairs: int, labelled: int, accuracy: float = 0.8
) -> tuple[Floats, Floats, Floats, Numbers]:
    """Judge, human with NaN, human in full, clusters; the judge else says that the first won."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(prompts), pairs)
    rates = rng.beta(2, 3, size=prompts)[clusters]
    human = (rng.random(len(clusters)) < rates).astype(float)
    judge = np.where(rng.random(len(clusters)) < accuracy, human, 1.0)
    chosen = (rng.permutation(prompts) < labelled)[clusters]
    return judge, np.where(chosen, human, np.nan), human, clusters


@pytest.mark.parametrize("seed", range(4))
def test_is_ppi_plus_plus(seed: int) -> None:
    # One pair a prompt, n labelled and N not: the two-sample form of arXiv 2311.01453.
    judge, human, _, clusters = simulated(seed, 600, 1, 200)
    found = correct(judge, human, clusters)
    told = ~np.isnan(human)
    y, f, rest = human[told], judge[told], judge[~told]
    n, others = len(y), len(rest)
    weight = found.weight * others / (n + others)
    assert found.corrected.value == pytest.approx(weight * rest.mean() + (y - weight * f).mean())
    best = np.cov(y, f)[0, 1] / ((1 + n / others) * np.var(judge, ddof=1))
    assert weight == pytest.approx(best, rel=0.05)
    variance = weight**2 * np.var(rest, ddof=1) / others + np.var(y - weight * f, ddof=1) / n
    assert found.corrected.stderr == pytest.approx(math.sqrt(variance), rel=0.02)
    assert (found.labelled, found.unlabelled) == (200, 400)


def test_classical_is_the_share_of_the_labels() -> None:
    judge, human, _, clusters = simulated(0, 120, 3, 40)
    told = ~np.isnan(human)
    found = correct(judge, human, clusters)
    assert found.classical == share(human[told], clusters[told])
    assert found.judge == share(judge, clusters)
    assert (found.corrected.n, found.corrected.clusters) == (360, 120)


def test_a_perfect_judge_is_as_good_as_labels() -> None:
    _, human, full, clusters = simulated(1, 120, 3, 40)
    found = correct(full, human, clusters)
    assert found.weight == pytest.approx(1)
    assert found.corrected.value == pytest.approx(full.mean())
    assert found.corrected.stderr == pytest.approx(share(full, clusters).stderr, rel=0.02)


def test_a_judge_without_a_view_adds_nothing() -> None:
    judge, human, _, clusters = simulated(2, 120, 3, 40)
    found = correct(np.full_like(judge, 0.5), human, clusters)
    assert found.weight == 0
    assert found.corrected.value == found.classical.value
    assert found.corrected.stderr == pytest.approx(found.classical.stderr)


def test_a_judge_that_is_always_wrong_is_not_trusted() -> None:
    # λ is kept at 0 or above.
    _, human, full, clusters = simulated(3, 120, 3, 40)
    assert correct(1 - full, human, clusters).weight == 0


def test_with_all_labelled_there_is_nothing_to_add() -> None:
    judge, _, full, clusters = simulated(4, 60, 2, 60)
    found = correct(judge, full, clusters)
    assert found.unlabelled == 0
    assert found.corrected.value == pytest.approx(full.mean())
    assert found.corrected.stderr == pytest.approx(found.classical.stderr)


def test_some_pairs_of_a_labelled_prompt() -> None:
    # Two of six pairs of each labelled prompt; the other four count among the judge's alone.
    judge, human, _, clusters = simulated(5, 100, 6, 50)
    human[np.arange(600) % 6 >= 2] = np.nan
    found = correct(judge, human, clusters)
    told = ~np.isnan(human)
    assert (found.classical.n, found.labelled) == (100, 50)
    assert found.corrected.value == pytest.approx(
        human[told].mean() + found.weight * (judge.mean() - judge[told].mean())
    )


@pytest.mark.parametrize("labelled", [0, 1, 29])
def test_too_few_labels(labelled: int) -> None:
    judge, human, _, clusters = simulated(6, 100, 2, labelled)
    with pytest.raises(InputError, match=f"{labelled} prompts have a human label"):
        correct(judge, human, clusters)
    judge, human, _, clusters = simulated(6, 100, 2, 30)
    assert correct(judge, human, clusters).labelled == 30


def test_scores_are_shares() -> None:
    judge, human, _, clusters = simulated(7, 100, 2, 40)
    with pytest.raises(InputError, match="no share"):
        correct(np.where(judge == 1, math.nan, judge), human, clusters)
    with pytest.raises(InputError, match="no share"):
        correct(judge, 2 * human, clusters)


def test_people_who_all_agree_still_leave_an_interval() -> None:
    judge, human, _, clusters = simulated(8, 100, 2, 40)
    found = correct(judge, np.where(np.isnan(human), np.nan, 1.0), clusters)
    assert found.corrected.value == 1
    assert found.corrected.low == pytest.approx(found.classical.low, abs=0.02)
    assert found.corrected.high == 1


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), accuracy=st.floats(0, 1))
def test_invariants(seed: int, accuracy: float) -> None:
    judge, human, _, clusters = simulated(seed, 60, 2, 35, accuracy)
    found = correct(judge, human, clusters)
    best = found.corrected
    assert 0 <= found.weight <= 1
    assert 0 <= best.low <= best.value <= best.high <= 1
    # Told from the other side; prompts renumbered; every pair three times.
    other = correct(1 - judge, 1 - human, 2 * clusters[::-1] + 1)
    assert other.weight == pytest.approx(correct(judge, human, clusters[::-1]).weight)
    mirrored = correct(1 - judge, 1 - human, clusters).corrected
    assert [1 - mirrored.value, 1 - mirrored.high, 1 - mirrored.low] == pytest.approx(
        [best.value, best.low, best.high]
    )
    thrice = correct(np.tile(judge, 3), np.tile(human, 3), np.tile(clusters, 3)).corrected
    assert [thrice.value, thrice.low, thrice.high] == pytest.approx(
        [best.value, best.low, best.high]
    )


def test_coverage() -> None:
    # The judge is 12 points too kind. Share of a beta(2, 3): .4; 500 samples, error 1 point.
    hits = kind = narrower = 0
    for seed in range(500):
        judge, human, _, clusters = simulated(seed, 120, 4, 40)
        found = correct(judge, human, clusters)
        hits += found.corrected.low <= 0.4 <= found.corrected.high
        kind += found.judge.low <= 0.4 <= found.judge.high
        width = found.corrected.high - found.corrected.low
        narrower += width < found.classical.high - found.classical.low
    assert 460 <= hits <= 490
    assert kind < 50
    assert narrower > 450
