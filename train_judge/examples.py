"""A training example: a pair with the verdict, the reason and the reference to be learnt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.pairs import prompt_hash, read_label, text_fields
from pandalm_eval.records import stream_records
from pandalm_eval.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Example:
    """What a judge is shown, and what it is to write.

    Attributes:
        instruction, input, response1, response2: texts as their source has them.
        verdict: first, second or tie.
        reason, reference: may be empty: the labels then say no more than the verdict.
    """

    instruction: str
    input: str
    response1: str
    response2: str
    verdict: Verdict
    reason: str = ""
    reference: str = ""

    @property
    def prompt_id(self) -> str:
        """The sampling unit: equal instruction and input, equal id."""
        return prompt_hash(self.instruction, self.input)

    @property
    def characters(self) -> int:
        """Of all texts."""
        shown = (self.instruction, self.input, self.response1, self.response2)
        return sum(map(len, (*shown, self.reason, self.reference)))

    @property
    def whole_bytes(self) -> int:
        """Bytes of what is never shortened: reason and reference."""
        return len(self.reason.encode()) + len(self.reference.encode())

    def verdict_alone(self) -> Example:
        """The same without reason and reference."""
        return replace(self, reason="", reference="")

    def swapped(self) -> Example:
        """The same with the responses exchanged, in the verdict and where the reason names them."""
        return replace(
            self,
            response1=self.response2,
            response2=self.response1,
            verdict=self.verdict.swapped,
            reason=swap_names(self.reason),
        )


# "Response 1", "answers 2 and 1", "response #2", "Response (1)".
_NUMBERED = re.compile(
    r"\b(?:response|answer|output|option)s?\s*[#(\[]?\s*[12]\b(?:\s*(?:,|&|/|and|or)\s*[12]\b)*",
    re.IGNORECASE,
)
# "The first response", "the second one"; and "the second" where a name ends or a verb follows.
_ORDINAL = re.compile(
    r"\b(first|second)(?=\s+(?:response|answer|output|option|one)\b)"
    r"|(?<=\bthe )(first|second)"
    r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:is|was|has|had|does|did|gives|gave|only|than|and the|or the)\b)",
    re.IGNORECASE,
)
_LETTERED = re.compile(r"\b((?i:response|answer|output|option)s?\s+)(A|B|[Oo]ne|[Tt]wo)\b")
_OTHER = {"1": "2", "first": "second", "First": "Second", "A": "B", "one": "two", "One": "Two"}
_OTHER |= {other: one for one, other in _OTHER.items()}


def swap_names(reason: str) -> str:
    """A reason told for the exchanged responses: numbers, ordinals and letters that name them.

    "The former" and "the latter" stay: they name what the sentence said before.

    >>> swap_names("Response 1 names it, the second one does not; responses 1 and 2 are short.")
    'Response 2 names it, the first one does not; responses 2 and 1 are short.'
    """
    swapped = _NUMBERED.sub(lambda told: re.sub("[12]", lambda n: _OTHER[n[0]], told[0]), reason)
    swapped = _ORDINAL.sub(lambda told: _OTHER.get(told[0], told[0]), swapped)
    return _LETTERED.sub(lambda told: told[1] + _OTHER[told[2]], swapped)


_TEXTS = ("instruction", "response1", "response2")
_OPTIONAL = ("input", "reason", "reference")


def stream_examples(path: Path) -> Iterator[Example]:
    """Yield examples of JSONL (or a JSON list): the four texts, verdict, reason?, reference?.

    `verdict` may be spelled as in pair files (0, 1, 2, tie, first, second). Other fields are
    ignored. JSONL is read line by line: memory does not grow with the file.

    Raises:
        InputError: for the file or the record at fault.
    """
    for number, record in enumerate(stream_records(path)):
        yield read_example(path, number, record)


def read_example(path: Path, number: int, record: dict[str, Any]) -> Example:
    """One record as an example; raise an InputError that names what is missing or no text."""
    for name in _OPTIONAL:
        if record.get(name) is None:
            record[name] = ""
    texts = text_fields(path, number, record, (*_TEXTS, *_OPTIONAL))
    if "verdict" not in record:
        raise InputError(f"{path}: record {number} has no verdict. Label it first.")
    if (verdict := read_label(record["verdict"])) is None:
        raise InputError(
            f"{path}: record {number} has verdict {record['verdict']!r}; it must be one of "
            "0, 1, 2, tie, first, second."
        )
    return Example(verdict=verdict, **texts)
