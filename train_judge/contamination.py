"""Training prompts that stand in an evaluation set, or nearly so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datasketch import MinHashLSH

from pandalm_eval.domains.questions import draw
from pandalm_eval.errors import InputError
from pandalm_eval.instructions import Prompt
from pandalm_eval.records import read_object, stream_records
from train_judge.shingles import PERMUTATIONS, character_shingles, jaccard, normalised, signature

SIMILARITY = 0.8
"""From here on two prompts are nearly equal: Jaccard similarity of runs of five characters."""

_BANDS = (16, 4)
"""Bands and their width: finds 99.98% of the prompts at a similarity of .8; sets are small."""

# A question of an evaluation set is sought both alone and with what it is about.
_QUESTIONS = ("question", "QUESTION", "body")
_ABOUT = ("passage", "CONTEXTS", "context")


def read_evaluation(path: Path) -> list[Prompt]:
    """Every prompt of an evaluation file, in any of their shapes.

    Records may be {instruction, input?}, {question, passage?} (LSAT), {QUESTION, CONTEXTS}
    (PubMedQA), {body} (BioASQ); in a list, in JSONL, or anywhere inside an object.

    Raises:
        InputError: for the file at fault, or where it holds no prompt.
    """
    records: Iterable[Any]
    try:
        records = [read_object(path)]
    except InputError:
        records = stream_records(path)  # tells what is wrong, where it is neither
    prompts = list(dict.fromkeys(prompt for record in records for prompt in _prompts(record)))
    if not prompts:
        raise InputError(
            f"{path}: holds no prompt to compare with (instruction, question, QUESTION or body). "
            "Name the evaluation set's file of prompts."
        )
    return prompts


def _prompts(value: Any) -> Iterator[Prompt]:
    if isinstance(value, list):
        for item in value:
            yield from _prompts(item)
    if not isinstance(value, Mapping):
        return
    if isinstance(instruction := value.get("instruction"), str):
        yield Prompt(instruction, _text(value.get("input")))
        return
    question = next((value[name] for name in _QUESTIONS if isinstance(value.get(name), str)), None)
    if question is None:
        for item in value.values():
            yield from _prompts(item)
        return
    yield Prompt(question, "")
    if about := next((text for name in _ABOUT if (text := _text(value.get(name)))), ""):
        yield Prompt(about, question)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else ""


class Contamination:
    """Evaluation sets by name, and which of them hold a prompt.

    Equal means equal words (`shingles.normalised`): instruction and input may be joined or apart,
    and emojis, case and punctuation do not count. Nearly equal is `SIMILARITY` or more; whether
    one prompt is near another is decided by the sets of shingles themselves, MinHash only finds the
    ones to look at.
    """

    def __init__(self, sets: Mapping[str, Iterable[Prompt]]) -> None:
        self._equal: dict[str, set[str]] = {}
        for name, prompts in sets.items():
            for prompt in prompts:
                folded = normalised(prompt.instruction, prompt.input)
                self._equal.setdefault(folded, set()).add(name)
        self._shingles = {text: character_shingles(text) for text in self._equal}
        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=_BANDS)
        for text, shingles in self._shingles.items():
            self._index.insert(text, signature(shingles))
        self._known: dict[int, frozenset[str]] = {}

    def holding(self, prompt: Prompt) -> frozenset[str]:
        """Names of the sets that hold the prompt or one nearly equal to it."""
        folded = normalised(prompt.instruction, prompt.input)
        key = draw(folded)
        if key not in self._known:  # a prompt comes with many pairs
            self._known[key] = frozenset(self._find(folded))
        return self._known[key]

    def _find(self, folded: str) -> set[str]:
        shingles = character_shingles(folded)
        found = set(self._equal.get(folded, ()))
        for text in self._index.query(signature(shingles)):
            if jaccard(shingles, self._shingles[text]) >= SIMILARITY:
                found |= self._equal[text]
        return found
