"""Pairs from the answer key alone: decisive ones (right against wrong) and ties (both wrong).

Style cannot give the answer away. Both responses of a pair name the same two answers and differ in
which of them they choose; they do so in a brief and a longer sentence of one wording, drawn for the
question, so that length is the sentence's and not the answer's. Which response is the right one,
and which the longer one, goes round through the four combinations; every answer that could be
guessed by how common it is in the source (yes, no, maybe) is right equally often. So two responses
alone say nothing of their gold. A tie is always two different wrong answers: the same answer twice
would be a tie to anyone who can compare two words.

The order of records changes nothing: pairs stand, and go round, in the order of a hash of their
source's id, the seed and the version.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pandalm_eval.domains.questions import Kind, Question, draw
from pandalm_eval.pairs import Pair
from pandalm_eval.verdicts import Verdict

VERSION = 1
"""Of the rules below; a change of any of them is a new version, and makes other pairs."""
SEED = 2023

WORDINGS = (
    (
        "The answer is {chosen}, not {rejected}.",
        "The right answer to this question is {chosen}, and it is not {rejected}.",
    ),
    (
        "It is {chosen} rather than {rejected}.",
        "What answers this question is {chosen} rather than {rejected}.",
    ),
    (
        "I would say {chosen} and not {rejected}.",
        "Having read the question, I would say {chosen} and not {rejected}.",
    ),
    (
        "Not {rejected}, but {chosen}.",
        "The answer to this question is not {rejected}, but {chosen}.",
    ),
)
"""Brief and longer sentence. A question that gives several pairs has each in another wording."""


@dataclass(frozen=True, slots=True)
class Design:
    """How questions of a kind become pairs.

    Attributes:
        ties: whether every third pair is a tie of two wrong answers; else all are decisive.
        balanced: whether questions of rarer keys give several pairs, until every key is right in
            as many pairs as the commonest one.
    """

    ties: bool
    balanced: bool


DESIGNS = {
    Kind.CHOICE: Design(ties=True, balanced=False),
    Kind.DECISION: Design(ties=True, balanced=True),
    # A yes/no question has one wrong answer, so no two wrong ones that differ. Ties among the other
    # kinds alone would let the kind tell how likely a tie is.
    Kind.YESNO: Design(ties=False, balanced=True),
    Kind.FACTOID: Design(ties=False, balanced=False),
    Kind.LIST: Design(ties=False, balanced=False),
}

# Gold, and whether the right response is the longer one. Any stretch of decisive pairs from the
# first has as many longer right ones as shorter, within one.
_CELLS = (
    (Verdict.FIRST, True),
    (Verdict.SECOND, False),
    (Verdict.FIRST, False),
    (Verdict.SECOND, True),
)


@dataclass(frozen=True, slots=True)
class KeyedPair(Pair):
    """A pair whose gold follows from a key.

    Attributes:
        source_id, split, key: as in `questions.Question`.
        answer1, answer2: what each response answers; empty where that cannot be read.
    """

    source_id: str = ""
    split: str = ""
    answer1: str = ""
    answer2: str = ""
    key: str = ""


def build_pairs(questions: Sequence[Question], seed: int = SEED) -> list[KeyedPair]:
    """The pairs of all questions that have a wrong answer, in an order that is theirs alone."""
    pairs, decisive, ties = [], 0, 0
    for question, occurrence, number in _planned(questions, seed):
        if DESIGNS[question.kind].ties and number % 3 == 2:
            one, two = _two_wrong(question.wrong, number // 3)
            gold, first_longer = Verdict.TIE, ties % 2 == 0
            ties += 1
        else:
            wrong = question.wrong[_place_of_wrong(question, number)]
            gold, right_longer = _CELLS[decisive % 4]
            right_first = gold is Verdict.FIRST
            one, two = (question.key, wrong) if right_first else (wrong, question.key)
            first_longer = right_first is right_longer
            decisive += 1
        wording = WORDINGS[(draw("wording", seed, question.source_id) + occurrence) % len(WORDINGS)]
        brief, longer = wording
        forms = (longer, brief) if first_longer else (brief, longer)
        pairs.append(_pair(question, occurrence, gold, (one, two), forms))
    return pairs


def _planned(questions: Sequence[Question], seed: int) -> Iterator[tuple[Question, int, int]]:
    """(question, how many of its pairs come before, number within its class), in hash order."""
    planned = []
    for kind, design in DESIGNS.items():
        usable = [q for q in questions if q.kind is kind and q.wrong]
        usable.sort(key=lambda q: (draw(VERSION, seed, q.source_id), q.source_id))
        classes: dict[str, list[Question]] = {}
        for question in usable:
            classes.setdefault(question.key if design.balanced else "", []).append(question)
        wanted = max(map(len, classes.values()), default=0)
        for members in classes.values():
            for place in range(wanted if design.balanced else len(members)):
                occurrence, within = divmod(place, len(members))
                question = members[within]
                order = (draw(VERSION, seed, question.source_id, occurrence), question.source_id)
                # A question that comes again has its next kind of pair, not the same one.
                planned.append((*order, question, occurrence, within + occurrence))
    planned.sort(key=lambda entry: entry[:2])
    for *_, question, occurrence, number in planned:
        yield question, occurrence, number


def _place_of_wrong(question: Question, number: int) -> int:
    """Which of the wrong answers a decisive pair takes: they take turns."""
    earlier = 2 * (number // 3) + number % 3 if DESIGNS[question.kind].ties else number
    return earlier % len(question.wrong)


def _two_wrong(wrong: Sequence[str], number: int) -> tuple[str, str]:
    """The wrong answers of a tie: every two of them take turns, then change places."""
    every = list(itertools.combinations(wrong, 2))
    turn, place = divmod(number, len(every))
    one, two = every[place]
    return (one, two) if turn % 2 == 0 else (two, one)


def _pair(
    question: Question,
    occurrence: int,
    gold: Verdict,
    answers: tuple[str, str],
    forms: tuple[str, str],
) -> KeyedPair:
    one, two = answers
    said = question.say(one), question.say(two)
    return KeyedPair(
        id=f"{question.source_id}:{occurrence}",
        prompt_id=question.cluster,
        instruction=question.instruction,
        input=question.input,
        response1=forms[0].format(chosen=said[0], rejected=said[1]),
        response2=forms[1].format(chosen=said[1], rejected=said[0]),
        gold=gold,
        source_id=question.source_id,
        split=question.split,
        answer1=one,
        answer2=two,
        key=question.key,
    )
