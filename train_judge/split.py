"""Which prompts are for validation: whole prompts, never single pairs of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from pandalm_eval.domains.questions import draw
from pandalm_eval.errors import UsageError
from train_judge.shingles import normalised


class Split:
    """Draws prompts by their hash, so that a prompt stays on its side when the data grow.

    Args:
        validation: a share of the prompts in [0, 1), told with a decimal point; or a number of
            them. A share is stable for certain. A number takes the prompts with the smallest
            hashes: one of them leaves only for a new prompt with a smaller hash.
        seed: another seed, another split.

    Raises:
        UsageError: neither a share nor a number.
    """

    def __init__(self, validation: str, seed: int) -> None:
        self._seed = seed
        try:
            self._share = float(validation) if "." in validation else None
            self._number = 0 if "." in validation else int(validation)
        except ValueError:
            self._share, self._number = -1.0, 0
        if self._number < 0 or (self._share is not None and not 0 <= self._share < 1):
            raise UsageError(
                f"--validation {validation}: a number of prompts (80), or a share of them below 1 "
                "with a decimal point (0.05), is needed."
            )

    def draw(self, instruction: str, input: str) -> int:
        """A prompt's place in the draw, below 2⁶⁴; spellings of one prompt share it."""
        return draw(self._seed, normalised(instruction, input))

    def limit(self, places: Iterable[int]) -> int:
        """Prompts with places below it are for validation.

        Raises:
            UsageError: no prompt would be left to train on.
        """
        if self._share is not None:
            return int(self._share * 2**64)
        distinct = set(places)
        if self._number and self._number >= len(distinct):
            raise UsageError(
                f"--validation {self._number}: there are only {len(distinct)} prompts, so none "
                "would be left to train on. Take fewer."
            )
        return heapq.nsmallest(self._number + 1, distinct)[-1] if distinct else 0
