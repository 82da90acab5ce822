"""What passes between a strategy and its caller: readings asked for, answers, the choice.

Answers to a batch of n readings are probabilities (n, 3) of `first`, `second` and `tie`, told for
the pair's own order and one-hot where the judge only gives verdicts. A row of NaN is an invalid
reading.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from pandalm_eval.statistics.clusters import Floats, Numbers, Truths


@dataclass(frozen=True, slots=True)
class Asked:
    """A batch of n readings that a strategy wants, each of which costs 1.

    `first < second` always, so that a reading has one name. A strategy never asks for one twice.

    Attributes:
        first, second: (n,), the candidates whose answers the pair holds, in its own order.
        prompt: (n,), the prompt that both answered.
        swapped: (n,), whether the judge is shown the second candidate's answer first.
    """

    first: Numbers
    second: Numbers
    prompt: Numbers
    swapped: Truths

    def __len__(self) -> int:
        return len(self.prompt)

    def where(self, which: Truths) -> Asked:
        """Those readings of the batch."""
        return Asked(self.first[which], self.second[which], self.prompt[which], self.swapped[which])


@dataclass(frozen=True, slots=True)
class Choice:
    """What a strategy says in the end.

    Attributes:
        best: the candidate chosen.
        equal: others that are as good by the strategy's own figure, or cannot be told from it; each
            strategy says which of the two. Without `best`, in ascending order.
        error: the stated probability of an error, where the strategy states one and says of what.
        strengths: (candidates,), what the strategy believes in the end, on the scale of a win rate;
            NaN where it has no opinion.
        spread: (candidates,), standard errors or deviations of the strengths.
    """

    best: int
    equal: tuple[int, ...] = ()
    error: float | None = None
    strengths: Floats | None = None
    spread: Floats | None = None


Strategy = Callable[[int, int, np.random.Generator], Generator[Asked, Floats, Choice]]
"""From the number of candidates, at least 2, that of prompts, at least 1, and a generator."""


def contest(first: int, second: int, prompts: int) -> Asked:
    """A pair on all prompts, both orders: 2 · prompts readings, the swapped ones last.

    >>> asked = contest(0, 3, 2)
    >>> asked.prompt.tolist(), asked.swapped.tolist()
    ([0, 1, 0, 1], [False, False, True, True])
    """
    low, high = sorted((first, second))
    return Asked(
        first=np.full(2 * prompts, low, dtype=np.intp),
        second=np.full(2 * prompts, high, dtype=np.intp),
        prompt=np.tile(np.arange(prompts, dtype=np.intp), 2),
        swapped=np.repeat([False, True], prompts),
    )


def join(batches: Sequence[Asked]) -> Asked:
    """Several batches as one."""
    return Asked(
        first=np.concatenate([batch.first for batch in batches]),
        second=np.concatenate([batch.second for batch in batches]),
        prompt=np.concatenate([batch.prompt for batch in batches]),
        swapped=np.concatenate([batch.swapped for batch in batches]),
    )


def margins(answers: Floats) -> Floats:
    """By how much each reading prefers the pair's first candidate, (n,): −1 to 1, NaN if invalid.

    `p_first − p_second`; the score, with a tie at ½, is `(1 + margin) / 2`.
    """
    difference: Floats = answers[:, 0] - answers[:, 1]
    return difference


def resolved(answers: Floats) -> Floats:
    """Margins (prompts,) of a `contest` after both orders: 1, 0, −1, NaN if either is invalid.

    Each reading's verdict is its most probable one, a tie where two are equally probable. Equal
    verdicts stand, different ones resolve to a tie.
    """
    difference = np.sign(margins(answers))
    decided = np.where(answers[:, 2] >= answers[:, :2].max(axis=1), 0.0, difference)
    own, swapped = np.where(np.isnan(difference), np.nan, decided).reshape(2, -1)
    agreed: Floats = np.where(own == swapped, own, own * swapped * 0)
    return agreed
