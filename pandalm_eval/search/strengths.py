"""What all kept readings together say of every candidate, whichever strategy asked for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pandalm_eval.search.contestants import Contestants, as_answers
from pandalm_eval.search.readings import Readings
from pandalm_eval.search.strategies.asking import Asked
from pandalm_eval.search.strategies.belief import START, Belief, Variances, believe, priors
from pandalm_eval.statistics.clusters import Floats

_ROUNDS = 3
"""Of posterior and variances, each from the other: they no longer change in the third digit."""
_FEW = 24
_Z = 1.959963984540054
"""Of a 95% interval."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Expected win rates against one of the candidates, by all readings.

    A normal posterior in which the prompt is the sampling unit (`strategies.belief`). Intervals are
    of the prompts that chose; the best of many looks better than it is.

    Attributes:
        belief: strengths and their covariance, by the candidate's number.
        reference: the number of the one that the others are told against.
        readings: how many it rests on, ties of equal answers among them.
    """

    belief: Belief
    reference: int
    readings: int

    @classmethod
    def of(cls, contestants: Contestants, readings: Readings, reference: str) -> Strengths:
        """The strengths of contestants by the readings that are kept of them."""
        asked, answers = _gathered(contestants, readings)
        variances, prior = START, priors(len(contestants.names))
        belief = Belief(np.zeros(len(contestants.names)), prior.mean(axis=0))
        for _ in range(_ROUNDS if len(asked) else 0):
            belief, found = believe(asked, answers, prior, variances)
            variances = _drawn_to_start(found, len(asked))
        return cls(belief, contestants.names.index(reference), len(asked))

    def win_rate(self, candidate: int) -> tuple[float, float, float]:
        """Against the reference: value and ends of the 95% interval, all in [0, 1]."""
        weights = np.zeros(len(self.belief.mean))
        weights[candidate] += 1
        return self.mean_of(weights)

    def not_told_apart(self) -> list[int]:
        """Numbers of the others whose interval against the reference holds ½."""
        told = []
        for candidate in range(len(self.belief.mean)):
            _, low, high = self.win_rate(candidate)
            if candidate != self.reference and low <= 0.5 <= high:
                told.append(candidate)
        return told

    def level(self, candidates: Sequence[int]) -> tuple[float, float, float]:
        """The same of the mean of several candidates."""
        weights = np.zeros(len(self.belief.mean))
        weights[list(candidates)] = 1 / len(candidates)
        return self.mean_of(weights)

    def mean_of(self, weights: Floats) -> tuple[float, float, float]:
        """The same of a weighted mean (candidates,) of strengths."""
        contrast = weights.copy()
        contrast[self.reference] -= 1
        value = 0.5 + float(contrast @ self.belief.mean)
        half = _Z * math.sqrt(max(float(contrast @ self.belief.covariance @ contrast), 0.0))
        low, middle, high = np.clip([value - half, value, value + half], 0, 1)
        return float(middle), float(low), float(high)


def _drawn_to_start(found: Variances, readings: int) -> Variances:
    """Variances as if `_FEW` more readings had been of those before any reading.

    A few readings that agree show no variance at all, and would make the intervals of a sure thing.
    """
    share = readings / (readings + _FEW)
    return Variances(
        share * found.noise + (1 - share) * START.noise,
        share * found.persistent + (1 - share) * START.persistent,
    )


def _gathered(contestants: Contestants, readings: Readings) -> tuple[Asked, Floats]:
    """The kept readings between these contestants, in an order that hangs on no file's name."""
    names = {name: number for number, name in enumerate(contestants.names)}
    prompts = {prompt.id: number for number, prompt in enumerate(contestants.prompts)}
    rows, found = [], []
    for order, kept in sorted(readings.items(), key=lambda item: item[0]):
        prompt, one, two = order.pair.split(":")
        if not (one in names and two in names and prompt in prompts):
            continue
        pair, _ = contestants.pair(names[one], names[two], prompts[prompt])
        if pair.text_hash == kept.text_hash:  # else the answers are no longer these
            rows.append((names[one], names[two], prompts[prompt], order.swapped))
            found.append(kept.reading)
    first, second, numbers, swapped = np.array(rows, dtype=np.intp).reshape(-1, 4).T
    asked = Asked(first, second, numbers, swapped.astype(bool))
    return asked, as_answers(found, [False] * len(found))
