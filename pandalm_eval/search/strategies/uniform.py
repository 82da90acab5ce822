"""A budget spread evenly over candidates, opponents and prompts."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, Choice, join
from pandalm_eval.search.strategies.pairing import Pairing, matchings
from pandalm_eval.search.strategies.tally import Tally
from pandalm_eval.statistics.clusters import Floats, Numbers

BATCH = 400
"""Readings a batch, at most: enough for a judge to fill its own batches."""
_ROUND = 40


def uniform(
    candidates: int, prompts: int, rng: np.random.Generator, *, budget: int
) -> Generator[Asked, Floats, Choice]:
    """The highest mean score after rounds of a tournament, each pair read once a round.

    Args:
        candidates, prompts, rng: as in `asking.Strategy`.
        budget: readings in all; fewer where there are no more.

    Returns:
        The best, the lowest number of equals. `equal`: those with the same mean score. Strengths
        are mean scores, spreads their standard errors clustered by prompt. No error.
    """
    tally = Tally(candidates, prompts)
    pairing = Pairing(candidates, prompts, rng)
    for asked in spread(np.arange(candidates), pairing, budget, rng):
        answers = yield asked
        tally.add(asked, answers)
    return tally.choice()


def spread(
    among: Numbers, pairing: Pairing, budget: int, rng: np.random.Generator
) -> Iterator[Asked]:
    """Batches of even readings among these candidates, `budget` in all, fewer if there are no more.

    A few candidates meet on several prompts a round, so that a round is no less than some dozens.
    """
    rounds, waiting, size = matchings(among, rng), list[Asked](), 0
    each = max(1, min(_ROUND, budget // 2) // len(among))
    empty = 0
    while budget > 0 and empty < len(among):  # a pass of empty rounds: every pair is exhausted
        pairs = next(rounds)
        at_once = max(1, min(each, budget // len(pairs)))
        asked = pairing.take(pairs[:budget], np.full(len(pairs[:budget]), at_once))
        empty = 0 if len(asked) else empty + 1
        budget -= len(asked)
        size += len(asked)
        waiting.append(asked)
        if size >= BATCH:
            yield join(waiting)
            waiting, size = [], 0
    if size:
        yield join(waiting)
