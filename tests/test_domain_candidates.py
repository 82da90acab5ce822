"""Models' responses to the questions of a source: scored by the key, and made pairs of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import bioasq_record, lsat_record, pubmedqa_record

from pandalm_eval.domains import bioasq, lsat, pubmedqa
from pandalm_eval.domains.candidates import pairs_of_candidates
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.domains.scoring import score
from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Protocol
from pandalm_eval.responses import Candidate
from pandalm_eval.settings import Join
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, _ = Verdict

OPTIONS = {"A": "(A) red", "B": "(B) a green box", "C": "(C) blue"}


def question(kind: Kind, key: str, accepted: Any = ()) -> Question:
    said = OPTIONS if kind is Kind.CHOICE else {}
    return Question("q", "s", "c", kind, "What?", "", key, said=said, accepted=accepted)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("B. a green box", "B"),
        ("B) because it is green", "B"),
        ("The answer is (B).", "B"),
        ("the correct answer is: B", "B"),
        ("Answer: option B", "B"),
        ("(A) is wrong, so the answer is B.", "B"),
        ("It must be (B), since it is green.", "B"),
        ("A green box, I think.", "B"),
        ("It is a green box.", "B"),
        ("The answer is a green box.", "B"),
        ("**B**", "B"),
        ("B\nBecause it is green.", "B"),
        ("B because it is green", "B"),
        ("Answer: **B**", "B"),
        ("[B]", "B"),
        (r"\boxed{B}", "B"),
        ("Option B", "B"),
        ("<think>(A) or (C)?</think>(B)", "B"),
        # Several, or none.
        ("The answer is B or C", ""),
        ("B or C", ""),
        ("The answer is not (B).", ""),
        ("The answer is A good one", ""),
        ("(A) or (B)", ""),
        ("The answer is A. No, the answer is B.", ""),
        ("red or blue", ""),
        ("I cannot tell.", ""),
        ("", ""),
        # No option of that letter.
        ("E", ""),
        ("A box is what it is.", ""),
    ],
)
def test_choice(response: str, answer: str) -> None:
    scored = score(question(Kind.CHOICE, "B"), response)
    assert scored.answer == answer
    assert scored.right == ((answer == "B") if answer else None)


@pytest.mark.parametrize(
    ("kind", "response", "answer"),
    [
        (Kind.DECISION, "Yes, it does.", "yes"),
        (Kind.DECISION, "maybe", "maybe"),
        (Kind.DECISION, "The answer is **no**.", "no"),
        (Kind.DECISION, "We treated mice. The answer to the question is: Yes.", "yes"),
        (Kind.DECISION, "Yes ... so the answer is no", ""),
        (Kind.DECISION, "yes and no", ""),
        (Kind.DECISION, "Yes, no or maybe", ""),
        (Kind.DECISION, "Yes/No/Maybe", ""),
        (Kind.DECISION, "Yes\n\nNo", ""),
        (Kind.DECISION, "No one knows.", ""),
        (Kind.DECISION, "No doubt: yes", ""),
        (Kind.DECISION, "No it does not", "no"),
        (Kind.DECISION, "**Yes** and it does so often", "yes"),
        (Kind.DECISION, "Notably, it does.", ""),
        (Kind.DECISION, "There is no effect.", ""),
        (Kind.YESNO, "No", "no"),
        (Kind.YESNO, "Maybe.", ""),
        (Kind.YESNO, "", ""),
    ],
)
def test_decision(kind: Kind, response: str, answer: str) -> None:
    scored = score(question(kind, "no"), response)
    assert scored.answer == answer
    assert scored.right == ((answer == "no") if answer else None)


ITEMS = (("iron",), ("sand", "silica"))


@pytest.mark.parametrize(
    ("kind", "accepted", "response", "right"),
    [
        (Kind.FACTOID, (("dusty ice", "CO2"),), "It is Dusty Ice.", True),
        (Kind.FACTOID, (("dusty ice", "CO2"),), "co2", True),
        (Kind.FACTOID, (("dusty ice", "CO2"),), "ice, dusty", False),
        (Kind.FACTOID, (("ice",),), "a nice place", False),
        (Kind.FACTOID, (("ice",),), " ", None),
        (Kind.LIST, ITEMS, "silica and iron", True),
        (Kind.LIST, ITEMS, "iron", False),
        (Kind.LIST, ITEMS, "", None),
        (Kind.SUMMARY, (), "A paragraph.", None),
    ],
)
def test_free_text(kind: Kind, accepted: Any, response: str, right: bool | None) -> None:
    assert score(question(kind, "", accepted), response).right is right


# Pairs ---------------------------------------------------------------------------------------


@pytest.fixture
def questions(write: Any) -> list[Question]:
    return lsat.read_lsat(write([lsat_record(n) for n in range(4)]), "ar")  # keys A, B, C, D


def candidate(name: str, questions: list[Question], texts: list[str]) -> Candidate:
    answers = {q.prompt: text for q, text in zip(questions, texts, strict=True)}
    return Candidate(name, answers, Path(f"{name}.jsonl"))


def pairs(questions: list[Question], *candidates: Candidate, **options: Any) -> list[Any]:
    told = {"join": Join.EXACT, "protocol": Protocol.VERDICT} | options
    return pairs_of_candidates(questions, candidates, None, **told)


def test_right_beats_wrong_and_alike_is_a_tie(
    questions: list[Question], caplog: pytest.LogCaptureFixture
) -> None:
    one = candidate("one", questions, ["(A)", "(A)", "(C)", "well"])
    two = candidate("two", questions, ["(B)", "(B)", "(C)", "(D)"])
    found = pairs(questions, one, two)
    assert [pair.gold for pair in found] == [FIRST, SECOND, TIE, None]
    assert [(p.answer1, p.answer2, p.key) for p in found] == [
        ("A", "B", "A"),
        ("A", "B", "B"),
        ("C", "C", "C"),
        ("", "D", "D"),
    ]
    assert [p.prompt_id for p in found] == [q.cluster for q in questions]
    assert found[0].id == f"{questions[0].source_id}:one:two"
    assert (found[0].model1, found[0].response2) == ("one", "(B)")
    assert caplog.messages == [
        "one: 1 responses cannot be scored by the key, and their pairs are left out: "
        f"{questions[3].source_id}"
    ]


def test_both_wrong_is_a_tie(questions: list[Question]) -> None:
    one = candidate("one", questions, ["(E)"] * 4)
    two = candidate("two", questions, ["(E)", "(A)", "(A)", "(A)"])
    assert [pair.gold for pair in pairs(questions, one, two)] == [TIE] * 4


def test_responses_to_other_questions(questions: list[Question]) -> None:
    """All LSAT questions may be answered in one run, and a part be judged."""
    one = candidate("one", questions, ["(A)"] * 4)
    assert len(pairs(questions[:2], one, candidate("two", questions, ["(A)"] * 4))) == 2
    stranger = candidate("three", questions[3:], ["(A)"])
    with pytest.raises(InputError, match=r"three\.jsonl: answers none of the 2 questions"):
        pairs(questions[:2], one, stranger)


def test_missing_responses(questions: list[Question]) -> None:
    one = candidate("one", questions, ["(A)"] * 4)
    two = candidate("two", questions[:3], ["(A)"] * 3)
    with pytest.raises(InputError, match=r"two\.jsonl: has no response to 1 of 4 questions: 'Cho"):
        pairs(questions, one, two)
    assert len(pairs(questions, one, two, join=Join.INTERSECTION)) == 3


def test_sources_score_their_own_questions(write: Any) -> None:
    """Key and accepted spellings of each reader are what `score` reads."""
    records = {"7": pubmedqa_record(0, "maybe")}
    (abstract,) = pubmedqa.read_pubmedqa(write(records, "a.json"), write({"7": "maybe"}, "b.json"))
    assert score(abstract, "Maybe.").right
    golden = write({"questions": [bioasq_record(0, "yesno", "Yes")]}, "c.json")
    (decided,) = bioasq.read_bioasq([golden])
    assert score(decided, "yes, it is").right
