"""Ours: readings go where they decide, and the choice comes with a stated error.

1. Opening: every candidate is read against a few others, each time on another prompt, in one order.
   A second order of the same pair tells less than a new prompt, and orders are balanced anyway.
2. A posterior of the strengths follows from all readings between candidates still in (`belief`).
3. Candidates that are clearly worse than the best drop out, and their readings with them: how far a
   good one beats a bad one says little of how it compares with another good one. Half of those in
   stay at every look, or the best might be left with no readings to show for it.
4. The next readings are duels: the best by one draw from the posterior against the best of the rest
   by another draw (top-two Thompson sampling), so whoever may be the best is read most. Only the
   foremost take part, fewer and fewer as the budget is spent; the others stay in the posterior.
5. Again from 2., until the stated error is small enough, the budget is spent, or those that would
   have to be read have been read on all prompts.

Russo 2020, "Simple Bayesian algorithms for best-arm identification", Operations Research 68.
"""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.search.strategies.asking import Asked, Choice, join
from pandalm_eval.search.strategies.belief import START, Belief, believe, priors
from pandalm_eval.search.strategies.pairing import Pairing
from pandalm_eval.search.strategies.uniform import spread
from pandalm_eval.statistics.clusters import Floats, Numbers

OPENING = 6
"""Readings of each candidate before the first look."""
SMALLEST, LARGEST = 100, 500
"""Readings between two looks: half of those so far, within these bounds."""
FEWEST = 10
"""A batch with fewer readings left to ask than these is the end."""
DROPPED = 3.0
"""So many standard deviations of the difference below the best is clearly worse."""
FEWEST_IN = 8
"""So many stay in, and their readings, even if they are clearly worse."""
FINALISTS = 3
"""Fewer do not duel, if so many are still in."""
EQUAL = 1.645
"""Within so many of them is not to be told from it: 5% to one side."""
DRAWS = 2 * LARGEST
"""From the posterior at each look, two for a duel; the error is told in steps of 1 in so many."""


