"""Candidates, prompts and the readings that a strategy wants of them, as pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.instructions import Prompt
from pandalm_eval.judgments import Reading
from pandalm_eval.pairs import Pair
from pandalm_eval.responses import Candidate, first_difference
from pandalm_eval.search.strategies.asking import Asked
from pandalm_eval.statistics.clusters import Floats
from pandalm_eval.verdicts import LABELS, Verdict


class Contestants:
    """Candidates that have answered the same prompts; strategies know both by number.

    Attributes:
        names: of the candidates, by number.
        prompts: by number, in the order of the first candidate's file.

    Raises:
        UsageError: fewer than two candidates.
        InputError: they answered different prompts.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        if len(candidates) < 2:
            raise UsageError("a choice needs at least two candidates with answers.")
        if different := first_difference(candidates):
            raise InputError(f"the candidates answered different prompts: {different}.")
        self.names = [candidate.name for candidate in candidates]
        self.prompts: list[Prompt] = list(candidates[0].answers)
        self._answers = [candidate.answers for candidate in candidates]

    def pair(self, first: int, second: int, prompt: int) -> tuple[Pair, bool]:
        """The pair of two candidates' answers, and whether it is told the other way round.

        Response 1 is of the first by name, as in `pandalm-compare`, so that a pair has one name
        whatever the numbers are.
        """
        exchanged = self.names[first] > self.names[second]
        one, two = (second, first) if exchanged else (first, second)
        asked = self.prompts[prompt]
        pair = Pair(
            id=f"{asked.id}:{self.names[one]}:{self.names[two]}",
            prompt_id=asked.id,
            instruction=asked.instruction,
            input=asked.input,
            response1=self._answers[one][asked],
            response2=self._answers[two][asked],
            model1=self.names[one],
            model2=self.names[two],
        )
        return pair, exchanged

    def orders(self, asked: Asked) -> tuple[list[tuple[Pair, bool]], list[bool]]:
        """The pairs and orders that a batch asks for, and which of them are told the other way."""
        rows = zip(asked.first, asked.second, asked.prompt, strict=True)
        pairs = [self.pair(int(one), int(two), int(prompt)) for one, two, prompt in rows]
        orders = [
            (pair, bool(swapped) != exchanged)
            for (pair, exchanged), swapped in zip(pairs, asked.swapped, strict=True)
        ]
        return orders, [exchanged for _, exchanged in pairs]


def as_answers(readings: Sequence[Reading], exchanged: Sequence[bool]) -> Floats:
    """Readings as strategies take them: (n, 3) probabilities of first, second and tie."""
    answers = np.full((len(readings), 3), np.nan)
    for row, (reading, other) in enumerate(zip(readings, exchanged, strict=True)):
        if reading.verdict is Verdict.INVALID:
            continue
        told = reading.probabilities or [float(reading.verdict is label) for label in LABELS]
        answers[row] = (told[1], told[0], told[2]) if other else told
    return answers
