"""Successive halving: the worse half drops out, round by round."""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, Choice
from pandalm_eval.search.strategies.pairing import Pairing
from pandalm_eval.search.strategies.tally import Tally
from pandalm_eval.search.strategies.uniform import spread
from pandalm_eval.statistics.clusters import Floats


def halving(
    candidates: int, prompts: int, rng: np.random.Generator, *, budget: int
) -> Generator[Asked, Floats, Choice]:
    """Equal budgets for ⌈log₂ candidates⌉ rounds; after each, the half with the higher mean stays.

    In a round the survivors meet each other evenly, as in `uniform`; of an odd number the larger
    half stays. Scores count readings between survivors, whichever round they are of: those against
    weaker opponents do not count, and none is asked for twice. Karnin, Koren and Somekh 2013,
    "Almost optimal exploration in multi-armed bandits".

    Args:
        candidates, prompts, rng: as in `asking.Strategy`.
        budget: readings in all. What a round cannot use, because its pairs are exhausted, goes to
            nobody.

    Returns:
        The last survivor; of equal means the lower number stays. `equal`: those whose mean was the
        same as its own in the last round. Strengths and spreads are mean scores in the last round
        that a candidate was in, with standard errors clustered by prompt. No error.
    """
    pairing = Pairing(candidates, prompts, rng)
    survivors = np.arange(candidates)
    history: list[tuple[Asked, Floats]] = []
    strengths, spreads = np.full(candidates, np.nan), np.full(candidates, np.nan)
    rounds = math.ceil(math.log2(candidates))
    equal: tuple[int, ...] = ()
    for number in range(rounds):
        share = budget * (number + 1) // rounds - budget * number // rounds
        for asked in spread(survivors, pairing, share, rng):
            answers = yield asked
            history.append((asked, answers))
        tally = Tally(candidates, prompts)
        for asked, answers in history:
            among = np.isin(asked.first, survivors) & np.isin(asked.second, survivors)
            tally.add(asked.where(among), answers[among])
        strengths[survivors] = tally.means[survivors]
        spreads[survivors] = tally.errors[survivors]
        means = np.nan_to_num(strengths[survivors], nan=-1.0)
        order = np.argsort(-means, kind="stable")
        level = survivors[means == means[order[0]]]
        equal = tuple(level[level != survivors[order[0]]].tolist())
        survivors = np.sort(survivors[order[: math.ceil(len(survivors) / 2)]])
    return Choice(int(survivors[0]), equal, strengths=strengths, spread=spreads)
