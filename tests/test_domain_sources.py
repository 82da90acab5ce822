"""The readers of LSAT, PubMedQA and BioASQ: what they make of a record, and of a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL_BIOASQ, Write, bioasq_record, lsat_record, pubmedqa_record

from pandalm_eval.domains.bioasq import load, read_bioasq
from pandalm_eval.domains.lsat import read_lsat
from pandalm_eval.domains.pubmedqa import read_pubmedqa
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.errors import InputError

Record = dict[str, Any]


def message(error: pytest.ExceptionInfo[InputError]) -> str:
    return str(error.value)


# LSAT ----------------------------------------------------------------------------------------


def test_lsat_question(write: Write) -> None:
    first, second, third = read_lsat(write([lsat_record(n) for n in range(3)]), "ar")
    assert first.instruction == (
        "Choose the option that answers the question about the text.\n\n"
        "Which colour is box 0, seen from side 0?\n"
        "(A) red\n(B) green\n(C) blue\n(D) white\n(E) black"
    )
    assert first.input == "There is box 0. It holds 0 coins."
    assert (first.key, first.wrong, first.split) == ("A", ("B", "C", "D", "E"), "ar")
    assert second.say("B") == "(B) green"
    assert first.cluster == second.cluster != third.cluster  # the passage
    assert first.source_id.startswith("ar-")


def test_lsat_ids_do_not_depend_on_the_order(write: Write) -> None:
    records = [lsat_record(n) for n in range(4)]
    forward = read_lsat(write(records, "a.json"), "lr")
    backward = read_lsat(write(records[::-1], "b.json"), "lr")
    assert forward == backward[::-1]


def test_options_of_the_same_words_stand_once(write: Write) -> None:
    """As in one released question, whose options D and E are the same word."""
    record = lsat_record(0)
    record["options"][3:] = ["(D)grey", "(E)grey"]
    assert read_lsat(write([record], "a.json"), "rc")[0].wrong == ("B", "C", "D")
    # Nothing that has the words of the right answer is wrong.
    record["options"][1] = "(B)red"
    assert read_lsat(write([record], "b.json"), "rc")[0].wrong == ("C", "D")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": "F"}, "record 1 has label 'F', but its options are A, B, C, D, E"),
        ({"label": ["A"]}, "record 1 has label ['A'], but its options are A, B, C, D, E"),
        ({"label": None}, "record 1 has label None, but its options are A, B, C, D, E"),
        ({"options": ["red", "blue"]}, "record 1 has options ['red', 'blue']; two or more texts"),
        ({"options": ["(A)x", "(C)y"]}, "record 1 has options ['(A)x', '(C)y']; two or more"),
        ({"options": None}, "record 1 has options None; two or more texts that begin with"),
        ({"options": ["(A)only"]}, "record 1 has options ['(A)only']; two or more texts"),
        ({"passage": 4}, "record 1: passage is a number; a text is needed."),
        (lsat_record(0), "record 1 repeats an earlier one"),
    ],
)
def test_bad_lsat_record(changes: Record, said: str, write: Write) -> None:
    path = write([lsat_record(0), lsat_record(1) | changes, lsat_record(2)])
    with pytest.raises(InputError) as error:
        read_lsat(path, "ar")
    assert message(error).startswith(f"{path}: ")
    assert said in message(error)


def test_every_bad_lsat_record_is_named(write: Write) -> None:
    records = [lsat_record(n) | {"label": "Z"} for n in range(2)]
    with pytest.raises(InputError, match=r"record 0 has label 'Z'.*record 1 has label 'Z'"):
        read_lsat(write(records), "ar")


# PubMedQA ------------------------------------------------------------------------------------


def pubmedqa(
    write: Write, records: dict[str, Any], split: dict[str, str] | None = None
) -> list[Question]:
    told = dict.fromkeys(records, "yes") if split is None else split
    return read_pubmedqa(write(records, "questions.json"), write(told, "split.json"))


def test_pubmedqa_question(write: Write) -> None:
    records = {"7": pubmedqa_record(3, "yes"), "8": pubmedqa_record(4, "no")}
    (question,) = pubmedqa(write, records, {"7": "yes"})
    assert question.instruction == (
        "Answer the question by the abstract, with yes, no or maybe.\n\n"
        "Does treatment 3 shorten the stay?"
    )
    assert question.input == (
        "METHODS: We treated 3 mice.\nRESULTS: The stay was measured in days."
    )
    assert (question.key, question.wrong, question.split) == ("yes", ("no", "maybe"), "test")
    assert (question.source_id, question.cluster) == ("7", "7")
    assert "conclusion" not in repr(question)


@pytest.mark.parametrize(
    ("changes", "decision", "said"),
    [
        ({"final_decision": "perhaps"}, "yes", "PMID 7 has final_decision 'perhaps'; yes, no, may"),
        ({}, "no", "PMID 7 is 'yes' there, but 'no' in the split"),
        ({"QUESTION": " "}, "yes", "PMID 7 has no text QUESTION"),
        ({"CONTEXTS": "text"}, "yes", "PMID 7 has no list of texts CONTEXTS"),
        ({"CONTEXTS": [1]}, "yes", "PMID 7 has no list of texts CONTEXTS"),
        ({"CONTEXTS": []}, "yes", "PMID 7 has CONTEXTS without text"),
        ({"LABELS": 5}, "yes", "PMID 7 has LABELS that are no list of texts"),
        ({"LABELS": "ab"}, "yes", "PMID 7 has LABELS that are no list of texts"),
    ],
)
def test_bad_pubmedqa_record(changes: Record, decision: str, said: str, write: Write) -> None:
    with pytest.raises(InputError) as error:
        pubmedqa(write, {"7": pubmedqa_record(0, "yes") | changes}, {"7": decision})
    assert said in message(error)
    assert "questions.json" in message(error)


def test_pmids_missing_from_the_questions(write: Write) -> None:
    with pytest.raises(InputError) as error:
        pubmedqa(write, {"7": pubmedqa_record(0, "yes")}, {"7": "yes", "8": "no", "9": "no"})
    assert "split.json: 2 of 3 PMIDs are not in" in message(error)
    assert ": 8, 9. Take both files of one release." in message(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"a": 1}], "holds a list, not an object with fields."),
        ("{}", "holds an empty object, not an object with fields."),
        ('{"7": [', "not valid JSON at line 1"),
        ({"7": 3}, "PMID 7 is no object with fields"),
    ],
)
def test_bad_pubmedqa_file(content: object, said: str, write: Write) -> None:
    with pytest.raises(InputError) as error:
        read_pubmedqa(write(content, "a.json"), write({"7": "yes"}, "b.json"))
    assert said in message(error)


# BioASQ --------------------------------------------------------------------------------------


def golden(write: Write, *records: Record, name: str = "9B1_golden.json") -> Path:
    return write({"questions": list(records)}, f"bioasq/{name}")


def test_bioasq_questions(write: Write) -> None:
    questions = {q.source_id: q for q in read_bioasq([golden(write, *SMALL_BIOASQ)])}
    assert [q.kind.value for q in questions.values()] == [
        *["yesno"] * 3,
        *["factoid"] * 3,
        *["list"] * 2,
        "summary",
    ]
    assert questions["yesno1"].key == "yes"
    assert questions["yesno2"].wrong == ("yes",)
    assert questions["factoid4"].key == "dusty ice"
    assert questions["factoid4"].accepted == (("dusty ice", "ice"),)
    assert questions["factoid5"].accepted == (("green cheese", "cheese"),)
    assert set(questions["factoid3"].wrong) == {"dusty ice", "green cheese"}
    assert questions["list6"].key == "iron; sand"
    assert questions["list6"].accepted == (("iron",), ("sand", "silica"))
    # One item is exchanged for one of the other list.
    assert questions["list6"].wrong[0] in ("water; sand", "iron; water")
    assert questions["summary8"].wrong == ()
    assert questions["factoid3"].input == "Planet 3 is far."  # the same snippet once
    assert questions["factoid3"].split == "9B1_golden"
    assert "judge may see" not in repr(questions)


YEARS = [  # shapes of exact_answer
    ("factoid", "rust", (("rust",),)),
    ("factoid", ["rust", "iron oxide"], (("rust", "iron oxide"),)),
    ("factoid", [["rust", "iron oxide"]], (("rust", "iron oxide"),)),
    ("factoid", [["rust"], ["iron oxide"]], (("rust", "iron oxide"),)),
    ("list", ["a", "b"], (("a",), ("b",))),
    ("list", [["a", "alpha"], ["b"]], (("a", "alpha"), ("b",))),
    ("list", [["a"], ["A"], ["b"]], (("a",), ("b",))),
    ("yesno", "No.", (("no",),)),
    ("yesno", ["yes"], (("yes",),)),
    ("yesno", [["yes"]], (("yes",),)),
]


@pytest.mark.parametrize(("kind", "exact", "accepted"), YEARS)
def test_exact_answers_of_any_year(
    kind: str, exact: object, accepted: object, write: Write
) -> None:
    (question,) = read_bioasq([golden(write, bioasq_record(0, kind, exact))])
    assert question.accepted == accepted


def test_spellings_of_the_right_answer_are_never_wrong(write: Write) -> None:
    records = [
        bioasq_record(0, "factoid", [["ice", "frozen water"]]),
        bioasq_record(1, "factoid", [["water"]]),  # within a spelling
        bioasq_record(2, "factoid", [["dry ice"]]),  # holds one
        bioasq_record(3, "factoid", [["ICE!"]]),
        bioasq_record(4, "factoid", [["rust"]]),
    ]
    first = read_bioasq([golden(write, *records)])[0]
    assert first.wrong == ("rust",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": "essay"}, "question factoid1 has type 'essay'; yesno, factoid, list, summary"),
        ({"type": "choice"}, "question factoid1 has type 'choice'; yesno, factoid"),
        ({"type": None}, "question factoid1 has type None; yesno"),
        ({"body": ""}, "question factoid1 has no text body"),
        ({"exact_answer": {"a": 1}}, "question factoid1 has exact_answer of a shape that is not"),
        ({"exact_answer": [[3]]}, "question factoid1 has exact_answer of a shape that is not"),
        ({"exact_answer": [["a", " "]]}, "question factoid1 has exact_answer of a shape that is"),
        ({"type": "yesno"}, "question factoid1 has exact_answer of a shape that is not known for"),
        ({"options": {"A": "yes"}}, "question factoid1 has options or answer, which are MIRAGE's"),
        ({"id": None}, "records 1 of questions have no id"),
        ({"id": "factoid0"}, "questions factoid0 stand there more than once"),
    ],
)
def test_bad_golden_record(changes: Record, said: str, write: Write) -> None:
    records = [bioasq_record(n, "factoid", "rust") for n in range(2)]
    path = golden(write, records[0], records[1] | changes)
    with pytest.raises(InputError) as error:
        read_bioasq([path])
    assert message(error).startswith(f"{path}: ")
    assert said in message(error)
    assert "Which factoid" not in message(error)  # no question is quoted


def test_question_without_exact_answer_is_named_and_left_out(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    records = [bioasq_record(0, "factoid", "rust"), bioasq_record(1, "list", None)]
    questions = read_bioasq([golden(write, *records, bioasq_record(2, "yesno", []))])
    assert [question.source_id for question in questions] == ["factoid0"]
    assert caplog.messages == [
        "9B1_golden.json: questions without exact_answer are left out: list1, yesno2"
    ]


def test_a_test_set_is_no_golden_file(write: Write) -> None:
    records = [bioasq_record(n, "factoid", None) for n in range(2)]
    with pytest.raises(InputError, match=r"no question has an exact_answer \(of 2: factoid0, fac"):
        read_bioasq([golden(write, *records)])


MIRAGE = {
    "m1": {"question": "Is planet 1 far?", "options": {"A": "yes", "B": "no"}, "answer": "A"},
    "m2": {"question": "Is planet 2 far?", "options": {"A": "yes", "B": "no"}, "answer": "B"},
}


def test_mirage(write: Write) -> None:
    path = write({"bioasq": MIRAGE, "medqa": {}}, "bioasq/mirage.json")
    one, two = read_bioasq([path])
    assert (one.kind, one.key, one.wrong, one.input) == (Kind.YESNO, "yes", ("no",), "")
    assert (two.source_id, two.key, two.split) == ("m2", "no", "mirage")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"answer": ["A"]}, "question m1 has answer ['A'] to options {'A': 'yes', 'B': 'no'}; one"),
        ({"answer": "C"}, "question m1 has answer 'C' to options {'A': 'yes', 'B': 'no'}; one of"),
        ({"options": ["yes"]}, "question m1 has answer 'A' to options ['yes']; one of yes and no"),
        ({"question": None}, "question m1 has no text question"),
        ({"exact_answer": "yes"}, "question m1 has body, type or exact_answer, which are a golden"),
    ],
)
def test_bad_mirage_record(record: Record, said: str, write: Write) -> None:
    path = write({"bioasq": MIRAGE | {"m1": MIRAGE["m1"] | record}}, "bioasq/mirage.json")
    with pytest.raises(InputError) as error:
        read_bioasq([path])
    assert said in message(error)


def test_the_two_sources_are_not_mixed(write: Write) -> None:
    own = golden(write, bioasq_record(1, "yesno", "yes") | {"id": "m1"})
    mirage = write({"bioasq": MIRAGE}, "bioasq/mirage.json")
    with pytest.raises(InputError) as error:
        load(str(own.parents[1]))
    assert message(error) == (
        f"{mirage} and {own}: MIRAGE's questions are BioASQ's own, so the two are not mixed; both "
        "have m1. Keep one of the two sources in bioasq/."
    )


def test_a_question_in_two_files(write: Write) -> None:
    golden(write, bioasq_record(1, "yesno", "yes"))
    path = golden(write, bioasq_record(1, "yesno", "yes"), name="training9b.json")
    with pytest.raises(InputError, match="questions yesno1 stand there more than once"):
        load(str(path.parents[1]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"articles": []}, "has neither questions nor bioasq (it has: articles)"),
        ({"questions": {}}, "questions is no list of objects"),
        ({"questions": [3]}, "questions is no list of objects"),
        ({"bioasq": []}, "bioasq is no mapping of ids to questions"),
        ([{"body": ""}], "holds a list, not an object with fields."),
        ({"questions": []}, "holds no question. Take golden files"),
        ({"bioasq": {}}, "holds no question. Take golden files"),
        ({"questions": [], "bioasq": MIRAGE}, "has both questions, as golden files do, and bioasq"),
        (
            {"questions": [bioasq_record(n, "summary", None) for n in range(2)]},
            "no question has an exact_answer (of 2: summary0, summary1)",
        ),
    ],
)
def test_bad_bioasq_file(content: object, said: str, write: Write) -> None:
    path = write(content, "bioasq/a.json")
    with pytest.raises(InputError) as error:
        read_bioasq([path])
    assert message(error).startswith(f"{path}: ")
    assert said in message(error)
    assert message(error).count(str(path)) == 1


def test_without_files_both_ways_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load(str(tmp_path))
    assert "bioasq/mirage.json is missing" in message(error)
    assert "the official golden files" in message(error)


@pytest.mark.parametrize("kind", ["factoid", "list", "yesno"])
@pytest.mark.parametrize("exact", [None, "", " ", [], [[]], [""], [["", " "]]])
def test_an_exact_answer_without_words_is_none(
    kind: str, exact: object, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    records = [bioasq_record(0, kind, exact), bioasq_record(1, "yesno", "yes")]
    (question,) = read_bioasq([golden(write, *records)])
    assert question.source_id == records[1]["id"]
    assert f"left out: {records[0]['id']}" in caplog.text


def test_labels_of_an_abstract_are_cleaned(write: Write) -> None:
    record = pubmedqa_record(0, "yes") | {"CONTEXTS": ["text"], "LABELS": ["A\ud800B"]}
    (question,) = pubmedqa(write, {"7": record}, {"7": "yes"})
    assert question.input == "A\ufffdB: text"
