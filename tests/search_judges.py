"""Judges for searches, by number, and the way a strategy is run to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, Choice, Strategy, join
from pandalm_eval.statistics.clusters import Floats

Judge = Callable[[Asked], Floats]


def told(margin: Floats) -> Floats:
    """Verdicts as answers, from 1 for first, −1 for second, 0 for tie, NaN for invalid."""
    answers = np.stack([margin > 0, margin < 0, margin == 0], axis=1).astype(np.float64)
    answers[np.isnan(margin)] = np.nan
    return answers


def noise_free(strengths: Sequence[float]) -> Judge:
    """The stronger one wins on every prompt, in both orders."""
    values = np.array(strengths)
    return lambda asked: told(np.sign(values[asked.first] - values[asked.second]))


def all_ties(asked: Asked) -> Floats:
    return told(np.zeros(len(asked)))


def all_invalid(asked: Asked) -> Floats:
    return told(np.full(len(asked), np.nan))


def first_shown(asked: Asked) -> Floats:
    """A judge that only sees positions."""
    return told(np.where(asked.swapped, -1.0, 1.0))


def noisy(strengths: Sequence[float], seed: int, *, invalid: float = 0.0) -> Judge:
    """Prompt effects that persist, noise, some readings invalid; probabilities, not verdicts."""
    rng = np.random.default_rng(seed)
    latent = np.array(strengths)[:, None] + rng.normal(scale=0.6, size=(len(strengths), 200))

    def answers(asked: Asked) -> Floats:
        difference = latent[asked.first, asked.prompt] - latent[asked.second, asked.prompt]
        first = 0.9 / (1 + np.exp(-3 * (difference + rng.normal(scale=0.4, size=len(asked)))))
        told = np.stack([first, 0.9 - first, np.full(len(asked), 0.1)], axis=1)
        told[rng.random(len(asked)) < invalid] = np.nan
        return told

    return answers


def searched(
    strategy: Strategy, candidates: int, prompts: int, judge: Judge, seed: int = 0
) -> tuple[Choice, list[Asked]]:
    """The choice and the batches asked for."""
    asking = strategy(candidates, prompts, np.random.default_rng(seed))
    batches: list[Asked] = []
    try:
        batches.append(next(asking))
        while True:
            batches.append(asking.send(judge(batches[-1])))
    except StopIteration as end:
        return end.value, batches


def names(batches: Sequence[Asked]) -> list[tuple[int, int, int, bool]]:
    """Every reading as (first, second, prompt, swapped)."""
    asked = join(batches)
    columns = (asked.first, asked.second, asked.prompt, asked.swapped)
    return list(zip(*(column.tolist() for column in columns), strict=True))
