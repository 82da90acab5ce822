"""PubMedQA: questions that a biomedical abstract answers with yes, no or maybe.

Source: pubmedqa/pubmedqa @ 1cbae8e, PQA-L (arXiv 1909.06146): `data/ori_pqal.json` holds 1,000
questions by PMID, `data/test_ground_truth.json` the 500 PMIDs of the official test split. The
abstract is shown without its conclusion (LONG_ANSWER), which answers the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pandalm_eval.data import locate
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.errors import InputError, listing
from pandalm_eval.pairs import clean_text
from pandalm_eval.records import read_object

QUESTIONS = "pubmedqa/ori_pqal.json"
SPLIT = "pubmedqa/test_ground_truth.json"
DECISIONS = ("yes", "no", "maybe")


def load(data_dir: str | None = None) -> list[Question]:
    """Questions of the test split from the data folder."""
    return read_pubmedqa(locate(QUESTIONS, data_dir), locate(SPLIT, data_dir))


def read_pubmedqa(path: Path, split: Path) -> list[Question]:
    """Questions of `path` whose PMIDs are in `split`, a file of {PMID: decision}.

    Raises:
        InputError: names every PMID that the split has and the questions do not, whose decisions
            differ, or whose record cannot be used.
    """
    records, wanted = read_object(path), read_object(split)
    if missing := [pmid for pmid in wanted if pmid not in records]:
        raise InputError(
            f"{split}: {len(missing)} of {len(wanted)} PMIDs are not in {path}: "
            f"{listing(missing)}. Take both files of one release."
        )
    problems, questions = [], []
    for pmid, decision in wanted.items():
        if problem := _problem(records[pmid], decision):
            problems.append(f"PMID {pmid} {problem}")
        else:
            questions.append(_question(pmid, records[pmid]))
    if problems:
        raise InputError(f"{path}: {listing(problems, 5)}. Take both files of one release.")
    return questions


def _problem(record: Any, decision: Any) -> str | None:
    """What keeps a record from being used, in the words of a message; None where nothing does."""
    if not isinstance(record, Mapping):
        return "is no object with fields"
    if not isinstance(record.get("QUESTION"), str) or not record["QUESTION"].strip():
        return "has no text QUESTION"
    contexts = record.get("CONTEXTS")
    if not isinstance(contexts, list) or not all(isinstance(text, str) for text in contexts):
        return "has no list of texts CONTEXTS"
    labels = record.get("LABELS", [])
    if not isinstance(labels, list) or not all(isinstance(text, str) for text in labels):
        return "has LABELS that are no list of texts"
    if not any(text.strip() for text in contexts):
        return "has CONTEXTS without text"
    told = record.get("final_decision")
    if told not in DECISIONS:
        return f"has final_decision {told!r}; {', '.join(DECISIONS)} are known"
    return None if told == decision else f"is {told!r} there, but {decision!r} in the split"


def _question(pmid: str, record: Mapping[str, Any]) -> Question:
    labels = [clean_text(label) for label in record.get("LABELS", [])]
    contexts = [clean_text(text) for text in record["CONTEXTS"]]
    if len(labels) == len(contexts):
        contexts = [f"{label}: {text}" for label, text in zip(labels, contexts, strict=True)]
    key = record["final_decision"]
    return Question(
        source_id=pmid,
        split="test",
        cluster=pmid,
        kind=Kind.DECISION,
        instruction="Answer the question by the abstract, with yes, no or maybe.\n\n"
        f"{clean_text(record['QUESTION'])}",
        input="\n".join(contexts),
        key=key,
        wrong=tuple(decision for decision in DECISIONS if decision != key),
    )
