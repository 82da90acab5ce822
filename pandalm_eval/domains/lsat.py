"""LSAT: questions of the law school admission test, five options each, one of them right.

Source: ruixiangcui/AGIEval @ 5c77d07, `data/v1/lsat-{ar,lr,rc}.jsonl` (arXiv 2304.06364):
analytical reasoning, logical reasoning, reading comprehension. Records have no id, so the hash of
their texts is taken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pandalm_eval.data import locate
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.errors import InputError, listing
from pandalm_eval.pairs import clean_text, short_hash, text_fields
from pandalm_eval.records import read_records

PARTS = ("ar", "lr", "rc")
_OPTION = re.compile(r"\(([A-Z])\)\s*(\S.*)", re.DOTALL)


def load(part: str, data_dir: str | None = None) -> list[Question]:
    """Questions of one part from the data folder."""
    return read_lsat(locate(f"lsat/lsat-{part}.jsonl", data_dir), part)


def read_lsat(path: Path, part: str) -> list[Question]:
    """Questions of one file of {passage, question, options: ["(A)…", …], label: "A"…}.

    Raises:
        InputError: names every record whose options or label cannot be used, or which stands there
            twice.
    """
    questions: dict[str, Question] = {}
    problems = []
    for number, record in enumerate(read_records(path)):
        texts = text_fields(path, number, record, ("passage", "question"))
        told = _options(record.get("options"))
        label = record.get("label")
        if told is None:
            problems.append(
                f"record {number} has options {record.get('options')!r:.60}; two or more texts "
                'that begin with "(A)", "(B)" and so on are needed'
            )
        elif not isinstance(label, str) or label not in told:
            problems.append(
                f"record {number} has label {label!r}, but its options are {', '.join(told)}"
            )
        else:
            question = _question(part, texts["passage"], texts["question"], told, label)
            if question.source_id in questions:
                problems.append(f"record {number} repeats an earlier one")
            questions[question.source_id] = question
    if problems:
        raise InputError(
            f"{path}: {listing(problems, 5)}. Fetch the released file again, or mend the records."
        )
    return list(questions.values())


def _options(told: Any) -> dict[str, str] | None:
    """{letter: text}; None where they are not lettered from A on."""
    if not isinstance(told, list) or len(told) < 2 or not all(isinstance(o, str) for o in told):
        return None
    found = [_OPTION.fullmatch(clean_text(option).strip()) for option in told]
    options = {match[1]: match[2].strip() for match in found if match}
    letters = [chr(ord("A") + place) for place in range(len(told))]
    return options if list(options) == letters else None


def _question(
    part: str, passage: str, question: str, options: dict[str, str], label: str
) -> Question:
    listed = "\n".join(f"({letter}) {text}" for letter, text in options.items())
    # Now and then two options have the same words; only one of them can stand in a pair.
    distinct = {text: letter for letter, text in reversed(options.items())} | {
        options[label]: label
    }
    return Question(
        source_id=f"{part}-{short_hash(passage, question, *options.values())}",
        split=part,
        cluster=short_hash(passage),
        kind=Kind.CHOICE,
        instruction=f"Choose the option that answers the question about the text.\n\n{question}\n"
        f"{listed}",
        input=passage,
        key=label,
        wrong=tuple(sorted(set(distinct.values()) - {label})),
        said={letter: f"({letter}) {text}" for letter, text in options.items()},
    )