def adaptive(
    candidates: int,
    prompts: int,
    rng: np.random.Generator,
    *,
    budget: int | None = None,
    error: float = 0.05,
    margin: float = 0.02,
) -> Generator[Asked, Floats, Choice]:
    """The highest posterior mean, which is least expected regret.

    Args:
        candidates, prompts, rng: as in `asking.Strategy`.
        budget: readings at most, at least 1; by default `default_budget`.
        error: the stated error at which it stops before the budget is spent; 0 to spend it.
        margin: what counts as an error, see below.

    Returns:
        `error`: the posterior probability that some other candidate has an expected win rate of
        more than ½ + margin against the chosen one, over all possible prompts; those that dropped
        out do not count. `equal`: those still in whose difference from the chosen one is within
        1.645 of its standard deviations. `strengths`: the expected win rate of each against the
        chosen one, ½ itself, or, of one that dropped out, against the best at that time; `spread`:
        its standard deviation. Where no reading of the opening is valid it stops, with candidate 0,
        of which nothing is known.

    Raises:
        InputError: a budget below 1.
    """
    left = default_budget(candidates, prompts) if budget is None else budget
    if left < 1:
        raise InputError(f"The budget is {left} readings; give at least 1.")
    pairing = Pairing(candidates, prompts, rng)
    field = _Field(candidates)
    opening = min(left, math.ceil(OPENING * candidates / 2))
    for batch in spread(np.arange(candidates), pairing, opening, rng):
        field.add(batch, (yield batch))
        left -= len(batch)
    while True:
        field.look()
        drawn = field.belief.draw(DRAWS, rng)
        best = field.belief.best
        wrong = float(np.mean(drawn.max(axis=1) > drawn[:, best] + margin))
        size = min(left, int(np.clip(field.count // 2, SMALLEST, LARGEST)))
        if wrong <= error or size == 0 or not field.any_valid:
            break
        drawn[:, field.behind(finalists(candidates, field.count, left))] = -np.inf
        pairs, times = duels(drawn, size)
        batch = pairing.take(field.names[pairs], times)
        if len(batch) < min(size, FEWEST):
            break
        field.add(batch, (yield batch))
        field.drop()
        left -= len(batch)
    return field.choice(wrong)


def default_budget(candidates: int, prompts: int) -> int:
    """An eighth of what the paper's strategy reads, but at least 20 readings a candidate.

    >>> default_budget(80, 170), default_budget(4, 6)
    (3357, 80)
    """
    return max((candidates - 1) * prompts // 4, 20 * candidates)


def finalists(candidates: int, spent: int, left: int) -> int:
    """How many duel: `candidates ^ (share of the budget left)`, no fewer than `FINALISTS`.

    So the number falls geometrically as in successive halving, whatever the posterior: where many
    are nearly equal it would stay wide for long, and the budget would decide nothing.

    >>> [finalists(80, spent, 3000 - spent) for spent in (0, 1000, 2000, 3000)]
    [80, 19, 5, 3]
    """
    return max(FINALISTS, math.ceil(math.pow(candidates, left / (spent + left))))


def duels(drawn: Floats, size: int) -> tuple[Numbers, Numbers]:
    """Top-two Thompson sampling from draws (d ≥ 2 size, k): different pairs (m, 2), times (m,)."""
    leader = drawn[:size].argmax(axis=1)
    others = drawn[size : 2 * size].copy()
    others[np.arange(size), leader] = -np.inf
    pairs = np.sort(np.stack([leader, others.argmax(axis=1)], axis=1), axis=1)
    different, times = np.unique(pairs, axis=0, return_counts=True)
    return different, times


class _Field:
    """Those still in, the readings between them, and what follows from these."""

    belief: Belief

    def __init__(self, candidates: int) -> None:
        self.names = np.arange(candidates)
        """Numbers of those still in; everything below counts them from 0."""
        self.count = 0
        """Readings, those of candidates out included."""
        self.any_valid = False
        """Whether one of all these readings was."""
        self._number = np.arange(candidates)
        self._prior = priors(candidates)
        self._variances = START
        self._asked: list[Asked] = []
        self._answers: list[Floats] = []
        self._strengths = np.full(candidates, 0.5)
        self._spreads = np.full(candidates, np.nan)

    def behind(self, foremost: int) -> Numbers:
        """Those still in, but for so many with the highest posterior means."""
        return np.argsort(-self.belief.mean, kind="stable")[foremost:]

    def add(self, asked: Asked, answers: Floats) -> None:
        first, second = self._number[asked.first], self._number[asked.second]
        self._asked.append(Asked(first, second, asked.prompt, asked.swapped))
        self._answers.append(answers)
        self.count += len(asked)
        self.any_valid |= bool(np.isfinite(answers).any())

    def look(self) -> None:
        """Bring the belief up to date."""
        self._asked, self._answers = [join(self._asked)], [np.concatenate(self._answers)]
        self.belief, self._variances = believe(
            self._asked[0], self._answers[0], self._prior, self._variances
        )
        lead, deviation = self.belief.behind_best()
        self._strengths[self.names] = np.clip(0.5 - lead, 0, 1)
        self._spreads[self.names] = deviation

    def drop(self) -> None:
        """Leave out those clearly worse at the last look.

        The better half stays in any case, and a few: readings go with those that drop out, and
        what is left of them has to tell the best from the rest.
        """
        lead, deviation = self.belief.behind_best()
        stay = lead <= DROPPED * deviation
        stay[np.argsort(lead, kind="stable")[: max(FEWEST_IN, math.ceil(len(lead) / 2))]] = True
        if stay.all():
            return
        number = np.cumsum(stay) - 1
        for at, asked in enumerate(self._asked):
            among = stay[asked.first] & stay[asked.second]
            left = asked.where(among)
            self._asked[at] = Asked(
                number[left.first], number[left.second], left.prompt, left.swapped
            )
            self._answers[at] = self._answers[at][among]
        self.names = self.names[stay]
        self._number[self.names] = np.arange(len(self.names))
        self._prior = self._prior[:, stay][:, :, stay]

    def choice(self, error: float) -> Choice:
        best = self.belief.best
        lead, deviation = self.belief.behind_best()
        equal = lead <= EQUAL * deviation
        equal[best] = False
        return Choice(
            best=int(self.names[best]),
            equal=tuple(self.names[equal].tolist()),
            error=error,
            strengths=self._strengths,
            spread=self._spreads,
        )
