"""Wrong answers of the same type, from the question of a data set that is most like the own one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pandalm_eval.domains.questions import Kind, Question, draw, words

MOST = 2  # wrong answers of a question


def with_near_misses(questions: Sequence[Question]) -> list[Question]:
    """The same questions, those of BioASQ's types with wrong answers.

    Yes and no are each other's. A factoid gets answers of the factoid questions whose words are
    most like its own; a list gets itself with one item exchanged for one of such a list. What
    shares all its words with a right answer is none. A question without another of its type has no
    wrong answer.
    """
    return [replace(question, wrong=_wrong(question, questions)) for question in questions]


def _wrong(question: Question, questions: Sequence[Question]) -> tuple[str, ...]:
    if question.kind is Kind.YESNO:
        return ("no",) if question.key == "yes" else ("yes",)
    if question.kind not in (Kind.FACTOID, Kind.LIST):
        return ()
    found: dict[tuple[str, ...], str] = {}
    for answer in _foreign_answers(question, questions):
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


def _foreign_answers(question: Question, questions: Sequence[Question]) -> Iterator[str]:
    """First spelling of the first answer of the likest questions that could not be right here."""
    own = set(words(question.instruction))

    def unlikeness(other: Question) -> tuple[float, int]:
        theirs = set(words(other.instruction))
        return -len(own & theirs) / len(own | theirs), draw(question.source_id, other.source_id)

    right = [set(words(text)) for spellings in question.accepted for text in spellings]
    others = [q for q in questions if q.kind is question.kind and q is not question]
    for other in sorted(others, key=unlikeness):
        for spellings in other.accepted:
            told = set(words(spellings[0]))
            if told and not any(told <= known or known <= told for known in right):
                yield spellings[0]
                break
