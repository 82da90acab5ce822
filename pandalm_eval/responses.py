"""Candidates' answers, from any of the files in which people keep them."""

from __future__ import annotations

import glob
import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.instructions import Prompt, named, refuse_doubled
from pandalm_eval.pairs import clean_text, text_fields
from pandalm_eval.records import read_records

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NAMING = (
    '--metadata \'{"responses": {"NAME": "FILE", …}}\' '
    '(a search: --responses \'{"NAME": "FILE", …}\')'
)
# Keys of the results file end in these, so that no candidate's name may.
_SUFFIXES = ("_stderr", "_ci_low", "_ci_high")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A system under comparison.

    Attributes:
        name: letters, digits, dot, underscore, hyphen.
        answers: by prompt, in the order of its file.
        path: the file, for messages.
    """

    name: str
    answers: Mapping[Prompt, str]
    path: Path


def read_candidates(
    told: object, prompts: Path | None = None, *, respond: str = "pandalm-respond"
) -> list[Candidate]:
    """Candidates of the metadata key `responses` (or `baseline`).

    Args:
        told: {name: file}, a list of files, or one text: a file, a folder or a glob.
        prompts: the prompt file that a plain list of texts answers.
        respond: the task whose samples are looked for in a folder.

    Raises:
        UsageError: none or unnamed ones.
        InputError: a file at fault, or two candidates of one name.
    """
    told_files = told.values() if isinstance(told, Mapping) else told
    words = [told_files] if isinstance(told_files, str) else told_files
    if not isinstance(words, Iterable) or not all(isinstance(word, str) for word in words):
        raise UsageError(
            f"response files are told as a text, a list of texts or {{name: text}}, not {told!r}."
        )
    if isinstance(told, Mapping):
        files = [(str(name), Path(str(file)).expanduser()) for name, file in told.items()]
    else:
        files = [(None, file) for word in words for file in _files(word, respond)]  # type: ignore[misc]
    if not files:
        raise UsageError(f"no response file in {told!r}; name files, a folder, or {{name: file}}.")
    candidates = [read_candidate(file, name, prompts) for name, file in files]
    names = [candidate.name for candidate in candidates]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"two response files are of one candidate: {listing(doubled)}. Name them apart: "
            f"{_NAMING}."
        )
    return candidates


def the_only(told: object, candidates: Sequence[Candidate]) -> Candidate:
    """The one candidate that a `baseline` names; raise a UsageError where it names several."""
    if len(candidates) != 1:
        names = listing(candidate.name for candidate in candidates)
        raise UsageError(f"baseline={told!r} holds several response files ({names}); name one.")
    return candidates[0]


def _files(word: str, respond: str) -> list[Path]:
    path = Path(word).expanduser()
    if path.is_dir():
        samples = sorted(path.rglob(f"samples_{respond}_*.jsonl"))
        return samples or sorted(file for file in path.glob("*.json*") if file.is_file())
    if path.exists() or not glob.has_magic(word):
        return [path]
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def read_candidate(path: Path, name: str | None = None, prompts: Path | None = None) -> Candidate:
    """One response file.

    Known are `samples_*.jsonl` of pandalm-respond; JSON or JSONL of {instruction, input?,
    response}; AlpacaEval's `model_outputs.json` {instruction, output, generator}; and upstream's
    plain list of texts in the order of its prompt file.

    Args:
        name: the candidate's; by default the judge-free part of what the file tells: the model of
            the run beside samples, the generator of a `model_outputs.json`, else the file's name.
    """
    texts = _plain_list(path)
    if texts is not None:
        answers = _by_order(path, texts, prompts)
        generators: set[str] = set()
    else:
        records = read_records(path)
        rows = [_answer(path, number, record) for number, record in enumerate(records)]
        refuse_doubled(path, [prompt for prompt, _ in rows])
        answers = dict(rows)
        generators = {str(r["generator"]) for r in records if r.get("generator")}
    name = name or _name(path, generators)
    if generators - {name}:
        _log.warning(
            "%s: taken as the answers of %s, though the file names %s as generator.",
            path,
            name,
            listing(sorted(generators)),
        )
    if not _NAME.fullmatch(name) or name.endswith(_SUFFIXES):
        raise UsageError(
            f"{path}: {name!r} is no candidate name (letters, digits, dot, underscore, hyphen; not "
            f"ending in {', '.join(_SUFFIXES)}). Give one: "
            f"{_NAMING}."
        )
    return Candidate(name, answers, path)


def _answer(path: Path, number: int, record: dict[str, Any]) -> tuple[Prompt, str]:
    if isinstance(doc := record.get("doc"), dict) and "filtered_resps" in record:
        told = record["filtered_resps"]
        text = told[0] if isinstance(told, list) and told else None
        record = {**doc, "response": text}
    field = "response" if "response" in record else "output"
    if record.get("input") is None:
        record["input"] = ""
    if field not in record:
        raise InputError(
            f"{path}: record {number} has no field response or output (it has: "
            f"{listing(record)}). Needed are instruction, input (may be absent) and response."
        )
    texts = text_fields(path, number, record, ("instruction", "input", field))
    return Prompt(texts["instruction"], texts["input"]), texts[field]


def _plain_list(path: Path) -> list[str] | None:
    """The texts of upstream's format; None where the file is another (or broken) one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None  # read_records says what is wrong
    if not isinstance(data, list) or not data or not all(isinstance(text, str) for text in data):
        return None
    return [clean_text(text) for text in data]


def _by_order(path: Path, texts: list[str], prompts: Path | None) -> dict[Prompt, str]:
    from pandalm_eval.instructions import read_prompts

    if prompts is None:
        raise UsageError(
            f"{path}: is a plain list of texts; name the prompt file whose order it has: "
            "--metadata instructions=FILE (a search: --instructions FILE)."
        )
    asked = read_prompts(prompts)
    if len(asked) != len(texts):
        raise InputError(
            f"{path}: {len(texts)} texts, but {prompts} has {len(asked)} prompts. A plain list is "
            "matched by position only, so the numbers must be equal."
        )
    return dict(zip(asked, texts, strict=True))


def _name(path: Path, generators: set[str]) -> str:
    if path.name.startswith("samples_"):
        from pandalm_eval.results import judge_name, read_results, results_beside

        return judge_name(read_results(results_beside(path))["config"])
    if path.stem == "model_outputs" and len(generators) == 1:
        return next(iter(generators))
    return path.stem


def first_difference(candidates: Sequence[Candidate]) -> str | None:
    """What keeps the candidates from having answered the same prompts; None where nothing does."""
    everything = {prompt for candidate in candidates for prompt in candidate.answers}
    problems = []
    for candidate in candidates:
        missing = [prompt for prompt in everything if prompt not in candidate.answers]
        if missing:
            told = listing(sorted(map(named, missing)), 3)
            problems.append(f"{candidate.path} has no answer to {len(missing)} prompts: {told}")
    return "; ".join(problems) or None
