"""BioASQ: biomedical questions with answers and snippets by experts, from files of the user.

Source: the official golden files of any year (each user registers and downloads them), or the open
yes/no part of Teddy-XiongGZ/MIRAGE @ 3929439, `benchmark.json`. Nothing of them may be handed on.
MIRAGE's questions are BioASQ's own, without snippets, so the two are never mixed.

`exact_answer` has had several shapes over the years: a text, a list of spellings, a list of lists
of spellings, one list an answer. All of them are read.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.data import data_folder, locate
from pandalm_eval.domains.near_misses import listed, with_near_misses
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.errors import InputError, listing
from pandalm_eval.pairs import clean_text
from pandalm_eval.records import read_object

MIRAGE = "bioasq/mirage.json"

_log = logging.getLogger(__name__)
_TASKS = {
    Kind.YESNO: "Answer the biomedical question with yes or no.",
    Kind.FACTOID: "Answer the biomedical question with a name, a number or a short phrase.",
    Kind.LIST: "Answer the biomedical question with a list.",
    Kind.SUMMARY: "Answer the biomedical question in a short paragraph.",
}
_MENDED = "Take golden files of BioASQ, or MIRAGE's benchmark.json as bioasq/mirage.json"


def load(data_dir: str | None = None) -> list[Question]:
    """Questions of every file in `bioasq/` of the data folder."""
    paths = sorted((data_folder(data_dir) / "bioasq").glob("*.json"))
    return read_bioasq(paths or [locate(MIRAGE, data_dir)])


def read_bioasq(paths: Sequence[Path]) -> list[Question]:
    """Questions of golden files, or of MIRAGE's file; those without an exact answer are named.

    Raises:
        InputError: a file of neither schema, both sources at once, a question in two files, or
            records that cannot be used: all of a file in one message, by id.
    """
    files = {path: read_object(path) for path in paths}
    mirage = [path for path, content in files.items() if "bioasq" in content]
    golden = [path for path, content in files.items() if "questions" in content]
    if strange := [path for path in files if path not in mirage and path not in golden]:
        raise InputError(
            f"{strange[0]}: has neither questions nor bioasq (it has: {listing(files[strange[0]])})"
            f". {_MENDED}."
        )
    if both := [path for path in mirage if path in golden]:
        raise InputError(
            f"{both[0]}: has both questions, as golden files do, and bioasq, as MIRAGE's does. "
            f"Keep one of the two. {_MENDED}."
        )
    questions: list[Question] = []
    for path in golden:
        questions += _read(path, _rows(path, files[path]["questions"]), _golden)
    for path in mirage:
        questions += _read(path, _mirage_rows(path, files[path]["bioasq"]), _of_mirage)
    ids = Counter(question.source_id for question in questions)
    doubled = [id for id, count in ids.items() if count > 1]
    if mirage and golden:
        told = f"; both have {listing(doubled)}" if doubled else ""
        raise InputError(
            f"{mirage[0]} and {golden[0]}: MIRAGE's questions are BioASQ's own, so the two are not "
            f"mixed{told}. Keep one of the two sources in bioasq/."
        )
    if doubled:
        raise InputError(
            f"{', '.join(map(str, golden or mirage))}: questions {listing(doubled)} stand there "
            "more than once. Keep one file that has them."
        )
    return with_near_misses(questions)


_Row = tuple[str, Mapping[str, Any]]
_Reader = Callable[[str, str, Mapping[str, Any]], Question | str | None]
"""(split, id, record) to the question, what is wrong with it, or None without an exact answer."""


def _rows(path: Path, told: Any) -> list[_Row]:
    if not isinstance(told, list) or not all(isinstance(record, dict) for record in told):
        raise InputError(f"{path}: questions is no list of objects. {_MENDED}.")
    # An id made of the place would make other pairs of the same questions in another order.
    if bare := [str(place) for place, record in enumerate(told) if not record.get("id")]:
        raise InputError(f"{path}: records {listing(bare)} of questions have no id. {_MENDED}.")
    return [(str(record["id"]), record) for record in told]


def _mirage_rows(path: Path, told: Any) -> list[_Row]:
    if not isinstance(told, dict) or not all(isinstance(r, dict) for r in told.values()):
        raise InputError(f"{path}: bioasq is no mapping of ids to questions. {_MENDED}.")
    return list(told.items())


def _read(path: Path, rows: Sequence[_Row], read: _Reader) -> list[Question]:
    if not rows:
        raise InputError(f"{path}: holds no question. {_MENDED}.")
    found = {id: read(path.stem, id, record) for id, record in rows}
    if problems := [f"question {id} {told}" for id, told in found.items() if isinstance(told, str)]:
        raise InputError(f"{path}: {listing(problems, 5)}. {_MENDED}.")
    questions = [told for told in found.values() if isinstance(told, Question)]
    bare = [id for id, told in found.items() if told is None]
    if not any(question.kind is not Kind.SUMMARY for question in questions):
        raise InputError(
            f"{path}: no question has an exact_answer (of {len(rows)}: {listing(found)}); it may "
            f"be a test set rather than a golden file. {_MENDED}."
        )
    if bare:
        _log.warning(
            "%s: questions without exact_answer are left out: %s", path.name, listing(bare)
        )
    if len(found) < len(rows):
        doubled = [id for id, count in Counter(id for id, _ in rows).items() if count > 1]
        raise InputError(f"{path}: questions {listing(doubled)} stand there more than once.")
    return questions


def _golden(split: str, id: str, record: Mapping[str, Any]) -> Question | str | None:
    if {"options", "answer"} & set(record):
        return "has options or answer, which are MIRAGE's fields, not a golden file's"
    if not isinstance(record.get("body"), str) or not record["body"].strip():
        return "has no text body"
    try:
        kind = Kind(record.get("type"))  # type: ignore[arg-type]
        task = _TASKS[kind]
    except (ValueError, KeyError):
        return f"has type {record.get('type')!r}; {', '.join(_TASKS)} are known"
    told = record.get("exact_answer")
    if kind is not Kind.SUMMARY and not _says(told):
        return None
    accepted = () if kind is Kind.SUMMARY else _accepted(kind, told)
    if accepted is None:
        return f"has exact_answer of a shape that is not known for a {kind} question"
    return Question(
        source_id=id,
        split=split,
        cluster=id,
        kind=kind,
        instruction=f"{task}\n\n{clean_text(record['body'].strip())}",
        input=_snippets(record.get("snippets")),
        key=listed([spellings[0] for spellings in accepted]),
        accepted=accepted,
    )


def _says(told: Any) -> bool:
    """Whether there is anything in an exact_answer: null, blanks and empty lists hold nothing."""
    if isinstance(told, list):
        return any(map(_says, told))
    return told is not None and (not isinstance(told, str) or bool(told.strip()))


def _accepted(kind: Kind, told: Any) -> tuple[tuple[str, ...], ...] | None:
    """Spellings of each part of the answer; None where it has no shape that is known."""
    entries = told if isinstance(told, list) else [told]
    groups = [entry if isinstance(entry, list) else [entry] for entry in entries]
    if not all(isinstance(text, str) and text.strip() for group in groups for text in group):
        return None
    spelled = [tuple(clean_text(text).strip() for text in group) for group in groups if group]
    if kind is Kind.LIST:
        return tuple({group[0].casefold(): group for group in reversed(spelled)}.values())[::-1]
    flat = tuple(text for group in spelled for text in group)
    if kind is Kind.FACTOID:
        return (flat,) if flat else None
    decision = {text.casefold().rstrip(".") for text in flat}
    return ((decision.pop(),),) if decision in ({"yes"}, {"no"}) else None


def _snippets(told: Any) -> str:
    """The snippets' texts, each once, one a line."""
    records = told if isinstance(told, list) else []
    texts = [record.get("text") for record in records if isinstance(record, dict)]
    cleaned = [" ".join(clean_text(text).split()) for text in texts if isinstance(text, str)]
    return "\n".join(dict.fromkeys(filter(None, cleaned)))


def _of_mirage(split: str, id: str, record: Mapping[str, Any]) -> Question | str | None:
    if {"body", "type", "exact_answer"} & set(record):
        return "has body, type or exact_answer, which are a golden file's fields, not MIRAGE's"
    if not isinstance(record.get("question"), str) or not record["question"].strip():
        return "has no text question"
    options, answer = record.get("options"), record.get("answer")
    if answer is None:
        return None
    told = options.get(str(answer)) if isinstance(options, dict) else None
    decision = str(told).casefold()
    if decision not in ("yes", "no"):
        return f"has answer {answer!r} to options {options!r:.60}; one of yes and no is needed"
    return Question(
        source_id=id,
        split=split,
        cluster=id,
        kind=Kind.YESNO,
        instruction=f"{_TASKS[Kind.YESNO]}\n\n{clean_text(record['question'].strip())}",
        input="",
        key=decision,
        accepted=((decision,),),
    )
