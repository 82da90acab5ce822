"""Wrong answers of the same type, from the question of a data set that is most like the own one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pandalm_eval.domains.questions import Kind, Question, draw, words

MOST = 2  # wrong answers of a question


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with what it is compared by."""

    question: Question
    words: frozenset[str]
    turn: int  # decides between questions that are equally like


def with_near_misses(questions: Sequence[Question]) -> list[Question]:
    """The same questions, those of BioASQ's types with wrong answers.

    Yes and no are each other's. A factoid gets answers of the factoid questions whose words are
    most like its own; a list gets itself with one item exchanged for one of such a list. What
    shares all its words with a right answer is none. A question without another of its type has no
    wrong answer.
    """
    asked = [
        _Asked(q, frozenset(words(q.instruction)), draw("turn", q.source_id)) for q in questions
    ]
    return [replace(one.question, wrong=_wrong(one, asked)) for one in asked]


def _wrong(one: _Asked, asked: Sequence[_Asked]) -> tuple[str, ...]:
    question = one.question
    if question.kind is Kind.YESNO:
        return ("no",) if question.key == "yes" else ("yes",)
    if question.kind not in (Kind.FACTOID, Kind.LIST):
        return ()
    found: dict[tuple[str, ...], str] = {}
    for answer in _foreign_answers(one, asked):
        found.setdefault(words(answer), answer)
        if len(found) == MOST:
            break
    if question.kind is Kind.FACTOID:
        return tuple(found.values())
    items = [spellings[0] for spellings in question.accepted]
    place = draw("exchanged", question.source_id) % len(items)
    return tuple(listed([*items[:place], answer, *items[place + 1 :]]) for answer in found.values())


def listed(items: Sequence[str]) -> str:
    """A list as one answer.

    >>> listed(["a", "b, c"])
    'a; b, c'
    """
    return "; ".join(item.strip().rstrip(".") for item in items)


def _foreign_answers(one: _Asked, asked: Sequence[_Asked]) -> Iterator[str]:
    """First spelling of the first answer of the likest questions that could not be right here."""

    def unlikeness(other: _Asked) -> tuple[float, int]:
        common = len(one.words & other.words)
        return -common / (len(one.words) + len(other.words) - common), other.turn

    right = [set(words(text)) for spellings in one.question.accepted for text in spellings]
    others = [o for o in asked if o.question.kind is one.question.kind and o is not one]
    for other in sorted(others, key=unlikeness):
        for spellings in other.question.accepted:
            told = set(words(spellings[0]))
            if told and not any(told <= known or known <= told for known in right):
                yield spellings[0]
                break
