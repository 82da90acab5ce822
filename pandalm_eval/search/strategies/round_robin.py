"""All pairs on all prompts, both orders: what a judge can tell at most."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, Choice, contest, join, resolved
from pandalm_eval.search.strategies.tally import Tally
from pandalm_eval.statistics.clusters import Floats


def round_robin(
    candidates: int, prompts: int, rng: np.random.Generator
) -> Generator[Asked, Floats, Choice]:
    """The highest mean score over all opponents and prompts.

    `candidates · (candidates − 1) · prompts` readings, in candidates − 1 batches: a candidate
    against all after it. A score is that of the resolved verdict, win 1, tie ½; a prompt with an
    invalid reading does not count.

    Args:
        candidates, prompts, rng: as in `asking.Strategy`; rng is not used.

    Returns:
        The best, the lowest number of equals. `equal`: those with the same mean score. Strengths
        are mean scores, spreads their standard errors clustered by prompt. No error.
    """
    tally = Tally(candidates, prompts)
    for one in range(candidates - 1):
        opponents = range(one + 1, candidates)
        answers = yield join([contest(one, other, prompts) for other in opponents])
        for other, found in zip(opponents, np.split(answers, len(opponents)), strict=True):
            pair = contest(one, other, prompts)
            own = slice(prompts)
            tally.add_margins(pair.first[own], pair.second[own], pair.prompt[own], resolved(found))
    return tally.choice()
