"""Mean scores of candidates: 1 for a win, ½ for a tie, 0 for a loss."""

from __future__ import annotations

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, Choice, margins
from pandalm_eval.statistics.clusters import Floats, Numbers


class Tally:
    """Sums of scores by candidate and prompt. Invalid readings do not count."""

    def __init__(self, candidates: int, prompts: int) -> None:
        self._scores = np.zeros((candidates, prompts))
        self._counts = np.zeros((candidates, prompts))

    def add(self, asked: Asked, answers: Floats) -> None:
        """Count readings, each for both of its candidates."""
        self.add_margins(asked.first, asked.second, asked.prompt, margins(answers))

    def add_margins(self, first: Numbers, second: Numbers, prompt: Numbers, margin: Floats) -> None:
        """Count margins of first over second, −1 to 1."""
        valid = np.isfinite(margin)
        prompt, margin = prompt[valid], margin[valid]
        for candidate, sign in ((first[valid], 1), (second[valid], -1)):
            np.add.at(self._scores, (candidate, prompt), (1 + sign * margin) / 2)
            np.add.at(self._counts, (candidate, prompt), 1.0)

    @property
    def means(self) -> Floats:
        """Mean scores (candidates,); NaN where no reading is valid."""
        counts = self._counts.sum(axis=1)
        means: Floats = np.full(len(counts), np.nan)
        np.divide(self._scores.sum(axis=1), counts, out=means, where=counts > 0)
        return means

    @property
    def errors(self) -> Floats:
        """Standard errors (candidates,) of the means, clustered by prompt; NaN below 2 prompts."""
        counts = self._counts.sum(axis=1)
        prompts = (self._counts > 0).sum(axis=1)
        means = np.nan_to_num(self.means)
        squares = np.square(self._scores - self._counts * means[:, None]).sum(axis=1)
        errors: Floats = np.full(len(counts), np.nan)
        enough = prompts > 1
        scale = prompts[enough] / (prompts[enough] - 1)
        errors[enough] = np.sqrt(scale * squares[enough]) / counts[enough]
        return errors

    def choice(self) -> Choice:
        """The highest mean, the lowest number of equals; candidate 0 where nothing is valid."""
        means = self.means
        ranked = np.where(np.isnan(means), -1.0, means)
        best = int(ranked.argmax())
        equal = np.flatnonzero(ranked == ranked[best])
        return Choice(
            best=best,
            equal=tuple(other for other in equal.tolist() if other != best),
            strengths=means,
            spread=self.errors,
        )
