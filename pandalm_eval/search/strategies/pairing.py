"""Who meets whom, on which prompt, in which order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pandalm_eval.search.strategies.asking import Asked
from pandalm_eval.statistics.clusters import Numbers, Truths

_OWN, _SWAPPED, _BOTH = 1, 2, 3
_PENALTIES = np.array([0.0, 1.0, 1.0, np.inf])


def matchings(candidates: Numbers, rng: np.random.Generator) -> Iterator[Numbers]:
    """Rounds of a tournament, for ever: (k // 2, 2) pairs in which each candidate occurs once.

    Of an odd number one rests. Every pass of k − 1 rounds (k if odd) holds each pair once, in an
    order drawn anew. The circle method: one stays, the others move on by a place each round.

    >>> rounds = matchings(np.arange(4), np.random.default_rng(0))
    >>> sorted(tuple(sorted(pair)) for _ in range(3) for pair in next(rounds).tolist())
    [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    """
    rest = [-1] if len(candidates) % 2 else []
    while True:
        circle = np.append(rng.permutation(candidates), rest).astype(np.intp)
        for _ in range(len(circle) - 1):
            half = len(circle) // 2
            pairs = np.stack([circle[:half], circle[: -half - 1 : -1]], axis=1)
            yield pairs[(pairs >= 0).all(axis=1)]
            circle[1:] = np.roll(circle[1:], 1)


class Pairing:
    """Gives pairs their prompts and orders, and remembers them, so that no reading is asked twice.

    A pair gets the prompt that its two candidates have been read on least, equal ones at random;
    its second order comes after new prompts, since it tells less. The order is the one that shows
    first whoever was shown first less often so far, so that a judge's lean to a position cancels.
    """

    def __init__(self, candidates: int, prompts: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._read = np.zeros((candidates, prompts), dtype=np.int32)
        self._lead = np.zeros(candidates, dtype=np.int64)  # times shown first − times shown second
        self._asked: dict[tuple[int, int], npt.NDArray[np.int8]] = {}

    def take(self, pairs: Numbers, times: Numbers) -> Asked:
        """So many readings, (m,), of each of these different pairs (m, 2), while there are any."""
        first, second = pairs.min(axis=1), pairs.max(axis=1)
        known = np.stack([self._known(*pair) for pair in np.stack([first, second], 1).tolist()])
        cost = self._read[first] + self._read[second] + self._rng.random(known.shape)
        cost += _PENALTIES[known]
        most = min(int(times.max()), cost.shape[1])
        chosen = cost.argmin(axis=1)[:, None] if most == 1 else cost.argsort(axis=1)[:, :most]
        left = known[np.arange(len(pairs))[:, None], chosen] != _BOTH
        row, column = np.nonzero(left & (np.arange(most) < times[:, None]))
        prompt = chosen[row, column].astype(np.intp)
        before = known[row, prompt]
        first, second = first[row], second[row]
        swapped = np.where(
            before == 0, self._swapped(first, second) ^ (column % 2 == 1), before == _OWN
        )
        taken = Asked(first, second, prompt, swapped)
        self._note(taken)
        return taken

    def _known(self, first: int, second: int) -> npt.NDArray[np.int8]:
        """Which orders of a pair have been asked, by prompt: 0, `_OWN`, `_SWAPPED` or `_BOTH`."""
        if (first, second) not in self._asked:
            self._asked[first, second] = np.zeros(self._read.shape[1], dtype=np.int8)
        return self._asked[first, second]

    def _swapped(self, first: Numbers, second: Numbers) -> Truths:
        ahead = self._lead[first] - self._lead[second]
        return np.where(ahead == 0, self._rng.random(len(first)) < 0.5, ahead > 0)

    def _note(self, taken: Asked) -> None:
        orders = np.where(taken.swapped, _SWAPPED, _OWN).tolist()
        pairs = zip(taken.first.tolist(), taken.second.tolist(), strict=True)
        for pair, prompt, order in zip(pairs, taken.prompt.tolist(), orders, strict=True):
            self._asked[pair][prompt] |= order
        sign = np.where(taken.swapped, -1, 1)
        for candidate, side in ((taken.first, sign), (taken.second, -sign)):
            np.add.at(self._read, (candidate, taken.prompt), 1)
            np.add.at(self._lead, candidate, side)
