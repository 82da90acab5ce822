"""What a model's free text answers, and whether that is right by the key.

A text is right, wrong or unscorable; nothing is guessed. Unscorable is what names no answer, or
several, and every answer to a summary question, which has no key.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pandalm_eval.domains.pubmedqa import DECISIONS
from pandalm_eval.domains.questions import Kind, Question, words
from pandalm_eval.verdicts import THINKING_END


@dataclass(frozen=True, slots=True)
class Scored:
    """A response against the key.

    Attributes:
        answer: what it answers: a letter, a decision or its own text; empty where that cannot be
            read.
        right: None where it cannot be scored.
    """

    answer: str
    right: bool | None


def score(question: Question, response: str) -> Scored:
    """The response of a model to a question; of one that thinks aloud, what follows its thoughts.

    - choice: the one letter that "answer is B", "(B)" or a beginning "B." names, in that order,
      else the one option whose words the text holds; "B or C" names two
    - decision, yesno: the one word that it begins with or that "the answer is" names; "yes and no"
      names two
    - factoid: right where it holds the words of a spelling of the answer
    - list: right where it holds a spelling of every item
    """
    text = THINKING_END.split(response)[-1].strip()
    if question.kind in (Kind.FACTOID, Kind.LIST):
        right = all(holds(text, spellings) for spellings in question.accepted)
        return Scored(text, right if text else None)
    if question.kind is Kind.SUMMARY:
        return Scored(text, None)
    if question.kind is Kind.CHOICE:
        answer = _choice(text, question)
    else:
        known = DECISIONS if question.kind is Kind.DECISION else DECISIONS[:2]
        answer = _decision(text, known)
    return Scored(answer or "", None if answer is None else answer == question.key)


_ANSWER_IS = r"(?i:answer(?:\s+to\s+(?:this|the)\s+question)?\s*(?:is\s*:?|:)\s*)"
# One letter, or several that are offered side by side. A single A before a word is an article.
_LETTER = r"\(?([A-Z])\b(?!')(?<!A(?=\s[a-z]))\)?"
_SEVERAL = rf"{_LETTER}(?:\s*(?:,|/|\bor\b|\band\b)\s*{_LETTER})?"
_LETTERS = (
    re.compile(rf"{_ANSWER_IS}(?i:option\s+)?{_SEVERAL}"),
    re.compile(r"\(([A-Z])\)"),
    re.compile(rf"\A(?i:option\s+)?{_SEVERAL}(?=[).:,]|\s*\n|\s*\Z|(?<!A)(?<!I)\s)"),
)
_DENIED = re.compile(rf"{_ANSWER_IS}not\b")
_MARKUP = re.compile(r"\\boxed|[*_`{}\[\]]")
# What may follow "no" without a comma; in "no one" and "no effect" it is no answer.
_AFTER_NO = ("it", "they", "there", "this", "these", "because", "since", "as", "we", "i")
_BETWEEN = ("or", "and")


def _choice(text: str, question: Question) -> str | None:
    plain = _MARKUP.sub("", text).strip()
    if _DENIED.search(plain):
        return None
    for pattern in _LETTERS:
        letters = {letter for found in pattern.findall(plain) for letter in found}
        if told := letters & set(question.said):
            return _only(told)
    return _only(
        letter
        for letter, option in question.said.items()
        if holds(text, [option.partition(")")[2]])
    )


def _decision(text: str, known: Sequence[str]) -> str | None:
    begun = itertools.takewhile(lambda word: word in (*known, *_BETWEEN), words(text))
    told = {word for word in begun if word in known}
    if told == {"no"} and (after := re.match(r"\W*no\s+(\w+)", text, re.IGNORECASE)):
        told = told if after[1].casefold() in _AFTER_NO else set()
    told |= {
        word.casefold()
        for word in re.findall(rf"{_ANSWER_IS}\W*(\w+)", text)
        if word.casefold() in known
    }
    return _only(told)


def _only(told: Iterable[str]) -> str | None:
    found = list(told)
    return found[0] if len(found) == 1 else None


def holds(text: str, spellings: Iterable[str]) -> bool:
    """Whether the words of one spelling stand in the text, together and in order."""
    said = f" {' '.join(words(text))} "
    return any(told and f" {' '.join(told)} " in said for told in map(words, spellings))
