"""A judge's win rate set right by human labels on a random part of the prompts.

A judge is biased, and cheap; people are not, and dear. Prediction-powered inference takes the
judge's rate over all prompts and adds the judge's error where people labelled: valid whatever the
judge is worth, and narrower than the labels alone the more the judge agrees with people.
Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science 382, "Prediction-powered inference";
Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453, "PPI++" (power tuning). For a mean it is the
difference estimator of survey sampling.

Valid only where the labelled prompts are a random sample; `sampling.check_random` refuses the
plainest cases where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import Floats, Numbers, Truths
from pandalm_eval.statistics.shares import (
    Estimate,
    Method,
    check_shares,
    effective_count,
    share,
    wilson,
)

LEAST_LABELLED = 30


@dataclass(frozen=True, slots=True)
class Corrected:
    """The human win rate, with and without the judge's help.

    Attributes:
        judge: the judge's rate over all pairs, as it stands, with its bias.
        classical: from the labelled pairs alone.
        corrected: from the labelled pairs and the judge on all pairs.
        weight: λ in [0, 1], how much of the judge is used: 0 leaves the classical estimate.
        labelled, unlabelled: prompts with and without a human label.
    """

    judge: Estimate
    classical: Estimate
    corrected: Estimate
    weight: float
    labelled: int
    unlabelled: int


def correct(judge: Floats, human: Floats, clusters: Numbers) -> Corrected:
    """The share that people would give over all pairs, by PPI++ for the mean.

    With ȳ_L and f̄_L the means of people and judge over the labelled pairs, and f̄ the judge's over
    all pairs, the estimate is `ȳ_L + λ (f̄ − f̄_L)`. In PPI++'s words, with the mean over unlabelled
    pairs in place of f̄, its λ is this one times the unlabelled share of the pairs. A prompt's part
    in the error is what its pairs, labelled or not, add to

        `[Σ (y − ȳ_L) − λ Σ (f − f̄_L)] / n_L  +  λ Σ (f − f̄) / n`

    (sums over its labelled pairs, then over all), and the variance is `G/(G−1)` times the sum of
    squares over prompts, in each of the two groups of prompts with its own G. λ is what makes
    it smallest, kept within [0, 1].

    The intervals are Wilson's on the number of pairs that has this variance, `value (1 − value) /
    variance`, at least the effective number of labelled prompts, with a t quantile of as many
    degrees of freedom, less one for the mean and one for λ. The value is kept within [0, 1].

    Args:
        judge: (n,), the judge's score of the first response in each pair, in [0, 1].
        human: (n,), people's, NaN where unlabelled. The prompt is what is sampled: label all pairs
            of a sampled prompt, or a random part of them.
        clusters: (n,), the number of each pair's prompt.

    Raises:
        InputError: fewer than 30 labelled prompts; scores outside [0, 1].
    """
    check_shares(judge, clusters)
    prompts = np.unique(clusters, return_inverse=True)[1]
    told = ~np.isnan(human)
    sizes = np.bincount(prompts[told], minlength=int(prompts.max()) + 1)
    is_labelled = sizes > 0
    labelled = int(is_labelled.sum())
    require_enough(labelled)
    classical = share(human[told], prompts[told])
    truth, guess = human[told], judge[told]
    noise = _sums(truth - truth.mean(), prompts[told], len(sizes)) / len(truth)
    removed = _sums(guess - guess.mean(), prompts[told], len(sizes)) / len(guess)
    removed -= _sums(judge - judge.mean(), prompts, len(sizes)) / len(judge)
    weight = _best_weight(noise, removed)
    value = float(truth.mean() + weight * (judge.mean() - guess.mean()))
    value = min(1.0, max(0.0, value))
    variance = _variance(noise - weight * removed, is_labelled)
    groups = effective_count(sizes[is_labelled])
    effective = max(groups, value * (1 - value) / variance) if variance > 0 else groups
    low, high = wilson(value, effective, groups - 2)
    corrected = Estimate(
        value, float(np.sqrt(variance)), low, high, len(judge), len(sizes), Method.WILSON
    )
    return Corrected(
        judge=share(judge, prompts),
        classical=classical,
        corrected=corrected,
        weight=weight,
        labelled=labelled,
        unlabelled=len(sizes) - labelled,
    )


def require_enough(labelled: int) -> None:
    """Refuse fewer labelled prompts than a variance can be taken of."""
    if labelled < LEAST_LABELLED:
        raise InputError(
            f"{labelled} prompts have a human label; a correction takes at least {LEAST_LABELLED} "
            "prompts, drawn at random. Label more of them."
        )


def _sums(values: Floats, prompts: Numbers, count: int) -> Floats:
    """Sums by prompt (count,), 0 for a prompt without values."""
    return np.bincount(prompts, weights=values, minlength=count).astype(np.float64)


def _best_weight(noise: Floats, removed: Floats) -> float:
    """λ in [0, 1] that makes `Σ (noise − λ removed)²` smallest; 0 where the judge adds nothing."""
    power = float(removed @ removed)
    return min(1.0, max(0.0, float(noise @ removed) / power)) if power > 0 else 0.0


def _variance(parts: Floats, is_labelled: Truths) -> float:
    """Sum of squares over prompts, corrected for the means in each group."""
    total = 0.0
    for group in (parts[is_labelled], parts[~is_labelled]):
        if len(group):
            total += len(group) / max(1, len(group) - 1) * float(np.square(group).sum())
    return total
