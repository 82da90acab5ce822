"""Wrong answers of the same type, from the question of a data set that is most like the own one."""

from __future__ import annotations

from collections import Counter
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

    Yes and no are each other's. A factoid gets answers of other factoid questions: those that were
    taken least often so far, of these the ones of its own answer's shape (number or words, one or
    several), of these the ones whose questions are most like its own; a list gets itself with one
    item exchanged for one of such a list. What shares all its words with a right answer is none. A
    question without another of its type has no wrong answer. Questions take turns in the order of
    a hash, so that no answer is wrong so often that one could know it by that.
    """
    asked = [
        _Asked(q, frozenset(words(q.instruction)), draw("turn", q.source_id)) for q in questions
    ]
    taken: Counter[tuple[str, ...]] = Counter()
    in_turn = sorted(asked, key=lambda one: (one.turn, one.question.source_id))
    found = {one.question.source_id: _wrong(one, asked, taken) for one in in_turn}
    return [replace(question, wrong=found[question.source_id]) for question in questions]


def _wrong(
    one: _Asked, asked: Sequence[_Asked], taken: Counter[tuple[str, ...]]
) -> tuple[str, ...]:
    question = one.question
    if question.kind is Kind.YESNO:
        return ("no",) if question.key == "yes" else ("yes",)
    if question.kind not in (Kind.FACTOID, Kind.LIST):
        return ()
    found: dict[tuple[str, ...], str] = {}
    for answer in _foreign_answers(one, asked, taken):
        found.setdefault(words(answer), answer)
        if len(found) == MOST:
            break
    taken.update(found.keys())
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


def _foreign_answers(
    one: _Asked, asked: Sequence[_Asked], taken: Counter[tuple[str, ...]]
) -> Iterator[str]:
    """First spelling of the first answer of each other question that could not be right here."""
    right = [set(words(text)) for spellings in one.question.accepted for text in spellings]
    own = _shape(one.question.accepted[0][0])

    def could_be_wrong(spellings: Sequence[str]) -> bool:
        told = set(words(spellings[0]))
        return bool(told) and not any(told <= known or known <= told for known in right)

    def rank(entry: tuple[_Asked, str]) -> tuple[int, bool, float, int]:
        other, answer = entry
        common = len(one.words & other.words)
        likeness = common / (len(one.words) + len(other.words) - common)
        return taken[words(answer)], _shape(answer) != own, -likeness, other.turn

    others = [o for o in asked if o.question.kind is one.question.kind and o is not one]
    offered = [
        (other, next((s[0] for s in other.question.accepted if could_be_wrong(s)), None))
        for other in others
    ]
    known = [(other, answer) for other, answer in offered if answer is not None]
    yield from (answer for _, answer in sorted(known, key=rank))


def _shape(answer: str) -> tuple[bool, bool]:
    """Whether it begins with a number, and whether it is of several words."""
    told = words(answer)
    return told[:1] != () and told[0][0].isdigit(), len(told) > 1
