"""A question with an answer key, whichever data set it is from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import short_hash


class Kind(StrEnum):
    """What an answer to a question is."""

    CHOICE = "choice"
    """A letter of the options listed (LSAT)."""
    DECISION = "decision"
    """Yes, no or maybe (PubMedQA)."""
    YESNO = "yesno"
    FACTOID = "factoid"
    """A name, a number or a short phrase (BioASQ)."""
    LIST = "list"
    SUMMARY = "summary"
    """A paragraph: nothing that a key could hold (BioASQ)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        source_id: unique within its source, and independent of the order of records.
        split: the part of the source that it is from.
        cluster: the sampling unit: passage, abstract or question.
        kind: what an answer is.
        instruction, input: what judges and candidates read; the input is the passage or evidence.
        key: the right answer; empty for a summary.
        wrong: answers that are wrong by the key, near misses; none where the source has none.
        said: how an answer stands in a response, where that is not the answer itself.
        accepted: spellings of each part of the right answer, for scoring free text.
    """

    source_id: str
    split: str
    cluster: str
    kind: Kind
    instruction: str
    input: str
    key: str
    wrong: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[tuple[str, ...], ...] = ()

    @property
    def prompt(self) -> Prompt:
        """What candidates' responses are matched by."""
        return Prompt(self.instruction, self.input)

    def say(self, answer: str) -> str:
        """The answer as it stands in a response, without a full stop."""
        return self.said.get(answer, answer).strip().rstrip(".").rstrip()


def draw(*parts: object) -> int:
    """A whole number below 2⁶⁴ that depends on the parts alone: the same on every machine."""
    return int(short_hash(*map(str, parts)), 16)


def words(text: str) -> tuple[str, ...]:
    """The words and numbers of a text in order, in small letters.

    >>> words("Crohn's disease (CD), 0.5%")
    ('crohn', 's', 'disease', 'cd', '0', '5')
    """
    return tuple(re.findall(r"\w+", text.casefold()))
