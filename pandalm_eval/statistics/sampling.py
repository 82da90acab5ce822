"""Whether labelled prompts can be a random sample of all prompts.

A correction by human labels is valid only if the labelled prompts resemble the rest. That cannot be
proved from the labels, but the usual ways of getting it wrong leave traces: the first prompts of
the file were labelled, or a run of them, or the ones where the judge was sure, or short answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import Floats, Numbers, Truths

SMALLEST_P = 1e-4
"""A check refuses below it; with more than 10 checks, below 1/1000 over their number."""
_MOST_REFUSED = 1e-3


def check_random(labelled: Truths, clusters: Numbers, known: Mapping[str, Floats]) -> None:
    """Refuse labelled prompts that cannot be a random sample of the prompts.

    A prompt is labelled if one of its pairs is. Three kinds of evidence are looked for:

    1. Runs: in the order of the cluster numbers, which is to be the order of the prompt set, the
       labelled prompts stand together. `P(runs ≤ seen)` of the Wald–Wolfowitz test, exact. A
       regular grid, such as every fifth prompt, has too many runs rather than too few and passes.
    2. Place: they stand earlier or later than the others. Mann–Whitney test, two-sided.
    3. What is known of every pair before labelling, such as the judge's score or the response's
       length: the means by prompt differ. Mann–Whitney test, two-sided.

    Each check refuses below p = 1e-4 (below .001 divided by the number of checks, where these are
    more than 10), so a truly random sample is refused less often than once in 1,000. A sample that
    passes is not shown to be random: how it was drawn has to be known.

    Args:
        labelled: (n,), whether a pair has a human label.
        clusters: (n,), the number of each pair's prompt, in the order of the prompt set.
        known: (n,) values by name; the names stand in the message.

    Raises:
        InputError: naming all evidence against a random sample, or a value that is not known.
    """
    numbers, prompts = np.unique(clusters, return_inverse=True)
    pairs = np.bincount(prompts)
    chosen = np.bincount(prompts, weights=labelled) > 0
    if chosen.all() or not chosen.any():
        return
    count = int(chosen.sum())
    place = np.arange(1.0, len(numbers) + 1)
    chances = {
        f"they stand together in the prompt set, in {_runs(chosen)} runs with the others": (
            _few_runs(_runs(chosen), count, len(numbers) - count)
        ),
        _differ("place in the prompt set", place, chosen): _rank_test(place, chosen),
    }
    for name, values in known.items():
        if not np.isfinite(values).all():
            raise InputError(f"The {name} has to be known, and finite, for every pair.")
        means = (np.bincount(prompts, weights=values) / pairs).astype(np.float64)
        chances[_differ(name, means, chosen)] = _rank_test(means, chosen)
    threshold = min(SMALLEST_P, _MOST_REFUSED / len(chances))
    if found := [f"{what} (p = {p:.1g})" for what, p in chances.items() if p < threshold]:
        raise InputError(
            f"The {count} labelled prompts of {len(numbers)} are no random sample: "
            f"{'; '.join(found)}. Draw prompts at random from the whole set and label those."
        )


def _differ(name: str, means: Floats, chosen: Truths) -> str:
    inside, outside = means[chosen].mean(), means[~chosen].mean()
    return f"{name} differs, mean {inside:.3g} against {outside:.3g}"


def _runs(chosen: Truths) -> int:
    """Stretches of equal values."""
    return 1 + int(np.count_nonzero(np.diff(chosen)))


def _few_runs(runs: int, ones: int, others: int) -> float:
    """P(so few runs or fewer) of `ones` and `others` in random order, both at least 1.

    `C(ones−1, a−1) · C(others−1, b−1)` orders have a runs of the one kind and b of the other, and
    begin with a given kind; a and b are equal or differ by 1. Wald and Wolfowitz 1940, Annals of
    Mathematical Statistics 11.

    >>> round(_few_runs(2, 2, 2), 6)  # 1100 and 0011 of six orders
    0.333333
    """
    orders = 0
    for seen in range(2, runs + 1):
        most, least = (seen + 1) // 2, seen // 2
        orders += math.comb(ones - 1, most - 1) * math.comb(others - 1, least - 1)
        orders += math.comb(ones - 1, least - 1) * math.comb(others - 1, most - 1)
    return orders / math.comb(ones + others, ones)


def _rank_test(values: Floats, chosen: Truths) -> float:
    """Two-sided Mann–Whitney p-value; 1 where all values are equal."""
    if np.ptp(values) == 0:
        return 1.0
    from scipy import stats  # half a second, which few tables need

    return float(stats.mannwhitneyu(values[chosen], values[~chosen], method="asymptotic").pvalue)
